"""The command line: what each command writes and says, and what a mistake gets."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import lsm2
from lsm2.cli import main
from lsm2.tables import read_table, write_table


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return lsm2.simulate(participants=2, days=1, seed=5)[["heart_rate", "steps"]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frame: pd.DataFrame) -> Path:
    """A working directory that holds the recording as recording.parquet and recording.csv."""
    write_table(frame, tmp_path / "recording.parquet")
    write_table(frame, tmp_path / "recording.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mistake(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that must fail as a user's mistake; return the one line it says."""
    before = set(Path().iterdir())
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    lines = [line for line in said.err.splitlines() if not line.startswith("lsm2: warning: ")]
    assert len(lines) == 1, said.err
    assert lines[0].startswith("lsm2: ")
    assert set(Path().iterdir()) == before  # nothing half done is left
    return lines[0]


@pytest.mark.parametrize("source", ["recording.parquet", "recording.csv"])
@pytest.mark.parametrize("target", ["out.parquet", "out.csv"])
def test_embed(
    place: Path, frame: pd.DataFrame, source: str, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["embed", source, "-o", target]) == 0
    assert "out." in capsys.readouterr().out
    expected = lsm2.embed(frame)
    found = read_table(place / target)
    if target.endswith(".csv"):
        found = found.set_index(["participant_id", "date"])
    assert list(found.columns) == list(expected.columns)
    assert found.index.names == ["participant_id", "date"]
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), atol=1e-5)


@pytest.mark.parametrize("source", ["cohort", "cohort/*.parquet"])
@pytest.mark.parametrize("target", ["out.parquet", "out.csv"])
def test_embed_of_a_folder_or_a_pattern(
    place: Path, frame: pd.DataFrame, source: str, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "cohort").mkdir()
    for person, part in frame.groupby(level=0):
        write_table(part, place / "cohort" / f"{person}.parquet")
    assert main(["embed", source, "-o", target]) == 0
    assert "2 rows" in capsys.readouterr().out
    found = read_table(place / target)
    if target.endswith(".csv"):
        found = found.set_index(["participant_id", "date"])
    np.testing.assert_allclose(found.to_numpy(), lsm2.embed(frame).to_numpy(), atol=1e-5)
    assert "no file has a name like this" in mistake(capsys, "embed", "c/*.parquet", "-o", "none.parquet")


def test_embed_keeps_the_checkpoint_in_the_file(place: Path, frame: pd.DataFrame) -> None:
    assert main(["embed", "recording.parquet", "-o", "out.parquet"]) == 0
    attrs = lsm2.embed(frame).attrs
    assert attrs["checkpoint"] == lsm2.load_model().hash
    # The key from which pandas >= 2.1 restores `.attrs`.
    metadata = pq.read_schema(place / "out.parquet").metadata
    assert json.loads(metadata[b"PANDAS_ATTRS"]) == attrs


def test_embed_passes_its_options_on(place: Path, frame: pd.DataFrame) -> None:
    renamed = frame.rename(columns={"heart_rate": "a = b"}).reset_index()
    renamed.columns = ["who", "when", "a = b", "steps"]
    write_table(renamed, place / "mine.csv")
    words = shlex.split(
        "embed mine.csv -o out.parquet --participant who --timestamp when --columns 'a = b=heart_rate' "
        "--level hour --min-observed 0.01 --batch-size 1 --device cpu --no-progress"
    )
    assert main(words) == 0
    expected = lsm2.embed(frame, level="hour", min_observed=0.01)
    found = pd.read_parquet(place / "out.parquet")
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), atol=1e-5)


def test_units_reach_the_model(place: Path, frame: pd.DataFrame) -> None:
    hertz = frame.assign(heart_rate=frame["heart_rate"] / 60)
    write_table(hertz, place / "hertz.parquet")
    assert main(["embed", "hertz.parquet", "-o", "out.parquet", "--units", "heart_rate=Hz"]) == 0
    np.testing.assert_allclose(
        pd.read_parquet("out.parquet").to_numpy(), lsm2.embed(frame).to_numpy(), atol=1e-4
    )


def test_tz_cuts_the_days(place: Path, frame: pd.DataFrame) -> None:
    one = frame.loc["simulated-1"].tz_localize("UTC")
    write_table(one, place / "utc.parquet")
    assert main(["embed", "utc.parquet", "-o", "out.parquet", "--tz", "Asia/Tokyo"]) == 0
    dates = pd.read_parquet("out.parquet").index
    assert dates.nlevels == 1
    assert [str(date)[:10] for date in dates] == ["2024-03-04", "2024-03-05"]  # 2024-03-04 in UTC


@pytest.mark.parametrize("source", ["recording.parquet", "recording.csv"])
@pytest.mark.parametrize("target", ["out.parquet", "out.csv"])
def test_reconstruct(place: Path, frame: pd.DataFrame, source: str, target: str) -> None:
    assert main(["reconstruct", source, "-o", target]) == 0
    found = read_table(place / target)
    if target.endswith(".csv"):
        found = found.set_index(["participant_id", "timestamp"])
    assert list(found.columns) == ["heart_rate", "steps"]
    recorded = frame.reindex(found.index)
    assert found.notna().all(axis=None)
    assert (found == recorded).to_numpy()[recorded.notna().to_numpy()].all()


def test_reconstruct_passes_its_options_on(place: Path, frame: pd.DataFrame) -> None:
    words = [
        "--point",
        "median",
        "--grid",
        "full",
        "--max-gap",
        "20min",
        "--return-filled",
        "--channels",
        "steps, glucose",
    ]
    assert main(["reconstruct", "recording.parquet", "-o", "out.parquet", *words]) == 0
    expected = lsm2.reconstruct(
        frame, point="median", grid="full", max_gap="20min", return_filled=True, channels=["steps", "glucose"]
    )
    pd.testing.assert_frame_equal(pd.read_parquet("out.parquet"), expected, atol=1e-4)
    assert expected.isna().any(axis=None)  # the longer gaps


def test_coverage(place: Path, frame: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["coverage", "recording.csv"]) == 0
    assert "heart_rate" in capsys.readouterr().out
    assert main(["coverage", "recording.csv", "--days", "-o", "out.csv"]) == 0
    expected = frame["heart_rate"].notna().groupby(level=0).mean()
    np.testing.assert_allclose(pd.read_csv("out.csv")["heart_rate"], expected)


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    said = capsys.readouterr().out
    assert "heart_rate" in said
    assert "beats/min" in said
    assert "CC-BY-NC-SA-4.0" in said
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(lsm2.load_model().info()))


def test_a_saved_checkpoint_can_be_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lsm2.load_model().save(place / "copy")
    assert main(["info", "copy"]) == 0
    assert main(["embed", "recording.parquet", "-o", "out.parquet", "--model", "copy"]) == 0
    assert "out.parquet: 2 rows" in capsys.readouterr().out


def test_demo_on_simulated_data(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "-o", "out"]) == 0
    said = capsys.readouterr().out
    assert "SIMULATED" in said
    assert "not medical advice" in said
    for name in ("recording.parquet", "embeddings.parquet", "filled.parquet", "day.png"):
        assert (place / "out" / name).is_file()
        assert name in said
    assert {path.name for path in (place / "out").iterdir()} == {
        path.name for path in (place / "out").glob("[!.]*")
    }


def test_demo_on_a_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--data", "recording.csv", "-o", "out"]) == 0
    assert "SIMULATED" not in capsys.readouterr().out
    assert {path.name for path in (place / "out").iterdir()} == {
        "embeddings.parquet",
        "filled.parquet",
        "day.png",
    }
    assert len(pd.read_parquet(place / "out" / "embeddings.parquet")) == 2


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("embed none.parquet -o out.parquet", "none.parquet: no such file"),
        ("embed recording.parquet -o out.xlsx", "out.xlsx: a table's file name ends in .parquet"),
        ("embed recording.parquet -o nowhere/out.csv", "nowhere: no such directory to write out.csv into"),
        ("embed recording.csv -o recording.csv", "is read here"),
        ("embed recording.parquet -o out.csv --level week", "week"),
        ("embed recording.parquet -o out.csv --precision float8", "float8"),
        ("embed recording.parquet -o out.csv --device gpu0", "gpu0"),
        ("embed recording.parquet -o out.csv --model lsm2-huge", "lsm2-small"),
        (
            "embed recording.parquet -o out.csv --columns heart_rate",
            "--columns 'heart_rate': is not of the form",
        ),
        ("embed recording.parquet -o out.csv --columns puls=heart_rate", "puls"),
        ("embed recording.parquet -o out.csv --units heart_rate=furlong", "furlong"),
        ("embed recording.parquet -o out.csv --units =km", "--units '=km': is not of the form CHANNEL=UNIT"),
        ("embed recording.parquet -o out.csv --tz Europe/Atlantis", "Europe/Atlantis"),
        ("embed recording.parquet -o out.csv --participant person", "person"),
        ("embed recording.parquet -o out.csv --batch-size 0", "--batch-size"),
        ("embed recording.parquet -o out.csv --min-observed 2", "--min-observed"),
        ("embed recording.parquet", "output"),
        ("embed recording.parquet -o out.csv --colums a=b", "--colums"),
        ("reconstruct recording.parquet -o out.csv --point mode", "mode"),
        ("reconstruct recording.parquet -o out.csv --grid half", "half"),
        ("reconstruct recording.parquet -o out.csv --max-gap soon", "soon"),
        ("reconstruct recording.parquet -o out.csv --channels sneezes", "sneezes"),
        ("coverage recording.json", "recording.json: a table's file name ends in"),
        ("info lsm2-huge", "lsm2-small"),
        ("pretrain none.json --data . -o out", "none.json"),
        ("demo --data none.csv -o out", "none.csv: no such file"),
        ("embedd recording.parquet", "embedd"),
    ],
)
def test_a_mistake_gets_one_line(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in mistake(capsys, *words.split())


def test_frames_that_are_no_recording(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "text.csv").write_text("timestamp,heart_rate\n2024-03-01 00:00,high\n")
    assert "heart_rate" in mistake(capsys, "embed", "text.csv", "-o", "out.csv")
    (place / "timeless.csv").write_text("heart_rate\n61\n")
    assert "time" in mistake(capsys, "embed", "timeless.csv", "-o", "out.csv")
    (place / "strange.csv").write_text("timestamp,mood\n2024-03-01 00:00,1\n")
    assert "heart_rate" in mistake(capsys, "embed", "strange.csv", "-o", "out.csv")
    (place / "cut.parquet").write_bytes((place / "recording.parquet").read_bytes()[:500])
    assert "cut.parquet: cannot be read as parquet" in mistake(
        capsys, "embed", "cut.parquet", "-o", "out.csv"
    )


def test_warnings_are_single_lines(
    place: Path, frame: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(frame.assign(mood=1.0), place / "moody.parquet")
    assert main(["coverage", "moody.parquet"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("lsm2: warning: ")
    assert "mood" in line


def test_an_interrupt_ends_with_130_and_leaves_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pd.DataFrame, "to_csv", interrupt)
    assert main(["coverage", "recording.parquet", "-o", "out.csv"]) == 130
    assert "Traceback" not in capsys.readouterr().err
    assert {path.name for path in place.iterdir()} == {"recording.parquet", "recording.csv"}


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "reconstruct" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"lsm2 {lsm2.__version__}\n"


def test_as_a_process(place: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(lsm2.__file__).parent.parent)}

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lsm2", *words]
        return subprocess.run(command, cwd=place, env={**environment, **more}, capture_output=True, text=True)

    assert run("coverage", "recording.csv", "-o", "out.csv").returncode == 0
    failed = run("coverage", "none.csv")
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr == "lsm2: none.csv: no such file; check the path\n"
    traced = run("coverage", "none.csv", LSM2_TRACEBACK="1")
    assert traced.returncode == 1
    assert "Traceback" in traced.stderr


def test_messages_name_options_not_parameters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    times = pd.date_range("2024-03-01", periods=60, freq="min", tz="UTC")
    frame = pd.DataFrame({"timestamp": times, "heart_rate": 60.0, "mystery": 1.0})
    frame.to_parquet(tmp_path / "a.parquet")
    assert main(["embed", str(tmp_path / "a.parquet"), "-o", str(tmp_path / "e.parquet")]) == 0
    said = capsys.readouterr().err
    assert "--columns 'your column=channel'" in said and "Pass --tz Europe/Berlin" in said
    assert "tz=" not in said and "columns={" not in said


def test_errors_name_options_with_their_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "tz=UTC"
    folder.mkdir()
    times = pd.date_range("2024-03-01", periods=60, freq="min")
    pd.DataFrame({"the time": times, "heart_rate": 60.0}).to_parquet(folder / "a.parquet")
    assert main(["coverage", str(folder / "a.parquet")]) == 2
    assert "pass --timestamp 'the time'" in capsys.readouterr().err
    assert main(["coverage", str(folder / "none.csv")]) == 2
    assert "/tz=UTC/none.csv: no such file" in capsys.readouterr().err
