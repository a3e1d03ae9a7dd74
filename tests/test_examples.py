"""Each example runs, on simulated data and on a file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import lsm2
from lsm2.tables import write_table
from tests.dense import write_release

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name: str, *arguments: str, where: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "PYTHONWARNINGS": "error::FutureWarning"}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=where,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of one day, with participants and times in columns as most exports have them."""
    path = tmp_path_factory.mktemp("recording") / "recording.parquet"
    frame = lsm2.simulate(participants=2, days=1, seed=3)[["heart_rate", "steps"]].reset_index()
    write_table(frame, path)
    return path


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {
        "apple_health.py",
        "embed_cohort.py",
        "fill_gaps.py",
        "missing_channels.py",
    }


def test_embed_cohort(tmp_path: Path, recording: Path) -> None:
    said = run("embed_cohort.py", where=tmp_path)
    assert len(pd.read_parquet(tmp_path / "cohort.parquet")) == 20
    assert "the same person's for" in said
    run("embed_cohort.py", "--data", str(recording), "--output", "mine.parquet", where=tmp_path)
    assert len(pd.read_parquet(tmp_path / "mine.parquet")) == 2


def test_fill_gaps(tmp_path: Path, recording: Path) -> None:
    said = run("fill_gaps.py", "--data", str(recording), where=tmp_path)
    errors = [line.split() for line in said.splitlines() if line.startswith(("heart_rate", "steps"))]
    assert len(errors) == 2
    assert all(float(value) >= 0 for line in errors for value in line[1:])  # NaN fails too
    filled = pd.read_parquet(tmp_path / "filled.parquet")
    assert {"heart_rate", "heart_rate.filled"} <= set(filled.columns)


def test_missing_channels(tmp_path: Path, recording: Path) -> None:
    said = run("missing_channels.py", "--data", str(recording), where=tmp_path)
    alone = [line for line in said.splitlines() if "alone:" in line]
    similarity = [float(line.split("similarity ")[1].split()[0]) for line in alone]
    assert len(similarity) == 2
    assert all(-1 <= value <= 1 for value in similarity)  # NaN fails too
    assert "glucose" in said.splitlines()[-1]


def test_apple_health(tmp_path: Path) -> None:
    said = run("apple_health.py", where=tmp_path)
    assert "14 days embedded" in said
    place = tmp_path / "apple-health"
    embeddings = pd.read_parquet(place / "embeddings.parquet")
    assert embeddings.shape == (14, 192) and embeddings.notna().all(axis=None)
    assert pd.read_parquet(place / "filled.parquet")["heart_rate"].notna().all()
    assert (place / "week.png").stat().st_size > 20_000
    write_release(tmp_path / "release")
    export = place / "simulated-export.zip"
    said = run("apple_health.py", "--export", str(export), "--model", "release", where=tmp_path)
    assert "watch_hr" in said and "simulated" not in said
