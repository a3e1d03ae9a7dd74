"""Tables in files: what is written comes back, and what cannot be read says why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lsm2.tables import read_table, write_table


def recording() -> pd.DataFrame:
    times = pd.date_range("2024-03-01", periods=4, freq="min")
    index = pd.MultiIndex.from_product([["007", "8"], times], names=["participant_id", "timestamp"])
    return pd.DataFrame({"heart_rate": [60, np.nan, 61, 62, 70, 71.5, np.nan, 72]}, index=index)


@pytest.mark.parametrize("name", ["a.parquet", "a.pq", "A.PARQUET", "a.csv", "a.csv.gz"])
def test_a_frame_comes_back(tmp_path: Path, name: str) -> None:
    write_table(recording(), tmp_path / name)
    back = read_table(tmp_path / name)
    if "timestamp" in back:
        back = back.set_index(["participant_id", "timestamp"])
    pd.testing.assert_frame_equal(back, recording(), check_dtype=False, check_index_type=False)
    assert [path.name for path in tmp_path.iterdir()] == [name]  # no temporary file is left


def test_csv_keeps_leading_zeros_of_participants_however_the_column_is_spelt(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Participant ID,timestamp,heart_rate\n007,2024-03-01 00:00,61\n")
    assert read_table(tmp_path / "a.csv")["Participant ID"].tolist() == ["007"]


def test_csv_with_an_unnamed_first_column_holds_times(tmp_path: Path) -> None:
    one = recording().loc["007"].rename_axis(None)
    one.to_csv(tmp_path / "a.csv")
    back = read_table(tmp_path / "a.csv")
    assert back["timestamp"].tolist() == one.index.tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (["2024-03-01", "2024-03-01 00:01:30.5"], ["2024-03-01", "2024-03-01 00:01:30.5"]),
        (
            ["2024-03-01T10:00+01:00", "2024-03-01T10:01+01:00"],
            ["2024-03-01T10:00+01:00", "2024-03-01T10:01+01:00"],
        ),
        (["2024-10-27T02:59+02:00", "2024-10-27T02:00+01:00"], ["2024-10-27T00:59Z", "2024-10-27T01:00Z"]),
    ],
)
def test_times_written_as_text(tmp_path: Path, text: list[str], expected: list[str]) -> None:
    pd.DataFrame({"timestamp": text, "heart_rate": 60}).to_csv(tmp_path / "a.csv", index=False)
    assert read_table(tmp_path / "a.csv")["timestamp"].tolist() == [pd.Timestamp(time) for time in expected]


@pytest.mark.parametrize("text", ["4/12/2016 2:47:30 AM", "01.02.2024 00:00", "12/31/2024"])
def test_a_date_whose_month_is_a_guess_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(f"timestamp,heart_rate\n{text},61\n")
    with pytest.raises(ValueError, match=r"row 0: .* is not a time in ISO form"):
        read_table(tmp_path / "a.csv")


def test_a_time_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("timestamp,heart_rate\n2024-03-01 00:00,61\nyesterday,62\n")
    with pytest.raises(ValueError, match=r"a\.csv, column 'timestamp', row 1: 'yesterday' is not a time"):
        read_table(tmp_path / "a.csv")


def test_parquet_keeps_attrs(tmp_path: Path) -> None:
    frame = recording()
    frame.attrs = {"checkpoint": "sha256:1234", "observed": [0.5, 1.0]}
    write_table(frame, tmp_path / "a.parquet")
    write_table(frame, tmp_path / "a.csv")
    assert b"sha256:1234" in (tmp_path / "a.parquet").read_bytes()
    if pd.__version__ >= "2.1":
        assert pd.read_parquet(tmp_path / "a.parquet").attrs == frame.attrs


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("a.xlsx", b"", ValueError, r"a\.xlsx: a table's file name ends in \.parquet"),
        ("none.csv", None, FileNotFoundError, r"none\.csv: no such file"),
        ("a.parquet", b"PAR1 cut short", ValueError, r"a\.parquet: cannot be read as parquet"),
        ("empty.csv", b"", ValueError, r"empty\.csv: cannot be read as CSV"),
        ("binary.csv", b"\xff\xfe\x00\x01", ValueError, r"binary\.csv: cannot be read as CSV"),
    ],
)
def test_what_cannot_be_read_says_why(
    tmp_path: Path, name: str, content: bytes | None, error: type[Exception], message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=message):
        read_table(tmp_path / name)


def test_a_directory_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").mkdir()
    with pytest.raises(FileNotFoundError, match="is a directory"):
        read_table(tmp_path / "a.parquet")


def test_a_failed_write_leaves_the_old_file_and_no_new_one(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_table(recording(), path)
    before = path.read_bytes()
    broken = pd.DataFrame({"x": [object()]})
    with pytest.raises(Exception, match="object"):
        write_table(broken, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_writing_into_no_directory(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such directory to write a\.csv into"):
        write_table(recording(), tmp_path / "nowhere" / "a.csv")
