"""Tables of any kind: which column is what, times, units, wear, malformed rows and hostile files."""

from __future__ import annotations

import gzip
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lsm2
from lsm2.readers import read_table
from tests.exports.files import (
    check_contract,
    check_hostile_archives,
    fuzz,
    observed,
    write_folder,
    write_zip,
)

Read = Callable[..., pd.DataFrame]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def run(text: str | bytes, name: str = "watch.csv", **options: Any) -> pd.DataFrame:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        frame = read_table(path, **options)
        check_contract(frame)
        return frame

    return run


def minutes(*rows: str, header: str = "timestamp,heart_rate,steps") -> str:
    return "\n".join([header, *rows]) + "\n"


def test_columns_are_found_by_their_aliases(read: Read) -> None:
    frame = read(minutes("2024-03-05 10:00,60,7", header="Time,BPM,Step Count"))
    assert (observed(frame, "heart_rate"), observed(frame, "steps")) == ({"10:00": 60.0}, {"10:00": 7.0})
    assert frame.index.tz is None and len(frame) == 1440


def test_columns_are_named_by_hand(read: Read) -> None:
    text = minutes("2024-03-05 10:00,60,7,a", header="when,puls,walked,who")
    columns = {"when": "timestamp", "puls": "heart_rate", "walked": "steps", "who": "participant_id"}
    frame = read(text, columns=columns)
    assert frame.loc[("a", pd.Timestamp("2024-03-05 10:00"))].tolist() == [60.0, 7.0]


def test_units_are_converted(read: Read) -> None:
    text = minutes("2024-03-05 10:00,0.5,95", header="timestamp,distance,temp")
    frame = read(text, units={"distance": "km", "skin_temperature": "degF"})
    assert frame.loc["2024-03-05 10:00"].tolist() == [500.0, pytest.approx(35.0)]


@pytest.mark.parametrize("key", ["distance", "dist", "Distance_M", "gone"])
def test_units_by_channel_alias_or_column(read: Read, key: str) -> None:
    column = "gone" if key == "gone" else "dist"
    text = minutes("2024-03-05 10:00,0.1", header=f"timestamp,{column}")
    frame = read(text, columns={"gone": "distance"} if key == "gone" else None, units={key: "km"})
    assert observed(frame, "distance") == {"10:00": pytest.approx(100)}


def test_units_that_contradict_each_other(read: Read) -> None:
    text = minutes("2024-03-05 10:00,41.84,60", header="timestamp,energy_expenditure,heart_rate")
    units = {"energy_expenditure": "kJ", "calories": "J"}
    with pytest.raises(ValueError, match=r"units= gives 'calories' twice: 'kJ' by 'energy_expenditure' and"):
        read(text, units=units)
    frame = read(text, units={**units, "calories": "kJ/min"})
    assert observed(frame, "calories") == {"10:00": pytest.approx(10)}


def test_finer_rows_become_minutes_by_the_channels_rule(read: Read) -> None:
    rows = [
        f"2024-03-05 10:00:{second:02d},{60 + second},1,{int(second == 30)}" for second in range(0, 60, 10)
    ]
    frame = read(minutes(*reversed(rows), header="timestamp,heart_rate,steps,sleep_asleep"))
    assert frame.loc["2024-03-05 10:00"].tolist() == [85.0, 6.0, 1.0]


def test_rows_finer_than_a_second(read: Read) -> None:
    rows = [
        f"2024-03-05 10:00:00.{part},{value},2"
        for part, value in (("00", 1), ("25", 1), ("50", 1), ("75", 5))
    ]
    frame = read(minutes(*rows, rows[0], header="timestamp,eda,steps"))
    assert frame.loc["2024-03-05 10:00"].to_dict() == {"steps": 8.0, "eda": 2.0}


@pytest.mark.parametrize(
    ("form", "time_format"),
    [
        ("iso", None),
        ("milliseconds", None),
        ("seconds", None),
        ("nanoseconds", None),
        ("%d.%m.%Y %H:%M:%S.%f", "%d.%m.%Y %H:%M:%S.%f"),
        ("%d.%m.%Y %H:%M:%S.%f +0100", "%d.%m.%Y %H:%M:%S.%f %z"),
    ],
)
def test_counts_of_parts_of_a_second_all_count(read: Read, form: str, time_format: str | None) -> None:
    stamps = pd.date_range("2024-03-05 10:00", periods=8, freq="250ms")
    since = (stamps - pd.Timestamp(0)) // pd.Timedelta(1, "ns")
    written = {
        "iso": [stamp.isoformat() for stamp in stamps],
        "milliseconds": (since // 1_000_000).tolist(),
        "seconds": [f"{nano / 1e9:.2f}" for nano in since],
        "nanoseconds": since.tolist(),
    }
    rows = [f"{stamp},1" for stamp in written.get(form, stamps.strftime(form))]
    frame = read(minutes(*rows, header="timestamp,steps"), time_format=time_format, tz="UTC")
    assert frame["steps"].sum() == 8


def test_missing_stays_missing(read: Read) -> None:
    rows = ["10:00,60,", "10:01,NaN,3", "10:02,null,NA", "10:03,61,0"]
    frame = read(minutes(*(f"2024-03-05 {row}" for row in rows)))
    assert observed(frame, "heart_rate") == {"10:00": 60.0, "10:03": 61.0}
    assert observed(frame, "steps") == {"10:01": 3.0, "10:03": 0.0}


def test_zeros_while_nobody_wore_it_are_missing(read: Read) -> None:
    rows = [f"2024-03-05 10:{minute:02d},{60 if minute < 10 else ''},0" for minute in range(60)]
    assert sorted(observed(read(minutes(*rows)), "steps")) == [f"10:{minute:02d}" for minute in range(17)]


def test_without_heart_rate_long_stillness_is_missing(read: Read) -> None:
    def table(still: int) -> str:
        stamps = pd.date_range("2024-03-05 10:00", periods=still + 2, freq="min")
        counts = [5, *[0] * still, 5]
        return minutes(*(f"{a},{b}" for a, b in zip(stamps, counts, strict=True)), header="time,steps")

    assert read(table(89))["steps"].count() == 91
    found = observed(read(table(120)), "steps")
    assert sum(found.values()) == 10 and len(found) == 2 + 14  # seven minutes beside each motion


def test_states_keep_their_zeros(read: Read) -> None:
    frame = read(minutes("2024-03-05 01:00,1,0", "2024-03-05 01:01,0,1", header="time,asleep,in_bed"))
    assert observed(frame, "sleep_asleep") == {"01:00": 1.0, "01:01": 0.0}
    assert observed(frame, "sleep_inbed") == {"01:00": 0.0, "01:01": 1.0}


def test_rows_that_repeat_count_once(read: Read) -> None:
    frame = read(minutes("2024-03-05 10:00,60,7", "2024-03-05 10:00,60,7"))
    assert frame["steps"].sum() == 7
    assert frame.attrs["duplicates"] == 2


def test_counts_that_repeat_are_said(read: Read) -> None:
    rows = ["2024-03-05 10:00,61,1,0"] * 12
    text = minutes(*rows, header="timestamp,hr,steps,floors")
    with pytest.warns(
        UserWarning, match=r"11 amounts repeat the time and the value .* once \(steps: 11\).*seconds"
    ) as said:
        assert read(text)["steps"].sum() == 1
    assert len(said) == 1
    fine = [f"2024-03-05 10:00:{5 * number:02d},61,1,0" for number in range(12)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(minutes(*fine, header="timestamp,hr,steps,floors"))["steps"].sum() == 12


def every(count: int, step: int, *values: Any, header: str) -> str:
    """Rows so many minutes apart, the values over and over."""
    stamps = pd.date_range("2024-03-05 08:00", periods=count, freq=f"{step}min")
    return minutes(*(f"{at},{values[n % len(values)]}" for n, at in enumerate(stamps)), header=header)


def test_rows_that_hold_for_minutes_are_spread(read: Read) -> None:
    text = every(12, 5, "600,60,1", "0,70,0", header="timestamp,steps,heart_rate,asleep")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = read(text, minutes=5)
    assert frame["steps"].sum() == 3600 and frame["steps"].max() == 120
    assert frame["steps"].count() == frame["heart_rate"].count() == frame["sleep_asleep"].count() == 60
    assert frame["heart_rate"].iloc[480:490].tolist() == [60.0] * 5 + [70.0] * 5
    assert frame["sleep_asleep"].iloc[480:490].tolist() == [1.0] * 5 + [0.0] * 5


def test_wear_is_judged_on_the_minutes_that_rows_hold_for(read: Read) -> None:
    stamps = pd.date_range("2024-03-05 08:00", periods=16, freq="h")
    counts = [1200, 600, *[0] * 12, 1200, 600]
    text = minutes(*(f"{a},{b}" for a, b in zip(stamps, counts, strict=True)), header="timestamp,steps")
    frame = read(text, minutes=60)
    assert frame["steps"].sum() == 3600
    assert (frame["steps"] == 0).sum() == 14  # seven minutes beside each motion


def test_values_are_in_range_after_they_are_spread(read: Read) -> None:
    with pytest.warns(UserWarning, match=r"5 samples are outside .*steps: 5"):
        frame = read(every(4, 5, 500, 2500, 500, 500, header="timestamp,steps"), minutes=5)
    assert frame["steps"].count() == 15


@pytest.mark.parametrize(("step", "asked"), [(5, "minutes=5"), (60, "minutes=60"), (1, ""), (1440, "")])
def test_coarse_rows_are_said_once(read: Read, step: int, asked: str) -> None:
    text = every(12, step, 50, 60, header="timestamp,steps")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        read(text)
    assert [asked in str(one.message) for one in said] == [True] * bool(asked)


def test_rows_with_no_amounts_or_no_rhythm_are_not_coarse(read: Read) -> None:
    uneven = [f"2024-03-05 10:{minute:02d},60,5" for minute in (0, 5, 10, 12, 13, 20, 25)]
    for text in (every(12, 5, 60, header="timestamp,heart_rate"), minutes(*uneven)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read(text)


def test_two_values_of_one_moment_are_averaged_with_a_warning(read: Read) -> None:
    with pytest.warns(UserWarning, match="1 minute is there twice with different values"):
        assert read(minutes("2024-03-05 10:00,,6", "2024-03-05 10:00,,8"))["steps"].sum() == 7


def test_ids_stay_text_and_people_keep_their_order(read: Read) -> None:
    rows = ["007,2024-03-05 10:00,60", "b,2024-03-06 10:00,61", "007,2024-03-05 10:01,62"]
    frame = read(minutes(*rows, header="participant_id,timestamp,heart_rate"))
    assert list(frame.index.get_level_values(0).unique()) == ["007", "b"]
    assert len(frame) == 2880
    one = read(minutes(*rows, header="participant_id,timestamp,heart_rate"), participant="b")
    assert one["heart_rate"].dropna().tolist() == [61.0]
    with pytest.raises(ValueError, match=r"holds 2 participants \('007', 'b'\)"):
        read(minutes(*rows, header="participant_id,timestamp,heart_rate"), participant="c")


def test_a_row_without_a_participant_is_malformed(read: Read) -> None:
    with pytest.raises(ValueError, match=r"line 2: column 'participant_id' is empty"):
        read(minutes(",2024-03-05 10:00,60", header="participant_id,timestamp,heart_rate"))


@pytest.mark.parametrize(
    ("stamp", "shown"),
    [
        ("2024-03-05T10:00:00Z", "2024-03-05 11:00:00+01:00"),
        ("2024-03-05 10:00:00-05:00", "2024-03-05 16:00:00+01:00"),
        ("2024-03-05 10:00", "2024-03-05 10:00:00+01:00"),
        ("1709632800", "2024-03-05 11:00:00+01:00"),
        ("1709632800000", "2024-03-05 11:00:00+01:00"),
        ("1709632800000000000", "2024-03-05 11:00:00+01:00"),
    ],
)
def test_a_zone_gives_its_own_clock(read: Read, stamp: str, shown: str) -> None:
    frame = read(minutes(f"{stamp},60,"), tz="Europe/Berlin")
    assert [str(one) for one in frame["heart_rate"].dropna().index] == [shown]


def test_without_a_zone_offsets_show_the_clock(read: Read) -> None:
    frame = read(minutes("2024-03-05T20:00:00-05:00,60,", "2024-03-08T09:00:00+01:00,61,"))
    stamps = frame["heart_rate"].dropna().index
    assert [str(one) for one in stamps] == ["2024-03-05 20:00:00", "2024-03-08 09:00:00"]


def test_utc_without_a_zone_is_said(read: Read) -> None:
    with pytest.warns(UserWarning, match=r"its times are UTC.*tz='Europe/Berlin'"):
        frame = read(minutes("2024-03-05T10:00:00Z,60,"))
    assert str(frame.index.tz) == "UTC"


def test_the_hour_lost_to_summer_time_is_counted(read: Read) -> None:
    rows = [f"2024-03-31 0{hour}:30,60," for hour in (1, 2, 3)]
    with pytest.warns(UserWarning, match=r"1 record has a local time that the clock of Europe/Berlin never"):
        frame = read(minutes(*rows), tz="Europe/Berlin")
    assert len(frame) == 1380 and frame["heart_rate"].count() == 2


def test_other_forms_of_time_are_named_not_guessed(read: Read) -> None:
    text = minutes("04/12/2016 07:21:00 AM,60,")
    with pytest.raises(ValueError, match=r"line 2: column 'timestamp': '04/12/2016.* pass time_format="):
        read(text)
    found = read(text, time_format="%m/%d/%Y %I:%M:%S %p")
    assert str(found["heart_rate"].dropna().index[0]) == "2016-04-12 07:21:00"


def test_a_date_and_a_time_apart(read: Read) -> None:
    text = minutes("2024-03-05,10:00,60", header="date,time,hr")
    assert str(read(text)["heart_rate"].dropna().index[0]) == "2024-03-05 10:00:00"
    assert read(minutes("5.3.2024,10:00,60", header="Date,Time,hr"), time_format="%d.%m.%Y %H:%M")[
        "heart_rate"
    ].count()


def test_semicolons_tabs_and_commas_in_numbers(read: Read) -> None:
    text = "timestamp;temperature\n2024-03-05 10:00;35,5\n"
    assert observed(read(text), "skin_temperature") == {"10:00": 35.5}
    assert observed(read(text.replace(";", "\t").replace(",", ".")), "skin_temperature") == {"10:00": 35.5}


def test_tabs_and_commas_in_numbers(read: Read) -> None:
    text = "timestamp\ttemperature\tsteps\n2024-03-05 10:00\t35,5\t7\n2024-03-05 10:01\t35.5\t8,0\n"
    frame = read(text, name="watch.tsv")
    assert observed(frame, "skin_temperature") == {"10:00": 35.5, "10:01": 35.5}
    with pytest.raises(ValueError, match="'1,234' is no number"):
        read("timestamp\tsteps\n2024-03-05 10:00\t1,234\n", name="watch.tsv")


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;"])
def test_a_line_that_says_the_separator(read: Read, first: str) -> None:
    text = f"{first}\r\ntimestamp;heart_rate\r\n2024-03-05 10:00;60,5\r\n"
    assert observed(read(text), "heart_rate") == {"10:00": 60.5}
    with pytest.raises(ValueError, match=r"line 3: .*'many' is no number"):
        read(text.replace("60,5", "many"))


@pytest.mark.parametrize("blank", [",,", " , ,", ""])
def test_blank_rows_are_passed_over(read: Read, blank: str) -> None:
    text = minutes("2024-03-05 10:00,60,7", blank, "2024-03-05 10:01,61,8", blank, blank)
    assert observed(read(text), "steps") == {"10:00": 7.0, "10:01": 8.0}


def test_truth_in_words(read: Read) -> None:
    rows = ["01:00,True", "01:01,False", "01:02,TRUE", "01:03,", "01:04,1"]
    frame = read(minutes(*(f"2024-03-05 {row}" for row in rows), header="timestamp,asleep"))
    assert observed(frame, "sleep_asleep") == {"01:00": 1.0, "01:01": 0.0, "01:02": 1.0, "01:04": 1.0}
    with pytest.raises(ValueError, match="'True' is no number"):
        read(minutes("2024-03-05 01:00,True", header="timestamp,steps"))


def test_offsets_without_minutes(read: Read) -> None:
    frame = read(minutes("2024-03-05 10:00:00+01,60,", "2024-03-05T10:01-05,61,"), tz="UTC")
    assert observed(frame, "heart_rate") == {"09:00": 60.0, "15:01": 61.0}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings_with_a_byte_order_mark(read: Read, encoding: str) -> None:
    text = minutes("2024-03-05 10:00,60,").encode(encoding)
    assert observed(read(text), "heart_rate") == {"10:00": 60.0}


def test_parquet_gzip_zips_and_folders(tmp_path: Path, read: Read) -> None:
    text = minutes("2024-03-05 10:00,60,7", "2024-03-05 10:01,61,0")
    expected = read(text)
    table = pd.read_csv(tmp_path / "watch.csv", parse_dates=["timestamp"])
    table.astype({"steps": "Int64", "heart_rate": "float32"}).to_parquet(tmp_path / "a.parquet")
    table.set_index("timestamp").to_parquet(tmp_path / "b.parquet")
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(text.encode()))
    write_zip(tmp_path / "d.zip", {"in/watch.csv": text, "__MACOSX/in/._watch.csv": b"\0"})
    halves = {"1.csv": minutes("2024-03-05 10:00,60,7"), "2.csv": minutes("2024-03-05 10:01,61,0")}
    write_folder(tmp_path / "e", halves)
    for name in ("a.parquet", "b.parquet", "c.csv.gz", "d.zip", "e"):
        pd.testing.assert_frame_equal(read_table(tmp_path / name), expected)


def test_a_parquet_files_own_zone_is_kept(tmp_path: Path) -> None:
    times = pd.date_range("2024-03-05 10:00", periods=2, freq="min", tz="Europe/Berlin")
    pd.DataFrame({"timestamp": times, "hr": [60, 61]}).to_parquet(tmp_path / "a.parquet")
    frame = read_table(tmp_path / "a.parquet")
    assert frame["heart_rate"].dropna().index.equals(pd.DatetimeIndex(times, name="timestamp"))


@pytest.mark.parametrize(("name", "step"), [("timestamp", 60_000), ("timestamp", 60_001), (None, 60_001)])
def test_a_parquet_files_index_of_numbers(tmp_path: Path, name: str | None, step: int) -> None:
    times = [1_709_632_800_000, 1_709_632_800_000 + 60_000, 1_709_632_800_000 + 60_000 + step]
    frame = pd.DataFrame({"timestamp": times, "heart_rate": [60, 61, 62]}).set_index("timestamp")
    frame.rename_axis(name).to_parquet(tmp_path / "a.parquet")  # evenly spaced, pandas writes it as a range
    found = read_table(tmp_path / "a.parquet", tz="UTC")
    assert observed(found, "heart_rate") == {"10:00": 60.0, "10:01": 61.0, "10:02": 62.0}


def test_a_column_that_may_be_people_is_pointed_at(read: Read) -> None:
    with pytest.warns(
        UserWarning, match=r"were not read: 'PID'. If 'PID' .*\{'PID': 'participant_id'\}.*cipant="
    ):
        read(minutes("2024-03-05 10:00,60,7", header="timestamp,heart_rate,PID"))


def test_what_is_no_channel_is_named_once(read: Read) -> None:
    with pytest.warns(UserWarning, match="columns that are no channel were not read: 'mood', 'notes'"):
        read(minutes("2024-03-05 10:00,60,good,x", header="timestamp,heart_rate,mood,notes"))


def test_values_outside_the_range_are_counted(read: Read) -> None:
    with pytest.warns(UserWarning, match=r"3 samples are outside .*heart_rate: 2.*steps: 1"):
        frame = read(minutes("2024-03-05 10:00,0,5", "2024-03-05 10:01,999,65535"))
    assert frame["steps"].sum() == 5


@pytest.mark.parametrize(
    ("row", "message", "reason"),
    [
        ("2024-03-05 10:01,many,1", r"column 'heart_rate': 'many' is no number", "a value that is no number"),
        ("2024-03-05 10:01,1_0,1", "is no number", "a value that is no number"),
        ("2024-03-05 10:01,inf,1", "is no number", "a value that is no number"),
        ("soon,60,1", r"column 'timestamp': 'soon' is no time", "a time that is none"),
        ("2024-02-30 10:00,60,1", "is no time", "a time that is none"),
        ("9999-01-01 10:00,60,1", "outside the years|is no (local )?time", "a time that is none"),
        ("1901-01-01 10:00,60,1", "outside the years|is no (local )?time", "a time that is none"),
        ("2024-03-05 10:01,60,-3", "is impossible for steps", "an impossible value"),
        ("2024-03-05 10:01,60", "the row has 2 fields, the header 3", "a row that does not fit the header"),
        ("2024-03-05 10:01,60,1,9", "the row has 4 fields", "a row that does not fit the header"),
    ],
)
def test_a_malformed_row_is_named_or_counted(read: Read, row: str, message: str, reason: str) -> None:
    text = minutes("2024-03-05 10:00,60,7", row)
    with pytest.raises(ValueError, match=r"watch\.csv, line 3: .*(" + message + r").*on_error='skip'"):
        read(text)
    with pytest.warns(UserWarning, match="malformed records? (was|were) left out"):
        frame = read(text, on_error="skip")
    assert reason in frame.attrs["skipped"]
    assert frame["heart_rate"].dropna().iloc[0] == 60


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a,heart_rate\n1,2\n", {}, "no column holds times"),
        ("timestamp,a\n2024-03-05 10:00,2\n", {}, "no column holds a channel"),
        (
            "timestamp,channel,value\n",
            {},
            r"must be turned first.*pivot_table\(index='timestamp', columns='chan",
        ),
        ("timestamp,hr\n", {"minutes": 0}, "minutes=0 is no whole number of minutes from 1 to 180"),
        ("timestamp,hr\n", {"minutes": 2.5}, "minutes=2.5 is no whole number"),
        ("timestamp,hr\n", {"minutes": 181}, "values of longer say nothing of their minutes"),
        ("timestamp,hr\n", {"units": {"stride": "km"}}, "names 'stride', which is no channel"),
        ("timestamp,hr\n", {"columns": {"x": "steps"}}, "has no such column"),
        ("timestamp,hr\n", {"columns": {"hr": "hart_rate"}}, "did you mean 'heart_rate'"),
        ("timestamp,hr\n", {"units": {"heart_rate": "furlong"}}, "'furlong' is not known"),
        ("timestamp,hr,bpm\n", {}, "both hold channel 'heart_rate'"),
        ("timestamp,hr,hr\n", {}, "two columns 'hr'"),
        ("", {}, "the table is empty"),
        ("\0\0\0", {}, "is no text"),
        ("timestamp,hr\n", {"tz": "Europe/Atlantis"}, "Europe/Atlantis"),
        ("timestamp,hr\n", {"on_error": "ignore"}, "on_error='ignore'"),
        ("timestamp,hr\n" + "9" * 2_000_000, {}, "longer than"),
    ],
)
def test_what_cannot_be_read(read: Read, text: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(text, **options)


def test_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(FileNotFoundError, match="holds no table"):
        read_table(tmp_path)
    with pytest.raises(TypeError, match="must be a path"):
        read_table(7)  # type: ignore[arg-type]
    write_zip(tmp_path / "book.xlsx", {"xl/workbook.xml": "<x/>", "note.txt": "x"})
    with pytest.raises(
        FileNotFoundError, match=r"book\.xlsx: holds no table; a spreadsheet .*save it as CSV"
    ):
        read_table(tmp_path / "book.xlsx")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1junkPAR1")
    with pytest.raises(ValueError, match="cannot be read as parquet"):
        read_table(tmp_path / "bad.parquet")


def test_an_empty_table_says_so(read: Read) -> None:
    with pytest.warns(UserWarning, match="nothing to return"):
        assert read("timestamp,heart_rate\n").empty


def test_attrs_are_plain(read: Read) -> None:
    frame = read(minutes("2024-03-05 10:00,60,7"))
    assert json.loads(json.dumps(frame.attrs)) == frame.attrs
    assert frame.attrs["source"] == "table" and frame.attrs["records"] == {"heart_rate": 1, "steps": 1}


def test_the_public_name() -> None:
    assert lsm2.read_table is read_table


def test_it_agrees_with_pandas(read: Read) -> None:
    random = np.random.default_rng(0)
    stamps = pd.Timestamp("2024-03-05") + pd.to_timedelta(random.integers(0, 2 * 86_400, 5000), unit="s")
    table = pd.DataFrame({"timestamp": stamps, "heart_rate": random.integers(50, 180, 5000)})
    table = table.drop_duplicates("timestamp")
    frame = read(table.to_csv(index=False))
    expected = table.set_index("timestamp")["heart_rate"].groupby(lambda stamp: stamp.floor("min")).mean()
    found = frame["heart_rate"].dropna()
    assert found.index.equals(expected.index.sort_values().astype(found.index.dtype))
    np.testing.assert_allclose(found, expected.sort_index(), rtol=1e-6)


def test_broken_tables(tmp_path: Path) -> None:
    rows = [f"2024-03-05 10:{minute:02d},{60 + minute},{minute % 7}" for minute in range(40)]
    fuzz(read_table, {"a.csv": minutes(*rows)}, tmp_path, seed=1)


def test_hostile_archives(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_hostile_archives(read_table, {"a.csv": minutes("2024-03-05 10:00,60,7")}, tmp_path)
