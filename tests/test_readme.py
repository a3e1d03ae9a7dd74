"""What the README shows is so: its code runs, its commands are the ones that CI runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import lsm2
from lsm2.cli import main
from lsm2.simulation import simulate_apple_health
from lsm2.tables import write_table
from tests.dense import write_release

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """Return the words of each `lsm2 ...` line."""
    return [
        shlex.split(line, comments=True)[1:]
        for block in blocks("bash")
        for line in block.splitlines()
        if line[:5] == "lsm2 "
    ]


@pytest.fixture
def _recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table(lsm2.simulate(participants=1, days=1).reset_index(), tmp_path / "recording.parquet")
    simulate_apple_health(tmp_path / "export.zip", days=1)
    write_table(lsm2.read_apple_health(tmp_path / "export.zip"), tmp_path / "me.parquet")
    write_release(tmp_path / "openmhc-daily")  # what lies there goes before the hub
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_recording")
def test_the_code_runs_from_top_to_bottom() -> None:
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(block, names)
    assert {"embeddings", "filled", "shares", "worn", "hours", "steps"} <= set(names)


@pytest.mark.usefixtures("_recording")
@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_the_commands_run(words: list[str]) -> None:
    assert main(words) == 0


def test_there_are_commands() -> None:
    known = {"embed", "reconstruct", "coverage", "info", "demo", "import", "evaluate"}
    assert {words[0] for words in commands()} == known


def test_links_into_the_repository_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", README)
    assert "CITATION.cff" in targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_two_commands_are_one_line_each() -> None:
    for name in ("demo", "test"):
        block = README.split(f"<!-- {name}:begin -->")[1].split(f"<!-- {name}:end -->")[0]
        (line,) = [line for line in block.splitlines() if line and not line.startswith("```")]
        assert line.startswith("python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt ")
