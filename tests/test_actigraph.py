"""ActiGraph's files: epochs, ticks, wear, ActiLife's CSV forms, and broken or hostile files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import lsm2
from lsm2.channels import CHANNELS
from lsm2.readers import read_actigraph
from tests.exports.actigraph import agd, preamble, ticks
from tests.exports.databases import database
from tests.exports.files import check_contract, check_hostile_archives, fuzz, observed, write_folder

Read = Callable[..., pd.DataFrame]
SCALE = CHANNELS["activity_counts"].conversion("actigraph")[0]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def run(data: bytes | str, name: str = "one.agd", **options: Any) -> pd.DataFrame:
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        frame = read_actigraph(path, **options)
        check_contract(frame)
        return frame

    return run


def counts(frame: pd.DataFrame) -> dict[str, float]:
    return {at: round(value / SCALE, 3) for at, value in observed(frame, "activity_counts").items()}


def epochs(first: str, values: list[int], seconds: int = 60) -> list[tuple[int, int, int]]:
    return [
        (ticks(first) + place * seconds * 10_000_000, value, value // 10)
        for place, value in enumerate(values)
    ]


def test_minutes_on_the_local_clock(read: Read) -> None:
    frame = read(agd([("2024-03-31 07:45:00", 100, 12), ("2024-03-31 07:46:00", 0, 0)]))
    assert frame.index.tz is None and len(frame) == 1440
    assert counts(frame) == {"07:45": 100.0, "07:46": 0.0}
    assert observed(frame, "steps") == {"07:45": 12.0, "07:46": 0.0}


def test_counts_are_on_the_canonical_scale(read: Read) -> None:
    frame = read(agd([("2024-03-31 07:45:00", 100, 12)]))
    assert observed(frame, "activity_counts") == {"07:45": pytest.approx(82.0)}


@pytest.mark.parametrize("seconds", [1, 10, 15, 30])
def test_short_epochs_are_added_up(read: Read, seconds: int) -> None:
    per_minute = 60 // seconds
    frame = read(agd(epochs("2024-03-31 07:45:00", [10] * 2 * per_minute, seconds), epoch=seconds))
    assert counts(frame) == {"07:45": 10.0 * per_minute, "07:46": 10.0 * per_minute}


def test_long_epochs_are_spread(read: Read) -> None:
    frame = read(agd([("2024-03-31 07:45:00", 150, 0)], epoch=300))
    assert counts(frame) == {f"07:{minute}": 30.0 for minute in range(45, 50)}


def test_epochs_that_begin_within_a_minute_are_shared(read: Read) -> None:
    frame = read(agd([("2024-03-31 07:45:15", 100, 0)]))
    assert counts(frame) == {"07:45": 75.0, "07:46": 25.0}


def test_a_missing_epoch_length_is_told_by_the_times(read: Read) -> None:
    frame = read(agd(epochs("2024-03-31 07:45:00", [10] * 12, 10), epoch=None))
    assert counts(frame) == {"07:45": 60.0, "07:46": 60.0}


def test_long_stillness_is_missing_short_is_not(read: Read) -> None:
    assert read(agd(epochs("2024-03-31 07:00:00", [500, *[0] * 60, 500])))["activity_counts"].count() == 62
    frame = read(agd(epochs("2024-03-31 07:00:00", [500, *[0] * 120, 500])))
    assert frame["activity_counts"].count() == 2 + 14
    assert frame["steps"].count() == 2 + 14
    assert frame["activity_counts"].sum() == pytest.approx(1000 * SCALE)


def test_the_wear_sensor_is_believed(read: Read) -> None:
    worn = [(f"2024-03-31 07:{minute}:00", int(minute < 50)) for minute in range(45, 55)]
    frame = read(agd(epochs("2024-03-31 07:45:00", [50] * 10), capsense=worn))
    assert counts(frame) == {f"07:{minute}": 50.0 for minute in range(45, 50)}


def test_a_heart_rate_of_zero_is_no_strap(read: Read) -> None:
    names = "dataTimestamp axis1 axis2 axis3 steps lux hr"
    columns = ", ".join(f"{name} INTEGER" for name in names.split())
    rows = [("2024-03-31 07:45:00", 100, 1, 2, 12, 3, 0), ("2024-03-31 07:46:00", 100, 1, 2, 12, 3, 61)]
    assert observed(read(agd(rows, columns=columns)), "heart_rate") == {"07:46": 61.0}


def test_a_zone_and_the_hour_lost_to_summer_time(read: Read) -> None:
    rows = [(f"2024-03-31 0{hour}:30:00", 100, 12) for hour in (1, 2, 3)]
    with pytest.warns(UserWarning, match="never showed"):
        frame = read(agd(rows), tz="Europe/Berlin")
    assert len(frame) == 1380
    assert [str(stamp)[11:] for stamp in frame["steps"].dropna().index if frame["steps"][stamp] > 0] == [
        "01:30:00+01:00",
        "03:30:00+02:00",
    ]


def test_a_repeated_hour_is_the_mean_of_both_passes(read: Read) -> None:
    rows = [("2024-10-27 02:30:00", 100, 12), ("2024-10-27 02:30:00", 200, 14)]
    with pytest.warns(UserWarning, match="there twice with different values"):
        frame = read(agd(rows))
    assert counts(frame)["02:30"] == 150.0


def test_files_in_a_folder_are_participants(tmp_path: Path) -> None:
    files = {
        "b/P02.agd": agd([("2024-03-31 07:45:00", 1, 1)]),
        "a/P01.agd": agd([("2024-03-31 07:45:00", 2, 2)]),
    }
    frame = read_actigraph(write_folder(tmp_path, files))
    assert frame["steps"].dropna().to_dict() == {
        ("P01", pd.Timestamp("2024-03-31 07:45")): 2.0,
        ("P02", pd.Timestamp("2024-03-31 07:45")): 1.0,
    }


def test_files_of_one_name_are_called_by_their_paths(tmp_path: Path) -> None:
    files = {
        name: agd([("2024-03-31 07:45:00", 1, count)])
        for count, name in enumerate(("a/P01.agd", "b/P01.agd", "b/P02.agd", "c/P03.agd"))
    }
    files["c/P03.csv"] = "date,time,axis1,steps\n2024-03-31,07:45:00,1,4\n"
    frame = read_actigraph(write_folder(tmp_path, files))
    found = {person: steps for (person, _), steps in frame["steps"].dropna().items()}
    assert found == {"a/P01": 0, "b/P01": 1, "P02": 2, "c/P03.agd": 3, "c/P03.csv": 4}


def test_epochs_of_days_tell_of_no_minutes(read: Read) -> None:
    with pytest.warns(UserWarning, match=r"left out 2 amounts of more than twelve hours .*steps: 1"):
        frame = read(agd([("2024-03-31 07:45:00", 150, 9000)], epoch=86_400), tz="Europe/Berlin")
    assert frame.empty


# --- CSV ---


TABLE = "Data Table File Created By ActiGraph GT3XPlus ActiLife v6.10.2 Firmware v2.0.0"


@pytest.mark.parametrize("title", [TABLE, TABLE.replace(" File", ""), TABLE.replace("Table ", "")])
def test_titles_of_actilife(read: Read, title: str) -> None:
    rest = preamble().partition("\r\n")[2]
    text = f"------------ {title} date format M/d/yyyy Filter Normal -----------\r\n{rest}"
    text = text.replace("Epoch Period", "Window Period") if title == TABLE else text
    assert counts(read(text + "Date, Time, Axis1,Axis2\r\n3/31/2024,07:45:00,100,1\r\n", "one.csv")) == {
        "07:45": 100.0
    }
    assert counts(read(text + "100,0\r\n", "one.csv")) == {"07:45": 100.0}


def test_utf16(read: Read) -> None:
    text = preamble() + "Date,Time,Axis1\r\n3/31/2024,07:45:00,100\r\n"
    assert counts(read(text.encode("utf-16"), "one.csv")) == {"07:45": 100.0}


def test_decimal_commas_without_a_header(read: Read) -> None:
    frame = read(preamble() + "1;0;1;0;12,5\r\n2,5;0;1;7;12,5\r\n", "one.csv")
    assert counts(frame) == {"07:45": 1.0, "07:46": 2.5}
    assert observed(frame, "steps") == {"07:45": 0.0, "07:46": 7.0}


@pytest.mark.parametrize(
    ("mode", "row", "steps"),
    [
        (12, "100,1,2", None),
        (12, "100,1,2,2.5", None),
        (13, "100,1,2,9", 9.0),
        (13, "100,1,2,9,2.5", 9.0),
        (61, "100,1,2,9,4,0,1,0,0", 9.0),
        (61, "100,1,2,9,4,0,1,0,0,2.5", 9.0),
        (61, "100,1,2,9", None),  # not as many columns as the mode says
        (1, "100,9", 9.0),
    ],
)
def test_steps_without_a_header_are_where_the_mode_says(
    read: Read, mode: int, row: str, steps: float | None
) -> None:
    frame = read(preamble().replace("Mode = 13", f"Mode = {mode}") + f"{row}\r\n", "one.csv")
    assert counts(frame) == {"07:45": 100.0}
    assert steps is None or observed(frame, "steps") == {"07:45": steps}
    assert ("steps" in frame) == (steps is not None)


def test_a_heart_rate_without_a_header(read: Read) -> None:
    frame = read(preamble().replace("Mode = 13", "Mode = 15") + "100,1,2,9,61\r\n", "one.csv")
    assert (observed(frame, "steps"), observed(frame, "heart_rate")) == ({"07:45": 9.0}, {"07:45": 61.0})


@pytest.mark.parametrize("time", ["4:30:00 PM", "04:30:00 p. m.", "4:30:00\u202fp.m.", "16:30:00"])
def test_the_half_of_the_day(read: Read, time: str) -> None:
    for text in (preamble(time=time), "".join(f'"{line}"\r\n' for line in preamble(time=time).splitlines())):
        assert counts(read(text + "100,0,0,9\r\n", "one.csv")) == {"16:30": 100.0}
    dated = preamble(time=time) + f"Date,Time,Axis1\r\n3/31/2024,{time},100\r\n"
    assert counts(read(dated, "one.csv")) == {"16:30": 100.0}


def test_csv_with_columns_of_dates(read: Read) -> None:
    text = preamble() + "Date,Time,Axis1,Axis2,Axis3,Steps,HR\r\n3/31/2024,07:45:00,100,1,2,12,0\r\n"
    frame = read(text, "one.csv")
    assert counts(frame) == {"07:45": 100.0} and list(frame.columns) == ["steps", "activity_counts"]


@pytest.mark.parametrize(
    ("form", "date"),
    [
        ("M/d/yyyy", "4/5/2024"),
        ("d/M/yyyy", "5/4/2024"),
        ("dd/MM/yyyy", "05/04/2024"),
        ("dd.MM.yyyy", "05.04.2024"),
    ],
)
def test_the_form_of_dates_stands_in_the_first_line(read: Read, form: str, date: str) -> None:
    text = preamble(form, date=date) + f"Date,Time,Axis1\r\n{date},07:45:00,100\r\n"
    assert str(read(text, "one.csv")["activity_counts"].dropna().index[0]) == "2024-04-05 07:45:00"
    bare = preamble(form, date=date) + "100,0,0,12\r\n50,0,0,1\r\n"
    found = read(bare, "one.csv")["activity_counts"].dropna() / SCALE
    assert [(str(stamp), round(value)) for stamp, value in found.items()] == [
        ("2024-04-05 07:45:00", 100),
        ("2024-04-05 07:46:00", 50),
    ]


def test_csv_counted_on_from_the_start(read: Read) -> None:
    text = preamble(epoch="00:00:10") + "Axis1,Steps\r\n" + "10,1\r\n" * 12
    frame = read(text, "one.csv")
    assert counts(frame) == {"07:45": 60.0, "07:46": 60.0}
    assert observed(frame, "steps") == {"07:45": 6.0, "07:46": 6.0}


def test_csv_without_first_lines(read: Read) -> None:
    assert counts(read("date,time,axis1\n2024-03-31,07:45:00,100\n", "one.csv")) == {"07:45": 100.0}
    days = "".join(f"{day}/4/2024,07:{at}:00,{day}\n" for day in (12, 13, 14) for at in (45, 46))
    assert str(read("date,time,axis1\n" + days, "one.csv").index[0]) == "2024-04-12 00:00:00"
    with pytest.raises(ValueError, match=r"day and month cannot be told apart.*time_format"):
        read("date,time,axis1\n3/4/2024,07:45:00,100\n", "one.csv")


def test_raw_acceleration_is_refused(read: Read) -> None:
    text = preamble(epoch="00:00:00") + "Accelerometer X,Accelerometer Y,Accelerometer Z\r\n-0.2,0.9,0.1\r\n"
    with pytest.raises(ValueError, match="holds raw acceleration"):
        read(text, "one.csv")


# --- malformed and hostile ---


@pytest.mark.parametrize(
    ("row", "message", "reason"),
    [
        (("2024-03-31 07:46:00", -5, 0), "is impossible for activity_counts", "an impossible value"),
        (("2024-03-31 07:46:00", "many", 0), "axis1 'many' is no number", "a value that is no number"),
        (("2024-03-31 07:46:00", b"\x00\x01", 0), "is no number", "a value that is no number"),
        (("soon", 5, 0), "is neither a date nor ticks", "a time that is none"),
        ((-5, 5, 0), "is neither a date nor ticks", "a time that is none"),
        ((None, 5, 0), "is neither a date nor ticks", "a time that is none"),
        ((12, 5, 0), "outside the years", "a time that is none"),
        (("9999-01-01 00:00:00", 5, 0), "outside the years", "a time that is none"),
        ((2**62, 5, 0), "neither a date nor ticks", "a time that is none"),
        (("2024-03-31 07:46:00", 2**62, 0), "is impossible", "an impossible value"),
    ],
)
def test_a_malformed_epoch_is_named_or_counted(
    read: Read, row: tuple[Any, ...], message: str, reason: str
) -> None:
    data = agd([("2024-03-31 07:45:00", 100, 12), row])
    with pytest.raises(ValueError, match=r"one\.agd, table 'data', row 2: .*" + message):
        read(data)
    with pytest.warns(UserWarning, match="malformed records? (was|were) left out"):
        frame = read(data, on_error="skip")
    assert reason in frame.attrs["skipped"]
    assert counts(frame)["07:45"] == 100.0


def test_missing_values_stay_missing(read: Read) -> None:
    frame = read(agd([("2024-03-31 07:45:00", None, 12), ("2024-03-31 07:46:00", 7, None)]))
    assert (counts(frame), observed(frame, "steps")) == ({"07:46": 7.0}, {"07:45": 12.0})


def test_what_is_no_recording(read: Read, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no SQLite database"):
        read(b"hello" * 99)
    with pytest.raises(ValueError, match=r"is no \.agd file"):
        read(database({"other": ("a INTEGER", [(1,)])}))
    view = database(
        {"x": ("a INTEGER", [(1,)])}, ["CREATE VIEW data AS SELECT a AS dataTimestamp, a AS axis1 FROM x"]
    )
    with pytest.raises(ValueError, match=r"is no \.agd file"):
        read(view)
    with pytest.raises(FileNotFoundError, match="holds no file of ActiLife's"):
        read_actigraph(write_folder(tmp_path / "empty", {"a.txt": "x"}))
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_actigraph(tmp_path / "none.agd")


def test_attrs_name_nobody(read: Read) -> None:
    frame = read(agd([("2024-03-31 07:45:00", 100, 12)]))
    assert json.loads(json.dumps(frame.attrs)) == frame.attrs
    assert frame.attrs["source"] == "actigraph" and "Anna" not in json.dumps(frame.attrs)


def test_the_public_name() -> None:
    assert lsm2.read_actigraph is read_actigraph


def test_broken_files(tmp_path: Path) -> None:
    rows = epochs("2024-03-31 07:45:00", [7 * place % 50 for place in range(300)])
    (tmp_path / "a").mkdir()
    fuzz(read_actigraph, {"one.agd": agd(rows)}, tmp_path / "a", seed=5, rounds=40)
    text = (
        preamble()
        + "Date,Time,Axis1,Steps\r\n"
        + "".join(f"3/31/2024,07:{minute}:00,{minute},1\r\n" for minute in range(10, 60))
    )
    (tmp_path / "b").mkdir()
    fuzz(read_actigraph, {"one.csv": text}, tmp_path / "b", seed=6, rounds=40)


def test_hostile_archives(tmp_path: Path) -> None:
    check_hostile_archives(read_actigraph, {"one.agd": agd([("2024-03-31 07:45:00", 100, 12)])}, tmp_path)
