"""Oura: answers of the API, saved as JSON: of version 2, and the sleep of version 1."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from lsm2.readers.assemble import assemble
from lsm2.readers.cells import Times, read_iso, read_numbers
from lsm2.readers.export import Entry, open_export
from lsm2.readers.json import head_of, read_document
from lsm2.readers.recording import ASLEEP, AWAKE, INBED
from lsm2.readers.request import OnError, Request
from lsm2.readers.store import Store

_SIGNS = ('"bpm"', '"met"', '"class_5_min"', '"sleep_phase_5_min"', '"hypnogram_5min"', '"bedtime_start"')
_FITBIT = ('"confidence"', "activities-", '"dateOfSleep"', '"logId"')  # signs of Fitbit's answers
_STAGES = {"1": ASLEEP, "2": ASLEEP, "3": ASLEEP, "4": AWAKE}  # deep, light, REM, awake
_PHASES = {"sleep_phase_5_min": 300, "sleep_phase_30_sec": 30, "hypnogram_5min": 300}  # seconds of a digit
_CLASS = 300  # seconds of a class of activity, and of an item of version 1
_OFF = 0.1  # METs that are written while nobody wears the ring
_LONGEST = 400_000  # items of a series
_SERIES = {"heart_rate": "heart_rate", "hrv": "hrv_rmssd"}
_BARE_SERIES = {"hr_5min": "heart_rate", "rmssd_5min": "hrv_rmssd"}  # of version 1
_ITEMS = ("bpm", "met", "bedtime_start")  # what an item has, and an answer has not


def read_oura(
    path: str | os.PathLike[str],
    *,
    tz: Any = None,
    start: Any = None,
    end: Any = None,
    participant: Any = None,
    on_error: OnError = "raise",
) -> pd.DataFrame:
    """Read answers of Oura's API (`/v2/usercollection/heartrate`, `daily_activity`, `sleep`) into minutes.

    Of version 1 the answers to `/v1/sleep` are read.
    Heart rates are values of their minute; heart rate and HRV of a night, means of five minutes, hold for all
    five. METs are missing while the ring was off: where class_5_min says so, or where the value is 0.1. A
    night is asleep in the phases deep, light and REM.

    Args:
        path: A .json file, or a zip or folder of them, as the API answered; pages may be apart.
        tz: Zone of the output's clock, which then is tz-aware. None: the wall clock that the answers show,
            naive; UTC where they show only that.
        start: First date or moment wanted, on the output's wall clock.
        end: Last date wanted, or the first moment left out.
        participant: An id; the output then has it in its index.
        on_error: "raise", or "skip" to leave malformed items out, with one warning that counts them.

    Returns:
        float32, one row for each minute of every calendar day on which a value lies, from `start` to `end`:
        heart_rate (beats/min), hrv_rmssd (ms), mets, sleep_asleep, sleep_inbed (0/1), those that there are.

    Raises:
        FileNotFoundError: There is nothing at `path`, or no answer that is read.
        ValueError: An item is malformed (the message names file and item), an archive is damaged or hostile,
            or an argument is not understood.

    >>> import json, tempfile
    >>> from pathlib import Path
    >>> beat = {"bpm": 60, "source": "awake", "timestamp": "2024-03-31T07:45:00+02:00"}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "heartrate.json")
    ...     _ = file.write_text(json.dumps({"data": [beat], "next_token": None}))
    ...     frame = read_oura(file)
    >>> frame.loc["2024-03-31 07:45", "heart_rate"].item()
    60.0
    """
    request = Request.of(path, tz, start, end, participant, on_error)
    store = Store(request)
    with open_export(request.path) as export:
        found = [entry for entry in export.named(".json") if recognised(entry)]
        if not found:
            raise FileNotFoundError(
                f"{path}: holds no answer of Oura's API: none of heartrate, daily_activity and sleep as JSON"
            )
        beats: list[tuple[str, dict[str, Any]]] = []
        for entry in found:
            _read(entry, store, beats)
        _add_beats(beats, store)
    return assemble(store, "oura", facts={"files": len(found)})


def recognised(entry: Entry) -> bool:
    """Say whether a document is an answer that is read, by what it begins with or is called."""
    head = head_of(entry)
    if any(sign in head for sign in _FITBIT):
        return False
    called = entry.base.startswith(("heartrate", "heart_rate", "daily_activity", "sleep"))
    return any(sign in head for sign in _SIGNS) or ('"data"' in head and called)


def _read(entry: Entry, store: Store, beats: list[tuple[str, dict[str, Any]]]) -> None:
    for where, item in _items(read_document(entry, store.faults), entry.where):
        if not isinstance(item, dict):
            store.faults.refuse(where, "a missing field", f"{repr(item)[:60]} is no object")
        elif "bpm" in item:
            beats.append((where, item))
        elif "met" in item or "class_5_min" in item:
            _read_activity(item, where, store)
        elif "bedtime_start" in item or not _PHASES.keys().isdisjoint(item):
            _read_night(item, where, store)


def _items(found: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Yield the items of an answer, of pages of answers, or of several kinds of answers in one document."""
    if isinstance(found, dict) and isinstance(found.get("data"), list):
        found = found["data"]
    if isinstance(found, list):
        for number, item in enumerate(found):
            if isinstance(item, dict) and isinstance(item.get("data"), list):
                yield from _items(item, f"{where}, page {number}")
            else:
                yield f"{where}, item {number}", item
    elif isinstance(found, dict) and any(name in found for name in _ITEMS):
        yield where, found
    elif isinstance(found, dict):
        for name, part in found.items():
            if isinstance(part, list) or (isinstance(part, dict) and isinstance(part.get("data"), list)):
                yield from _items(part, f"{where}, {name}")
    elif found is not None:
        yield where, found


def _add_beats(beats: list[tuple[str, dict[str, Any]]], store: Store) -> None:
    """Add heart rates. Where all are written with +00:00 that is UTC, not the clock of the person."""
    if not beats:
        return
    stamps = [item.get("timestamp") for _, item in beats]
    values = [item["bpm"] for _, item in beats]

    def place(row: int) -> str:
        return beats[row][0]

    times, numbers = read_iso(stamps), read_numbers(values)
    store.check_times(times, stamps, place)
    store.check_numbers(numbers.bad & ~times.bad, values, place, "bpm")
    if not times.offset.any():
        told = times.has_offset | times.is_utc
        times = Times(times.seconds, times.offset, np.zeros(len(told), bool), told, times.bad)
    for clock, rows in times.clocks():
        store.add(
            "heart_rate",
            times.seconds,
            numbers.value,
            place=place,
            bad=times.bad | numbers.bad | ~rows,
            source="heartrate",
            clock=clock,
            offset=times.offset,
        )


def _read_activity(item: dict[str, Any], where: str, store: Store) -> None:
    met = item.get("met")
    met = met if isinstance(met, dict) else {}
    found = _series(met, "met", where, store)
    if found is None:
        return
    start, offset, clock, interval, value = found
    classes = item.get("class_5_min")
    if isinstance(classes, str):
        first = _moment(item.get("timestamp"))
        since = (start - (start[0] if first is None else first)) // _CLASS
        within = (since >= 0) & (since < len(classes))
        digits = np.array(list(classes or " "))
        value = np.where(within & (digits[np.clip(since, 0, len(digits) - 1)] == "0"), np.nan, value)
    else:
        value = np.where(np.isclose(value, _OFF), np.nan, value)
    store.add(
        "mets",
        start,
        value,
        place=lambda row: f"{where}, met item {row}",
        seconds=interval if interval > 60 else 0,
        source="daily_activity",
        clock=clock,
        offset=offset,
        grid=True,
        zeros="believed",
    )


def _read_night(item: dict[str, Any], where: str, store: Store) -> None:
    if item.get("type") == "deleted":
        return
    for name, channel in (_SERIES | _BARE_SERIES).items():
        series = item.get(name)
        if isinstance(series, list) and name in _BARE_SERIES:
            known = [value or None for value in series]  # 0 where there is none
            series = {"items": known, "interval": _CLASS, "timestamp": item.get("bedtime_start")}
        found = _series(series, name, where, store) if isinstance(series, dict) else None
        if found is not None:
            start, offset, clock, interval, value = found
            store.add(
                channel,
                start,
                value,
                place=_in_series(where, name),
                seconds=interval,
                source="sleep",
                clock=clock,
                offset=offset,
            )
    times = read_iso([item.get("bedtime_start"), item.get("bedtime_end")])
    if times.bad[0] or (times.bad[1] and item.get("bedtime_end") is not None):
        stamps = (item.get("bedtime_start"), item.get("bedtime_end"))
        store.faults.refuse(
            where, "a time that is none", f"bedtime {stamps[int(not times.bad[0])]!r} is no time"
        )
        return
    name = next((name for name in _PHASES if item.get(name)), "sleep_phase_5_min")
    phases, step = item.get(name) or "", _PHASES[name]
    if not isinstance(phases, str) or len(phases) > _LONGEST or set(phases) - set(_STAGES):
        detail = f"{name} {repr(phases)[:60]} has digits other than 1 to 4"
        store.faults.refuse(where, "an unknown sleep stage", detail)
        return
    first = int(times.seconds[0])
    last = first + step * len(phases) if times.bad[1] else int(times.seconds[1])
    start = first + step * np.arange(len(phases), dtype=np.int64)
    lasting = np.clip(last - start, 0, step)
    clock = times.clock_of(0)
    for kind in (ASLEEP, AWAKE, INBED):
        some = np.array([_STAGES[digit] == kind for digit in phases], bool) & (lasting > 0)
        begins, seconds = start[some], lasting[some]
        if kind == INBED:
            begins, seconds = np.array([first]), np.array([last - first])
        store.add(
            kind,
            begins,
            np.ones(len(begins)),
            place=lambda _: where,
            seconds=seconds,
            source="sleep",
            clock=clock,
            offset=np.full(len(begins), times.offset[0]),
        )


def _in_series(where: str, name: str) -> Callable[[int], str]:
    return lambda row: f"{where}, {name} item {row}"


def _series(series: dict[str, Any], name: str, where: str, store: Store) -> Any:
    """Return start, offset, clock, interval and value of `{"interval", "items", "timestamp"}`."""
    items, stamp = series.get("items"), series.get("timestamp")
    interval: Any = series.get("interval")
    if not items:
        return None
    times = read_iso([stamp])
    if times.bad[0]:
        store.faults.refuse(where, "a time that is none", f"{name}: timestamp {stamp!r} is no time")
        return None
    if type(interval) not in (int, float) or not 1 <= float(interval or 0) <= 86_400 or interval % 1:
        store.faults.refuse(
            where, "an impossible length", f"{name}: interval {interval!r} is no length in seconds"
        )
        return None
    if not isinstance(items, list) or len(items) > _LONGEST:
        store.faults.refuse(where, "a missing field", f"{name}: items are no list that an answer can have")
        return None
    numbers = read_numbers(items)
    store.check_numbers(numbers.bad, items, lambda row: f"{where}, {name} item {row}")
    start = times.seconds[0] + int(interval) * np.arange(len(items), dtype=np.int64)
    return start, np.full(len(items), times.offset[0]), times.clock_of(0), int(interval), numbers.value


def _moment(stamp: Any) -> int | None:
    times = read_iso([stamp])
    return None if times.bad[0] else int(times.seconds[0])
