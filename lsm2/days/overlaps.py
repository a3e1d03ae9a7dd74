"""Overlaps of events with the slots of windows: which patches of time an interval holds, and how much of
each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_matrix

from lsm2.days.clock import DAY
from lsm2.days.events import Events
from lsm2.days.windows import Windows


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Minutes that each event shares with each slot of its participant's windows."""

    events: Events
    minutes: csc_matrix  # (events, windows * slots), float64
    slots: int  # of a window

    @property
    def touched(self) -> np.ndarray:
        """Windows that an event overlaps, bool (windows,)."""
        filled = np.diff(self.minutes.indptr) > 0
        return np.asarray(filled.reshape(-1, self.slots).any(axis=1))


def overlaps(windows: Windows, events: Events, patch_minutes: int) -> Overlaps:
    """Return the overlaps of events with windows; of unknown participants there are none.

    Args:
        windows: A recording.
        events: Of the same recording; they may begin before it, end after it, and cross midnights.
        patch_minutes: Minutes of a slot.

    >>> import pandas as pd
    >>> from lsm2.channels import Schema
    >>> from lsm2.days import make_windows, read_days, read_events
    >>> times = pd.date_range("2024-03-01 23:00", periods=120, freq="min")
    >>> days = read_days(pd.DataFrame({"HR": 61.0}, index=times), Schema.from_names(["heart_rate"]))
    >>> night = read_events(pd.DataFrame({"start": ["2024-03-01 23:45"], "end": ["2024-03-02 00:05"]}), days)
    >>> minutes = overlaps(make_windows(days, 1), night, 10).minutes.tocoo()
    >>> minutes.col.tolist(), minutes.data.tolist()
    ([142, 143, 144], [5.0, 10.0, 5.0])
    """
    days, per_day = windows.days, DAY // patch_minutes
    slots = windows.length * per_day
    shape = len(events), len(windows) * slots
    known = np.flatnonzero(events.person >= 0)
    if not len(days) or not len(known):
        return Overlaps(events, csc_matrix(shape), slots)
    person, date = events.person[known], days.date.astype(np.int64)
    first = np.searchsorted(days.person, person)
    last = np.searchsorted(days.person, person, side="right") - 1
    start = np.maximum(events.start[known], date[first] * DAY)
    end = np.minimum(events.end[known], (date[last] + 1) * DAY)

    # One row for each event and slot of the clock.
    low = np.floor(start / patch_minutes).astype(np.int64)
    count = np.maximum(np.ceil(end / patch_minutes).astype(np.int64) - low, 0)
    row = np.repeat(np.arange(len(known)), count)
    slot = low[row] + np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    minutes = np.minimum(end[row], (slot + 1) * patch_minutes) - np.maximum(start[row], slot * patch_minutes)

    # Days are sorted by person and date, so that one number finds them.
    origin, span = date.min(), date.max() - date.min() + 1
    number = days.person * span + date - origin
    wanted = person[row] * span + slot // per_day - origin
    day = np.searchsorted(number, wanted)  # never past the end: events are cut at the last day
    there = number[day] == wanted
    day, slot = day[there], slot[there]
    window, place = np.nonzero(windows.day >= 0)
    column = np.empty(len(days), np.int64)
    column[windows.day[window, place]] = window * slots + place * per_day
    columns = column[day] + slot % per_day
    return Overlaps(events, csc_matrix((minutes[there], (known[row[there]], columns)), shape=shape), slots)
