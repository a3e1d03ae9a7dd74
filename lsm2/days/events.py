"""Events: intervals of time of a recording's participants, in minutes of their wall clocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lsm2.channels import listing, nearest, plain_name
from lsm2.days.clock import absolute_minutes, offsets
from lsm2.days.days import Days
from lsm2.days.keys import PARTICIPANT, FrameError, as_times

START, END = "start", "end"
_PER_MINUTE = {"s": 60.0, "ms": 60e3, "us": 60e6, "ns": 60e9}


@dataclass(frozen=True, eq=False)
class Events:
    """Intervals, in the order in which they were given."""

    index: pd.MultiIndex  # (participant_id, start, end), or (start, end) where the recording names nobody
    person: np.ndarray  # int64 (events,), position in the recording's participants, or -1
    start: np.ndarray  # float64 (events,), wall-clock minutes since 1970
    end: np.ndarray  # float64 (events,), later than start

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.person)


def read_events(events: pd.DataFrame, days: Days, *, participant: str = PARTICIPANT) -> Events:
    """Read intervals of time, as columns or index levels of a frame.

    Args:
        events: ``participant_id`` (not needed where the recording has one participant), ``start``, ``end``;
            others are ignored. Naive times are the participants' wall clock; times with a zone are put on
            it. An event that ends as it starts stands for the minute that it lies in.
        days: The recording.
        participant: Another name that the column of participants may have.

    Raises:
        TypeError: ``events`` is no frame.
        FrameError: A column is missing, a time is missing or cannot be read, an event ends before it starts,
            the participants are all unknown, or times have a zone and the recording's have none.

    >>> from lsm2.channels import Schema
    >>> from lsm2.days import read_days
    >>> times = pd.date_range("2024-03-01 10:00", periods=60, freq="min")
    >>> days = read_days(pd.DataFrame({"HR": 61.0}, index=times), Schema.from_names(["heart_rate"]))
    >>> walk = pd.DataFrame({"start": ["2024-03-01 10:05"], "end": ["2024-03-01 10:20:30"]})
    >>> found = read_events(walk, days)
    >>> (found.end - found.start).tolist(), list(found.index.names)
    ([15.5], ['start', 'end'])
    """
    if not isinstance(events, pd.DataFrame):
        raise TypeError(f"events must be a DataFrame with columns start and end, not {type(events).__name__}")
    start, end = (_times(events, name) for name in (START, END))
    if (start.tz is None) != (end.tz is None):
        raise FrameError("events have a zone in one of start and end only; give both a zone, or neither")
    ids = find_key(events, PARTICIPANT, participant)
    person = _people(ids, len(events), days)
    backwards = np.flatnonzero(end < start)
    if len(backwards):
        row = int(backwards[0])
        whose = "" if ids is None else f" (participant {ids.astype(object)[row]!r})"
        raise FrameError(
            f"{len(backwards)} of {len(events)} events end before they start; the first is row {row}{whose}: "
            f"{start[row]} to {end[row]}. Swap or correct them."
        )
    first, last = _wall_minutes(start, person, days), _wall_minutes(end, person, days)
    # Where clocks are set back in between, an event may end earlier on the wall clock than it starts.
    first, last = np.minimum(first, last), np.maximum(first, last)
    instant = last == first
    first = np.where(instant, np.floor(first), first)
    last = np.where(instant, first + 1, last)
    parts: list[tuple[str, Any]] = [(START, start), (END, end)]
    if days.origin.keyed:
        parts.insert(0, (PARTICIPANT, days.participants[person] if ids is None else ids))
    names, values = zip(*parts, strict=True)
    return Events(pd.MultiIndex.from_arrays(list(values), names=list(names)), person, first, last)


def find_key(frame: pd.DataFrame, *names: str) -> pd.Index | None:
    """Return the first column or index level of one of these names, whatever its capitals, or None."""
    for name in names:
        for label in frame.columns:
            if plain_name(label) == plain_name(name):
                column = frame[label]
                return pd.Index(column, dtype=column.dtype)
        for level, of_level in enumerate(frame.index.names):
            if of_level is not None and plain_name(of_level) == plain_name(name):
                return frame.index.get_level_values(level)
    return None


def positions(ids: pd.Index, participants: pd.Index) -> np.ndarray:
    """Return the position of each event's participant among those of a recording, -1 for strangers.

    Raises:
        FrameError: All are strangers.
    """
    person = np.asarray(participants.astype(object).get_indexer(ids.astype(object)), np.int64)
    if len(participants) and len(ids) and (person < 0).all():
        raise FrameError(
            f"none of the events' participants is in the recording: events name {_example(ids)}, the "
            f"recording {_example(participants)}; give both the same ids, of the same type"
        )
    return person


def _times(events: pd.DataFrame, name: str) -> pd.DatetimeIndex:
    values = find_key(events, name)
    if values is None:
        raise FrameError(
            f"events have no column {name!r}{nearest(name, events.columns)}; they need start and end, and "
            f"have {listing(events.columns)}"
        )
    return as_times(values, f"column {name!r} of the events")


def _people(ids: pd.Index | None, count: int, days: Days) -> np.ndarray:
    people = len(days.participants)
    if ids is None:
        if people != 1 and days.origin.keyed:
            raise FrameError(
                f"events have no column {PARTICIPANT!r}, and the recording has {people} participants; say "
                "whose each event is"
            )
        return np.full(count, people - 1, np.int64)
    if ids.hasnans:
        row = int(np.flatnonzero(ids.isna())[0])
        raise FrameError(f"row {row} of the events names no participant; drop such rows or fill in an id")
    if not days.origin.keyed:
        if ids.nunique() > 1:
            raise FrameError(
                f"events name {ids.nunique()} participants, the recording none; give the recording a column "
                f"{PARTICIPANT!r}, or the events of one participant"
            )
        return np.full(count, people - 1, np.int64)
    return positions(ids, days.participants)


def _example(ids: pd.Index) -> str:
    return f"{ids.astype(object)[0]!r} ({ids.dtype})"


def _wall_minutes(times: pd.DatetimeIndex, person: np.ndarray, days: Days) -> np.ndarray:
    """Return wall-clock minutes with their fractions, float64 (events,)."""
    minutes = times.asi8 / _PER_MINUTE[times.unit]
    if times.tz is None:
        return np.asarray(minutes)
    origin = days.origin
    if origin.zones == (None,):
        raise FrameError(
            f"events are in zone {times.tz}, and the recording's timestamps have none; give the events wall-"
            "clock times too, by .dt.tz_convert(the participants' zone).dt.tz_localize(None)"
        )
    whole = absolute_minutes(times)
    if origin.zone is None:
        return np.asarray(minutes + offsets(whole, origin.zones[0]))
    zone = origin.zone[_last_minute_before(whole, person, days)]
    for position, one in enumerate(origin.zones):
        rows = np.flatnonzero(zone == position)
        minutes[rows] += offsets(whole[rows], one)
    return np.asarray(minutes)


def _last_minute_before(minute: np.ndarray, person: np.ndarray, days: Days) -> np.ndarray:
    """Position of the last recorded minute of the same person up to each of these, else of the first."""
    origin = days.origin
    place = np.empty(len(minute), np.int64)
    for one in np.unique(person):
        rows = person == one
        low, high = np.searchsorted(origin.person, [one, one + 1])
        found = low + np.searchsorted(origin.minute[low:high], minute[rows], side="right") - 1
        place[rows] = np.clip(found, low, max(low, high - 1))
    return np.minimum(place, len(origin.minute) - 1)
