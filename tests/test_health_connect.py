"""Health Connect's database: parents and series, several apps, offsets, units, damaged and hostile files."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import lsm2
from lsm2.readers import read_health_connect
from tests.exports.databases import database
from tests.exports.files import (
    check_contract,
    check_hostile_archives,
    fuzz,
    observed,
    write_folder,
    write_zip,
)
from tests.exports.health_connect import health_connect, ms

Read = Callable[..., pd.DataFrame]
NAME = "health_connect_export.db"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def run(data: bytes | None = None, on: dict[str, Any] | None = None, **records: Any) -> pd.DataFrame:
        path = tmp_path / NAME
        path.write_bytes(health_connect(**records) if data is None else data)
        frame = read_health_connect(path, **(on or {}))
        check_contract(frame)
        return frame

    return run


def test_beats_are_children_of_records(read: Read) -> None:
    beats = [(1, "2024-03-05 10:00:05", 60), (1, "2024-03-05 10:00:35", 64), (1, "2024-03-05 10:01:00", 70)]
    frame = read(beats=beats)
    assert frame.index.tz is None
    assert observed(frame, "heart_rate") == {"11:00": 62.0, "11:01": 70.0}
    assert frame.attrs["utc_offsets"] == [60]


def test_a_zone_and_offsets_of_travel(read: Read) -> None:
    beats = [(1, "2024-03-05 23:30", 60)]
    frame = read(beats=beats, on={"tz": "America/New_York"})
    assert str(frame["heart_rate"].dropna().index[0]) == "2024-03-05 18:30:00-05:00"
    with pytest.warns(UserWarning, match="its times are UTC"):
        assert str(read(beats=beats, zone=None).index.tz) == "UTC"


@pytest.mark.parametrize("participant", [None, "P01"])
def test_nothing_within_the_time_asked_for(read: Read, participant: str | None) -> None:
    asked = {"tz": "Europe/Berlin", "start": "2025-01-01", "participant": participant}
    with pytest.warns(UserWarning, match="nothing to return"):
        frame = read(beats=[(1, "2024-03-05 10:00", 60)], on=asked)
    assert (
        frame.empty
        and str(frame.index.get_level_values("timestamp").dtype) == "datetime64[ns, Europe/Berlin]"
    )


def test_intervals_are_spread(read: Read) -> None:
    frame = read(steps=[(1, "2024-03-05 10:00:30", "2024-03-05 10:02:00", 90)], zone=0)
    found = {at: value for at, value in observed(frame, "steps").items() if value}
    assert found == {"10:00": 30.0, "10:01": 60.0}


def test_the_app_that_covers_most_minutes_counts(read: Read) -> None:
    watch = [(1, f"2024-03-05 10:{m:02d}", f"2024-03-05 10:{m + 1:02d}", 10) for m in range(30)]
    phone = [(2, "2024-03-05 10:00", "2024-03-05 10:05", 70), (2, "2024-03-05 15:00", "2024-03-05 15:05", 50)]
    frame = read(steps=[*phone, *watch], beats=[(2, "2024-03-05 10:00", 60)], zone=0)
    assert frame["steps"].sum() == 300
    assert frame["heart_rate"].count() == 1  # by another app, which is the best of its kind
    assert frame.attrs["apps"] == 2


def test_another_app_answers_on_days_far_from_those_of_the_first(read: Read) -> None:
    old = [(1, f"2024-03-05 10:{m:02d}", f"2024-03-05 10:{m + 1:02d}", 10) for m in range(30)]
    new = [(2, f"2024-03-{day:02d} 10:00", f"2024-03-{day:02d} 10:01", 7) for day in (5, 6, 9)]
    frame = read(steps=[*old, *new], zone=0)
    by_day = frame["steps"].groupby(frame.index.normalize()).sum()
    assert by_day[by_day > 0].to_dict() == {pd.Timestamp("2024-03-05"): 300, pd.Timestamp("2024-03-09"): 7}


def test_amounts_of_whole_days_tell_of_no_minutes(read: Read) -> None:
    whole = [(1, "2024-03-05 00:00", "2024-03-06 00:00", 5000)]
    with pytest.warns(UserWarning, match=r"left out 1 amount of more than twelve hours \(steps: 1\)"):
        frame = read(steps=[*whole, (2, "2024-03-05 10:00", "2024-03-05 10:05", 250)], zone=0)
    assert frame["steps"].sum() == 250 and frame["steps"].count() == 5 + 2 * 7


def test_amounts_of_hours_are_kept(read: Read) -> None:
    hike = (1, "2024-03-05 09:00", "2024-03-05 13:00", 20_000)
    beats = [(1, str(m), 90) for m in pd.date_range("2024-03-05 08:00", "2024-03-05 15:00", freq="min")]
    frame = read(steps=[hike, (1, "2024-03-05 14:00", "2024-03-05 14:05", 250)], beats=beats, zone=0)
    assert frame["steps"].sum() == pytest.approx(20_250, rel=1e-4)  # not four hours of no step


def test_total_energy_is_never_made_zero(read: Read) -> None:
    records = [(1, "2024-03-05 10:00", "2024-03-05 10:10", 12_000.0)]
    found = observed(read(calories=records, beats=[(1, "2024-03-05 10:12", 60)], zone=0), "calories")
    assert found == {f"10:{minute:02d}": pytest.approx(1.2) for minute in range(10)}


def test_coverage_counts_overlapping_records_once(read: Read) -> None:
    many = [(1, "2024-03-05 10:00", "2024-03-05 10:10", count) for count in (1, 2, 3, 4)]
    long = [
        (2, "2024-03-05 12:00", "2024-03-05 12:15", 150),
        (2, "2024-03-05 12:15", "2024-03-05 12:30", 150),
    ]
    assert read(steps=[*many, *long], zone=0)["steps"].sum() == 300


def test_minutes_go_before_the_totals_of_hours(read: Read) -> None:
    hours = [(1, f"2024-03-05 {hour:02d}:00", f"2024-03-05 {hour + 1:02d}:00", 500) for hour in range(8, 20)]
    minute = pd.date_range("2024-03-05 10:00", periods=240, freq="min")
    watch = [(2, str(m), str(m + pd.Timedelta("1min")), 20) for m in minute]
    assert read(steps=[*hours, *watch], zone=0)["steps"].sum() == 4800
    few = read(steps=[*hours, *watch[:3]], zone=0)["steps"].sum()
    assert few == pytest.approx(6000)  # a phone that was carried for a moment
    longer = [(2, "2024-03-05 10:00", "2024-03-05 10:50", 20)]
    found = read(steps=[*hours, *longer], zone=0)["steps"].sum()
    assert found == pytest.approx(6000)  # neither tells minutes apart


def test_stages_go_before_sessions_without_them(read: Read) -> None:
    sessions = [(1, "2024-03-05 00:00", "2024-03-05 08:00"), (2, "2024-03-05 01:00", "2024-03-05 05:00")]
    stages = [(2, "2024-03-05 01:00", "2024-03-05 04:50", 4), (2, "2024-03-05 04:50", "2024-03-05 05:00", 7)]
    frame = read(stages=stages, sessions=sessions, zone=0)
    assert frame["sleep_asleep"].sum() == 230 and frame["sleep_inbed"].sum() == 240
    assert frame["sleep_asleep"].count() == 240 + 2 * 7
    nap = [(2, "2024-03-05 01:00", "2024-03-05 01:50", 4), (2, "2024-03-05 01:50", "2024-03-05 02:00", 7)]
    short = (2, "2024-03-05 01:00", "2024-03-05 02:00")
    assert read(stages=nap, sessions=[sessions[0], short], zone=0)["sleep_asleep"].sum() == 480


def test_one_stage_of_a_whole_session_is_none(read: Read) -> None:
    sessions = [(1, "2024-03-05 00:00", "2024-03-05 08:00"), (2, "2024-03-05 01:00", "2024-03-05 02:00")]
    stages = [(2, "2024-03-05 01:00", "2024-03-05 02:00", 2)]
    assert read(stages=stages, sessions=sessions, zone=0)["sleep_asleep"].sum() == 480


def test_repeats_count_once(read: Read) -> None:
    frame = read(steps=[(1, "2024-03-05 10:00", "2024-03-05 10:01", 9)] * 2, zone=0)
    assert frame["steps"].sum() == 9 and frame.attrs["duplicates"] == 1


def test_zeros_only_where_worn(read: Read) -> None:
    steps = [(1, "2024-03-05 10:00", "2024-03-05 10:01", 9)]
    found = observed(read(steps=steps, beats=[(1, "2024-03-05 12:00", 60)], zone=0), "steps")
    assert found["12:00"] == 0 and found["12:07"] == 0 and "12:08" not in found and "11:00" not in found


def test_energy_is_in_calories_or_in_joules(read: Read) -> None:
    hours = [f"2024-03-05 {hour:02d}:00" for hour in range(10, 21)]
    cal = [(1, first, last, 60 * 1200.0) for first, last in pairwise(hours)]
    joules = [(1, first, last, 60 * 1200.0 * 4.184) for first, last in pairwise(hours)]
    for records in (cal, joules):
        frame = read(calories=records, zone=0)
        assert frame.loc["2024-03-05 12:30", "calories"] == pytest.approx(1.2)


def test_the_total_tells_the_unit_of_active_energy(read: Read) -> None:
    hours = [f"2024-03-05 {hour:02d}:00" for hour in range(10, 21)]
    total = [(1, first, last, 60 * 1200.0 * 4.184) for first, last in pairwise(hours)]
    active = [
        (1, "2024-03-05 12:00", "2024-03-05 13:00", 60 * 418.4),
        (2, "2024-03-05 12:00", "2024-03-05 12:01", 100.0),
    ]
    frame = read(calories=total, active_calories=active[:1], zone=0)
    assert frame.loc["2024-03-05 12:30", "active_calories"] == pytest.approx(0.1)
    frame = read(calories=total, active_calories=active[1:], zone=0)  # of another app: calories
    assert frame.loc["2024-03-05 12:00", "active_calories"] == pytest.approx(0.1)


def test_distance_and_oxygen(read: Read) -> None:
    frame = read(
        distance=[(1, "2024-03-05 10:00", "2024-03-05 10:02", 150.5)],
        spo2=[(1, "2024-03-05 10:00", 97.0)],
        zone=0,
    )
    assert observed(frame, "distance")["10:01"] == pytest.approx(75.25)
    assert observed(frame, "spo2") == {"10:00": 97.0}


def test_stages_are_children_of_sessions(read: Read) -> None:
    kinds = [1, 2, 3, 4, 5, 6, 7, 0]
    stages = [
        (1, f"2024-03-05 01:{m}0", f"2024-03-05 01:{m}9:59.999", kind) for m, kind in enumerate(kinds[:6])
    ]
    stages += [(1, "2024-03-05 02:00", "2024-03-05 02:10", 7), (1, "2024-03-05 02:10", "2024-03-05 02:20", 0)]
    frame = read(stages=stages, sessions=[(1, "2024-03-05 01:00", "2024-03-05 02:20")], zone=0)
    found = observed(frame, "sleep_asleep")
    assert [found[f"01:{m}5"] for m in range(6)] + [found["02:05"]] == [0, 1, 0, 1, 1, 1, 0]
    assert frame["sleep_inbed"].sum() == 80


def test_a_session_without_stages_is_sleep(read: Read) -> None:
    frame = read(sessions=[(1, "2024-03-05 01:00", "2024-03-05 02:00")], zone=0)
    assert frame["sleep_asleep"].sum() == 60


def test_values_out_of_range_are_counted(read: Read) -> None:
    with pytest.warns(UserWarning, match="heart_rate: 2"):
        frame = read(
            beats=[(1, "2024-03-05 10:00", 0), (1, "2024-03-05 10:01", 999), (1, "2024-03-05 10:02", 60)]
        )
    assert frame["heart_rate"].count() == 1


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ({"steps": [(1, "2024-03-05 10:05", "2024-03-05 10:00", 5)]}, "ends before it starts"),
        ({"steps": [(1, "2024-03-05 10:00", "2024-04-05 10:00", 5)]}, "longer than seven days"),
        ({"steps": [(1, "2024-03-05 10:00", "2024-03-05 10:01", -5)]}, "is impossible for steps"),
        ({"steps": [(1, "2024-03-05 10:00", "2024-03-05 10:01", "many")]}, "count 'many' is no number"),
        ({"steps": [(1, "2024-03-05 10:00", "2024-03-05 10:01", b"\x00")]}, "is no number"),
        ({"steps": [(1, "soon", "2024-03-05 10:01", 5)]}, "'soon' is no time"),
        ({"steps": [(1, None, "2024-03-05 10:01", 5)]}, "None is no time"),
        ({"steps": [(1, -5, -1, 5)]}, "outside the years"),
        ({"steps": [(1, 253_402_300_799_000, 253_402_300_799_000, 5)]}, "outside the years"),
        ({"beats": [(1, "2024-03-05 10:00", "x")]}, "beats_per_minute 'x' is no number"),
        ({"stages": [(7, "2024-03-05 01:00", "2024-03-05 02:00", 4)]}, "parent_key 7 is no record"),
        (
            {
                "stages": [(1, "2024-03-05 01:00", "2024-03-05 02:00", 99)],
                "sessions": [(1, "2024-03-05 01:00", "2024-03-05 02:00")],
            },
            "stage_type 99 is no sleep stage",
        ),
    ],
)
def test_a_malformed_record_is_named_or_counted(read: Read, records: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=r"export\.db, table '\w+', row 1: .*" + message):
        read(**records)
    records = records | {"spo2": [(1, "2024-03-05 12:00", 97.0)]}
    with pytest.warns(UserWarning, match="1 malformed record was left out"):
        assert read(**records, on={"on_error": "skip"})["spo2"].count() == 1


def test_missing_values_are_missing(read: Read) -> None:
    steps = [(1, "2024-03-05 10:00", "2024-03-05 10:01", None)]
    assert "steps" not in read(steps=steps, beats=[(1, "2024-03-05 10:00", 60)])


def test_zips_and_folders(tmp_path: Path) -> None:
    data = health_connect(beats=[(1, "2024-03-05 10:00", 60)])
    expected = {"11:00": 60.0}
    assert (
        observed(read_health_connect(write_zip(tmp_path / "a.zip", {NAME: data})), "heart_rate") == expected
    )
    assert observed(read_health_connect(write_folder(tmp_path / "b", {NAME: data})), "heart_rate") == expected
    write_zip(tmp_path / "c" / "Health Connect.zip", {NAME: data}) if not (tmp_path / "c").mkdir() else None
    assert observed(read_health_connect(tmp_path / "c"), "heart_rate") == expected
    with pytest.raises(ValueError, match="holds 2 databases"):
        read_health_connect(write_folder(tmp_path / "d", {NAME: data, "old/" + NAME: data}))


def test_views_are_not_read(read: Read) -> None:
    view = ["DROP TABLE steps_record_table"]
    view += [
        f"CREATE VIEW steps_record_table AS SELECT 1 app_info_id, {ms('2024-03-05')} start_time, 5 count"
    ]
    frame = read(beats=[(1, "2024-03-05 10:00", 60)], extra=view)
    assert list(frame.columns) == ["heart_rate"]


def test_columns_that_are_computed_do_no_harm(read: Read) -> None:
    more = "ALTER TABLE steps_record_table ADD COLUMN local_date_time_start_time INTEGER "
    more += "AS (start_time + 1000 * start_zone_offset)"
    frame = read(steps=[(1, "2024-03-05 10:00", "2024-03-05 10:01", 5)], extra=[more])
    assert frame["steps"].sum() == 5


def test_what_is_no_export(read: Read, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no SQLite database"):
        read(b"hello")
    with pytest.raises(ValueError, match="is no database of Health Connect's"):
        read(database({"other": ("a INTEGER", [(1,)])}))
    with pytest.raises(FileNotFoundError, match="holds no database of Health Connect's"):
        read_health_connect(write_folder(tmp_path / "x", {"a.txt": "b"}))
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_health_connect(tmp_path / "none.db")


def test_attrs_and_the_public_name(read: Read) -> None:
    frame = read(beats=[(1, "2024-03-05 10:00", 60)])
    assert json.loads(json.dumps(frame.attrs)) == frame.attrs
    assert "example" not in json.dumps(frame.attrs)
    assert lsm2.read_health_connect is read_health_connect


def whole() -> dict[str, bytes]:
    beats = [(1, f"2024-03-05 10:{m}", m + 40) for m in range(10, 60)]
    steps = [(1, f"2024-03-05 10:{m}", f"2024-03-05 10:{m + 1}", m) for m in range(10, 58)]
    stages = [(1, "2024-03-05 01:00", "2024-03-05 02:00", 4)]
    sessions = [(1, "2024-03-05 01:00", "2024-03-05 02:00")]
    return {NAME: health_connect(beats=beats, steps=steps, stages=stages, sessions=sessions)}


def test_broken_databases(tmp_path: Path) -> None:
    fuzz(read_health_connect, whole(), tmp_path, seed=13, rounds=40)


def test_hostile_archives(tmp_path: Path) -> None:
    check_hostile_archives(read_health_connect, whole(), tmp_path)
