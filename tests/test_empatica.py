"""Empatica's files: the E4's rates and starts, the EmbracePlus' reasons, and broken or hostile files."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lsm2
from lsm2.readers import read_empatica
from tests.exports.empatica import e4, embrace, unix
from tests.exports.files import (
    Files,
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
    def run(files: Files, **options: Any) -> pd.DataFrame:
        frame = read_empatica(write_folder(tmp_path / "export", files), **{"tz": "UTC", **options})
        check_contract(frame)
        return frame

    return run


def of_person(frame: pd.DataFrame, who: str = "1-1-001") -> pd.DataFrame:
    return frame.xs(who, level="participant_id")


# --- E4 ---


def test_samples_out_of_range_do_not_count_in_a_mean(tmp_path: Path) -> None:
    path = write_folder(tmp_path / "e4", {"HR.csv": e4("2024-03-05 10:00:00", 1, *[60] * 30, *[0] * 30)})
    with pytest.warns(UserWarning, match="heart_rate"):
        frame = read_empatica(path, tz="UTC")
    assert observed(frame, "heart_rate") == {"10:00": 60.0}
    assert frame.attrs["out_of_range"] == 30


def test_sessions_of_the_same_time_are_warned_of(tmp_path: Path) -> None:
    one, other = (e4("2024-03-05 10:00:00", 1, *[value] * 180) for value in (60, 80))
    path = write_folder(tmp_path / "study", {"S01/HR.csv": one, "S02/HR.csv": other})
    with pytest.warns(UserWarning, match=r"'S01' and 'S02' are of the same time"):
        read_empatica(path, tz="UTC")
    later = e4("2024-03-05 10:03:00", 1, *[80] * 180)
    path = write_folder(tmp_path / "days", {"S01/HR.csv": one, "S02/HR.csv": later})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_empatica(path, tz="UTC")["heart_rate"].count() == 6


def test_rates_and_starts_stand_in_the_first_rows(read: Read) -> None:
    files = {
        "HR.csv": e4("2024-03-05 10:00:10", 1, *[60] * 50, *[70] * 60),
        "EDA.csv": e4("2024-03-05 10:00:00", 4, *[0.5] * 240, *[0.7] * 240),
        "TEMP.csv": e4("2024-03-05 10:00:00", 4, *[33.5] * 240),
        "IBI.csv": "1709632800.0, IBI\r\n1.5,0.8\r\n",
        "BVP.csv": e4("2024-03-05 10:00:00", 64, *[1.0] * 640),
        "tags.csv": "1709632860.5\r\n",
        "info.txt": "x",
    }
    frame = read(files)
    assert observed(frame, "heart_rate") == {"10:00": 60.0, "10:01": 70.0}
    assert observed(frame, "eda") == {"10:00": 0.5, "10:01": pytest.approx(0.7)}
    assert observed(frame, "skin_temperature") == {"10:00": 33.5}
    assert list(frame.columns) == ["heart_rate", "skin_temperature", "eda"]


def test_equal_samples_of_a_second_all_count(read: Read) -> None:
    files = {"EDA.csv": e4("2024-03-05 10:00:00", 4, 1, 1, 1, 5)}
    assert observed(read(files), "eda") == {"10:00": 2.0}


def test_a_start_within_a_minute_and_a_fraction(read: Read) -> None:
    text = e4("2024-03-05 10:00:58", 1, 60, 62, 70).replace(".0\r", ".9\r", 1)
    assert observed(read({"HR.csv": text}), "heart_rate") == {"10:00": 61.0, "10:01": 70.0}


def test_acceleration_is_the_magnitude_in_g(read: Read) -> None:
    still, moved = (0, 0, 64), (0, 0, 128)
    frame = read({"ACC.csv": e4("2024-03-05 10:00:00", 32, *[still, moved] * 960)})
    assert observed(frame, "watch_acceleration") == {"10:00": 1.5}
    assert observed(frame, "watch_acceleration_sd") == {"10:00": 0.5}


def test_eda_of_zero_is_no_contact(read: Read) -> None:
    files = {"EDA.csv": e4("2024-03-05 10:00:00", 4, *[0.0] * 240, *[0.0] * 120, *[0.6] * 120)}
    assert observed(read(files), "eda") == {"10:01": pytest.approx(0.6)}


def test_times_are_utc(read: Read) -> None:
    files = {"HR.csv": e4("2024-03-05 23:30:00", 1, 60)}
    frame = read(files, tz="Europe/Berlin")
    assert [str(one) for one in frame["heart_rate"].dropna().index] == ["2024-03-06 00:30:00+01:00"]
    with pytest.warns(UserWarning, match="its times are UTC"):
        assert str(read(files, tz=None).index.tz) == "UTC"


def test_sessions_in_folders_and_zips(tmp_path: Path) -> None:
    one, two = (e4(f"2024-03-0{day} 10:00:00", 1, *[60 + day] * 60) for day in (5, 6))
    write_zip(tmp_path / "a" / "1.zip", {"HR.csv": one}) if (tmp_path / "a").mkdir() is None else None
    write_folder(tmp_path / "a", {"2/HR.csv": two})
    frame = read_empatica(tmp_path / "a", tz="UTC")
    assert frame["heart_rate"].dropna().tolist() == [65.0, 66.0]


def test_a_day_agrees_with_pandas(read: Read) -> None:
    values = np.random.default_rng(0).uniform(20, 40, 4 * 86_400).round(2)
    frame = read({"TEMP.csv": e4("2024-03-05 00:00:00", 4, *values)})
    expected = values.reshape(1440, 240).mean(axis=1)
    np.testing.assert_allclose(frame["skin_temperature"], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("soon\r\n1.0\r\n60\r\n", "are no start and rate"),
        ("1709632800\r\n0\r\n60\r\n", "are no start and rate"),
        ("1709632800\r\n1e9\r\n60\r\n", "are no start and rate"),
        ("-5\r\n1\r\n60\r\n", "are no start and rate"),
        ("9e18\r\n1\r\n60\r\n", "are no start and rate"),
        ("1709632800\r\n1\r\nmany\r\n", r"line 3: value 'many' is no number"),
    ],
)
def test_what_is_malformed_is_named_or_counted(read: Read, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"HR\.csv.*" + message):
        read({"HR.csv": text})
    files = {"HR.csv": text, "TEMP.csv": e4("2024-03-05 10:00:00", 4, 33.5)}
    with pytest.warns(UserWarning, match="malformed records? (was|were) left out"):
        assert observed(read(files, on_error="skip"), "skin_temperature") == {"10:00": 33.5}


@pytest.mark.parametrize(
    "text", ["time,temperature\n2024-03-05 10:00,33\n", "timestamp;value\n1709632800;33\n", "a,b\n"]
)
def test_a_table_called_like_a_signal_is_none(read: Read, text: str) -> None:
    with pytest.raises(FileNotFoundError, match="holds no file of Empatica's"):
        read({"temp.csv": text})
    files = {"temp.csv": text, "HR.csv": e4("2024-03-05 10:00:00", 1, 60)}
    assert list(read(files).columns) == ["heart_rate"]


# --- EmbracePlus ---


def test_minutes_of_an_embrace(read: Read) -> None:
    files: dict[str, str] = {}
    for kind, column, value in (
        ("pulse-rate", "pulse_rate_bpm", 61),
        ("temperature", "temperature_celsius", 33.25),
        ("eda", "eda_scl_usiemens", 0.5),
        ("prv", "prv_rmssd_ms", 42.5),
        ("respiratory-rate", "respiratory_rate_brpm", 14.5),
        ("accelerometers-std", "accelerometers_std_g", 0.25),
        ("activity-counts", "activity_counts", 120),
        ("step-counts", "step_counts", 12),
    ):
        files |= embrace(kind, column, [("2024-03-05 10:00", value, "")])
    frame = of_person(read(files))
    assert frame.loc[pd.Timestamp("2024-03-05 10:00+00:00")].to_dict() == {
        "heart_rate": 61,
        "skin_temperature": 33.25,
        "eda": 0.5,
        "hrv_rmssd": 42.5,
        "respiration_rate": 14.5,
        "watch_acceleration_sd": 0.25,
        "activity_counts": 120,
        "steps": 12,
    }


def test_a_row_with_a_reason_is_missing(read: Read) -> None:
    rows = [
        ("2024-03-05 10:00", 61, ""),
        ("2024-03-05 10:01", "", "low_signal_quality"),
        ("2024-03-05 10:02", "", "device_not_recording"),
        ("2024-03-05 10:03", 0, "device_not_worn"),
        ("2024-03-05 10:04", "nan", ""),
    ]
    steps = [(stamp, 0 if value == 0 else value, reason) for stamp, value, reason in rows]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = of_person(
            read(embrace("pulse-rate", "pulse_rate_bpm", rows) | embrace("step-counts", "step_counts", steps))
        )
    assert observed(frame, "heart_rate") == {"10:00": 61.0}
    assert observed(frame, "steps") == {"10:00": 61.0}


def test_zeros_of_a_worn_device_are_believed(read: Read) -> None:
    rows = [(f"2024-03-05 {hour:02d}:{minute:02d}", 0, "") for hour in (10, 11, 12) for minute in range(60)]
    frame = of_person(read(embrace("step-counts", "step_counts", rows)))
    assert frame["steps"].count() == 180


def test_counts_of_minutes_that_were_hardly_worn_are_missing(read: Read) -> None:
    steps = [(f"2024-03-05 10:0{minute}", 0, "") for minute in range(4)]
    wear = [(f"2024-03-05 10:0{minute}", percent, "") for minute, percent in enumerate((100, 20, 0, 50))]
    files = embrace("step-counts", "step_counts", steps)
    files |= embrace("wearing-detection", "wearing_detection_percentage", wear)
    assert observed(of_person(read(files)), "steps") == {"10:00": 0.0, "10:03": 0.0}


def test_several_people_and_days(read: Read) -> None:
    files = embrace("pulse-rate", "pulse_rate_bpm", [("2024-03-05 10:00", 61, "")])
    files |= embrace("pulse-rate", "pulse_rate_bpm", [("2024-03-06 10:00", 62, "")], day="2024-03-06")
    files |= embrace("pulse-rate", "pulse_rate_bpm", [("2024-03-05 10:00", 70, "")], who="1-1-002")
    frame = read(files)
    assert of_person(frame)["heart_rate"].dropna().tolist() == [61.0, 62.0]
    assert of_person(frame, "1-1-002")["heart_rate"].dropna().tolist() == [70.0]


def test_stages_of_sleep(read: Read) -> None:
    rows = [(f"2024-03-05 01:0{minute}", stage, "") for minute, stage in enumerate((0, 101, 102, 300))]
    frame = of_person(read(embrace("sleep-detection", "sleep_detection_stage", rows)))
    found = observed(frame, "sleep_asleep")
    assert [found["01:00"], found["01:01"], found["01:02"]] == [0, 1, 1]
    assert frame["sleep_asleep"].sum() == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",61,", ",many,", "line 2: pulse_rate_bpm 'many' is no number"),
        (str(unix("2024-03-05 10:00") * 1000), "soon", "line 2: 'soon' is no time"),
        (str(unix("2024-03-05 10:00") * 1000), "-5", "outside the years"),
        (str(unix("2024-03-05 10:00") * 1000), "99999999999999999", "outside the years"),
        (",1-1-001,61,", ",61,", "the row has 4 fields, the header 5"),
        ("pulse_rate_bpm", "new", "its header is not known|holds no file of Empatica's"),
    ],
)
def test_a_malformed_minute_is_named(read: Read, old: str, new: str, message: str) -> None:
    files = embrace("pulse-rate", "pulse_rate_bpm", [("2024-03-05 10:00", 61, "")])
    (name,) = files
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read({name: files[name].replace(old, new)})


def test_values_out_of_range_are_counted(read: Read) -> None:
    rows = [("2024-03-05 10:00", 61, ""), ("2024-03-05 10:01", 0, ""), ("2024-03-05 10:02", 999, "")]
    with pytest.warns(UserWarning, match="heart_rate: 2"):
        assert observed(of_person(read(embrace("pulse-rate", "pulse_rate_bpm", rows))), "heart_rate")


def test_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_empatica(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="holds no file of Empatica's"):
        read_empatica(tmp_path)
    write_folder(tmp_path, {"1-1-001/raw_data/v6/1.avro": b"Obj\x01"})
    with pytest.raises(
        FileNotFoundError, match=r"EmbracePlus; \.avro files are .* folder digital_biomarkers"
    ):
        read_empatica(tmp_path)


def test_attrs_and_the_public_name(read: Read) -> None:
    frame = read({"HR.csv": e4("2024-03-05 10:00:10", 1, 60)})
    assert json.loads(json.dumps(frame.attrs)) == frame.attrs
    assert frame.attrs["source"] == "empatica"
    assert lsm2.read_empatica is read_empatica


def whole() -> dict[str, str]:
    files = {
        "s/HR.csv": e4("2024-03-05 10:00:10", 1, *range(60, 90)),
        "s/ACC.csv": e4("2024-03-05 10:00:10", 32, *[(1, 2, 64)] * 64),
    }
    return files | embrace(
        "eda", "eda_scl_usiemens", [(f"2024-03-05 10:{m}", 0.5, "") for m in range(10, 40)]
    )


def test_broken_files(tmp_path: Path) -> None:
    fuzz(
        lambda path, **options: read_empatica(path, tz="UTC", **options), whole(), tmp_path, seed=7, rounds=40
    )


def test_hostile_archives(tmp_path: Path) -> None:
    check_hostile_archives(
        lambda path, **options: read_empatica(path, tz="UTC", **options), whole(), tmp_path
    )
