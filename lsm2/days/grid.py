"""The minutes of the output: which absolute minutes the returned days consist of, whatever the clocks did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

import numpy as np

from lsm2.days.clock import DAY, offsets
from lsm2.days.days import Days, Origin

_REACH = 16 * 60  # no zone is further than this from UTC


@dataclass(frozen=True)
class Grid:
    """Minutes to return, sorted by person and time."""

    person: np.ndarray  # int64 (rows,)
    minute: np.ndarray  # int64 (rows,), absolute
    day: np.ndarray  # int64 (rows,), position in Days, or -1 for a day that is not there
    clock: np.ndarray  # int64 (rows,), minute of the day, 0 to 1439


@dataclass(frozen=True)
class _Stretches:
    """Stretches of a recording in which a person keeps to one zone."""

    person: np.ndarray  # int64 (stretches,)
    start: np.ndarray  # int64 (stretches,), absolute minute
    stop: np.ndarray  # int64 (stretches,), absolute minute after the last
    zone: np.ndarray  # int64 (stretches,), position in zones


def bounds(origin: Origin) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the last recorded minute of every person, absolute, int64 (people,) each."""
    people = int(origin.person[-1]) + 1 if len(origin.person) else 0
    first = np.searchsorted(origin.person, np.arange(people))
    last = np.searchsorted(origin.person, np.arange(people), side="right") - 1
    return origin.minute[first], origin.minute[last]


def make_grid(days: Days, wanted: np.ndarray, *, full: bool) -> Grid:
    """Return the minutes of days, cut at each person's first and last recorded minute.

    Args:
        days: The recording.
        wanted: bool (days,), the days to return.
        full: Whether to return every calendar day from a person's first to their last as well.
    """
    origin = days.origin
    if full:
        person, date, day = _calendar(days)
    else:
        day = np.flatnonzero(wanted)
        person, date = days.person[day], days.date[day].astype(np.int64)
    stretches = _stretches(origin)
    pair_stretch, pair_day = _pairs(stretches, origin.zones, person, date)
    zone = stretches.zone[pair_stretch]
    opens, closes = stretches.start[pair_stretch], stretches.stop[pair_stretch]
    midnight = date[pair_day] * DAY
    early = _offsets(midnight - _REACH, zone, origin.zones)
    late = _offsets(midnight + DAY + _REACH, zone, origin.zones)
    # On a day around which the clock changes, take every minute that might be of the day, and look.
    start = np.maximum(midnight - np.maximum(early, late), opens)
    stop = np.minimum(midnight + DAY - np.minimum(early, late), closes)
    length = np.maximum(stop - start, 0)
    pair = np.repeat(np.arange(len(pair_day)), length)
    minute = np.arange(length.sum()) + (start - (np.cumsum(length) - length))[pair]
    clock = minute + (early - midnight)[pair]
    rows = np.flatnonzero((early != late)[pair])
    if len(rows):
        clock[rows] = (
            minute[rows] - midnight[pair[rows]] + _offsets(minute[rows], zone[pair[rows]], origin.zones)
        )
        kept = (clock >= 0) & (clock < DAY)
        pair, minute, clock = pair[kept], minute[kept], clock[kept]
    place = pair_day[pair]
    grid = Grid(person[place], minute, day[place], clock)
    same = grid.person[1:] == grid.person[:-1]
    if np.all(minute[1:][same] > minute[:-1][same]):
        return grid
    order = np.lexsort((minute, grid.person))  # clocks set back across midnight
    return Grid(grid.person[order], minute[order], grid.day[order], clock[order])


def _calendar(days: Days) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return person, date and position (or -1) of every calendar day between each person's first and last."""
    date = days.date.astype(np.int64)
    opens = np.flatnonzero(np.diff(days.person, prepend=-1))
    closes = np.append(opens[1:], len(date)) - 1 if len(opens) else opens
    length = date[closes] - date[opens] + 1
    person = np.repeat(days.person[opens], length)
    start = np.cumsum(length) - length
    every = np.arange(length.sum()) + np.repeat(date[opens] - start, length)
    position = np.full(len(every), -1)
    position[date - np.repeat(date[opens] - start, np.diff(np.append(opens, len(date))))] = np.arange(
        len(date)
    )
    return person, every, position


def _stretches(origin: Origin) -> _Stretches:
    first, last = bounds(origin)
    if origin.zone is None:
        people = np.arange(len(first))
        return _Stretches(people, first, last + 1, np.zeros(len(first), np.int64))
    opens = np.ones(len(origin.person), bool)
    opens[1:] = (origin.person[1:] != origin.person[:-1]) | (origin.zone[1:] != origin.zone[:-1])
    rows = np.flatnonzero(opens)
    person = origin.person[rows]
    start = origin.minute[rows]
    stop = last[person] + 1
    goes_on = np.flatnonzero(person[1:] == person[:-1])
    stop[goes_on] = start[goes_on + 1]
    return _Stretches(person, start, stop, origin.zone[rows])


def _pairs(
    stretches: _Stretches, zones: tuple[tzinfo | None, ...], person: np.ndarray, date: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return which stretches and which of the days (person, date; sorted) meet, as positions in both."""
    first = (stretches.start + _offsets(stretches.start, stretches.zone, zones)) // DAY - 1
    last = (stretches.stop + _offsets(stretches.stop, stretches.zone, zones)) // DAY + 1
    if len(date) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    low = int(min(date.min(), first.min()))
    span = int(max(date.max(), last.max())) - low + 1
    key = person * span + (date - low)
    begin = np.searchsorted(key, stretches.person * span + (first - low))
    end = np.searchsorted(key, stretches.person * span + (last - low), side="right")
    length = end - begin
    stretch = np.repeat(np.arange(len(length)), length)
    return stretch, np.arange(length.sum()) + np.repeat(begin - (np.cumsum(length) - length), length)


def _offsets(minute: np.ndarray, zone: np.ndarray, zones: tuple[tzinfo | None, ...]) -> np.ndarray:
    """Return the offsets of absolute minutes, each in its own zone."""
    if len(zones) == 1:
        return offsets(minute, zones[0])
    result = np.zeros(len(minute), np.int64)
    for position, one in enumerate(zones):
        rows = np.flatnonzero(zone == position)
        result[rows] = offsets(minute[rows], one)
    return result
