"""Oura's answers: offsets, days that start at four, rings that are off, pages, broken and hostile files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import lsm2
from lsm2.readers import read_oura
from tests.exports.files import Files, check_contract, check_hostile_archives, fuzz, observed, write_folder
from tests.exports.fitbit import heart, sleep_log

Read = Callable[..., pd.DataFrame]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def run(files: Files, **options: Any) -> pd.DataFrame:
        frame = read_oura(write_folder(tmp_path / "export", files), **options)
        check_contract(frame)
        return frame

    return run


def answer(*items: Any) -> str:
    return json.dumps({"data": list(items), "next_token": None})


def beat(stamp: str, bpm: Any, source: str = "awake") -> dict[str, Any]:
    return {"bpm": bpm, "source": source, "timestamp": stamp}


def activity(
    start: str, items: list[Any], classes: str | None = None, interval: Any = 60.0
) -> dict[str, Any]:
    found: dict[str, Any] = {"day": start[:10], "timestamp": start, "steps": 9000}
    found["met"] = {"interval": interval, "items": items, "timestamp": start}
    return found | ({"class_5_min": classes} if classes is not None else {})


def night(start: str, end: str, phases: Any, **more: Any) -> dict[str, Any]:
    return {
        "bedtime_start": start,
        "bedtime_end": end,
        "sleep_phase_5_min": phases,
        "type": "long_sleep",
        **more,
    }


def test_heart_rates_on_the_clock_of_the_person(read: Read) -> None:
    beats = answer(beat("2024-03-05T20:00:00-05:00", 60), beat("2024-03-05T20:05:00-05:00", 62, "rest"))
    frame = read({"heartrate.json": beats})
    assert frame.index.tz is None
    assert observed(frame, "heart_rate") == {"20:00": 60.0, "20:05": 62.0}
    frame = read({"heartrate.json": beats}, tz="Europe/Berlin")
    assert str(frame["heart_rate"].dropna().index[0]) == "2024-03-06 02:00:00+01:00"


def test_five_minutes_are_not_filled(read: Read) -> None:
    frame = read({"heartrate.json": answer(beat("2024-03-05T20:00:00-05:00", 60))})
    assert frame["heart_rate"].count() == 1


def test_plus_zero_is_utc_and_others_tell_the_clock(read: Read) -> None:
    files = {
        "heartrate.json": answer(beat("2024-03-05T10:00:00+00:00", 60), beat("2024-03-05T12:00:00.000Z", 61)),
        "daily_activity.json": answer(activity("2024-03-05T04:00:00-08:00", [1.1] * 60)),
    }
    frame = read(files)
    assert frame.index.tz is None
    assert observed(frame, "heart_rate") == {"02:00": 60.0, "04:00": 61.0}
    assert observed(frame, "mets") == {f"04:{minute:02d}": pytest.approx(1.1) for minute in range(60)}
    with pytest.warns(UserWarning, match="its times are UTC"):
        assert (
            str(
                read(
                    {"daily_activity.json": answer(), **{k: v for k, v in files.items() if "heart" in k}}
                ).index.tz
            )
            == "UTC"
        )


def test_days_of_activity_begin_at_four(read: Read) -> None:
    frame = read({"a.json": answer(activity("2024-03-05T04:00:00+02:00", [1.5] * 1440))})
    assert len(frame) == 2880
    assert str(frame["mets"].dropna().index[0]) == "2024-03-05 04:00:00"
    assert str(frame["mets"].dropna().index[-1]) == "2024-03-06 03:59:00"


def test_mets_of_a_ring_that_is_off_are_missing(read: Read) -> None:
    items = [1.2] * 5 + [0.1] * 5 + [0.9] * 5
    for classes in ("203", None):
        frame = read({"a.json": answer(activity("2024-03-05T04:00:00+02:00", items, classes))})
        assert sorted(observed(frame, "mets")) == [f"04:{m:02d}" for m in (*range(5), *range(10, 15))]


def test_missing_items_stay_missing(read: Read) -> None:
    frame = read({"a.json": answer(activity("2024-03-05T04:00:00+02:00", [1.2, None, 1.4]))})
    assert sorted(observed(frame, "mets")) == ["04:00", "04:02"]


def test_phases_of_a_night(read: Read) -> None:
    frame = read(
        {"sleep.json": answer(night("2024-03-05T23:02:30+01:00", "2024-03-05T23:25:00+01:00", "41234"))}
    )
    found = observed(frame, "sleep_asleep")
    assert [found[f"23:{minute:02d}"] for minute in (4, 9, 14, 19, 23)] == [0, 1, 1, 1, 0]
    assert frame["sleep_asleep"].sum() == 16  # half minutes at both ends count
    assert frame["sleep_inbed"].sum() == 23


def test_the_last_phase_ends_with_the_night(read: Read) -> None:
    frame = read(
        {"sleep.json": answer(night("2024-03-05T23:00:00+01:00", "2024-03-05T23:07:00+01:00", "22"))}
    )
    assert frame["sleep_asleep"].sum() == 7


def test_series_of_a_night_hold_for_five_minutes(read: Read) -> None:
    series = {"interval": 300.0, "items": [None, 40, 44], "timestamp": "2024-03-05T23:00:00+01:00"}
    item = night("2024-03-05T23:00:00+01:00", "2024-03-05T23:15:00+01:00", "222", hrv=series)
    frame = read({"sleep.json": answer(item)})
    expected = {f"23:{minute:02d}": 40.0 if minute < 10 else 44.0 for minute in range(5, 15)}
    assert observed(frame, "hrv_rmssd") == expected


def test_phases_of_thirty_seconds(read: Read) -> None:
    times = ("2024-03-05T23:00:00+01:00", "2024-03-05T23:04:00+01:00")
    item = night(*times, None, sleep_phase_30_sec="44112233")
    found = observed(read({"sleep.json": answer(item)}), "sleep_asleep")
    assert [found[f"23:0{minute}"] for minute in range(4)] == [0, 1, 1, 1]
    both = night(times[0], "2024-03-05T23:05:00+01:00", "4", sleep_phase_30_sec="2222222222")
    assert read({"sleep.json": answer(both)})["sleep_asleep"].sum() == 0


OLD = {
    "summary_date": "2017-11-05",
    "timezone": 60,
    "bedtime_start": "2017-11-06T01:00:00+01:00",
    "bedtime_end": "2017-11-06T01:15:00+01:00",
    "hypnogram_5min": "421",
    "hr_5min": [0, 52, 50],
    "rmssd_5min": [0, 62, 0],
}


@pytest.mark.parametrize("whole", [{"sleep": [OLD]}, [OLD], OLD])
def test_nights_of_version_one(read: Read, whole: Any) -> None:
    frame = read({"old.json": json.dumps(whole)})
    assert observed(frame, "heart_rate") == {f"01:{m:02d}": 52.0 if m < 10 else 50.0 for m in range(5, 15)}
    assert observed(frame, "hrv_rmssd") == {f"01:{m:02d}": 62.0 for m in range(5, 10)}
    assert [frame["sleep_asleep"][f"2017-11-06 01:{m}"] for m in ("02", "07", "12")] == [0, 1, 1]
    assert frame["sleep_inbed"].sum() == 15


def test_deleted_nights_are_passed_over(read: Read) -> None:
    times = ("2024-03-05T23:00:00+01:00", "2024-03-05T23:10:00+01:00")
    files = {
        "s.json": answer(
            night(*times, "22", type="deleted"),
            night("2024-03-06T23:00:00+01:00", "2024-03-06T23:05:00+01:00", "2"),
        )
    }
    assert read(files)["sleep_asleep"].sum() == 5


def test_pages_lists_and_whole_accounts_are_alike(read: Read, tmp_path: Path) -> None:
    one, two = beat("2024-03-05T20:00:00-05:00", 60), beat("2024-03-05T20:05:00-05:00", 62)
    expected = observed(read({"heartrate.json": answer(one, two)}), "heart_rate")
    for number, files in enumerate(
        (
            {"heartrate_1.json": answer(one), "heartrate_2.json": answer(two)},
            {"x.json": json.dumps([{"data": [one], "next_token": "a"}, {"data": [two]}])},
            {"x.json": json.dumps([one, two])},
            {
                "x.json": json.dumps(
                    {"heartrate": {"data": [one, two]}, "daily_sleep": {"data": [{"score": 1}]}}
                )
            },
            {"x.json": json.dumps({"heartrate": [one, two]})},
        )
    ):
        frame = read_oura(write_folder(tmp_path / str(number), files))
        assert observed(frame, "heart_rate") == expected


def test_repeats_count_once(read: Read) -> None:
    item = activity("2024-03-05T04:00:00+02:00", [1.2, 1.3])
    frame = read({"a.json": answer(item), "b.json": answer(item)})
    assert frame["mets"].sum() == pytest.approx(2.5)
    assert frame.attrs["duplicates"] == 2


def test_days_of_a_change_of_clocks(read: Read) -> None:
    frame = read({"a.json": answer(activity("2024-03-30T04:00:00+01:00", [1.5] * 1380))}, tz="Europe/Berlin")
    assert str(frame["mets"].dropna().index[-1]) == "2024-03-31 03:59:00+02:00"


MALFORMED = [
    (beat("soon", 60), "item 1: 'soon' is no time"),
    (beat("9999-01-01T00:00:00+00:00", 60), "outside the years|is no time"),
    ({"bpm": 60, "source": "rest"}, "None is no time"),
    (beat("2024-03-05T20:10:00-05:00", "many"), "bpm 'many' is no number"),
    (beat("2024-03-05T20:10:00-05:00", True), "bpm True is no number"),
    (7, "7 is no object"),
    (activity("soon", [1.2]), "timestamp 'soon' is no time"),
    (activity("2024-03-05T04:00:00-05:00", [1.2], interval=0), "interval 0 is no length"),
    (activity("2024-03-05T04:00:00-05:00", [1.2], interval="60"), "is no length"),
    (activity("2024-03-05T04:00:00-05:00", ["x"]), "'x' is no number"),
    (night("soon", "2024-03-05T04:00:00-05:00", "2"), "bedtime 'soon' is no time"),
    (night("2024-03-05T03:00:00-05:00", "2024-03-05T04:00:00-05:00", "29"), "digits other than"),
    (
        OLD | {"hr_5min": None, "rmssd_5min": None, "hypnogram_5min": "5"},
        "hypnogram_5min '5' has digits other than",
    ),
    (OLD | {"hr_5min": [0, "x"]}, "hr_5min item 1: .*'x' is no number"),
    (night("2024-03-05T03:00:00-05:00", "2024-03-01T04:00:00-05:00", "2"), "ends before it starts"),
    (night("2024-03-05T03:00:00-05:00", "2024-04-01T04:00:00-05:00", "2"), "longer than seven days"),
]


@pytest.mark.parametrize(("item", "message"), MALFORMED)
def test_a_malformed_item_is_named_or_counted(read: Read, item: Any, message: str) -> None:
    files = {"heartrate.json": answer(beat("2024-03-05T20:00:00-05:00", 60), item)}
    with pytest.raises(
        ValueError, match=r"heartrate\.json, item 1.*(" + message.removeprefix("item 1: ") + ")"
    ):
        read(files)
    with pytest.warns(UserWarning, match="malformed records? (was|were) left out"):
        assert observed(read(files, on_error="skip"), "heart_rate") == {"20:00": 60.0}


def test_values_out_of_range_are_counted(read: Read) -> None:
    beats = answer(beat("2024-03-05T20:00:00-05:00", 0), beat("2024-03-05T20:05:00-05:00", 62))
    with pytest.warns(UserWarning, match="heart_rate: 1"):
        assert observed(read({"heartrate.json": beats}), "heart_rate") == {"20:05": 62.0}


@pytest.mark.parametrize("text", ["", "{", '{"data": [', "[" * 99_999, '"bpm"', '{"data": 7, "bpm": 1'])
def test_what_is_no_answer(read: Read, text: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=r"breaks off|holds no answer|is no|no time"):
        read({"heartrate.json": text})


def test_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_oura(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="holds no answer of Oura's"):
        read_oura(tmp_path)


def test_sleep_logs_of_fitbit_are_no_answers(tmp_path: Path) -> None:
    log = sleep_log("2024-03-05 23:00", [("light", 3600), ("wake", 600)])
    files = {
        "heart_rate-2024-03-05.json": heart(("2024-03-05 10:00:05", 60)),
        "sleep-1.json": json.dumps([log]),
    }
    folder = write_folder(tmp_path / "takeout", files)
    with pytest.raises(FileNotFoundError, match="no answer of Oura's API"):
        read_oura(folder)


def test_attrs_and_the_public_name(read: Read) -> None:
    frame = read({"heartrate.json": answer(beat("2024-03-05T20:00:00-05:00", 60))}, participant="a")
    assert list(frame.index.names) == ["participant_id", "timestamp"]
    assert json.loads(json.dumps(frame.attrs)) == frame.attrs
    assert frame.attrs["utc_offsets"] == [-300]
    assert lsm2.read_oura is read_oura


def whole() -> dict[str, str]:
    return {
        "heartrate.json": answer(*(beat(f"2024-03-05T20:{m}:00-05:00", m + 50) for m in range(10, 40))),
        "daily_activity.json": answer(activity("2024-03-05T04:00:00-05:00", [1.5] * 100, "20" * 10)),
        "sleep.json": answer(night("2024-03-05T01:00:00-05:00", "2024-03-05T02:00:00-05:00", "421342134213")),
    }


def test_broken_answers(tmp_path: Path) -> None:
    fuzz(read_oura, whole(), tmp_path, seed=9, rounds=40)


def test_hostile_archives(tmp_path: Path) -> None:
    check_hostile_archives(read_oura, whole(), tmp_path)
