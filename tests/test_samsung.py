"""Samsung Health's export: headers in the second line, offsets that no clock has, bins, hostile files."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import lsm2
from lsm2.readers import read_samsung
from tests.exports.files import (
    Files,
    check_contract,
    check_hostile_archives,
    fuzz,
    observed,
    write_folder,
    write_zip,
)
from tests.exports.samsung import STAMP, bins, ms, samsung

Read = Callable[..., pd.DataFrame]
HEART = ("start_time", "end_time", "heart_rate", "time_offset", "deviceuuid", "binning_data")
STEPS = ("start_time", "end_time", "count", "distance", "calorie", "time_offset", "deviceuuid")


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def run(files: Files, **options: Any) -> pd.DataFrame:
        frame = read_samsung(write_folder(tmp_path / "export", files), **options)
        check_contract(frame)
        return frame

    return run


def heart(*rows: tuple[str, Any] | tuple[str, Any, str], device: str = "w") -> dict[str, str]:
    found = [
        (
            f"2026-07-16 {row[0]}:00.000",
            f"2026-07-16 {row[0]}:59.000",
            row[1],
            row[2] if len(row) > 2 else "UTC+0100",
            device,
            None,
        )
        for row in rows
    ]
    return samsung("tracker.heart_rate", HEART, found)


def step(at: str, count: Any, device: str = "w", offset: str = "UTC+0100") -> tuple[Any, ...]:
    return (f"2026-07-16 {at}:00.000", f"2026-07-16 {at}:59.999", count, 7.5, 0.5, offset, device)


def steps(*rows: tuple[Any, ...]) -> dict[str, str]:
    return samsung("tracker.pedometer_step_count", STEPS, rows)


def test_the_header_is_the_second_line_and_rows_end_in_a_comma(read: Read) -> None:
    frame = read(heart(("07:10", 61), ("07:11", 63)))
    assert observed(frame, "heart_rate") == {"08:10": 61.0, "08:11": 63.0}
    assert frame.index.tz is None and frame.attrs["utc_offsets"] == [60]


def test_names_without_their_type(read: Read) -> None:
    row = ("2026-07-16 07:10:00.000", "2026-07-16 07:10:59.000", 61, "UTC+0100")
    files = samsung(
        "tracker.heart_rate", ("start_time", "end_time", "heart_rate", "time_offset"), [row], prefix=False
    )
    assert observed(read(files), "heart_rate") == {"08:10": 61.0}


def test_times_are_utc(read: Read) -> None:
    frame = read(heart(("23:30", 61)), tz="Europe/Berlin")
    assert str(frame["heart_rate"].dropna().index[0]) == "2026-07-17 01:30:00+02:00"
    assert (
        str(read(heart(("01:30", 61, "UTC-0800")))["heart_rate"].dropna().index[0]) == "2026-07-15 17:30:00"
    )
    assert (
        str(read(heart(("01:30", 61, "UTC+0530")))["heart_rate"].dropna().index[0]) == "2026-07-16 07:00:00"
    )


def test_offsets_that_no_clock_has(read: Read) -> None:
    with pytest.warns(UserWarning, match="1 row has an offset that no clock has"):
        frame = read(heart(("07:10", 61), ("07:11", 63, "UTC+28550")))
    assert observed(frame, "heart_rate") == {"08:10": 61.0, "08:11": 63.0}
    with pytest.warns(UserWarning, match="its times are UTC"):
        assert str(read(heart(("07:10", 61, "UTC+28550"))).index.tz) == "UTC"


def test_minutes_lie_in_bins(read: Read) -> None:
    row = ("2026-07-16 07:00:00.000", "2026-07-16 07:59:59.000", 80, "UTC+0100", "w", "a1.binning_data.json")
    files = samsung("tracker.heart_rate", HEART, [row])
    files |= bins(
        "a1.binning_data.json",
        [(f"2026-07-16 07:{m}:00", f"2026-07-16 07:{m}:59", 50 + m) for m in range(10, 13)],
    )
    assert observed(read(files), "heart_rate") == {"08:10": 60.0, "08:11": 61.0, "08:12": 62.0}


def test_long_means_without_their_bins_are_left_out(read: Read) -> None:
    row = ("2026-07-16 07:00:00.000", "2026-07-16 07:59:59.000", 80, "UTC+0100", "w", "a1.binning_data.json")
    files = samsung("tracker.heart_rate", HEART, [row]) | steps(step("07:10", 5))
    with pytest.warns(UserWarning, match=r"left out 1 mean of more than ten minutes \(heart_rate: 1\)"):
        assert "heart_rate" not in read(files)


OXYGEN = ("start_time", "end_time", "spo2", "time_offset", "deviceuuid", "binning")


def oxygen(end: str = "06:00") -> dict[str, str]:
    row = ("2026-07-16 01:00:00.000", f"2026-07-16 {end}:00.000", 95.5, "UTC+0100", "w", "a2.binning.json")
    return samsung("tracker.oxygen_saturation", OXYGEN, [row])


def test_the_oxygen_of_a_night_is_no_value_of_its_minutes(read: Read) -> None:
    with pytest.warns(UserWarning, match=r"left out 1 mean of more than ten minutes \(spo2: 1\)"):
        frame = read(oxygen() | heart(("07:10", 61)))
    assert list(frame.columns) == ["heart_rate"]
    assert observed(read(oxygen(end="01:02")), "spo2") == {"02:00": 95.5, "02:01": 95.5}


def test_the_oxygen_of_a_night_lies_in_bins(read: Read) -> None:
    stretches = [
        ("2026-07-16 01:00:00", "2026-07-16 01:02:00", 97),
        ("2026-07-16 01:02", "2026-07-16 01:03", 94),
    ]
    files = oxygen() | bins("a2.binning.json", stretches, of="oxygen_saturation", field="spo2")
    assert observed(read(files), "spo2") == {"02:00": 97.0, "02:01": 97.0, "02:02": 94.0}


def test_steps_with_distance_and_calories(read: Read) -> None:
    frame = read(steps(step("07:10", 20), step("07:11", 30)))
    found = {at: value for at, value in observed(frame, "steps").items() if value}
    assert found == {"08:10": 20.0, "08:11": 30.0}
    assert frame["distance"].sum() == 15 and frame["active_calories"].sum() == 1


def test_devices_are_not_added(read: Read) -> None:
    files = heart(*((f"07:{m}", 60) for m in range(10, 30)))
    files |= steps(
        step("07:12", 20), step("07:12", 25, "phone"), step("07:13", 26, "phone"), step("12:00", 9, "phone")
    )
    found = observed(read(files), "steps")
    assert (found["08:12"], found["08:13"], found["13:00"]) == (20.0, 0.0, 9.0)
    assert sum(found.values()) == 29


def test_zeros_only_where_worn(read: Read) -> None:
    found = observed(read(heart(("12:00", 60)) | steps(step("07:10", 5))), "steps")
    assert found["13:00"] == 0 and "11:00" not in found


def test_repeats_count_once(read: Read) -> None:
    assert read(steps(step("07:10", 5), step("07:10", 5)))["steps"].sum() == 5


def test_older_exports_write_milliseconds(read: Read) -> None:
    row = (ms("2026-07-16 07:10:00"), ms("2026-07-16 07:10:59"), 61, "UTC+0100", "w", None)
    assert observed(read(samsung("tracker.heart_rate", HEART, [row])), "heart_rate") == {"08:10": 61.0}


def test_nights_and_their_stages(read: Read) -> None:
    nights = [
        ("2026-07-16 01:00:00.000", "2026-07-16 02:00:00.000", "UTC+0000", "n1"),
        ("2026-07-17 01:00:00.000", "2026-07-17 01:30:00.000", "UTC+0000", "n2"),
    ]
    files = samsung("sleep", ("start_time", "end_time", "time_offset", "datauuid"), nights)
    stages = [
        (f"2026-07-16 01:{m}0:00.000", f"2026-07-16 01:{m + 1}0:00.000", stage, "n1", "UTC+0000")
        for m, stage in enumerate((40001, 40002, 40003, 40004))
    ]
    files |= samsung("sleep_stage", ("start_time", "end_time", "stage", "sleep_id", "time_offset"), stages)
    frame = read(files)
    found = frame["sleep_asleep"]
    assert [found[f"2026-07-16 01:{m}5"] for m in range(4)] == [0, 1, 1, 1]
    assert found["2026-07-17"].sum() == 30  # no stages: all sleep
    assert frame["sleep_inbed"].sum() == 90


def test_other_tables_are_passed_over(read: Read) -> None:
    other = {
        f"com.samsung.shealth.step_daily_trend.{STAMP}.csv": "com.samsung.x,1\ncount,x\n9,9,\n",
        f"com.samsung.shealth.sleep_data.{STAMP}.csv": "x\n",
        f"com.samsung.shealth.tracker.oxygen_saturation.{STAMP}.csv": "",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(read(heart(("07:10", 61)) | other).columns) == ["heart_rate"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",61,", ",many,", "line 3: heart_rate 'many' is no number"),
        ("2026-07-16 07:10:00.000", "soon", "line 3: 'soon' is no time"),
        ("2026-07-16 07:10:59.000", "2026-07-16 07:00:00.000", "line 3: it ends before it starts"),
        ("2026-07-16 07:10:00.000", "-5", "outside the years"),
        ("2026-07-16 07:10", "9999-07-16 07:10", "outside the years|is no time"),
        (",61,", ",", "heart_rate 'UTC.0100' is no number"),
        ("heart_rate.start_time", "heart_rate.when", "has no start_time"),
        (",6310001,9\n", ",6310001,9\n\n", "the row has 6 fields, the header 0"),
    ],
)
def test_a_malformed_row_is_named_or_counted(read: Read, old: str, new: str, message: str) -> None:
    ((name, text),) = heart(("07:10", 61)).items()
    assert old in text
    with pytest.raises(ValueError, match=rf"heart_rate\.{STAMP}\.csv.*({message})"):
        read({name: text.replace(old, new)})
    with pytest.warns(UserWarning, match="malformed records? (was|were) left out"):
        frame = read({name: text.replace(old, new)} | steps(step("07:10", 5)), on_error="skip")
    assert frame["steps"].sum() == 5 and "heart_rate" not in frame


def test_values_out_of_range_are_counted(read: Read) -> None:
    with pytest.warns(UserWarning, match="heart_rate: 2"):
        assert observed(read(heart(("07:10", 0), ("07:11", 999), ("07:12", 60))), "heart_rate") == {
            "08:12": 60.0
        }


def test_zips_and_folders(tmp_path: Path) -> None:
    files = {f"samsunghealth_me_{STAMP}/{name}": text for name, text in heart(("07:10", 61)).items()}
    expected = read_samsung(write_folder(tmp_path / "a", files))
    pd.testing.assert_frame_equal(read_samsung(write_zip(tmp_path / "b.zip", files)), expected)


def test_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_samsung(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="holds no table of Samsung Health's"):
        read_samsung(tmp_path)


def test_attrs_and_the_public_name(read: Read) -> None:
    frame = read(heart(("07:10", 61)), participant="a")
    assert list(frame.index.names) == ["participant_id", "timestamp"]
    assert json.loads(json.dumps(frame.attrs)) == frame.attrs
    assert lsm2.read_samsung is read_samsung


def whole() -> dict[str, str]:
    row = ("2026-07-16 09:00:00.000", "2026-07-16 09:59:59.000", 80, "UTC+0100", "w", "a1.binning_data.json")
    files = samsung("tracker.heart_rate", HEART, [row])
    files |= bins(
        "a1.binning_data.json",
        [(f"2026-07-16 09:{m}:00", f"2026-07-16 09:{m}:59", 60) for m in range(10, 30)],
    )
    return files | steps(*(step(f"07:{m}", m) for m in range(10, 40)))


def test_broken_tables(tmp_path: Path) -> None:
    fuzz(read_samsung, whole(), tmp_path, seed=17, rounds=40)


def test_hostile_archives(tmp_path: Path) -> None:
    check_hostile_archives(read_samsung, whole(), tmp_path)
