"""Apple Health exports: what each record becomes, each trap of real exports, and hostile files."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tracemalloc
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lsm2
from lsm2.channels import CHANNELS, Schema
from lsm2.cli import main
from lsm2.days import read_days
from lsm2.readers import read_apple_health
from lsm2.readers.apple_records import device_class
from lsm2.readers.minutes import Block, spread
from lsm2.readers.samples import Samples
from lsm2.simulation import simulate_apple_health
from lsm2.tables import read_table
from tests.dense import NAMES

WATCH = 'sourceName="Anna&apos;s Apple Watch"'
PHONE = 'sourceName="Annas iPhone"'
APP = 'sourceName="Connect"'
# As iOS 16 writes it: a declaration without its end.
IOS16 = """<!DOCTYPE HealthData [
<!-- HealthKit Export Version: 12 ]> -->
<!ELEMENT HealthData (ExportDate,Me,(Record|Correlation|Workout)*)>
<!ATTLIST VisionPrescription
  type CDATA #REQUIRED
<!ELEMENT RightEye EMPTY>
  device CDATA #IMPLIED
]>
"""


def time(text: str) -> str:
    """Complete `10:00`, `10:00:30`, `2024-03-05 10:00` or any of them with an offset."""
    clock, _, offset = text.partition(" +") if " +" in text else text.partition(" -")
    sign = "+" if " +" in text else "-"
    clock = clock if "-" in clock else f"2024-03-05 {clock}"
    clock = clock if clock.count(":") == 2 else f"{clock}:00"
    return f"{clock} {sign + offset if offset else '-0500'}"


def record(
    kind: str, value: object, start: str, end: str | None = None, by: str = WATCH, unit: str = ""
) -> str:
    known = {"HeartRate": "count/min", "StepCount": "count", "DistanceWalkingRunning": "m"}
    known |= {"FlightsClimbed": "count", "ActiveEnergyBurned": "kcal", "OxygenSaturation": "%"}
    unit = unit or known.get(kind, "")
    when = f'startDate="{time(start)}" endDate="{time(end or start)}"'
    return (
        f'<Record type="HKQuantityTypeIdentifier{kind}" {by} sourceVersion="10" unit="{unit}" '
        f'creationDate="{time(start)}" {when} value="{value}"/>'
    )


def heart(*times: str, by: str = WATCH) -> str:
    return "".join(record("HeartRate", 60, one, by=by) for one in times)


def steps(count: object, start: str, end: str | None = None, by: str = WATCH) -> str:
    return record("StepCount", count, start, end, by)


def sleep(stage: str, start: str, end: str, by: str = WATCH) -> str:
    return (
        f'<Record type="HKCategoryTypeIdentifierSleepAnalysis" {by} startDate="{time(start)}" '
        f'endDate="{time(end)}" value="{stage}"/>'
    )


def workout(kind: str, start: str, end: str, by: str = WATCH) -> str:
    return (
        f'<Workout workoutActivityType="HKWorkoutActivityType{kind}" duration="1" {by} '
        f'startDate="{time(start)}" endDate="{time(end)}">\n<WorkoutStatistics type="x" sum="3"/></Workout>'
    )


def document(*elements: str, head: str = "") -> bytes:
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', head, '<HealthData locale="de_DE">', *elements]
    return "\n".join([*lines, "</HealthData>"]).encode()


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., pd.DataFrame]:
    """Write elements (or a whole document, as bytes) to a file and read it."""

    def run(*elements: Any, head: str = "", **options: Any) -> pd.DataFrame:
        path = tmp_path / "export.xml"
        whole = elements[0] if elements and isinstance(elements[0], bytes) else document(*elements, head=head)
        path.write_bytes(whole)
        return read_apple_health(path, **options)

    return run


def observed(frame: pd.DataFrame, column: str) -> dict[str, float]:
    """What a column holds, by time of day."""
    found = frame[column].dropna()
    return {str(stamp)[11:16]: float(value) for stamp, value in found.items()}


Read = Callable[..., pd.DataFrame]


# --- amounts and rates ---


def test_an_interval_is_spread_by_overlap(read: Read) -> None:
    frame = read(steps(90, "10:00:30", "10:02:00"))
    assert observed(frame, "steps") | {"10:00": 30.0, "10:01": 60.0} == observed(frame, "steps")
    assert frame["steps"].sum() == 90


def test_an_interval_over_midnight_is_spread_over_both_days(read: Read) -> None:
    frame = read(steps(20, "2024-03-05 23:55", "2024-03-06 00:05"))
    assert len(frame) == 2880
    assert frame["steps"].groupby(frame.index.normalize()).sum().tolist() == [10, 10]


def test_an_amount_without_length_goes_to_its_minute(read: Read) -> None:
    frame = read(steps(7, "10:00:59"), steps(5, "10:00:10"))
    assert observed(frame, "steps")["10:00"] == 12
    assert frame["steps"].sum() == 12


def test_amounts_that_no_minute_can_hold_are_missing(read: Read) -> None:
    entries = (steps(12_000, "10:00", by=PHONE), record("DistanceWalkingRunning", 42_000, "10:00", by=PHONE))
    more = steps(20, "10:02", "10:03", by=PHONE)
    with pytest.warns(UserWarning, match=r"2 samples are outside the valid range.*steps: 1"):
        frame = read(*entries, more)
    assert frame["steps"].sum() == 20 and "10:00" not in observed(frame, "steps")
    assert frame["distance"].sum() == 0 and frame.attrs["out_of_range"] == 2
    with pytest.warns(UserWarning, match=r"2 samples are outside the valid range.*iphone_steps: 1"):
        assert read(*entries, more, layout="openmhc")["iphone_steps"].sum() == 20


def test_the_total_of_a_day_says_nothing_of_minutes(read: Read) -> None:
    total = (steps(8000, "00:00", "23:59:59", by=APP), record("FlightsClimbed", 8, "00:00", "12:30", by=APP))
    walk = steps(150, "10:00", "10:05", by=APP)
    with pytest.warns(
        UserWarning, match=r"left out 2 amounts of more than twelve hours \(steps: 1, floors: 1\)"
    ):
        frame = read(*total, walk)
    assert list(frame.columns) == ["steps"] and frame.attrs["records"] == {"steps": 1}
    assert frame["steps"].sum() == 150 and frame["steps"].count() == 5 + 2 * 7
    assert read(steps(90, "08:00", "11:00", by=APP))["steps"].sum() == pytest.approx(90)


def test_heart_rate_is_the_mean_of_a_minute(read: Read) -> None:
    frame = read(record("HeartRate", 60, "10:00:05"), record("HeartRate", 80, "10:00:55"))
    assert observed(frame, "heart_rate") == {"10:00": 70.0}


def test_a_rate_over_an_interval_counts_in_every_minute_it_covers(read: Read) -> None:
    temperature = record("AppleSleepingWristTemperature", 34.5, "10:00:30", "10:03:00", unit="degC")
    assert observed(read(temperature), "skin_temperature") == dict.fromkeys(["10:00", "10:01", "10:02"], 34.5)


def test_hrv_keeps_its_own_name(read: Read) -> None:
    frame = read(record("HeartRateVariabilitySDNN", 48.5, "10:00", "10:01", unit="ms"))
    assert list(frame.columns) == ["hrv_sdnn"]
    assert observed(frame, "hrv_sdnn") == {"10:00": 48.5}


def test_oxygen_is_a_fraction_that_is_called_percent(read: Read) -> None:
    frame = read(record("OxygenSaturation", 0.97, "10:00"), record("OxygenSaturation", 96, "10:01"))
    assert observed(frame, "spo2") == {"10:00": pytest.approx(97), "10:01": 96}


@pytest.mark.parametrize(
    ("kind", "unit", "value", "column", "expected"),
    [
        ("ActiveEnergyBurned", "kJ", 41.84, "active_calories", 10),
        ("ActiveEnergyBurned", "Cal", 10, "active_calories", 10),
        ("ActiveEnergyBurned", "kcal", 10, "active_calories", 10),
        ("ActiveEnergyBurned", "cal", 10_000, "active_calories", 10),
        ("DistanceWalkingRunning", "km", 0.5, "distance", 500),
        ("DistanceWalkingRunning", "mi", 0.5, "distance", 804.672),
        ("DistanceWalkingRunning", "m", 500, "distance", 500),
        ("DistanceWalkingRunning", "ft", 100, "distance", 30.48),
        ("DistanceWalkingRunning", "yd", 100, "distance", 91.44),
        ("HeartRate", "count/s", 1.2, "heart_rate", 72),
        ("RespiratoryRate", "count/min", 14, "respiration_rate", 14),
        ("AppleSleepingWristTemperature", "degF", 95, "skin_temperature", 35),
        ("FlightsClimbed", "count", 3, "floors", 3),
    ],
)
def test_units(read: Read, kind: str, unit: str, value: float, column: str, expected: float) -> None:
    assert observed(read(record(kind, value, "10:00", unit=unit)), column)["10:00"] == pytest.approx(expected)


def test_samples_outside_the_valid_range_are_missing_and_counted(read: Read) -> None:
    with pytest.warns(UserWarning, match=r"2 samples are outside .*heart_rate: 2"):
        frame = read(heart("10:00"), record("HeartRate", 0, "10:00:30"), record("HeartRate", 999, "10:01"))
    assert observed(frame, "heart_rate") == {"10:00": 60.0}


def test_repeats_count_once(read: Read) -> None:
    one = steps(40, "10:00", "10:04")
    correlation = f'<Correlation type="HKCorrelationTypeIdentifierFood" {WATCH}>{one}</Correlation>'
    frame = read(one, one, correlation, steps(41, "10:00", "10:04", by=WATCH))
    assert frame["steps"].sum() == pytest.approx(81)  # another value is another record
    assert frame.attrs["duplicates"] == 2


# --- devices ---


@pytest.mark.parametrize(
    ("name", "device", "expected"),
    [
        ("Anna's Apple Watch", None, "watch"),
        ("Apple\xa0Watch von Anna", None, "watch"),
        ("Anna\u2019s Apple\xa0Watch", None, "watch"),
        ("Annas iPhone", None, "phone"),
        ("Anna\u7684iPhone", None, "phone"),
        ("Zeus", "<<HKDevice: 0x1>, name:Apple Watch, manufacturer:Apple Inc., model:Watch, x:y>", "watch"),
        ("Zeus", "<<HKDevice: 0x1>, name:Apple\xa0Watch, manufacturer:Apple>", "watch"),
        ("Hera", "<<HKDevice: 0x1>, name:iPhone, manufacturer:Apple Inc., hardware:iPhone14,5>", "phone"),
        ("Strava", "<<HKDevice: 0x1>, name:x, manufacturer:Apple Inc., hardware:Watch6,2>", "watch"),
        ("Health", None, "other"),
        ("Connect", None, "other"),
        ("Galaxy Watch", None, "other"),
        ("Watch", "<<HKDevice: 0x1>, name:Watch GT, manufacturer:Huawei, model:Watch>", "other"),
        ("Annas iPad", "<<HKDevice: 0x1>, name:iPad, manufacturer:Apple Inc., model:iPad>", "other"),
        ("", None, "other"),
    ],
)
def test_devices(name: str, device: str | None, expected: str) -> None:
    assert device_class(" ".join(name.split()), device) == expected


def test_overlapping_devices_are_not_counted_twice(read: Read) -> None:
    both = [steps(100, "10:00:20", "10:10:20"), steps(110, "09:58:40", "10:11:00", by=PHONE)]
    frame = read(*both)
    assert frame["steps"].sum() == pytest.approx(100)
    apart = read(*both, layout="openmhc")
    assert apart["watch_steps"].sum() == pytest.approx(100)
    assert apart["iphone_steps"].sum() == pytest.approx(110)


def test_the_phone_counts_where_the_watch_does_not_answer(read: Read) -> None:
    frame = read(steps(50, "10:00", "10:05"), steps(30, "12:00", "12:03", by=PHONE))
    assert frame["steps"].sum() == 80
    assert observed(frame, "steps")["12:01"] == 10


def test_two_sources_of_one_class_are_not_counted_twice(read: Read) -> None:
    device = 'device="&lt;&lt;HKDevice: 0x2&gt;, manufacturer:Apple Inc., model:Watch&gt;"'
    own = [record("ActiveEnergyBurned", 5, f"10:0{minute}", f"10:0{minute + 1}") for minute in range(9)]
    copy = record("ActiveEnergyBurned", 60, "10:00", "10:09", by=f'sourceName="Strava" {device}')
    assert read(*own, copy, layout="openmhc")["watch_energy"].sum() == pytest.approx(45)


def test_heart_rate_of_the_watch_goes_before_that_of_apps(read: Read) -> None:
    strap = record("HeartRate", 90, "10:00", by=APP) + record("HeartRate", 91, "10:05", by=APP)
    frame = read(heart("10:00"), strap)
    assert observed(frame, "heart_rate") == {"10:00": 60.0, "10:05": 91.0}
    with pytest.warns(UserWarning, match="left out: heart_rate of other apps and devices: 2"):
        apart = read(heart("10:00"), strap, layout="openmhc")
    assert observed(apart, "watch_hr") == {"10:00": 60.0}


def test_flights_of_openmhc_are_the_phones(read: Read) -> None:
    with pytest.warns(UserWarning, match="left out: floors of the watch: 1"):
        frame = read(record("FlightsClimbed", 2, "10:00"), layout="openmhc")
    assert frame["iphone_flights"].isna().all()
    frame = read(record("FlightsClimbed", 2, "10:00", by=PHONE), layout="openmhc")
    assert frame["iphone_flights"].sum() == 2


# --- zeros ---


def test_a_count_is_zero_only_while_the_device_was_worn(read: Read) -> None:
    found = observed(read(heart("12:00"), steps(10, "10:00", "10:01")), "steps")
    assert found["10:00"] == 10
    assert sorted(found) == [f"09:{m}" for m in range(53, 60)] + [f"10:0{m}" for m in range(8)] + [
        f"11:{m}" for m in range(53, 60)
    ] + [f"12:0{m}" for m in range(8)]
    assert sum(found.values()) == 10


def test_samples_of_the_phone_say_nothing_of_the_watch(read: Read) -> None:
    frame = read(
        steps(10, "10:00", "10:01"), record("FlightsClimbed", 1, "15:00", by=PHONE), layout="openmhc"
    )
    assert "15:00" not in observed(frame, "watch_steps")
    assert observed(frame, "iphone_flights")["15:03"] == 0
    assert frame["iphone_steps"].isna().all()  # the phone recorded no steps at all


def test_a_phone_beside_the_bed_is_not_carried(read: Read) -> None:
    night = sleep("HKCategoryValueSleepAnalysisInBed", "01:00", "06:00", by=PHONE)
    frame = read(steps(10, "10:00", "10:01", by=PHONE), night, layout="openmhc")
    assert "03:00" not in observed(frame, "iphone_steps")


# --- sleep and workouts ---


def test_sleep_stages(read: Read) -> None:
    stage = "HKCategoryValueSleepAnalysis"
    frame = read(
        sleep(f"{stage}AsleepCore", "01:00:00", "01:10:20"),
        sleep(f"{stage}AsleepDeep", "01:10:20", "01:20:00"),
        sleep(f"{stage}Awake", "01:20:00", "01:30:00"),
        sleep(f"{stage}AsleepREM", "01:30:00", "01:40:29"),
        sleep(f"{stage}AsleepUnspecified", "01:41:00", "01:41:30"),
    )
    found = observed(frame, "sleep_asleep")
    assert [found[f"01:{m}"] for m in (10, 19, 20, 29, 30, 39)] == [1, 1, 0, 0, 1, 1]
    assert found["01:40"] == 0  # 29 seconds, and the watch was worn
    assert found["01:41"] == 1
    assert "sleep_inbed" not in frame


@pytest.mark.parametrize("asleep", ["HKCategoryValueSleepAnalysisAsleep", "1", "Asleep", "5"])
def test_in_bed_without_being_asleep(read: Read, asleep: str) -> None:
    inbed = "0" if asleep.isdigit() else "HKCategoryValueSleepAnalysisInBed"
    frame = read(sleep(inbed, "01:00", "03:00", by=APP), sleep(asleep, "01:30", "02:00", by=APP))
    found = observed(frame, "sleep_asleep")
    assert (found["01:10"], found["01:45"], found["02:30"]) == (0, 1, 0)
    assert observed(frame, "sleep_inbed") | dict.fromkeys(found, 1.0) == observed(frame, "sleep_inbed")


def test_in_bed_alone_says_nothing_of_sleep(read: Read) -> None:
    frame = read(sleep("HKCategoryValueSleepAnalysisInBed", "01:00", "03:00", by=PHONE))
    assert list(frame.columns) == ["sleep_inbed"]
    assert frame["sleep_inbed"].sum() == 120


def test_no_sleep_is_made_up_for_days_that_track_none(read: Read) -> None:
    frame = read(
        sleep("HKCategoryValueSleepAnalysisAsleep", "2024-03-01 01:00", "2024-03-01 06:00"),
        heart("2024-03-01 12:00", "2024-03-20 12:00"),
    )
    assert frame.loc["2024-03-01 12:00", "sleep_asleep"] == 0
    assert np.isnan(frame.loc["2024-03-20 12:00", "sleep_asleep"])


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        ("Walking", "workout_walking"),
        ("Cycling", "workout_cycling"),
        ("Running", "workout_running"),
        ("MixedCardio", "workout_mixed_cardio"),
        ("MixedMetabolicCardioTraining", "workout_mixed_cardio"),
        ("TraditionalStrengthTraining", "workout_strength"),
        ("Elliptical", "workout_elliptical"),
        ("HighIntensityIntervalTraining", "workout_hiit"),
        ("FunctionalStrengthTraining", "workout_functional"),
        ("Yoga", "workout_yoga"),
        ("Hiking", "workout_other"),
        ("SomethingNew", "workout_other"),
    ],
)
def test_workouts(read: Read, kind: str, column: str) -> None:
    frame = read(workout(kind, "10:00:31", "10:30:30"), heart("12:00"))
    assert [name for name in frame if name.startswith("workout")] == [column]
    found = observed(frame, column)
    assert (sum(found.values()), found["10:01"], found["10:30"], found["12:00"]) == (30, 1, 1, 0)
    assert "11:00" not in found


# --- layouts, index, attrs ---


def test_openmhc_has_all_its_channels_in_order(read: Read) -> None:
    frame = read(heart("10:00"), layout="openmhc")
    assert list(frame.columns) == NAMES
    assert set(frame.dtypes) == {np.dtype(np.float32)}
    assert frame.drop(columns="watch_hr").isna().all(axis=None)  # no zeros of what was never recorded


def test_canonical_has_only_what_the_export_holds(read: Read) -> None:
    assert list(read(heart("10:00"), steps(3, "10:00")).columns) == ["heart_rate", "steps"]


def test_rows_are_the_minutes_of_the_days_that_hold_anything(read: Read) -> None:
    frame = read(heart("2024-03-01 10:00", "2024-03-04 10:00"))
    assert frame.index.name == "timestamp"
    assert frame.index.tz is None
    assert frame.index.is_monotonic_increasing and frame.index.is_unique
    assert [str(date)[:10] for date in frame.index.normalize().unique()] == ["2024-03-01", "2024-03-04"]
    assert len(frame) == 2880


def test_a_participant_is_kept_in_the_index(read: Read) -> None:
    frame = read(heart("10:00"), participant="007")
    assert list(frame.index.names) == ["participant_id", "timestamp"]
    assert frame.loc[("007", pd.Timestamp("2024-03-05 10:00")), "heart_rate"] == 60


def test_the_frame_is_a_recording(read: Read) -> None:
    frame = read(heart("10:00"), steps(3, "10:00"), participant="a")
    days = read_days(frame, Schema.from_names(["heart_rate", "steps", "calories"]))
    assert days.recorded == (True, True, False)
    assert days.values[0, :2, 600].tolist() == [60, 3]


def test_attrs_are_plain_and_name_nobody(read: Read) -> None:
    frame = read('<ExportDate value="2024-03-06 08:00:00 -0500"/>', heart("10:00"))
    assert json.loads(json.dumps(frame.attrs)) == frame.attrs
    assert frame.attrs["source"] == "apple_health"
    assert frame.attrs["records"] == {"heart_rate": 1}
    assert "Anna" not in json.dumps(frame.attrs)
    assert "simulated" not in frame.attrs


def test_unknown_records_and_attributes_are_passed_over(read: Read) -> None:
    unknown = '<Record type="HKQuantityTypeIdentifierNew" unit="furlong" value="x" startDate="?"/><New/>'
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = read(unknown, heart("10:00").replace("unit=", 'new="1" unit='), '<ActivitySummary x="1"/>')
    assert frame["heart_rate"].count() == 1


def test_an_export_without_known_records_is_empty_and_says_so(read: Read) -> None:
    with pytest.warns(UserWarning, match="nothing to return"):
        assert read('<Me x="1"/>').shape == (0, 0)
    with pytest.warns(UserWarning, match="nothing to return"):
        assert list(read('<Me x="1"/>', layout="openmhc").columns) == NAMES


def test_the_public_name() -> None:
    assert lsm2.read_apple_health is read_apple_health


# --- clocks ---


def test_a_zone_gives_its_own_clock(read: Read) -> None:
    frame = read(heart("20:00"), tz="Europe/Berlin")
    assert str(frame["heart_rate"].dropna().index[0]) == "2024-03-06 02:00:00+01:00"
    assert len(frame) == 1440


def test_days_of_a_zone_have_the_minutes_its_clock_showed(read: Read) -> None:
    assert len(read(heart("2024-03-31 12:00 +0200"), tz="Europe/Berlin")) == 1380
    frame = read(heart("2024-10-27 02:30 +0200", "2024-10-27 02:30 +0100"), tz="Europe/Berlin")
    assert len(frame) == 1500
    assert frame["heart_rate"].count() == 2


def test_without_a_zone_the_clock_is_that_of_the_export(read: Read) -> None:
    frame = read(heart("2024-03-05 20:00 -0500", "2024-03-08 09:00 +0100"))
    assert [str(stamp) for stamp in frame["heart_rate"].dropna().index] == [
        "2024-03-05 20:00:00",
        "2024-03-08 09:00:00",
    ]
    assert frame.attrs["utc_offsets"] == [-300, 60]


def test_one_moment_written_with_two_offsets_stays_one_minute(read: Read) -> None:
    frame = read(heart("10:00 +0000"), steps(5, "12:00 +0200", by=PHONE), heart("10:01 +0000"))
    assert (frame["heart_rate"].notna() & (frame["steps"] == 5)).sum() == 1


def test_a_repeated_hour_is_the_mean_of_both_passes(read: Read) -> None:
    frame = read(
        record("HeartRate", 60, "2024-11-03 01:30 -0400"),
        record("HeartRate", 62, "2024-11-03 01:59 -0400"),
        record("HeartRate", 80, "2024-11-03 01:30 -0500"),
        record("HeartRate", 70, "2024-11-03 03:00 -0500"),
        steps(60, "2024-11-03 01:30 -0400", "2024-11-03 01:30 -0500"),
    )
    assert frame.index.is_unique and len(frame) == 1440
    found = observed(frame, "heart_rate")
    assert found == {"01:30": 70.0, "01:59": 62.0, "03:00": 70.0}
    assert observed(frame, "steps")["01:45"] == pytest.approx(1)


def test_a_flight_west_is_merged_too(read: Read) -> None:
    frame = read(
        record("HeartRate", 60, "2024-05-01 10:00 +0200"),
        record("HeartRate", 65, "2024-05-01 12:00 +0200"),
        record("HeartRate", 80, "2024-05-01 10:00 -0400"),
    )
    assert observed(frame, "heart_rate") == {"10:00": 70.0, "12:00": 65.0}


def test_start_and_end(read: Read) -> None:
    beats = heart(*(f"2024-03-0{day} 10:00" for day in range(1, 8)))
    assert read(beats, start="2024-03-03", end="2024-03-04")["heart_rate"].count() == 2
    cut = read(beats, start="2024-03-03 10:00", end=pd.Timestamp("2024-03-05 10:00"))
    assert str(cut.index[0]) == "2024-03-03 10:00:00"
    assert str(cut.index[-1]) == "2024-03-05 09:59:00"
    assert cut["heart_rate"].count() == 2
    aware = read(beats, tz="UTC", start=pd.Timestamp("2024-03-03 10:00", tz="America/New_York"))
    assert str(aware.index[0]) == "2024-03-03 15:00:00+00:00"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tz": "Europe/Atlantis"}, "Europe/Atlantis"),
        ({"layout": "wide"}, "layout='wide'"),
        ({"on_error": "ignore"}, "on_error='ignore'"),
        ({"start": "soon"}, "start='soon' is no date"),
        ({"start": 20240301}, "start=20240301 is no date"),
        ({"end": pd.Timestamp("2024-03-01", tz="UTC")}, "has a time zone"),
        ({"start": "2024-03-02", "end": "2024-03-01"}, "is not after"),
    ],
)
def test_arguments_that_are_not_understood(read: Read, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(heart("10:00"), **options)


# --- malformed records ---


MALFORMED = [
    (steps(5, "10:05", "10:00"), "ends before it starts", "an end before the start"),
    (steps("many", "10:00"), "value='many' is no number", "a value that is no number"),
    (steps("1_0", "10:00"), "value='1_0' is no number", "a value that is no number"),
    (steps("nan", "10:00"), "value='nan' is no number", "a value that is no number"),
    (steps("1e400", "10:00"), "is no number", "a value that is no number"),
    (steps("0,5", "10:00"), "is no number", "a value that is no number"),
    (steps(-3, "10:00"), "is impossible", "an impossible value"),
    (steps(1e9, "10:00"), "is impossible", "an impossible value"),
    (record("HeartRate", 60, "10:00", unit="furlong"), "'furlong' is not known", "an unknown unit"),
    (heart("10:00").replace(' unit="count/min"', ""), "it has no unit", "an unknown unit"),
    (heart("0001-01-01 10:00"), "outside the years", "a time that is none"),
    (heart("9999-12-31 10:00"), "outside the years", "a time that is none"),
    (heart("2024-02-30 10:00"), "is no time", "a time that is none"),
    (heart("2024-03-05 25:00"), "is no time", "a time that is none"),
    (heart("10:00 +9900"), "is no time", "a time that is none"),
    (heart("10:00").replace(" -0500", ""), "is no time like", "a time that is none"),
    (heart("10:00").replace("endDate", "x"), "no endDate", "a missing attribute"),
    (steps(5, "2024-03-01 10:00", "2024-04-01 10:00"), "longer than seven days", "an impossible length"),
    (sleep("Dreaming", "10:00", "11:00"), "'Dreaming' is no sleep stage", "an unknown sleep stage"),
    (f"<Workout {WATCH}/>", "no workoutActivityType", "a missing attribute"),
]


@pytest.mark.parametrize(("element", "message", "reason"), MALFORMED)
def test_a_malformed_record_is_named_or_counted(read: Read, element: str, message: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"export\.xml, line 5: (HK\w+|Workout): .*" + message) as caught:
        read(heart("12:00"), element, head="<!-- a\n-->".replace("\n", " "))
    assert "on_error='skip'" in str(caught.value)
    with pytest.warns(UserWarning, match=rf"2 malformed records were left out \(2 with {reason}\)"):
        frame = read(heart("12:00"), element, element, on_error="skip")
    assert list(frame.columns) == ["heart_rate"]
    assert frame.attrs["skipped"] == {reason: 2}


# --- documents ---


def test_the_malformed_document_type_of_ios_16(read: Read) -> None:
    assert read(heart("10:00"), head=IOS16)["heart_rate"].count() == 1
    with pytest.raises(ValueError, match=r"line 12: .*no number"):  # lines count from the file's first
        read(steps("x", "10:00"), head=IOS16)


def test_characters_that_xml_forbids(read: Read) -> None:
    bad = document(
        heart("10:00").replace("Apple", "\x0bApple"), heart("10:01").replace("Apple", "&#11;Apple")
    )
    with pytest.warns(UserWarning, match="replaced 2 characters that XML does not allow"):
        assert read(bad)["heart_rate"].count() == 2
    with pytest.warns(UserWarning, match="replaced 1 character that XML does not allow"):
        assert read(document(heart("10:00")).replace(b"Anna", b"\xffnna"))["heart_rate"].count() == 1
    emoji = heart("10:00").replace("Anna", "\U0001f600&#128512;&#10;")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(emoji)["heart_rate"].count() == 1


BOMB = "".join(
    f'<!ENTITY a{level + 1} "{f"&a{level};" * 10}">' if level else '<!ENTITY a1 "ha">' for level in range(9)
)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (f"<!DOCTYPE HealthData [{BOMB}]>", "declares entities"),
        ('<!DOCTYPE HealthData [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "declares entities"),
        ('<!DOCTYPE HealthData [<!ENTITY % x "y"> %x;]>', "declares entities"),
        ('<!DOCTYPE HealthData SYSTEM "http://example.org/x.dtd">', "external"),
        ('<!DOCTYPE HealthData PUBLIC "a" "b" [<!ELEMENT a EMPTY>]>', "external"),
        (f"<!DOCTYPE HealthData [{'<!ELEMENT a EMPTY>' * 20_000}]>", "longer than"),
        ("<!DOCTYPE HealthData [", "longer than|does not|no XML element"),
        (f"<!-- {'x' * 2_000_000} -->", "no XML element in the first"),
    ],
)
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_hostile_document_types_are_refused(read: Read, head: str, message: str, on_error: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(heart("10:00").replace("Anna", "&a9;"), head=head, on_error=on_error)


def test_a_document_type_inside_the_document_is_refused(read: Read) -> None:
    with pytest.raises(ValueError, match=r"not well-formed|document type inside|syntax error"):
        read('<!DOCTYPE x [<!ENTITY y "z">]>', heart("10:00"))


def test_an_undeclared_entity_is_refused(read: Read) -> None:
    with pytest.raises(ValueError, match="undefined entity"):
        read(heart("10:00").replace("Anna", "&anna;"))


@pytest.mark.parametrize("filling", ["x", "x>"])
def test_a_tag_without_end_is_refused(read: Read, filling: str) -> None:
    with pytest.raises(ValueError, match="one tag is longer than"):
        read(f'<Record x="{filling * (36_000_000 // len(filling))}"/>')


@pytest.mark.parametrize("encoding", ["UTF-16", "latin-1"])
def test_other_encodings_are_refused(read: Read, encoding: str) -> None:
    text = document(heart("10:00")).decode().replace("UTF-8", encoding)
    with pytest.raises(ValueError, match=r"exports are UTF-8"):
        read(text.encode(encoding))


def test_a_byte_order_mark_is_passed_over(read: Read) -> None:
    assert read(b"\xef\xbb\xbf" + document(heart("10:00")))["heart_rate"].count() == 1


def test_a_document_that_breaks_off(read: Read) -> None:
    whole = document(heart(*(f"10:{minute}" for minute in range(10, 60))))
    with pytest.raises(
        ValueError, match=r"line 4: the document breaks off .* and 2\d records.*on_error='skip'"
    ):
        read(whole[: len(whole) // 2])
    with pytest.warns(UserWarning, match="1 with a document that breaks off"):
        assert read(whole[: len(whole) // 2], on_error="skip")["heart_rate"].count() in range(20, 30)


@pytest.mark.parametrize(
    "text", [b"", b"   ", b"hello", b"{}", b"<ClinicalDocument/>", b"<", b"<?xml", b"\x00" * 9]
)
def test_what_is_no_export(read: Read, text: bytes) -> None:
    with pytest.raises(ValueError, match=r"no XML|does not begin like XML|root is <ClinicalDocument>"):
        read(text)


# --- archives and folders ---


def archive(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


@pytest.mark.parametrize(
    "name", ["apple_health_export/export.xml", "apple_health_export/导出.xml", "Exportación.xml"]
)
def test_the_member_is_found_by_content(tmp_path: Path, name: str) -> None:
    others = {
        "apple_health_export/export_cda.xml": b'<?xml version="1.0"?><ClinicalDocument>' + b"x" * 9999,
        "apple_health_export/workout-routes/route.xml": document(heart("11:00")),
        "apple_health_export/electrocardiograms/ecg.csv": b"1",
        "__MACOSX/apple_health_export/export.xml": b"junk",
        "apple_health_export/empty.xml": b"",
    }
    path = archive(tmp_path / "export.zip", others | {name: document(heart("10:00"), head=IOS16)})
    assert observed(read_apple_health(path), "heart_rate") == {"10:00": 60.0}
    with zipfile.ZipFile(path) as file:
        file.extractall(tmp_path / "out")
    assert observed(read_apple_health(tmp_path / "out"), "heart_rate") == {"10:00": 60.0}
    inner = (tmp_path / "out" / name).parent
    assert observed(read_apple_health(str(inner)), "heart_rate") == {"10:00": 60.0}


@pytest.mark.parametrize(
    "name", ["../export.xml", "/export.xml", "a/../../export.xml", "..\\x.xml", "C:/x.xml"]
)
def test_members_that_point_outside_are_refused(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "export.zip", {"export.xml": document(heart("10:00")), name: b"x"})
    with pytest.raises(ValueError, match="points outside the archive"):
        read_apple_health(path)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "export.zip", {"export.xml": document(heart("10:00"))})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="is encrypted"):
        read_apple_health(path)


def test_a_zip_bomb_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    bomb = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with bomb as file, file.open("export.xml", "w") as member:
        member.write(b"<HealthData>")
        for _ in range(101):
            member.write(b" " * 1_000_000)
    with pytest.raises(ValueError, match="zip bomb"):
        read_apple_health(path)


def test_a_member_larger_than_it_declares_is_refused(tmp_path: Path) -> None:
    whole = document(heart(*(f"10:{minute}" for minute in range(10, 60))))
    path = archive(tmp_path / "export.zip", {"export.xml": whole}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = (len(whole) - 100).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(ValueError, match="the archive is damaged"):
        read_apple_health(path)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
def test_a_cut_archive_is_refused(tmp_path: Path, share: float) -> None:
    path = archive(tmp_path / "export.zip", {"export.xml": document(heart("10:00"))})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ValueError, match=r"export\.zip: is no whole zip archive.*copy it again"):
        read_apple_health(path)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "export.zip", {"export.xml": document(heart("10:00"))}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b'value="60"', b'value="61"'))
    with pytest.raises(ValueError, match=r"the archive is damaged"):
        read_apple_health(path)


def test_what_stands_before_the_end_of_a_cut_document_can_be_kept(tmp_path: Path) -> None:
    beats = heart(*(f"2024-03-{day:02d} {hour:02d}:00" for day in range(1, 29) for hour in range(24)))
    path = tmp_path / "export.xml"
    path.write_bytes(document(beats)[:-2000])
    with pytest.raises(ValueError, match="breaks off"):
        read_apple_health(path)
    with pytest.warns(UserWarning, match="1 with a document that breaks off"):
        assert read_apple_health(path, on_error="skip")["heart_rate"].count() > 200


def test_a_folder_with_the_zip_and_documents_further_down(tmp_path: Path) -> None:
    data = document(heart("10:00"))
    (tmp_path / "zips").mkdir()
    archive(tmp_path / "zips" / "export.zip", {"apple_health_export/export.xml": data})
    deep = tmp_path / "deep" / "anna" / "apple_health_export"
    deep.mkdir(parents=True)
    (deep / "export.xml").write_bytes(data)
    frames = [read_apple_health(tmp_path / name) for name in ("zips", "deep")]
    assert all(frame["heart_rate"].count() == 1 for frame in frames)
    archive(tmp_path / "zips" / "other.zip", {"apple_health_export/export.xml": data})
    with pytest.raises(ValueError, match="holds 2 documents"):
        read_apple_health(tmp_path / "zips")


def test_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_apple_health(tmp_path / "export.zip")
    with pytest.raises(FileNotFoundError, match="holds no XML document with the root <HealthData>"):
        read_apple_health(tmp_path)
    with pytest.raises(FileNotFoundError, match="holds no XML document"):
        read_apple_health(archive(tmp_path / "x.zip", {"a.txt": b"x"}))
    with pytest.raises(TypeError, match="must be a path"):
        read_apple_health(7)  # type: ignore[arg-type]
    for name in ("a.xml", "b.xml"):
        (tmp_path / name).write_bytes(document(heart("10:00")))
    with pytest.raises(ValueError, match="holds 2 documents"):
        read_apple_health(tmp_path)


# --- properties ---


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 30_000), st.integers(0, 20_000), st.floats(0, 1000, width=32)), max_size=30
    ),
    st.integers(1, 900),
)
def test_spreading_conserves_sums(records: list[tuple[int, int, float]], size: int) -> None:
    start, seconds, value = (
        (np.array(column) for column in zip(*records, strict=True))
        if records
        else [np.zeros(0, np.int64)] * 3
    )
    order = np.argsort(start, kind="stable")
    samples = Samples(0, start[order], seconds[order], value[order].astype(np.float32))
    blocks = [Block(first, size) for first in range(0, 850, size)]
    minutes = np.concatenate([spread(samples, block) for block in blocks])
    assert np.nansum(minutes) == pytest.approx(float(value.sum()), rel=1e-6, abs=1e-6)
    covered = np.zeros(len(minutes), bool)
    for first, length, _ in records:
        covered[first // 60 : max((first + length - 1) // 60, first // 60) + 1] = True
    assert np.array_equal(~np.isnan(minutes), covered)


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(["cut", "swap", "noise", "double"]))
def test_broken_documents_give_a_frame_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, random_: random.Random, how: str
) -> None:
    data = bytearray(
        document(
            heart("10:00", "10:01"),
            steps(30, "10:00", "10:07", by=PHONE),
            sleep("HKCategoryValueSleepAnalysisAsleep", "01:00", "05:00"),
            workout("Yoga", "11:00", "12:00"),
            head=IOS16,
        )
    )
    low, high = sorted(random_.sample(range(len(data)), 2))
    if how == "cut":
        del data[low:high]
    elif how == "swap":
        data[low:high] = bytes(random_.sample(list(data[low:high]), high - low))
    elif how == "noise":
        for _ in range(random_.randint(1, 20)):
            data[random_.randrange(len(data))] = random_.randrange(256)
    else:
        data[low:low] = data[low:high]
    path = tmp_path_factory.mktemp("fuzz") / "export.xml"
    path.write_bytes(data)
    for on_error in ("raise", "skip"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                frame = read_apple_health(path, on_error=on_error, layout="openmhc")
        except ValueError as error:
            assert "export.xml" in str(error)
        else:
            assert list(frame.columns) == NAMES
            assert frame.index.is_unique


# --- a whole export ---


def by_hand(path: Path) -> dict[str, dict[int, float]]:
    """Another reader, slow and plain: amounts per device and absolute minute, and means of heart rate."""
    found: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    beats: dict[int, list[float]] = defaultdict(list)
    text = path.read_text()
    root = ElementTree.fromstring(text[text.index("<HealthData") :])
    for element in root.iter("Record"):
        kind = element.attrib["type"].removeprefix("HKQuantityTypeIdentifier")
        device = "watch" if "Watch" in element.attrib["sourceName"] else "phone"
        low, high = (
            int(datetime.strptime(element.attrib[name], "%Y-%m-%d %H:%M:%S %z").timestamp())
            for name in ("startDate", "endDate")
        )
        if kind == "HeartRate":
            beats[low // 60].append(float(element.attrib["value"]))
        elif kind in ("StepCount", "DistanceWalkingRunning", "ActiveEnergyBurned", "FlightsClimbed"):
            amount = float(element.attrib["value"]) * (1000 if kind.startswith("Distance") else 1)
            for second in range(low, high):
                found[f"{device} {kind}"][second // 60] += amount / (high - low)
    found["watch HeartRate"] = {minute: sum(all_) / len(all_) for minute, all_ in beats.items()}
    return found


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_apple_health(tmp_path_factory.mktemp("simulated") / "export.xml", days=3, seed=4)


def test_a_whole_export_agrees_with_another_reader(simulated: Path) -> None:
    expected = by_hand(simulated)
    frame = read_apple_health(simulated, layout="openmhc", tz="UTC")
    minutes = frame.index.as_unit("s").asi8 // 60
    for column, name in {
        "watch_steps": "watch StepCount",
        "watch_distance": "watch DistanceWalkingRunning",
        "watch_energy": "watch ActiveEnergyBurned",
        "watch_hr": "watch HeartRate",
        "iphone_steps": "phone StepCount",
        "iphone_flights": "phone FlightsClimbed",
    }.items():
        assert expected[name], name
        values = frame[column].to_numpy()
        there = np.isin(minutes, list(expected[name]))
        hand = np.array([expected[name][minute] for minute in minutes[there]])
        np.testing.assert_allclose(values[there], hand, rtol=1e-5, atol=1e-5, err_msg=name)
        rest = values[~there]
        assert np.all((rest == 0) | np.isnan(rest)), name


def test_a_simulated_export_holds_what_was_simulated(simulated: Path) -> None:
    truth = lsm2.simulate(participants=1, days=3, seed=4).reset_index(drop=True)
    frame = read_apple_health(simulated).reset_index(drop=True)
    assert len(frame) == len(truth) == 3 * 1440
    assert frame.attrs["simulated"] is True
    for column in ("heart_rate", "steps", "distance", "floors", "active_calories", "sleep_asleep"):
        assert frame[column].notna().any(), column
    off = truth["steps"].isna()
    edge = off.rolling(31, center=True, min_periods=1).min().astype(bool)  # well within the time off
    assert edge.sum() > 30
    assert frame.loc[edge, ["heart_rate", "active_calories"]].isna().all(axis=None)
    asleep = frame["sleep_asleep"].notna() & truth["sleep_asleep"].notna()
    assert (frame["sleep_asleep"] == truth["sleep_asleep"])[asleep].mean() > 0.97
    assert frame["steps"].sum() == pytest.approx(truth["steps"].sum(), rel=0.02)
    both = frame["heart_rate"].notna() & truth["heart_rate"].notna()
    assert both.sum() > 500
    np.testing.assert_allclose(frame["heart_rate"][both], truth["heart_rate"][both])


@pytest.mark.parametrize("name", ["export.zip", "folder", "export.xml"])
def test_simulated_exports_are_alike_in_every_form(tmp_path: Path, name: str) -> None:
    path = simulate_apple_health(tmp_path / name, days=1, seed=1)
    again = simulate_apple_health(tmp_path / "again.xml", days=1, seed=1)
    pd.testing.assert_frame_equal(read_apple_health(path), read_apple_health(again))
    assert {one.name for one in tmp_path.iterdir()} == {name, "again.xml"}


def test_memory_follows_the_records_not_the_file(tmp_path: Path) -> None:
    path = tmp_path / "export.xml"
    filling = "<!-- nothing -->" + '<Record type="HKQuantityTypeIdentifierBasalEnergyBurned" value="1"/>' * 10
    beats = "".join(heart(f"{hour:02d}:{minute:02d}") for hour in range(24) for minute in range(60))
    with path.open("wb") as file:
        file.write(b"<HealthData>" + beats.encode())
        for _ in range(20_000):
            file.write(filling.encode() + b"\n")
        file.write(b"</HealthData>")
    assert path.stat().st_size > 14_000_000
    with pytest.warns(UserWarning, match="nothing to return"):
        read_apple_health(path, end="2024-02-01")  # caches of others
    tracemalloc.start()
    frame = read_apple_health(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert frame["heart_rate"].count() == 1440
    assert peak < 9_000_000


# --- the command ---


def test_the_command_writes_a_table_and_says_what_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], simulated: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["import", "apple-health", str(simulated), "-o", "me.parquet", "--progress"]) == 0
    said = capsys.readouterr()
    assert "100%" in said.err and "B/s" in said.err
    expected = read_apple_health(simulated)
    found = pd.read_parquet("me.parquet")
    pd.testing.assert_frame_equal(found, expected, check_freq=False)
    lines = said.out.splitlines()
    assert lines[0] == "me.parquet: 4320 minutes of 3 days, 2024-03-11 to 2024-03-13"
    assert lines[1].split() == ["channel", "days", "minutes", "observed"]
    count = int(expected["heart_rate"].count())
    assert lines[2].split() == ["heart_rate", "3", str(count), f"{count / 4320:.1%}"]
    assert len(lines) == 2 + expected.shape[1]


def test_the_command_passes_its_options_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], simulated: Path
) -> None:
    output = tmp_path / "me.csv"
    options = "--layout openmhc --tz Europe/Berlin --start 2024-03-12 --end 2024-03-12 --participant 007"
    words = ["import", "apple-health", str(simulated), "-o", str(output), *options.split(), "--no-progress"]
    assert main(words) == 0
    assert "\r" not in capsys.readouterr().err
    found = read_table(output)
    assert list(found.columns) == ["participant_id", "timestamp", *NAMES]
    assert len(found) == 1440
    assert set(found["participant_id"]) == {"007"}


def test_the_commands_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export, output = tmp_path / "export.xml", tmp_path / "me.parquet"
    export.write_bytes(document(heart("10:00"), steps("x", "10:00")))

    def said(*words: str) -> str:
        assert main(["import", "apple-health", *words]) == 2
        return capsys.readouterr().err.splitlines()[-1]

    assert "line 5: HKQuantityTypeIdentifierStepCount: value='x'" in said(str(export), "-o", str(output))
    assert "no such directory" in said(str(export), "-o", str(tmp_path / "nowhere" / "me.parquet"))
    assert "ends in .parquet" in said(str(export), "-o", str(tmp_path / "me.xlsx"))
    assert "no such file" in said(str(tmp_path / "none.zip"), "-o", str(output))
    assert "nothing to write" in said(
        str(export), "-o", str(output), "--on-error", "skip", "--end", "2020-01-01"
    )
    assert not output.exists()
    assert main(["import", "apple-health", str(export), "-o", str(output), "--on-error", "skip"]) == 0
    assert "1 malformed record was left out" in capsys.readouterr().err
    assert output.exists()


def test_help_of_the_import_command_is_light() -> None:
    code = (
        "import sys; from lsm2.cli import main; main(['import', 'apple-health', '--help']); "
        "print([name for name in ('pandas', 'torch', 'numpy') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--on-error" in done.stdout
    assert done.stderr.strip() == "[]"


def test_layouts_name_registered_channels() -> None:
    assert set(NAMES[7:]) <= set(CHANNELS)


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_a_zip_with_a_wrong_check_sum_is_refused(tmp_path: Path, on_error: str) -> None:
    whole = document(*(steps(7, f"{hour:02d}:{minute:02d}") for hour in range(24) for minute in range(60)))
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("apple_health_export/export.xml", whole)
    data = path.read_bytes()
    for place in (data.find(b'value="7"', len(data) // 2) + 7, data.find(b"<Record", len(data) // 2)):
        damaged = bytearray(data)
        damaged[place] ^= 1  # a wrong value, and a document that is not well-formed
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="archive is damaged"):
            lsm2.read_apple_health(path, on_error=on_error)  # type: ignore[arg-type]


@pytest.mark.parametrize("when", ["03/04/2024", "10:00", "04.03.2024"])
def test_dates_whose_month_is_a_guess_are_refused(read: Read, when: str) -> None:
    with pytest.raises(ValueError, match="is no date or time"):
        read(steps(1, "10:00"), start=when)
