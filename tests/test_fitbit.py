"""Fitbit exports: each form, each trap of real ones, and broken or hostile files."""

from __future__ import annotations

import json
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lsm2
from lsm2.readers import read_fitbit
from tests.exports.files import (
    Files,
    check_contract,
    check_hostile_archives,
    fuzz,
    observed,
    write_folder,
    write_zip,
)
from tests.exports.fitbit import (
    CLASSIC,
    NEW,
    everything,
    heart,
    new_heart,
    new_steps,
    sleep_log,
    stream,
    table,
    web,
)

Read = Callable[..., pd.DataFrame]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write files to a folder and read it, in UTC unless told otherwise; files are named by their stem."""

    def run(files: Files, **options: Any) -> pd.DataFrame:
        options = {"tz": "UTC", **options}
        frame = read_fitbit(write_folder(tmp_path / "export", files), **options)
        check_contract(frame)
        return frame

    return run


def of_people(frame: pd.DataFrame, who: str) -> pd.DataFrame:
    return frame.xs(who, level="participant_id")


# --- Takeout, classic ---


def test_heart_rates_of_a_minute_are_averaged(read: Read) -> None:
    beats = heart(("2024-03-05 10:00:05", 60), ("2024-03-05 10:00:20", 64), ("2024-03-05 10:01:00", 70))
    frame = read({f"{CLASSIC}/heart_rate-2024-03-05.json": beats})
    assert observed(frame, "heart_rate") == {"10:00": 62.0, "10:01": 70.0}


def test_heart_rates_without_confidence_are_left_out(read: Read) -> None:
    beats = heart(
        ("2024-03-05 10:00:05", 60, 0), ("2024-03-05 10:00:20", 64, 1), ("2024-03-05 10:01:00", 70, 0)
    )
    frame = read({"heart_rate-2024-03-05.json": beats})
    assert observed(frame, "heart_rate") == {"10:00": 64.0}
    assert frame.attrs["without_confidence"] == 2


def test_values_are_texts_and_months_come_first(read: Read) -> None:
    beats = heart(("2024-01-31 05:00:08", 70))
    frame = read(
        {"heart_rate-2024-01-31.json": beats, "steps-2024-01-31.json": stream(("2024-01-31 05:00:00", 12))}
    )
    assert frame.loc[pd.Timestamp("2024-01-31 05:00+00:00")].tolist() == [70.0, 12.0]


def test_values_are_utc_and_move_to_the_zone(read: Read) -> None:
    files = {"heart_rate-2024-03-05.json": heart(("2024-03-05 23:30:00", 60))}
    frame = read(files, tz="Europe/Berlin")
    assert [str(stamp) for stamp in frame["heart_rate"].dropna().index] == ["2024-03-06 00:30:00+01:00"]
    with pytest.warns(UserWarning, match=r"its times are UTC.*tz='Europe/Berlin'"):
        frame = read(files, tz=None)
    assert str(frame.index.tz) == "UTC"


def test_repeats_of_a_second_count_once(read: Read) -> None:
    beats = [("2024-03-05 10:00:05", 60)] * 3 + [("2024-03-05 10:00:10", 66)]
    frame = read({"heart_rate-2024-03-05.json": heart(*beats)})
    assert observed(frame, "heart_rate") == {"10:00": 63.0}
    assert frame.attrs["duplicates"] == 2


def test_files_that_overlap_count_once(read: Read) -> None:
    minutes = stream(("2024-03-05 10:00:00", 12))
    frame = read({"a/steps-2024-03-01.json": minutes, "b/steps-2024-03-05.json": minutes})
    assert frame["steps"].sum() == 12


def test_distance_of_the_classic_files_is_in_centimetres(read: Read) -> None:
    files = {"distance-2024-03-05.json": stream(("2024-03-05 10:00:00", 6580))}
    assert observed(read(files), "distance")["10:00"] == pytest.approx(65.8)


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize("new", [False, True])
def test_calories_are_on_the_clock_that_steps_show(read: Read, local: bool, new: bool) -> None:
    moments = pd.date_range("2024-03-05", "2024-03-06", freq="min", inclusive="left")
    walking = (moments.hour == 10) & (moments.minute < 40)  # UTC
    written = moments + pd.Timedelta("5h30min") if local else moments
    calories = zip(written.astype(str), np.where(walking, 5.0, 1.2), strict=True)
    files = {f"{CLASSIC}/calories-2024-03-05.json": stream(*calories)}
    if new:
        rows = [f"{moment:%Y-%m-%dT%H:%M:%SZ},90,Watch" for moment in moments[walking]]
        files[f"{NEW}/steps_2024-03-01.csv"] = new_steps(*rows)
    else:
        files[f"{CLASSIC}/steps-2024-03-05.json"] = stream(
            *zip(moments.astype(str), np.where(walking, 90, 0), strict=True)
        )
    frame = read(files, tz="Asia/Kolkata")
    assert (frame.loc[frame["steps"] > 0, "calories"] == 5.0).all()
    assert (frame["calories"] == 5.0).sum() == 40


def test_takeouts_of_two_people_are_refused(read: Read) -> None:
    beats = heart(("2024-03-05 10:00:05", 60))
    files = {
        f"{who}/Takeout/Fitbit/Your Profile/Profile.csv": f"id,timezone\n{who},UTC\n" for who in ("A", "B")
    }
    files["A/Takeout/Fitbit/Global Export Data/heart_rate-2024-03-05.json"] = beats
    with pytest.raises(ValueError, match="the Takeouts of 2 people"):
        read(files)
    again = {name: text.replace("B,", "A,") for name, text in files.items()}
    assert read(again)["heart_rate"].count() == 1  # one person's, twice


def test_zeros_while_nobody_wore_it_are_missing(read: Read) -> None:
    minutes = [f"2024-03-05 {hour:02d}:{minute:02d}:00" for hour in range(10, 16) for minute in range(60)]
    files = {
        "heart_rate-2024-03-05.json": heart(*((stamp, 60) for stamp in minutes[:60])),
        "steps-2024-03-05.json": stream(*((stamp, 0) for stamp in minutes)),
        "calories-2024-03-05.json": stream(*((stamp, 1.17) for stamp in minutes)),
    }
    frame = read(files)
    assert observed(frame, "steps") == {stamp[11:16]: 0.0 for stamp in minutes[:67]}
    assert frame["calories"].count() == 67


def test_motion_without_a_heart_rate_is_kept(read: Read) -> None:
    files = {
        "heart_rate-2024-03-05.json": heart(("2024-03-05 10:00:00", 60)),
        "steps-2024-03-05.json": stream(
            *((f"2024-03-05 12:{minute:02d}:00", 30 * (minute == 30)) for minute in range(60))
        ),
    }
    assert sorted(observed(read(files), "steps")) == [f"12:{minute:02d}" for minute in range(23, 38)]


def test_minutes_that_are_not_written_are_missing(read: Read) -> None:
    beats = [(f"2024-03-05 10:{minute:02d}:00", 60) for minute in range(30)]
    steps = [("2024-03-05 10:00:00", 5), ("2024-03-05 10:02:00", 0)]
    frame = read({"heart_rate-2024-03-05.json": heart(*beats), "steps-2024-03-05.json": stream(*steps)})
    assert observed(frame, "steps") == {"10:00": 5.0, "10:02": 0.0}


def test_the_pmdata_release(read: Read) -> None:
    def beats(value: int) -> str:
        return json.dumps([{"dateTime": "2019-11-01 00:00:08", "value": {"bpm": value, "confidence": 1}}])

    frame = read({"p01/fitbit/heart_rate.json": beats(60), "p02/fitbit/heart_rate.json": beats(70)})
    assert observed(of_people(frame, "p01"), "heart_rate") == {"00:00": 60.0}
    assert observed(of_people(frame, "p02"), "heart_rate") == {"00:00": 70.0}
    assert observed(read({"p01/fitbit/heart_rate.json": beats(60)}, participant="p02"), "heart_rate")


def test_other_files_of_a_takeout_are_passed_over(read: Read) -> None:
    files = {
        f"{CLASSIC}/heart_rate-2024-03-05.json": heart(("2024-03-05 10:00:00", 60)),
        f"{CLASSIC}/resting_heart_rate-2024-03-05.json": stream(("2024-03-05 00:00:00", 55)),
        f"{CLASSIC}/time_in_heart_rate_zones-2024-03-05.json": stream(("2024-03-05 00:00:00", 1)),
        f"{CLASSIC}/very_active_minutes-2024-03-05.json": stream(("2024-03-05 00:00:00", 1)),
        f"{NEW}/daily_resting_heart_rate.csv": new_heart("2024-03-05T00:00:00Z,51,App"),
        f"{NEW}/steps_2024-03-05.csv": "no data",
        f"{NEW}/floors_2024-03-05.csv": "",
        f"{NEW}/calories_in_heart_rate_zone_2024-03-05.csv": table(
            "timestamp,heart rate zone type,kcal", "x,y,z"
        ),
        "Takeout/Fitbit/Heart Rate/README.txt": "x",
        "Takeout/archive_browser.html": "<html>",
        "Takeout/Fitbit/Other/odd.csv": "a,a,a\n\0",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = read(files)
    assert list(frame.columns) == ["heart_rate"] and frame.attrs["files"] == 1


# --- sleep ---


def sleep(*logs: Any) -> dict[str, str]:
    return {f"{CLASSIC}/sleep-2024-03-05.json": json.dumps(list(logs))}


def test_stages_are_asleep_or_awake(read: Read) -> None:
    levels = ["wake", "light", "deep", "rem", "restless", "asleep", "awake"]
    frame = read(
        sleep(sleep_log("2024-03-05 01:00:00", [(level, 600) for level in levels])), tz="Europe/Berlin"
    )
    found = observed(frame, "sleep_asleep")
    expected = [0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0]
    assert [found[f"0{1 + part // 6}:{part % 6}5"] for part in range(7)] == expected
    assert frame["sleep_inbed"].sum() == 70


def test_short_awakenings_are_cut_out(read: Read) -> None:
    log = sleep_log("2024-03-05 01:00:00", [("light", 3600)], short=[("2024-03-05 01:20:00", 120)])
    found = observed(read(sleep(log)), "sleep_asleep")
    assert [found[f"01:{minute}"] for minute in (19, 20, 21, 22)] == [1, 0, 0, 1]


def test_sleep_is_local_while_values_are_utc(read: Read) -> None:
    files = sleep(sleep_log("2024-03-05 01:00:00", [("light", 600)]))
    files["heart_rate-2024-03-05.json"] = heart(("2024-03-05 00:00:00", 60))
    frame = read(files, tz="Europe/Berlin")
    first = frame.loc[pd.Timestamp("2024-03-05 01:00+01:00")]
    assert (first["heart_rate"], first["sleep_asleep"]) == (60.0, 1.0)


def test_sleep_beside_utc_values_needs_a_zone(read: Read) -> None:
    files = sleep(sleep_log("2024-03-05 01:00:00", [("light", 600)]))
    alone = read(files, tz=None)
    assert alone.index.tz is None and alone["sleep_asleep"].sum() == 10
    files["heart_rate-2024-03-05.json"] = heart(("2024-03-05 00:00:00", 60))
    with pytest.warns(UserWarning, match="times are UTC") as caught:
        frame = read(files, tz=None)
    said = "".join(str(one.message) for one in caught)
    assert "2 records are on the local clock" in said and "left out: sleep_asleep: 1" in said
    assert list(frame.columns) == ["heart_rate"]


def test_the_zone_of_the_profile_is_taken(read: Read) -> None:
    files = sleep(sleep_log("2024-03-05 01:00:00", [("light", 600)]))
    files["heart_rate-2024-03-05.json"] = heart(("2024-03-05 00:00:00", 60))
    files["Takeout/Fitbit/Your Profile/Profile.csv"] = "id,full_name,timezone\nX,Anna,Europe/Berlin\n"
    with pytest.warns(UserWarning, match="those of Europe/Berlin, the zone in its profile"):
        frame = read(files, tz=None)
    assert frame.loc[pd.Timestamp("2024-03-05 01:00+01:00"), "sleep_asleep"] == 1
    assert "Anna" not in json.dumps(frame.attrs)


@pytest.mark.parametrize("put_back", [True, False])
def test_a_night_in_which_the_clocks_are_put_back(read: Read, put_back: bool) -> None:
    log = sleep_log("2024-10-27 01:00:00", [("light", 1800)] * 6)  # three hours, 02:00 to 03:00 twice
    if put_back:  # the log shows the clock after the change
        for item in log["levels"]["data"][4:]:
            item["dateTime"] = item["dateTime"].replace("T03:", "T02:")
    frame = read(sleep(log), tz="Europe/Berlin")
    asleep = frame.index[frame["sleep_asleep"] == 1]
    assert len(asleep) == 180
    assert str(asleep[-1]) == "2024-10-27 02:59:00+01:00"


def test_a_log_without_stages_is_passed_over(read: Read) -> None:
    log = {
        "logId": 1,
        "dateOfSleep": "2024-03-05",
        "startTime": "2024-03-05T01:00:00.000",
        "logType": "manual",
    }
    frame = read(sleep(log, sleep_log("2024-03-05 03:00:00", [("light", 600)])))
    assert frame["sleep_asleep"].sum() == 10


def test_a_stage_that_is_not_known_is_neither_asleep_nor_awake(read: Read) -> None:
    stages = [("light", 1800), ("unknown", 1200), ("wake", 600)]
    beats = [(f"2024-03-05 01:{minute:02d}:00", 60) for minute in range(60)]
    files = sleep(sleep_log("2024-03-05 01:00:00", stages))
    for more in ({}, {f"{CLASSIC}/heart_rate-2024-03-05.json": heart(*beats)}):
        frame = read({**files, **more})
        night = frame.loc["2024-03-05 01:00":"2024-03-05 01:59"]
        assert night["sleep_asleep"].iloc[:30].eq(1).all() and night["sleep_asleep"].iloc[50:].eq(0).all()
        assert night["sleep_asleep"].iloc[30:50].isna().all()
        assert night["sleep_inbed"].eq(1).all()


@pytest.mark.parametrize(
    ("change", "message", "reason"),
    [
        ({"level": "dreaming"}, "'dreaming' is no sleep stage", "an unknown sleep stage"),
        ({"seconds": -1}, "is no length", "an impossible length"),
        ({"seconds": "60"}, "is no length", "an impossible length"),
        ({"seconds": 1e9}, "is no length", "an impossible length"),
        ({"dateTime": "soon"}, "is no local time", "a time that is none"),
        ({"dateTime": 7}, "is no local time", "a time that is none"),
        (
            {"dateTime": "9999-01-01T00:00:00.000"},
            "outside the years|is no (local )?time",
            "a time that is none",
        ),
    ],
)
def test_a_malformed_log_is_named_or_counted(
    read: Read, change: dict[str, Any], message: str, reason: str
) -> None:
    log = sleep_log("2024-03-05 01:00:00", [("light", 600)])
    log["levels"]["data"][0].update(change)
    good = sleep_log("2024-03-05 03:00:00", [("light", 600)])
    with pytest.raises(ValueError, match=r"sleep-2024-03-05\.json, log 1: .*(" + message + ")"):
        read(sleep(good, log))
    with pytest.warns(UserWarning, match="malformed records? (was|were) left out"):
        frame = read(sleep(good, log), on_error="skip")
    assert reason in frame.attrs["skipped"] and frame["sleep_asleep"].sum() == 10


# --- Takeout, new ---


def test_the_new_files(read: Read) -> None:
    files = {
        f"{NEW}/heart_rate_2024-03-05.csv": new_heart(
            "2024-03-05T10:00:05Z,60.0,Fitbit Air", "2024-03-05T10:00:10Z,64.0,Fitbit Air"
        ),
        f"{NEW}/steps_2024-03-01.csv": new_steps("2024-03-05T10:00:00Z,12,Fitbit Air"),
        f"{NEW}/distance_2024-03-05.csv": table(
            "timestamp,distance,data source", "2024-03-05T10:00:00Z,8.5,F"
        ),
        f"{NEW}/floors_2024-03-05.csv": table("timestamp,floors,data source", "2024-03-05T10:00:00Z,1,F"),
        f"{NEW}/calories_2024-03-05.csv": table(
            "timestamp,calories,data source", "2024-03-05T10:00:00Z,1.2,F"
        ),
        f"{NEW}/oxygen_saturation_2024-03-05.csv": table(
            "timestamp,oxygen saturation percentage,data source", "2024-03-05T10:00:00Z,96.5,F"
        ),
        f"{NEW}/heart_rate_variability_2024-03-05.csv": table(
            "timestamp,root mean square of successive differences milliseconds,"
            "standard deviation milliseconds,data source",
            "2024-03-05T10:00:00Z,31.5,40.25,F",
        ),
    }
    frame = read(files)
    expected = {"heart_rate": 62, "hrv_rmssd": 31.5, "hrv_sdnn": 40.25, "steps": 12, "distance": 8.5}
    expected |= {"floors": 1, "calories": 1.2, "spo2": 96.5}
    assert frame.loc[pd.Timestamp("2024-03-05 10:00+00:00")].to_dict() == pytest.approx(expected)


def test_missing_is_written_as_minus_one_or_nothing(read: Read) -> None:
    rows = ["2024-03-05T10:00:00Z,-1.0,F", "2024-03-05T10:01:00Z,,F", "2024-03-05T10:02:00Z,14.5,F"]
    files = {
        f"{NEW}/respiratory_rate_2024-03-05.csv": table("timestamp,breaths per minute,data source", *rows)
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert observed(read(files), "respiration_rate") == {"10:02": 14.5}


def test_live_pace_repeats_steps_and_is_left_out(read: Read) -> None:
    pace = table(
        "timestamp,steps,distance millimeters,altitude gain millimeters,data source",
        "2024-03-05T10:01:00Z,9,6300,0,Watch",
    )
    steps = new_steps("2024-03-05T10:00:00Z,30,Watch", "2024-03-05T10:01:00Z,40,Watch")
    frame = read({f"{NEW}/live_pace_2024-03-01.csv": pace, f"{NEW}/steps_2024-03-01.csv": steps})
    assert {at: value for at, value in observed(frame, "steps").items() if value} == {
        "10:00": 30.0,
        "10:01": 40.0,
    }


def test_saturations_that_stand_for_none_are_left_out(read: Read) -> None:
    rows = ("00,96.0,1.0,true", "01,50.0,1.0,true", "02,93.0,0.1,false")
    text = table(
        "timestamp,value,confidence,valid", *(f"2024-03-05T10:{row}".replace(",", ":00Z,", 1) for row in rows)
    )
    frame = read({"Oxygen Saturation (SpO2)/Minute SpO2 - 2024-03-05.csv": text})
    assert observed(frame, "spo2") == {"10:00": 96.0}


def test_two_sources_are_not_added(read: Read) -> None:
    beats = [f"2024-03-05T10:{minute:02d}:00Z,60,Fitbit Air" for minute in range(30)]
    files = {
        f"{NEW}/heart_rate_2024-03-05.csv": new_heart(*beats),
        f"{NEW}/steps_2024-03-05.csv": new_steps(
            "2024-03-05T10:05:00Z,50,Fitbit Air",
            "2024-03-05T10:05:10.552Z,60,Phone Health Kit",
            "2024-03-05T10:06:10.552Z,70,Phone Health Kit",
            "2024-03-05T12:00:03.552Z,40,Phone Health Kit",
        ),
    }
    found = observed(read(files), "steps")
    assert (found["10:05"], found["10:06"], found["12:00"]) == (50.0, 0.0, 40.0)
    assert sum(found.values()) == 90


def test_classic_twins_of_new_files_are_left_out(read: Read) -> None:
    files = {
        f"{NEW}/heart_rate_2024-03-05.csv": new_heart("2024-03-05T10:00:05Z,60.0,F"),
        f"{CLASSIC}/heart_rate-2024-03-05.json": heart(
            ("2024-03-05 10:00:05", 80), ("2024-03-05 11:00:05", 81)
        ),
        f"{CLASSIC}/heart_rate-2024-03-04.json": heart(("2024-03-04 10:00:05", 70)),
        f"{NEW}/steps_2024-03-05.csv": new_steps("2024-03-05T10:00:00Z,12,F"),
        f"{CLASSIC}/steps-2024-03-05.json": stream(("2024-03-05 10:00:00", 12)),
    }
    frame = read(files)
    assert frame["heart_rate"].dropna().tolist() == [70.0, 60.0]
    assert frame["steps"].sum() == 12
    assert frame.attrs["twins"] == {"heart_rate": 2, "steps": 1}


def test_temperatures_are_local(read: Read) -> None:
    temperature = table("recorded_time,temperature,sensor_type", "2024-03-05T01:00,33.5,SKIN")
    files = {"Takeout/Fitbit/Temperature/Device Temperature - 2024-03-05.csv": temperature}
    assert observed(read(files, tz="Europe/Berlin"), "skin_temperature") == {"01:00": 33.5}
    files[f"{NEW}/heart_rate_2024-03-05.csv"] = new_heart("2024-03-05T00:00:05Z,60.0,F")
    frame = read(files, tz="Europe/Berlin")
    assert frame.loc[pd.Timestamp("2024-03-05 01:00+01:00")].tolist() == [60.0, 33.5]


def test_stages_of_the_new_files_carry_offsets(read: Read) -> None:
    header = (
        "sleep_id,sleep_stage_id,sleep_stage_type,start_utc_offset,sleep_stage_start,end_utc_offset,"
        "sleep_stage_end"
    )
    rows = [
        "1,1,LIGHT,+02:00,2024-06-04 20:42:00+0000,+02:00,2024-06-04 22:12:00+0000",
        "1,2,AWAKE,+02:00,2024-06-04 22:12:00+0000,+02:00,2024-06-04 22:30:00+0000",
    ]
    files = {
        "Takeout/Google Health/Health Fitness Data_GoogleData/UserSleepStages_2024-06-01.csv": table(
            header, *rows
        )
    }
    files[f"{NEW}/heart_rate_2024-06-04.csv"] = new_heart("2024-06-04T21:00:05Z,55.0,F")
    files |= sleep(sleep_log("2024-06-04 22:42:00", [("deep", 3000)]))
    frame = read(files, tz=None)
    assert frame.index.tz is None
    assert frame.loc["2024-06-04 23:00"].to_dict() == {"heart_rate": 55, "sleep_asleep": 1, "sleep_inbed": 1}
    assert frame.loc["2024-06-05 00:15", "sleep_asleep"] == 0
    assert frame["sleep_asleep"].sum() == 90
    assert frame.attrs["twins"] == {"sleep logs": 1}


# --- Web API ---


def test_answers_of_the_web_api_are_local(read: Read) -> None:
    files = {
        "heart_2024-03-05.json": web("heart", "2024-03-05", ("00:00:00", 64), ("00:02:00", 66)),
        "steps_2024-03-05.json": web(
            "steps", "2024-03-05", ("00:00:00", 0), ("00:01:00", 10), ("00:02:00", 0)
        ),
        "distance.json": web("distance", "2024-03-05", ("00:01:00", 0.0085)),
    }
    frame = read(files, tz=None)
    assert frame.index.tz is None
    assert observed(frame, "heart_rate") == {"00:00": 64.0, "00:02": 66.0}
    assert observed(frame, "steps") == {"00:00": 0.0, "00:01": 10.0, "00:02": 0.0}
    assert observed(frame, "distance")["00:01"] == pytest.approx(8.5)


def test_calories_carry_mets_and_intensity(read: Read) -> None:
    item = {"level": 1, "mets": 27, "value": 2.5}
    frame = read({"c.json": web("calories", "2024-03-05", ("10:00:00", item))}, tz=None)
    found = frame.loc["2024-03-05 10:00"].to_dict()
    assert found == pytest.approx({"calories": 2.5, "mets": 2.7, "intensity": 1})


def test_seconds_are_averaged_and_quarters_of_an_hour_spread(read: Read) -> None:
    files = {
        "h.json": web("heart", "2024-03-05", ("10:00:00", 60), ("10:00:05", 70), unit="second"),
        "s.json": web("steps", "2024-03-05", ("10:00:00", 150), interval=15),
    }
    frame = read(files, tz=None)
    assert observed(frame, "heart_rate") == {"10:00": 65.0}
    assert observed(frame, "steps") == {f"10:{minute:02d}": 10.0 for minute in range(15)}


def minute_log(start: str, values: str, **more: Any) -> str:
    """An answer of version 1: a night of minutes."""
    stamps = pd.date_range(start, periods=len(values), freq="min")
    minutes = [{"dateTime": f"{at:%H:%M:%S}", "value": one} for at, one in zip(stamps, values, strict=True)]
    log = {"dateOfSleep": f"{stamps[-1]:%Y-%m-%d}", "logId": 7, "minuteData": minutes}
    log["startTime"] = stamps[0].strftime("%Y-%m-%dT%H:%M:%S.000")
    return json.dumps({"sleep": [log | more], "summary": {"totalMinutesAsleep": 3}})


def test_sleep_of_version_1_is_in_minutes(read: Read) -> None:
    frame = read({"night.json": minute_log("2024-03-04 23:58:00", "3112")}, tz=None)
    for channel in ("sleep_asleep", "sleep_inbed"):
        stamps = frame.index[frame[channel] == 1]
        first, last = ("23:59:00", "00:00:00") if channel == "sleep_asleep" else ("23:58:00", "00:01:00")
        assert [str(stamps[0]), str(stamps[-1])] == [f"2024-03-04 {first}", f"2024-03-05 {last}"]


def test_a_night_of_version_1_in_which_the_clocks_are_put_back(read: Read) -> None:
    stamps = pd.date_range("2024-10-27 00:00", periods=300, freq="min", tz="Europe/Berlin")
    minutes = [{"dateTime": f"{at:%H:%M:%S}", "value": "1"} for at in stamps]
    answer = minute_log("2024-10-27 00:00:00", "1", minuteData=minutes)
    frame = read({"night.json": answer}, tz="Europe/Berlin")
    asleep = frame.index[frame["sleep_asleep"] == 1]
    assert len(asleep) == 300 and str(asleep[-1]) == "2024-10-27 03:59:00+01:00"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"minuteData": [{"dateTime": "23:58:00", "value": "4"}]}, "'4' is no sleep stage"),
        ({"minuteData": [{"dateTime": "soon", "value": "1"}]}, "'soon' is no local time"),
        ({"minuteData": [7]}, "None is no local time"),
        ({"startTime": "soon"}, "'23:58:00' is no local time"),
    ],
)
def test_a_malformed_night_of_version_1(read: Read, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=r"night\.json, log 0: .*" + message):
        read({"night.json": minute_log("2024-03-04 23:58:00", "3112", **change)})


def test_several_answers_in_one_file_and_other_kinds(read: Read) -> None:
    several = (
        f"[{web('heart', '2024-03-05', ('10:00:00', 60))}, {web('heart', '2024-03-06', ('10:00:00', 61))}]"
    )
    hrv = {
        "hrv": [
            {
                "dateTime": "2024-03-05",
                "minutes": [{"minute": "2024-03-05T01:00:00.000", "value": {"rmssd": 30.5}}],
            }
        ]
    }
    spo2 = {"dateTime": "2024-03-05", "minutes": [{"minute": "2024-03-05T01:00:00", "value": 95.5}]}
    frame = read({"a.json": several, "b.json": json.dumps(hrv), "c.json": json.dumps(spo2)}, tz=None)
    assert frame["heart_rate"].dropna().tolist() == [60.0, 61.0]
    assert observed(frame, "hrv_rmssd") == {"01:00": 30.5}
    assert observed(frame, "spo2") == {"01:00": 95.5}


def test_an_answer_without_its_date_is_malformed(read: Read) -> None:
    answer = json.loads(web("heart", "2024-03-05", ("10:00:00", 60)))
    answer["activities-heart"] = []
    with pytest.raises(ValueError, match=r"a\.json: activities-heart: no single date"):
        read({"a.json": json.dumps(answer)})


# --- Fitabase ---


def test_fitabase_narrow(read: Read) -> None:
    files = {
        "minuteStepsNarrow_merged.csv": table(
            "Id,ActivityMinute,Steps",
            "1503960366,4/12/2016 7:21:00 AM,12",
            "1503960366,4/12/2016 12:00:00 AM,3",
        ),
        "minuteCaloriesNarrow_merged.csv": table(
            "Id,ActivityMinute,Calories", "1503960366,4/12/2016 7:21:00 AM,1.2"
        ),
        "minuteIntensitiesNarrow_merged.csv": table(
            "Id,ActivityMinute,Intensity", "1503960366,4/12/2016 7:21:00 AM,2"
        ),
        "minuteMETsNarrow_merged.csv": table("Id,ActivityMinute,METs", "1503960366,4/12/2016 7:21:00 AM,37"),
        "heartrate_seconds_merged.csv": table(
            "Id,Time,Value", "1503960366,4/12/2016 7:21:00 PM,97", "1503960366,4/12/2016 7:21:05 PM,99"
        ),
        "dailyActivity_merged.csv": table("Id,ActivityDate,TotalSteps", "1503960366,4/12/2016,13162"),
        "hourlySteps_merged.csv": table("Id,ActivityHour,StepTotal", "1503960366,4/12/2016 12:00:00 AM,373"),
    }
    frame = of_people(read(files, tz=None), "1503960366")
    assert frame.index.tz is None
    found = frame.loc["2016-04-12 07:21"].dropna().to_dict()
    assert found == pytest.approx({"steps": 12, "calories": 1.2, "intensity": 2, "mets": 3.7})
    assert observed(frame, "heart_rate") == {"19:21": 98.0}
    assert observed(frame, "steps")["00:00"] == 3


def test_fitabase_wide_and_its_narrow_twin(read: Read) -> None:
    names = [f"Steps{minute:02d}" for minute in range(60)]
    wide = table(
        f"Id,ActivityHour,{','.join(names)}", f"7,4/13/2016 1:00:00 PM,{','.join(map(str, range(60)))}"
    )
    narrow = table("Id,ActivityMinute,Steps", "7,4/13/2016 1:05:00 PM,5")
    for files in (
        {"minuteStepsWide_merged.csv": wide},
        {"w.csv": wide, "minuteStepsNarrow_merged.csv": narrow},
    ):
        frame = of_people(read(files, tz=None), "7")
        assert observed(frame, "steps") == {f"13:{minute:02d}": float(minute) for minute in range(60)}
    for name, column in (("Calories", "calories"), ("Intensity", "intensity"), ("METs", "mets")):
        wide = table(f"Id,ActivityHour,{name}00,{name}01", "7,4/13/2016 1:00:00 PM,1,2")
        assert column in read({"x.csv": wide}, tz=None)


def test_fitabase_sleep_begins_at_half_minutes(read: Read) -> None:
    rows = [f"7,4/12/2016 2:4{minute}:30 AM,{value},11380564589" for minute, value in enumerate((3, 2, 1, 1))]
    frame = of_people(read({"minuteSleep_merged.csv": table("Id,date,value,logId", *rows)}, tz=None), "7")
    found = observed(frame, "sleep_asleep")
    assert [found[f"02:4{minute}"] for minute in range(4)] == [0, 0, 1, 1]
    assert frame["sleep_asleep"].sum() == 2
    assert frame["sleep_inbed"].sum() == 4


def test_fitabase_holds_many_people(read: Read) -> None:
    rows = [f"{who},4/1{who}/2016 7:21:00 AM,{who}" for who in (3, 1, 2)]
    files = {"minuteStepsNarrow_merged.csv": table("Id,ActivityMinute,Steps", *rows)}
    frame = read(files, tz=None)
    assert list(frame.index.get_level_values("participant_id").unique()) == ["3", "1", "2"]
    assert len(frame) == 3 * 1440
    assert of_people(read(files, tz=None, participant="1"), "1")["steps"].sum() == 1
    with pytest.raises(ValueError, match="holds 3 participants"):
        read(files, tz=None, participant="9")


def test_an_id_asked_for_as_a_number_is_text_in_the_index(read: Read) -> None:
    text = table("Id,ActivityMinute,Steps", "7,4/12/2016 7:21:00 AM,12", "8,4/12/2016 7:21:00 AM,9")
    frame = read({"minuteStepsNarrow_merged.csv": text}, participant=8)
    assert frame.index.get_level_values(0).unique().tolist() == ["8"]


def test_fitabase_in_a_zone(read: Read) -> None:
    files = {"minuteStepsNarrow_merged.csv": table("Id,ActivityMinute,Steps", "7,4/12/2016 7:21:00 AM,12")}
    frame = of_people(read(files, tz="America/New_York"), "7")
    assert [str(stamp) for stamp in frame["steps"].dropna().index] == ["2016-04-12 07:21:00-04:00"]


# --- malformed and hostile ---

BROKEN = [
    (
        {"steps-2024-03-05.json": '[{"dateTime": "03/05/24 10:00:00", "value": "many"}]'},
        "item 0: .*'many' is no number",
    ),
    ({"steps-2024-03-05.json": '[{"dateTime": "13/05/24 10:00:00", "value": "1"}]'}, "item 0: .*is no time"),
    ({"steps-2024-03-05.json": '[{"dateTime": 5, "value": "1"}]'}, "is no time"),
    ({"steps-2024-03-05.json": '[{"dateTime": "03/05/24 10:00:00"}]'}, "is no record"),
    (
        {"steps-2024-03-05.json": '[{"dateTime": "03/05/24 10:00:00", "value": "-5"}]'},
        "is impossible for steps",
    ),
    ({"steps-2024-03-05.json": "[7]"}, "7 is no record"),
    ({"steps-2024-03-05.json": '[{"dateTime": "03/05/'}, "breaks off"),
    ({"steps-2024-03-05.json": ""}, "is empty"),
    ({"steps-2024-03-05.json": '{"a": 1}'}, "is no JSON array"),
    ({"steps-2024-03-05.json": "[" * 100_000}, "breaks off"),
    ({"heart_rate-2024-03-05.json": '[{"dateTime": "03/05/24 10:00:00", "value": "60"}]'}, "is no record"),
    (
        {"heart_rate-2024-03-05.json": '[{"dateTime": "03/05/24 10:00:00", "value": {"bpm": "x"}}]'},
        "is no number",
    ),
    ({"heart_rate_2024-03-05.csv": "when,what\n1,2\n"}, "its header is not known"),
    ({"heart_rate_2024-03-05.csv": new_heart("2024-03-05T10:00:00Z,x,F")}, "line 2: .*'x' is no number"),
    ({"heart_rate_2024-03-05.csv": new_heart("2024-03-05T10:\0000:00Z,60,F")}, "is no text"),
    ({"heart_rate_2024-03-05.csv": "\0\0\0" * 99}, "its header is not known"),
    ({"heart_rate_2024-03-05.csv": new_heart("2099-03-05T10:00:00Z,60,F")}, "outside the years"),
    ({"heart_rate_2024-03-05.csv": new_heart("soon,60,F")}, "'soon' is no time"),
    ({"heart_rate_2024-03-05.csv": new_heart("9999-03-05T10:00:00Z,60,F")}, "outside the years|is no time"),
    ({"heart_rate_2024-03-05.csv": new_heart("2024-03-05T10:00:00Z,60")}, "2 fields, the header 3"),
    ({"a.csv": table("Id,ActivityMinute,Steps", "7,13/13/2016 7:21:00 AM,12")}, "is no time"),
    ({"a.csv": table("Id,date,value,logId", "7,4/12/2016 7:21:00 AM,4,1")}, "'4' is no sleep stage"),
]


@pytest.mark.parametrize(("files", "message"), BROKEN)
def test_what_is_malformed_is_named_or_counted(read: Read, files: dict[str, str], message: str) -> None:
    name = next(iter(files))
    with pytest.raises(ValueError, match=name.replace(".", r"\.") + f".*({message})"):
        read(files)
    good = {"other/heart_rate-2024-03-09.json": heart(("2024-03-09 10:00:00", 60))}
    with pytest.warns(UserWarning, match="1 malformed record was left out"):
        frame = read(files | good, on_error="skip")
    frame = frame.droplevel(0) if isinstance(frame.index, pd.MultiIndex) else frame
    assert frame["heart_rate"].dropna().tolist() == [60.0]


def test_values_out_of_range_are_counted(read: Read) -> None:
    beats = heart(("2024-03-05 10:00:00", 0), ("2024-03-05 10:01:00", 65535), ("2024-03-05 10:02:00", 60))
    steps = stream(("2024-03-05 10:00:00", 65535))
    with pytest.warns(UserWarning, match=r"3 samples are outside .*heart_rate: 2, steps: 1"):
        frame = read({"heart_rate-2024-03-05.json": beats, "steps-2024-03-05.json": steps})
    assert list(frame.columns) == ["heart_rate"]


def test_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_fitbit(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="holds no file of Fitbit's"):
        read_fitbit(tmp_path)


def test_zips_folders_of_zips_and_single_files_are_alike(tmp_path: Path) -> None:
    files = {name: text for name, text in everything().items() if "fitabase" not in name}
    expected = read_fitbit(write_folder(tmp_path / "a", files), tz="UTC")
    names = sorted(files)
    write_zip(tmp_path / "b.zip", files)
    (tmp_path / "c").mkdir()
    write_zip(tmp_path / "c" / "takeout-001.zip", {name: files[name] for name in names[:2]})
    write_zip(tmp_path / "c" / "takeout-002.zip", {name: files[name] for name in names[2:]})
    for name in ("b.zip", "c"):
        pd.testing.assert_frame_equal(read_fitbit(tmp_path / name, tz="UTC"), expected)
    one = f"{CLASSIC}/heart_rate-2024-03-05.json"
    assert read_fitbit(tmp_path / "a" / one, tz="UTC")["heart_rate"].count() == 20


def test_start_and_end(read: Read) -> None:
    beats = heart(*((f"2024-03-0{day} 10:00:00", 60) for day in range(1, 8)))
    frame = read({"heart_rate-2024-03-01.json": beats}, start="2024-03-03", end="2024-03-04")
    assert frame["heart_rate"].count() == 2 and len(frame) == 2880


def test_attrs_are_plain(read: Read) -> None:
    frame = read({name: text for name, text in everything().items() if "fitabase" not in name})
    assert json.loads(json.dumps(frame.attrs)) == frame.attrs
    assert frame.attrs["source"] == "fitbit"
    assert frame.attrs["formats"] == ["csv", "sleep", "stream", "web"]


def test_the_public_name() -> None:
    assert lsm2.read_fitbit is read_fitbit


def test_broken_exports(tmp_path: Path) -> None:
    fuzz(
        lambda path, **options: read_fitbit(path, tz="UTC", **options),
        everything(),
        tmp_path,
        seed=2,
        rounds=80,
    )


def test_hostile_archives(tmp_path: Path) -> None:
    files = {name: text for name, text in everything().items() if "fitabase" not in name}
    check_hostile_archives(lambda path, **options: read_fitbit(path, tz="UTC", **options), files, tmp_path)


def test_memory_follows_the_records_not_the_file(tmp_path: Path) -> None:
    beats = [
        {"dateTime": "03/05/24 10:00:00", "value": {"bpm": 60, "confidence": 2}, "more": "x" * 300}
    ] * 120_000
    path = tmp_path / "heart_rate-2024-03-05.json"
    path.write_text(json.dumps(beats))
    read_fitbit(path, tz="UTC", end="2024-03-05")
    tracemalloc.start()
    frame = read_fitbit(path, tz="UTC")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert frame["heart_rate"].count() == 1
    assert peak < path.stat().st_size


def test_a_whole_day_agrees_with_pandas(read: Read) -> None:
    random = np.random.default_rng(3)
    seconds = np.sort(random.choice(86_400, 9000, replace=False))
    stamps = pd.Timestamp("2024-03-05") + pd.to_timedelta(seconds, unit="s")
    beats = pd.Series(random.integers(45, 180, len(stamps)), index=stamps)
    rows = [f"{stamp.isoformat()}Z,{value},F" for stamp, value in beats.items()]
    frame = read({"heart_rate_2024-03-05.csv": new_heart(*rows)})
    expected = beats.groupby(lambda stamp: stamp.floor("min")).mean()
    found = frame["heart_rate"].dropna().tz_localize(None)
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=1e-6)
    assert (found.index == expected.index).all()
