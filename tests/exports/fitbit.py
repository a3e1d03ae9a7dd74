"""Fitbit's exports: Takeout's classic JSON and new CSV, answers of the Web API, Fitabase."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

CLASSIC = "Takeout/Fitbit/Global Export Data"
NEW = "Takeout/Fitbit/Physical Activity_GoogleData"


def clock(stamp: str) -> str:
    """2024-03-05 10:00:08 as the classic files write it."""
    return datetime.fromisoformat(stamp).strftime("%m/%d/%y %H:%M:%S")


def heart(*beats: tuple[str, Any] | tuple[str, Any, Any]) -> str:
    """(UTC time, bpm[, confidence]) as heart_rate-*.json."""
    items = [
        {"dateTime": clock(beat[0]), "value": {"bpm": beat[1], "confidence": beat[2] if len(beat) > 2 else 2}}
        for beat in beats
    ]
    return json.dumps(items, indent=2)


def stream(*values: tuple[str, Any]) -> str:
    """(UTC time, value) as steps-*.json and its like; values are texts."""
    return json.dumps([{"dateTime": clock(stamp), "value": str(value)} for stamp, value in values])


def sleep_log(start: str, stages: Iterable[tuple[str, int]], short: Iterable[tuple[str, int]] = ()) -> Any:
    """(level, seconds) one after the other from a local time, and short awakenings (local time, seconds)."""
    moment = datetime.fromisoformat(start)
    first, data = moment, []
    for level, seconds in stages:
        data.append({"dateTime": iso(moment), "level": level, "seconds": seconds})
        moment += timedelta(seconds=seconds)
    return {
        "logId": int(first.timestamp()),
        "dateOfSleep": moment.strftime("%Y-%m-%d"),
        "startTime": iso(first),
        "endTime": iso(moment),
        "duration": int((moment - first).total_seconds() * 1000),
        "type": "stages",
        "mainSleep": True,
        "levels": {
            "summary": {},
            "data": data,
            "shortData": [
                {"dateTime": iso(datetime.fromisoformat(at)), "level": "wake", "seconds": seconds}
                for at, seconds in short
            ],
        },
    }


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000")


def table(header: str, *rows: str) -> str:
    return "\r\n".join([header, *rows]) + "\r\n"


def new_heart(*rows: str) -> str:
    return "\ufeff" + table("timestamp,beats per minute,data source", *rows)


def new_steps(*rows: str) -> str:
    return "\ufeff" + table("timestamp,steps,data source", *rows)


def web(kind: str, day: str, *values: tuple[str, Any], interval: int = 1, unit: str = "minute") -> str:
    """(time of day, value or fields) as an answer of the Web API."""
    dataset = [
        {"time": at, **(value if isinstance(value, dict) else {"value": value})} for at, value in values
    ]
    answer = {
        f"activities-{kind}": [{"dateTime": day, "value": "0"}],
        f"activities-{kind}-intraday": {
            "dataset": dataset,
            "datasetInterval": interval,
            "datasetType": unit,
        },
    }
    return json.dumps(answer)


def everything() -> dict[str, str]:
    """A small export in every form at once, of different days."""
    minutes = [f"2024-03-05 10:{minute:02d}:00" for minute in range(20)]
    return {
        f"{CLASSIC}/heart_rate-2024-03-05.json": heart(*((stamp, 60) for stamp in minutes)),
        f"{CLASSIC}/steps-2024-03-05.json": stream(*((stamp, 3) for stamp in minutes)),
        f"{CLASSIC}/sleep-2024-03-05.json": json.dumps(
            [sleep_log("2024-03-05 01:00:00", [("light", 600), ("wake", 300)])]
        ),
        f"{NEW}/heart_rate_2024-03-06.csv": new_heart(
            *(f"2024-03-06T10:{minute:02d}:05Z,61.0,Fitbit Air" for minute in range(20))
        ),
        "web/steps.json": web("steps", "2024-03-07", *((f"10:{minute:02d}:00", 4) for minute in range(20))),
        "fitabase/minuteStepsNarrow_merged.csv": table(
            "Id,ActivityMinute,Steps", *(f"7,3/8/2024 10:{minute:02d}:00 AM,5" for minute in range(20))
        ),
    }
