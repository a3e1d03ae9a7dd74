"""Fitbit's sleep logs: stretches of stages on the local clock, with short awakenings beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from lsm2.days.clock import offsets
from lsm2.readers.cells import Clock, read_iso
from lsm2.readers.recording import ASLEEP, AWAKE, INBED, UNKNOWN
from lsm2.readers.samples import LONGEST
from lsm2.readers.store import Store, to_absolute

_STAGES = {
    **dict.fromkeys(("light", "deep", "rem", "asleep"), ASLEEP),
    **dict.fromkeys(("wake", "awake", "restless"), AWAKE),  # Fitbit's minutesAsleep leaves restless out
    "unknown": UNKNOWN,
}
_MINUTES = {"1": "asleep", "2": "restless", "3": "awake"}  # of version 1 of the Web API
LOGGED = ("levels", "minuteData")  # what holds the stages of a log
_DAY = 86_400
_CHANGES = (1800, 3600, -1800, -3600)  # seconds by which clocks are put back or on


@dataclass
class _Stretch:
    """One stage: where the local clock showed its start, how long it lasted, and when it began."""

    shown: int  # seconds since 1970 on the local clock
    seconds: int
    stage: str
    start: int = 0  # seconds since 1970: UTC where the zone is known, else the local clock


class _Malformed(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def read_sleep(logs: Iterable[Any], where: str, store: Store, person: Any, covered: set[int]) -> int:
    """Read logs: `{"startTime", "levels": {"data": [{"dateTime", "level", "seconds"}], "shortData": [...]}}`.

    Version 1 of the Web API has minutes instead: `{"startTime", "minuteData": [{"dateTime": "22:03:00",
    "value": "1"}]}`, 1 asleep, 2 restless, 3 awake.

    Args:
        logs: The logs.
        where: The file, for messages.
        store: Takes the stages.
        person: Whose they are.
        covered: Hours since 1970, on the local clock, whose sleep is known already.

    Returns:
        How many logs were left out because of that.
    """
    found: dict[str, list[tuple[int, int, int]]] = {ASLEEP: [], AWAKE: [], UNKNOWN: [], INBED: []}
    left_out = 0
    zone = store.request.zone
    for number, log in enumerate(logs):
        try:
            stages, wakes = _stages(log)
        except _Malformed as error:
            store.faults.refuse(f"{where}, log {number}", error.reason, str(error))
            continue
        if _hours(stages) & covered:
            left_out += 1
        elif not _settle(stages, zone):
            store.never += 1
        else:
            for stretch in _with_awakenings(stages, wakes):
                for kind in (stretch.stage, INBED):
                    found[kind].append((stretch.start, stretch.seconds, number))
    clock: Clock = "local" if zone is None else "utc"
    for kind, stretches in found.items():
        if stretches:
            start, seconds, numbers = np.array(stretches, np.int64).T
            store.add(
                kind,
                start,
                np.ones(len(start)),
                place=_place(where, numbers),
                seconds=seconds,
                source="takeout",
                person=person,
                clock=clock,
            )
    return left_out


def _place(where: str, numbers: np.ndarray) -> Callable[[int], str]:
    return lambda row: f"{where}, log {numbers[row]}"


def _stages(log: Any) -> tuple[list[_Stretch], list[_Stretch]]:
    """Return the stages of a log, and the short awakenings beside them."""
    levels = log.get("levels") if isinstance(log, dict) else None
    if not isinstance(levels, dict) or not isinstance(levels.get("data"), list):
        if isinstance(log, dict) and levels is None and isinstance(log.get("minuteData"), list):
            return _stretches(_levels_of(log)), []
        if isinstance(log, dict) and levels is None and "startTime" in log:
            return [], []  # logged by hand: no stages
        raise _Malformed("a missing field", "the log has no levels.data")
    short = levels.get("shortData") or []
    wakes = _stretches(short if isinstance(short, list) else [])
    return _stretches(levels["data"]), [wake for wake in wakes if wake.stage == AWAKE]


def _levels_of(log: dict[str, Any]) -> list[Any]:
    """Return the minutes of a log as levels; they show the time of day, and begin with the log."""
    minutes = [one if isinstance(one, dict) else {} for one in log["minuteData"]]
    day = str(log.get("startTime"))[:10]
    times = read_iso([log.get("startTime"), *(f"{day}T{one.get('dateTime')}" for one in minutes)])
    levels = []
    shown = int(times.seconds[0])
    for minute, seconds, bad in zip(minutes, times.seconds[1:].tolist(), times.bad[1:], strict=True):
        shown += (seconds - shown + _DAY // 2) % _DAY - _DAY // 2  # to the nearest such time of day
        level = _MINUTES.get(str(minute.get("value")))
        stamp = minute.get("dateTime") if bad else str(np.datetime64(shown, "s"))
        levels.append({"dateTime": stamp, "level": level or minute.get("value"), "seconds": 60})
    return levels


def _stretches(items: list[Any]) -> list[_Stretch]:
    stamps = [item.get("dateTime") if isinstance(item, dict) else None for item in items]
    times = read_iso(stamps)
    result = []
    for row, item in enumerate(items):
        if not isinstance(item, dict) or times.bad[row] or times.has_offset[row]:
            raise _Malformed("a time that is none", f"dateTime {stamps[row]!r} is no local time")
        level: Any = item.get("level")
        seconds: Any = item.get("seconds")
        stage = _STAGES.get(level.casefold()) if isinstance(level, str) else None
        if stage is None:
            raise _Malformed("an unknown sleep stage", f"level {level!r} is no sleep stage")
        if type(seconds) not in (int, float) or not 0 <= seconds <= LONGEST:
            raise _Malformed("an impossible length", f"seconds {seconds!r} is no length of a stage")
        result.append(_Stretch(int(times.seconds[row]), int(seconds), stage))
    return result


def _with_awakenings(stages: list[_Stretch], wakes: list[_Stretch]) -> list[_Stretch]:
    """Return stages that are settled, with short awakenings cut out of them."""
    result = list(stages)
    for wake in wakes:
        around = [one for one in stages if one.shown <= wake.shown < one.shown + one.seconds]
        if around:
            wake.start = around[0].start + wake.shown - around[0].shown
            result = [part for stage in result for part in _cut(stage, wake)]
            result.append(wake)
    return result


def _cut(stage: _Stretch, wake: _Stretch) -> list[_Stretch]:
    """Return what is left of a stage beside a short awakening."""
    end = stage.start + stage.seconds
    opens, closes = max(stage.start, wake.start), min(end, wake.start + wake.seconds)
    if stage.stage == AWAKE or opens >= closes:
        return [stage]
    parts = ((stage.start, opens), (closes, end))
    return [
        _Stretch(stage.shown + first - stage.start, last - first, stage.stage, first)
        for first, last in parts
        if last > first
    ]


def _settle(stages: list[_Stretch], zone: Any) -> bool:
    """Set when stages began: by the zone for the first, then one after the other.

    Where the clock was put back or on in between, it is the lengths that tell. Returns whether the zone's
    clock ever showed the first.
    """
    if zone is None or not stages:
        for stage in stages:
            stage.start = stage.shown
        return True
    first, shown = to_absolute(np.array([stages[0].shown]), zone)
    stages[0].start = int(first[0])
    for before, stage in pairwise(stages):
        step = stage.shown - before.shown
        change = step - before.seconds
        stage.start = before.start + (before.seconds if change in _CHANGES and _moved(before, zone) else step)
    return bool(shown[0])


def _moved(stage: _Stretch, zone: Any) -> bool:
    """Say whether a zone's clock was changed within two hours of the end of a stage."""
    end = (stage.start + stage.seconds) // 60
    around = offsets(np.array([end - 120, end + 120]), zone)
    return bool(around[0] != around[1])


def _hours(stages: list[_Stretch]) -> set[int]:
    hours: set[int] = set()
    for stage in stages:
        hours.update(range(stage.shown // 3600, (stage.shown + stage.seconds) // 3600 + 1))
    return hours
