"""What the README and the guide to probes show is so: their code and their commands run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

import lsm2
from lsm2.cli import main
from lsm2.simulation import simulate_apple_health
from lsm2.tables import write_table
from tests.dense import write_release

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SCALE = (ROOT / "docs" / "scale.md").read_text()
PROBES = (ROOT / "docs" / "probes.md").read_text()
REPORT = (ROOT / "docs" / "report.md").read_text()


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)


def commands(page: str = README) -> list[list[str]]:
    """Return the words of each `lsm2 ...` line."""
    return [
        shlex.split(line, comments=True)[1:]
        for block in blocks("bash", page)
        for line in block.splitlines()
        if line[:5] == "lsm2 "
    ]


@pytest.fixture
def words() -> list[str]:
    """No command, where a test has none."""
    return []


@pytest.fixture
def _recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    recording = lsm2.simulate(participants=10, days=1)
    write_table(recording.reset_index(), tmp_path / "recording.parquet")
    (tmp_path / "cohort").mkdir()
    write_table(recording, tmp_path / "cohort" / "2024.parquet")
    people = recording.index.levels[0]  # type: ignore[attr-defined]
    labels = pd.DataFrame({"participant_id": people, "diagnosis": list("ab" * 5)})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    if "my-probe" in words:
        lsm2.fit_probe(recording, labels).save(tmp_path / "my-probe")
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


@pytest.mark.filterwarnings("ignore:.*no observed token")
def test_the_code_of_the_guide_to_probes_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks("python", PROBES):
        exec(block, names)
    assert {"predicted", "numbers", "loaded", "windows", "night", "search"} <= set(names)


def test_the_commands_of_the_guide_to_probes_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recording = lsm2.simulate(participants=8, days=1)[["heart_rate"]]
    write_table(recording, tmp_path / "recording.parquet")
    people = recording.index.levels[0]  # type: ignore[attr-defined]
    pd.DataFrame({"participant_id": people, "label": list("ab" * 4)}).to_csv("labels.csv", index=False)
    times = {"start": "2024-03-04 12:00", "end": "2024-03-04 13:00"}
    pd.DataFrame({"participant_id": people}).assign(**times).to_csv("events.csv", index=False)
    assert [words[0] for words in commands(PROBES)] == ["fit-probe", "predict", "embed"]
    for words in commands(PROBES):
        assert main(words) == 0, words


def test_the_guide_to_reports_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks("python", REPORT):
        exec(block, names)
    assert {"filled", "embeddings"} <= set(names)
    recording = lsm2.simulate(participants=1, days=1)[["heart_rate"]].rename(index={"simulated-1": "P-07"})
    write_table(recording, tmp_path / "recording.parquet")
    assert len(commands(REPORT)) == 4
    for words in commands(REPORT):
        assert main(words) == 0, words
    assert (tmp_path / "report.html").is_file() and (tmp_path / "reports" / "P-07.html").is_file()


@pytest.mark.parametrize("name", ["index", "cohort", "few-labels"])
@pytest.mark.filterwarnings("ignore:.*(no observed token|constant)")
def test_the_code_of_the_first_guides_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / f"{name}.md").read_text()
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    found = re.findall(r"^( *)```python\n(.*?)^ *```$", page, flags=re.MULTILINE | re.DOTALL)
    assert found
    for indent, block in found:
        exec(re.sub(f"^{indent}", "", block, flags=re.MULTILINE), names)
    expected = {"index": "predicted", "cohort": "likeness", "few-labels": "shares"}
    assert expected[name] in names
    recording = lsm2.simulate(participants=1, days=1)[["heart_rate"]]
    write_table(recording, tmp_path / "recording.parquet")
    for words in commands(page):
        assert main(words) == 0, words


@pytest.mark.slow
@pytest.mark.usefixtures("_recording")
def test_the_code_of_the_guide_to_cohorts_runs() -> None:
    names: dict[str, object] = {}
    for block in blocks("python", SCALE):
        exec(block, names)
    assert sorted(path.name for path in Path().glob("*e*.parquet"))[:2] == [
        "embeddings.parquet",
        "filled.parquet",
    ]
    assert len(pd.read_parquet("embeddings")) == 10


def test_there_are_commands() -> None:
    known = {
        "embed",
        "reconstruct",
        "coverage",
        "info",
        "demo",
        "import",
        "evaluate",
        "fit-probe",
        "predict",
        "report",
    }
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
