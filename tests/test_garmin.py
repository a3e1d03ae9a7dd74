"""Garmin's monitoring files: short timestamps, counters of a day, stages, damaged and hostile files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import lsm2
from lsm2.readers import read_garmin
from tests.exports.files import (
    check_contract,
    check_hostile_archives,
    fuzz,
    observed,
    write_folder,
    write_zip,
)
from tests.exports.garmin import RUNNING, SEDENTARY, WALKING, Message, fit, info, monitoring, short, stamp

Read = Callable[..., pd.DataFrame]


@pytest.fixture(params=["garmin_fit_sdk", "fitdecode"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the two parsers, alone."""
    pytest.importorskip(request.param)
    other = {"garmin_fit_sdk": "fitdecode", "fitdecode": "garmin_fit_sdk"}[request.param]
    monkeypatch.setitem(sys.modules, other, None)
    return str(request.param)


@pytest.fixture
def read(tmp_path: Path, parser: str) -> Read:
    def run(*messages: Message, **options: Any) -> pd.DataFrame:
        path = tmp_path / "1.fit"
        path.write_bytes(fit(messages))
        frame = read_garmin(path, **options)
        check_contract(frame)
        return frame

    return run


def beat(at: str, value: int) -> Message:
    return monitoring(timestamp_16=short(f"2024-03-05 {at}"), heart_rate=value)


def walked(at: str, count: int) -> Message:
    return monitoring(f"2024-03-05 {at}", activity_type=WALKING, cycles=count)


def test_short_timestamps_are_completed_by_the_last_full_one(read: Read) -> None:
    frame = read(
        info("2024-03-05 10:00"),
        beat("10:01", 61),
        beat("10:02", 62),
        info("2024-03-05 12:00"),
        beat("12:01", 63),
    )
    assert observed(frame, "heart_rate") == {"10:01": 61.0, "10:02": 62.0, "12:01": 63.0}


def test_short_timestamps_run_over(read: Read) -> None:
    base = stamp("2024-03-05 00:00")
    full = (base // 65_536 + 1) * 65_536 - 60  # a minute before the low 16 bits begin at 0
    messages = [("monitoring", {"timestamp": full, "heart_rate": 60})]
    messages += [
        ("monitoring", {"timestamp_16": (full + step) & 0xFFFF, "heart_rate": 61}) for step in (60, 120)
    ]
    frame = read(*messages, tz="UTC")
    found = frame["heart_rate"].dropna()
    assert [int(one.timestamp()) // 60 for one in found.index] == [
        (full + 631_065_600 + step) // 60 for step in (0, 60, 120)
    ]


def test_counters_grow_all_day(read: Read) -> None:
    frame = read(
        info("2024-03-05 10:00"),
        walked("10:01", 10),
        walked("10:02", 30),
        walked("10:03", 30),
        walked("10:05", 50),
    )
    found = {at: value for at, value in observed(frame, "steps").items() if value}
    assert found == {"10:00": 10.0, "10:01": 20.0, "10:03": 10.0, "10:04": 10.0}


def test_counters_are_kept_per_activity(read: Read) -> None:
    run = monitoring("2024-03-05 10:02", activity_type=RUNNING, cycles=100)
    more = monitoring("2024-03-05 10:03", activity_type=RUNNING, cycles=150)
    frame = read(info("2024-03-05 10:00"), walked("10:01", 10), run, more, walked("10:04", 20))
    assert frame["steps"].sum() == 10 + 100 + 50 + 10


def test_the_last_declared_activity_holds(read: Read) -> None:
    frame = read(
        info("2024-03-05 10:00"),
        walked("10:01", 10),
        monitoring(timestamp_16=short("2024-03-05 10:02"), cycles=25),
        monitoring(timestamp_16=short("2024-03-05 10:03"), current_activity_type_intensity=0x20 | RUNNING),
        monitoring(timestamp_16=short("2024-03-05 10:04"), cycles=40),
        monitoring("2024-03-05 10:05", activity_type=SEDENTARY, cycles=900),
    )
    assert frame["steps"].sum() == 25 + 40


def test_a_first_count_that_cannot_have_grown_so_fast_says_nothing(read: Read) -> None:
    frame = read(info("2024-03-05 10:00"), walked("10:01", 5000), walked("10:02", 5030))
    assert {at: value for at, value in observed(frame, "steps").items() if value} == {"10:01": 30.0}


def test_a_first_count_was_not_made_before_the_file_began(read: Read) -> None:
    frame = read(info("2024-03-05 10:00"), walked("10:00", 100), walked("10:10", 110))
    assert frame["steps"].sum() == 10
    frame = read(info("2024-03-05 08:00"), walked("08:50", 5000), walked("09:00", 5010))
    assert frame["steps"].sum() == 10  # 5,000 are too many for the quarter of an hour that they would be of


def test_counters_of_two_devices_are_not_mixed(tmp_path: Path, parser: str) -> None:
    old = fit([info("2024-03-05 10:00"), walked("10:00", 1000), walked("10:10", 1100)], serial=1)
    worn = [info("2024-03-05 10:00"), walked("10:00", 5000), walked("10:10", 5090), beat("10:05", 60)]
    later = [info("2024-03-05 12:00"), walked("12:00", 5090), walked("12:10", 5140)]
    files = {"a.fit": old, "b.fit": fit(worn, serial=2), "c.fit": fit(later, serial=2)}
    frame = read_garmin(write_folder(tmp_path / "export", files))
    assert frame["steps"].sum() == 140  # the watch with a heart rate goes first
    assert frame["steps"].max() == 9


def test_counters_begin_anew_at_local_midnight(read: Read) -> None:
    frame = read(
        info("2024-03-05 22:00", offset=1),
        monitoring("2024-03-05 22:50", activity_type=WALKING, cycles=100),
        monitoring("2024-03-05 23:10", activity_type=WALKING, cycles=120),
    )
    by_day = frame["steps"].groupby(frame.index.normalize()).sum().tolist()
    assert by_day == [100, 120]
    frame = read(info("2024-03-05 10:00"), walked("10:01", 50), walked("10:02", 7))
    assert frame["steps"].sum() == 57


def test_growth_after_a_long_pause_was_not_long_ago(read: Read) -> None:
    frame = read(info("2024-03-05 10:00"), walked("10:01", 10), walked("13:00", 40))
    assert {at[:2] for at, value in observed(frame, "steps").items() if value} == {"10", "12"}
    assert frame["steps"].sum() == 40


def test_distance_and_calories(read: Read) -> None:
    frame = read(
        info("2024-03-05 10:00"),
        monitoring("2024-03-05 10:01", activity_type=WALKING, cycles=10, distance=800, active_calories=2),
        monitoring("2024-03-05 10:02", activity_type=WALKING, cycles=20, distance=1650, active_calories=5),
    )
    assert observed(frame, "distance")["10:01"] == pytest.approx(8.5)
    assert observed(frame, "active_calories")["10:01"] == 3


def test_zeros_only_while_the_watch_was_worn(read: Read) -> None:
    frame = read(info("2024-03-05 10:00"), walked("10:01", 10), beat("12:00", 60), beat("12:01", 60))
    found = observed(frame, "steps")
    assert found["12:00"] == 0 and "11:00" not in found and "14:00" not in found


def test_a_heart_rate_of_zero_or_none_is_missing(read: Read) -> None:
    frame = read(info("2024-03-05 10:00"), beat("10:01", 0), beat("10:02", 255), beat("10:03", 61))
    assert observed(frame, "heart_rate") == {"10:03": 61.0}


def test_oxygen_breathing_and_stages(read: Read) -> None:
    frame = read(
        info("2024-03-05 01:00"),
        ("spo2_data", {"timestamp": stamp("2024-03-05 01:00"), "reading_spo2": 96}),
        ("respiration_rate", {"timestamp": stamp("2024-03-05 01:00"), "respiration_rate": 1450}),
        ("respiration_rate", {"timestamp": stamp("2024-03-05 01:01"), "respiration_rate": -100}),
        ("stress_level", {"stress_level_value": 20, "stress_level_time": stamp("2024-03-05 01:00")}),
        *(
            ("sleep_level", {"timestamp": stamp(f"2024-03-05 01:{minute}"), "sleep_level": level})
            for minute, level in (("10", 1), ("20", 2), ("30", 3), ("40", 4), ("50", 0))
        ),
    )
    assert observed(frame, "spo2") == {"01:00": 96.0}
    assert observed(frame, "respiration_rate") == {"01:00": 14.5}
    found = observed(frame, "sleep_asleep")
    assert [found[f"01:{minute}"] for minute in (15, 25, 35, 45)] == [0, 1, 1, 1]
    assert frame["sleep_asleep"].sum() == 30


def test_the_local_clock_is_told(read: Read) -> None:
    messages = (info("2024-03-05 23:30", offset=2), beat("23:40", 61))
    frame = read(*messages)
    assert frame.index.tz is None
    assert str(frame["heart_rate"].dropna().index[0]) == "2024-03-06 01:40:00"
    assert frame.attrs["utc_offsets"] == [120]
    assert (
        str(read(*messages, tz="America/New_York")["heart_rate"].dropna().index[0])
        == "2024-03-05 18:40:00-05:00"
    )
    with pytest.warns(UserWarning, match="its times are UTC"):
        assert str(read(monitoring("2024-03-05 10:00", heart_rate=60)).index.tz) == "UTC"


def test_files_of_several_days(tmp_path: Path, parser: str) -> None:
    files = {
        f"DI_CONNECT/{day}.fit": fit(
            [info(f"2024-03-0{day} 00:00"), monitoring(f"2024-03-0{day} 10:00", heart_rate=60 + day)]
        )
        for day in (5, 6)
    }
    expected = [65.0, 66.0]
    assert read_garmin(write_folder(tmp_path / "a", files))["heart_rate"].dropna().tolist() == expected
    assert read_garmin(write_zip(tmp_path / "b.zip", files))["heart_rate"].dropna().tolist() == expected


def test_a_short_timestamp_before_any_full_one(read: Read) -> None:
    with pytest.raises(ValueError, match=r"1\.fit: a short timestamp before any full one"):
        read(beat("10:01", 61))
    with pytest.warns(UserWarning, match="1 malformed record was left out"):
        frame = read(beat("10:01", 61), info("2024-03-05 10:00"), beat("10:02", 62), on_error="skip")
    assert observed(frame, "heart_rate") == {"10:02": 62.0}


@pytest.mark.parametrize("change", ["cut", "noise", "text", "empty"])
def test_damaged_files(tmp_path: Path, parser: str, change: str) -> None:
    good = fit([info("2024-03-05 10:00"), beat("10:01", 61)])
    noise = bytearray(good)
    noise[-5] ^= 1
    bad = {"cut": good[:-9], "noise": bytes(noise), "text": b"hello", "empty": b""}[change]
    folder = write_folder(tmp_path, {"a.fit": bad, "b.fit": good})
    with pytest.raises(ValueError, match=r"a\.fit: the file is damaged or no FIT file"):
        read_garmin(folder)
    with pytest.warns(UserWarning, match="1 with a damaged file"):
        assert observed(read_garmin(folder, on_error="skip"), "heart_rate") == {"10:01": 61.0}


def test_without_a_parser_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("garmin_fit_sdk", "fitdecode"):
        monkeypatch.setitem(sys.modules, name, None)
    write_folder(tmp_path, {"a.fit": fit([])})
    with pytest.raises(ImportError, match=r"pip install 'lsm2\[garmin\]'"):
        read_garmin(tmp_path)


def test_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_garmin(tmp_path / "none.fit")
    with pytest.raises(FileNotFoundError, match="holds no FIT file"):
        read_garmin(tmp_path)


def test_attrs_and_the_public_name(read: Read) -> None:
    frame = read(info("2024-03-05 10:00"), beat("10:01", 61))
    assert json.loads(json.dumps(frame.attrs)) == frame.attrs
    assert lsm2.read_garmin is read_garmin


def test_broken_files(tmp_path: Path, parser: str) -> None:
    beats = [beat(f"10:{minute}", minute + 40) for minute in range(10, 60)]
    fuzz(read_garmin, {"a.fit": fit([info("2024-03-05 10:00"), *beats])}, tmp_path, seed=11, rounds=30)


def test_hostile_archives(tmp_path: Path, parser: str) -> None:
    check_hostile_archives(
        read_garmin, {"a.fit": fit([info("2024-03-05 10:00"), beat("10:01", 61)])}, tmp_path
    )


def test_the_zip_of_a_whole_account_holds_zips(tmp_path: Path, parser: str) -> None:
    data = fit([info("2024-03-05 10:00"), walked("10:01", 10)])
    part = write_zip(tmp_path / "part.zip", {"me_1.fit": data}).read_bytes()
    files = {"DI_CONNECT/DI-Connect-Uploaded-Files/UploadedFiles_0-_Part1.zip": part, "readme.txt": "x"}
    whole = write_zip(tmp_path / "account.zip", files)
    assert read_garmin(whole)["steps"].sum() == 10
    (tmp_path / "cut.zip").write_bytes(write_zip(tmp_path / "x.zip", {"a/p.zip": part[:-30]}).read_bytes())
    with pytest.raises(ValueError, match=r"cut.zip, member 'a/p.zip': is no whole zip archive"):
        read_garmin(tmp_path / "cut.zip")
    write_zip(
        tmp_path / "slip.zip", {"p.zip": write_zip(tmp_path / "in.zip", {"../a.fit": data}).read_bytes()}
    )
    with pytest.raises(ValueError, match=r"member 'p.zip': member '../a.fit' points outside"):
        read_garmin(tmp_path / "slip.zip")
