"""Fitbit in Google's Takeout: the JSON files of the classic export, the CSV files of the new one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lsm2.channels import plain_name
from lsm2.readers.cells import Clock, Times, read_clock, read_iso, read_numbers
from lsm2.readers.columns import is_table
from lsm2.readers.export import Entry
from lsm2.readers.json import read_items
from lsm2.readers.recording import ASLEEP, AWAKE, INBED, UNKNOWN
from lsm2.readers.rows import Piece, open_sheet
from lsm2.readers.store import Store, Zeros, to_absolute

# Of the classic files: channel and unit of the values, which are texts.
STREAMS = {
    "heart_rate": ("heart_rate", None),
    "steps": ("steps", None),
    "calories": ("calories", None),
    "distance": ("distance", "cm"),
}
_CLOCKS = ("%m/%d/%y %H:%M:%S", "%m/%d/%Y %H:%M:%S")
_BATCH = 1 << 14
_TELLING = 30  # minutes with steps that tell on which clock calories are

# Of the new files, by the name of a value's column: channel and unit.
_COLUMNS = {
    "beatsperminute": ("heart_rate", None),
    "steps": ("steps", None),
    "calories": ("calories", None),
    "distance": ("distance", "m"),
    "floors": ("floors", None),
    "oxygensaturationpercentage": ("spo2", None),
    "rootmeansquareofsuccessivedifferencesmilliseconds": ("hrv_rmssd", None),
    "standarddeviationmilliseconds": ("hrv_sdnn", None),
    "rmssd": ("hrv_rmssd", None),
    "breathsperminute": ("respiration_rate", None),
}
_SUMS = ("steps", "calories", "distance", "floors")
_FLOOR = 50.0  # what stands for a saturation too low, or too poorly measured, to be told
# Names of files with the same columns that hold values of days, nights or zones, or what others hold too.
_NOT_MINUTES = re.compile(
    r"^(daily|resting|weekly|time_in|demographic|hourly|live_pace)|summary|_in_heart_rate_zone|histogram"
)
_CALLED = re.compile(
    r"^(heart_rate|steps|calories|distance|floors)_\d{4}-\d{2}-\d{2}\.csv$"
    r"|^(minute(steps|calories|intensities|mets|sleep)|heartrate_seconds)"
)
# What only Fitbit's new files have: these columns, or else these names or folders.
_OWN = {
    "datasource",
    "oxygensaturationpercentage",
    "rootmeansquareofsuccessivedifferencesmilliseconds",
    "standarddeviationmilliseconds",
}
_TAKEOUT = re.compile(
    r"(^|/)takeout/|_googledata/|(^|/)heart rate variability details - [^/]*$"
    r"|(^|/)(heart_rate|steps|calories|distance|floors|oxygen_saturation|heart_rate_variability"
    r"|respiratory_rate)_\d{4}-\d{2}-\d{2}[^/]*$"
)
_STAGES = {
    **dict.fromkeys(("light", "deep", "rem", "asleep"), ASLEEP),
    **dict.fromkeys(("awake", "wake", "restless"), AWAKE),
    "unknown": UNKNOWN,
}


@dataclass
class Covered:
    """On which days the new files hold what: their classic twins are left out there."""

    days: dict[str, set[int]] = field(default_factory=dict)  # by channel, since 1970 in UTC
    asleep: set[int] = field(default_factory=set)  # hours since 1970, on the local clock
    left_out: Counter[str] = field(default_factory=Counter)  # records of twins
    moving: list[np.ndarray] = field(default_factory=list)  # minutes since 1970 in UTC that have steps
    calories_local: bool = False  # whether the classic file of calories before was on the local clock

    def add(self, channel: str, seconds: np.ndarray) -> None:
        """Note the days of some records."""
        self.days.setdefault(channel, set()).update(np.unique(seconds // 86_400).tolist())

    def twins(self, channel: str, seconds: np.ndarray) -> np.ndarray:
        """Return which records lie on days that the new files hold, bool (records,), and count them."""
        twin = np.isin(seconds // 86_400, list(self.days.get(channel, ())))
        if twin.any():
            self.left_out[channel] += int(np.count_nonzero(twin))
        return np.asarray(twin)


def read_stream(entry: Entry, kind: str, store: Store, covered: Covered, person: Any) -> int:
    """Read a classic file: `[{"dateTime": "01/31/21 05:00:08", "value": "12"}, ...]`, in UTC.

    Calories are on the local clock in some exports: there they are taken to be where more was burnt in the
    minutes that have steps, so read steps before.

    Args:
        entry: The file.
        kind: heart_rate, steps, calories or distance.
        store: Takes the records.
        covered: What the new files hold.
        person: Whose file it is.

    Returns:
        How many heart rates were left out because Fitbit gives them no confidence.
    """
    channel, unit = STREAMS[kind]
    unsure = 0
    batches: Any = _batches(read_items(entry, store.faults))
    if kind == "calories" and store.request.zone is not None and covered.moving:
        batches = list(batches)
        covered.calories_local = _on_local_clock(batches, covered, store.request.zone)
    for first, batch in batches:

        def place(row: int, first: int = first) -> str:
            return f"{entry.where}, item {first + row}"

        stamps = [item.get("dateTime") if isinstance(item, dict) else None for item in batch]
        values: list[Any] = [item.get("value") if isinstance(item, dict) else None for item in batch]
        malformed = np.array([not isinstance(item, dict) or "value" not in item for item in batch], bool)
        kept = ~malformed
        if kind == "heart_rate":
            sure = [value.get("confidence") if isinstance(value, dict) else None for value in values]
            kept &= read_numbers(sure).value != 0
            unsure += int(np.count_nonzero(~malformed & ~kept))
            malformed |= np.array(
                [not isinstance(value, dict) or "bpm" not in value for value in values], bool
            )
            values = [value.get("bpm") if isinstance(value, dict) else None for value in values]
        store.refuse(
            malformed, place, "a missing field", lambda row, batch=batch: f"{_shown(batch[row])} is no record"
        )
        times = _moments(stamps)
        store.check_times(times, stamps, place, ~malformed)
        numbers = read_numbers(values)
        store.check_numbers(numbers.bad & ~malformed, values, place)
        kept &= ~malformed & ~times.bad & ~numbers.bad
        moment = times.seconds
        if kind == "calories" and covered.calories_local:
            moment, shown = to_absolute(moment, store.request.zone)
            store.never += int(np.count_nonzero(kept & ~shown))
            kept &= shown
        if kind == "steps":
            covered.moving.append(moment[kept & (numbers.value > 0)] // 60)
        kept &= ~covered.twins(channel, np.where(kept, moment, -1))
        store.add(
            channel,
            moment,
            numbers.value,
            place=place,
            bad=~kept,
            unit=unit,
            person=person,
            source="takeout",
            grid=channel in _SUMS,
            zeros="written" if channel in _SUMS else "absent",
        )
    return unsure


def _on_local_clock(batches: list[tuple[int, list[Any]]], covered: Covered, zone: Any) -> bool:
    """Say whether a file of calories is on the local clock: more is burnt in the minutes that have steps."""
    items = [item for _, batch in batches for item in batch if isinstance(item, dict)]
    times = _moments([item.get("dateTime") for item in items])
    value = read_numbers([item.get("value") for item in items]).value
    known = ~times.bad & ~np.isnan(value)
    seconds, value = times.seconds[known], value[known]
    moving = np.unique(np.concatenate(covered.moving))
    more = []
    for moment in (seconds, to_absolute(seconds, zone)[0]):
        walked = np.isin(moment // 60, moving)
        if np.count_nonzero(walked) < _TELLING:
            return covered.calories_local
        more.append(float(value[walked].mean() - value.mean()))
    return more[1] > 2 * max(more[0], 0.0)


def _moments(stamps: list[Any]) -> Times:
    times = read_clock(stamps, *_CLOCKS)
    if times.bad.any():  # the PMData release writes 2019-11-01 00:00:08
        other = read_iso(stamps)
        seconds = np.where(times.bad, other.seconds, times.seconds)
        return Times(seconds, times.offset, times.has_offset, times.is_utc, times.bad & other.bad)
    return times


def is_broken(entry: Entry) -> bool:
    """Say whether a file is called like one of minutes, and holds something, but not under a known header."""
    if _NOT_MINUTES.search(entry.base) or not _CALLED.search(entry.base):
        return False
    return entry.size > 0 and entry.head(64).strip().lower() not in (b"", b"no data")


def is_minutes(entry: Entry, header: tuple[str, ...]) -> bool:
    """Say whether a file is one of the new ones that are read, by name and header.

    A time beside steps is no sign of Fitbit's: tables of any origin have that.
    """
    names = set(map(plain_name, header))
    if _NOT_MINUTES.search(entry.base):
        return False
    if {"recordedtime", "temperature"} <= names:
        return "devicetemperature" in plain_name(entry.base) or "sensortype" in names
    if "timestamp" in names and "value" in names:
        return "minutespo2" in plain_name(entry.base)
    if "timestamp" not in names or names.isdisjoint(_COLUMNS):
        return False
    own = not names.isdisjoint(_OWN) or _TAKEOUT.search(entry.name.lower()) is not None
    return own and not is_table(header, channels=2)


def is_stages(header: tuple[str, ...]) -> bool:
    """Say whether a file holds stages of sleep with the offsets of the clock."""
    return {"sleepstagetype", "sleepstagestart", "sleepstageend"} <= set(map(plain_name, header))


def read_minutes(entry: Entry, store: Store, covered: Covered, person: Any) -> None:
    """Read a new file: `timestamp,beats per minute,data source`, in UTC; temperatures are in local time.

    Saturations of 50 %, which stand for none, and those said not to be valid are left out.
    """
    with open_sheet(entry, store.faults) as sheet:
        time = sheet.column("timestamp", "recorded_time")
        by, valid = sheet.column("data source"), sheet.column("valid")
        columns = {
            label: _COLUMNS[plain_name(label)] for label in sheet.header if plain_name(label) in _COLUMNS
        }
        if time is not None and plain_name(time) == "recordedtime":
            columns = {sheet.column("temperature") or "": ("skin_temperature", None)}
        elif not columns:
            columns = {sheet.column("value") or "": ("spo2", None)}
        for piece in sheet.pieces():
            times = read_iso(piece[time or ""])
            store.check_times(times, piece[time or ""], piece.place)
            doubtful = np.zeros(len(piece), bool)
            if valid is not None:
                doubtful = np.array([cell.strip().casefold() == "false" for cell in piece[valid]], bool)
            for label, (channel, unit) in columns.items():
                numbers = read_numbers(piece[label])
                store.check_numbers(numbers.bad, piece[label], piece.place, label)
                value = np.where(numbers.value == -1, np.nan, numbers.value)  # -1.0 is Fitbit's "none"
                if channel == "spo2":
                    value = np.where((value == _FLOOR) | doubtful, np.nan, value)
                kept = ~times.bad & ~numbers.bad
                covered.add(channel, times.seconds[kept & ~np.isnan(value)])
                if channel == "steps":
                    covered.moving.append(times.seconds[kept & (value > 0)] // 60)
                for source, some in _sources(piece, by):
                    for clock, rows in times.clocks():
                        store.add(
                            channel,
                            times.seconds,
                            value,
                            place=piece.place,
                            bad=~(kept & some & rows),
                            unit=unit,
                            source=source,
                            person=person,
                            clock=clock,
                            offset=times.offset,
                            grid=channel in _SUMS,
                            zeros=_zeros(channel, value[some]),
                        )


def _zeros(channel: str, value: np.ndarray) -> Zeros:
    """Say what a source writes where there is nothing, by what it wrote."""
    written = channel == "calories" or (channel in _SUMS and bool((value == 0).any()))
    return "written" if written else "absent"


def read_stages(entry: Entry, store: Store, covered: Covered, person: Any) -> None:
    """Read `UserSleepStages`: a stage a row, its start and end in UTC beside the offset of the clock."""
    with open_sheet(entry, store.faults) as sheet:
        stage, shift = sheet.column("sleep_stage_type") or "", sheet.column("start_utc_offset")
        opens, closes = sheet.column("sleep_stage_start") or "", sheet.column("sleep_stage_end") or ""
        for piece in sheet.pieces():
            start, end = read_iso(piece[opens]), read_iso(piece[closes])
            store.check_times(start, piece[opens], piece.place)
            store.check_times(end, piece[closes], piece.place, ~start.bad)
            bad = start.bad | end.bad
            kinds = [_STAGES.get(cell.strip().casefold(), "") for cell in piece[stage]]
            unknown = np.array([not kind for kind in kinds], bool)
            store.refuse(
                unknown & ~bad,
                piece.place,
                "an unknown sleep stage",
                lambda row, cells=piece[stage]: f"{cells[row]!r} is no sleep stage",
            )
            offset = np.zeros(len(piece), np.int64)
            clock: Clock = "utc"
            if shift is not None:
                found = [_offset(cell) for cell in piece[shift]]
                told = np.array([one is not None for one in found], bool)
                offset = np.array([one or 0 for one in found], np.int64)
                clock = "written" if told.all() else "utc"
            covered.asleep.update(((start.seconds + offset * 60)[~bad] // 3600).tolist())
            for kind in (ASLEEP, AWAKE, UNKNOWN, INBED):
                of_kind = np.array([one == kind or kind == INBED for one in kinds], bool)
                store.add(
                    kind,
                    start.seconds,
                    np.ones(len(piece)),
                    place=piece.place,
                    seconds=np.where(bad, 0, end.seconds - start.seconds),
                    bad=bad | unknown | ~of_kind,
                    source="takeout",
                    person=person,
                    clock=clock,
                    offset=offset,
                )


def _offset(cell: str) -> int | None:
    match = re.fullmatch(r"([+-]?)(\d{1,2}):?(\d{2})", cell.strip())
    if cell.strip() in ("Z", "z"):
        return 0
    if match is None:
        return None
    minutes = int(match.group(2)) * 60 + int(match.group(3))
    if minutes > 15 * 60:
        return None
    return -minutes if match.group(1) == "-" else minutes


def _sources(piece: Piece, by: str | None) -> Iterator[tuple[str, np.ndarray]]:
    """Yield what recorded some rows, and which rows those are."""
    if by is None:
        yield "takeout", np.ones(len(piece), bool)
        return
    codes, names = pd.factorize(np.array(piece[by], dtype=object))
    for code, name in enumerate(names):
        yield str(name).strip(), codes == code


def _batches(items: Iterator[Any]) -> Iterator[tuple[int, list[Any]]]:
    """Yield items some at a time, and the number of the first, from 0."""
    first, batch = 0, []
    for item in items:
        batch.append(item)
        if len(batch) == _BATCH:
            yield first, batch
            first, batch = first + len(batch), []
    if batch:
        yield first, batch


def _shown(cell: Any) -> str:
    return repr(cell)[:80]
