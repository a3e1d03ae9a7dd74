"""Garmin: what watches monitor all day, out of FIT files."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lsm2.readers.assemble import assemble
from lsm2.readers.export import Entry, open_export
from lsm2.readers.fit import (
    FILE_ID,
    MONITORING,
    MONITORING_INFO,
    RESPIRATION,
    SLEEP,
    SPO2,
    check_parser,
    is_fit,
    read_messages,
)
from lsm2.readers.recording import ASLEEP, AWAKE
from lsm2.readers.request import OnError, Request
from lsm2.readers.store import Store

_EPOCH = 631_065_600  # seconds from 1970 to 1989-12-31, where FIT begins to count
_DAY = 86_400
_REACH = 900  # seconds before a count within which what it counts was done
_NIGHT = 4 * 3600  # seconds for which a stage of sleep can hold
_WALKS = (1, 6)  # running, walking: two steps a cycle, counted one by one
_LEVELS = {1: AWAKE, 2: ASLEEP, 3: ASLEEP, 4: ASLEEP}  # 0 is unmeasurable
# Counters of a day, per type of activity: channel, what makes one of its unit, and how much a minute can add.
_COUNTERS = {
    "cycles": ("steps", 1, 250),
    "distance": ("distance", 100, 60_000),
    "active_calories": ("active_calories", 1, 25),
}
_RATES = {
    MONITORING: ("heart_rate", "heart_rate", 1),
    SPO2: ("reading_spo2", "spo2", 1),
    RESPIRATION: ("respiration_rate", "respiration_rate", 100),
}


@dataclass
class _Day:
    """What one file holds: counts as they stood, values, stages."""

    device: int | None = None  # its serial number
    counts: list[tuple[int, str, int, int]] = field(default_factory=list)  # moment, counter, activity, count
    values: dict[str, list[tuple[int, float]]] = field(default_factory=dict)  # by channel: moment, value
    stages: list[tuple[int, int]] = field(default_factory=list)  # moment, level
    begin: int | None = None  # the first moment
    midnights: set[int] = field(
        default_factory=set
    )  # local ones around the moments at which the clock is told


def read_garmin(
    path: str | os.PathLike[str],
    *,
    tz: Any = None,
    start: Any = None,
    end: Any = None,
    participant: Any = None,
    on_error: OnError = "raise",
) -> pd.DataFrame:
    """Read what a Garmin watch monitors all day (FIT files of type monitoring, and of sleep) into minutes.

    Needs a parser of FIT files: `pip install 'lsm2[garmin]'`. Steps, distance and calories are counters that
    grow all day, one per type of activity, and begin anew at local midnight: what was added since the count
    before belongs to the time since then, or to the last quarter of an hour where that is longer ago. The
    first count of all only says where counting stands, unless so much can have been added in that time since
    the file began. Devices are told apart by their serial numbers; of several, the one that records most
    heart rates goes first, minute by minute, and is completed by the others. Short timestamps are completed
    by the last full one. A heart rate of 0 is none.

    Args:
        path: A .fit file, or a zip or folder of them, also in zips, as "Export Your Data" has them.
        tz: Zone of the output's clock, which then is tz-aware. None: the local clock that the files tell,
            naive; UTC where they tell none.
        start: First date or moment wanted, on the output's wall clock.
        end: Last date wanted, or the first moment left out.
        participant: An id; the output then has it in its index.
        on_error: "raise", or "skip" to leave damaged files and malformed values out, with one warning that
            counts them.

    Returns:
        float32, one row for each minute of every calendar day on which a value lies, from `start` to `end`:
        heart_rate (beats/min), steps, distance (m), active_calories (kcal), spo2 (%), respiration_rate
        (breaths/min), sleep_asleep (0/1), those that the files hold.

    Raises:
        FileNotFoundError: There is nothing at `path`, or no FIT file.
        ImportError: No parser of FIT files is installed.
        ValueError: A file is damaged or hostile, or an argument is not understood.

    >>> read_garmin("nowhere.fit")
    Traceback (most recent call last):
    ...
    FileNotFoundError: nowhere.fit: no such file or folder; check the path
    """
    request = Request.of(path, tz, start, end, participant, on_error)
    store = Store(request)
    with open_export(request.path) as export:
        found = [entry for entry in export.entries if recognised(entry)]
        if not found:
            raise FileNotFoundError(f"{path}: holds no FIT file; give monitoring files of a Garmin device")
        check_parser()
        days = [_read(entry, store) for entry in found]
    by_device: dict[int | None, list[_Day]] = {}
    for day in days:
        by_device.setdefault(day.device, []).append(day)
    for device, own in by_device.items():
        source = "garmin" if len(by_device) == 1 else f"garmin {device}"
        _add_counts(own, store, source)
        for channel in dict.fromkeys(channel for day in own for channel in day.values):
            _add(store, channel, [pair for day in own for pair in day.values.get(channel, ())], source)
        _add_stages(sorted({pair for day in own for pair in day.stages}), store, source)
    return assemble(store, "garmin", facts={"files": len(found)})


def recognised(entry: Entry) -> bool:
    """Say whether a file is a FIT file, by its name or its first bytes."""
    return entry.base.endswith(".fit") or is_fit(entry)


def _read(entry: Entry, store: Store) -> _Day:
    """Gather what a file holds; messages refer to the full timestamp before them."""
    day, last, activity = _Day(), None, -1
    for number, fields in read_messages(entry, store.faults):
        if number == FILE_ID:
            serial = fields.get("serial_number")
            day.device = serial if isinstance(serial, int) else None
            continue
        full = fields.get("timestamp")
        if isinstance(full, int):
            last = full
            day.begin = min(full + _EPOCH, full + _EPOCH if day.begin is None else day.begin)
        if number == MONITORING_INFO and last is not None:
            local = fields.get("local_timestamp")
            if isinstance(local, int) and abs(local - last) <= 15 * 3600:
                offset = round((local - last) / 900) * 15
                store.tell_offset(last + _EPOCH, offset)
                midnight = last + _EPOCH - (last + _EPOCH + offset * 60) % _DAY
                day.midnights |= {midnight, midnight + _DAY}
            continue
        low = fields.get("timestamp_16")
        moment = last
        if isinstance(low, int) and not isinstance(full, int):
            if last is None:
                store.faults.refuse(
                    entry.where, "a time that is none", "a short timestamp before any full one"
                )
                continue
            moment = last = last + ((low - last) & 0xFFFF)
        if moment is None:
            continue
        if number == MONITORING:
            activity = _activity(fields, activity)
            for counter in _COUNTERS:
                count = fields.get(counter)
                if isinstance(count, int) and (counter != "cycles" or activity in _WALKS):
                    day.counts.append((moment + _EPOCH, counter, activity, count))
        if number in _RATES:
            name, channel, per_unit = _RATES[number]
            value = fields.get(name)
            if isinstance(value, (int, float)) and value > 0:
                day.values.setdefault(channel, []).append((moment + _EPOCH, value / per_unit))
        if number == SLEEP and isinstance(fields.get("sleep_level"), int):
            day.stages.append((moment + _EPOCH, fields["sleep_level"]))
    return day


def _activity(fields: dict[str, Any], last: int) -> int:
    """Return the type of activity that a message declares, or the one declared last."""
    if isinstance(fields.get("activity_type"), int):
        return int(fields["activity_type"])
    both = fields.get("current_activity_type_intensity")
    if isinstance(both, int):
        return both & 0x1F
    return last


def _add_counts(days: list[_Day], store: Store, source: str) -> None:
    """Add what each counter of a device grew by since the count before."""
    series: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for day in days:
        for moment, counter, activity, count in day.counts:
            series.setdefault((counter, activity), []).append((moment, count))
    begins = sorted(day.begin for day in days if day.begin is not None)
    midnights = sorted({one for day in days for one in day.midnights})
    for (counter, _), counts in series.items():
        channel, per_unit, most = _COUNTERS[counter]
        grown: list[tuple[int, int, float]] = []
        before: tuple[int, int] | None = None
        for moment, count in sorted(set(counts)):
            opened, gain = _growth(before, moment, count, midnights)
            if before is None:
                opened = max((one for one in begins if one <= moment), default=moment)
            opened = max(opened, moment - _REACH)
            if before is None:
                gain = count if count <= most * (moment - opened) / 60 else 0
            if gain > 0:
                grown.append((opened, moment - opened, gain / per_unit))
            before = (moment, count)
        if grown:
            start, seconds, value = (np.array(column) for column in zip(*grown, strict=True))
            store.add(
                channel,
                start.astype(np.int64),
                value.astype(np.float64),
                place=_place(store, counter),
                seconds=seconds.astype(np.int64),
                source=source,
            )


def _growth(before: tuple[int, int] | None, moment: int, count: int, midnights: list[int]) -> tuple[int, int]:
    """Return since when, and by how much, a counter grew; at midnight it begins at 0."""
    if before is None:
        return moment, 0
    since = max((one for one in midnights if before[0] < one <= moment), default=None)
    if since is not None:
        return since, count
    return before[0], count if count < before[1] else count - before[1]


def _place(store: Store, what: str) -> Callable[[int], str]:
    return lambda row: f"{store.request.path}, {what} {row}"


def _add(store: Store, channel: str, pairs: list[tuple[int, float]], source: str) -> None:
    store.add(
        channel,
        np.array([moment for moment, _ in pairs], np.int64),
        np.array([value for _, value in pairs], np.float64),
        place=_place(store, channel),
        source=source,
    )


def _add_stages(stages: list[tuple[int, int]], store: Store, source: str) -> None:
    """Add stages of sleep, each until the next."""
    if not stages:
        return
    moments = np.array([moment for moment, _ in stages], np.int64)
    levels = np.array([level for _, level in stages])
    lasting = np.diff(moments, append=moments[-1] + 60)
    lasting = np.where(lasting > _NIGHT, 60, lasting)
    for kind in (ASLEEP, AWAKE):
        some = np.isin(levels, [level for level, meaning in _LEVELS.items() if meaning == kind])
        store.add(
            kind,
            moments[some],
            np.ones(int(some.sum())),
            place=_place(store, "sleep level"),
            seconds=lasting[some],
            source=source,
        )
