"""The clock of the output: absolute minutes to the rows of a frame, whatever the clocks did."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo

import numpy as np
import pandas as pd

from lsm2.days.clock import DAY, from_minutes, offsets
from lsm2.readers.samples import Offsets, Samples

_DAYS = 1 << 16  # from 1970 on
_CHUNK = 256  # days laid out at once


class Timeline:
    """What the wall clock showed at each absolute minute: that of a zone, or that which records wrote.

    Without a zone, an offset holds from the first record that wrote it until one wrote another, for all
    channels alike: they never shift against each other.
    """

    def __init__(self, written: Iterable[Offsets], zone: tzinfo | None) -> None:
        self.zone = zone
        found = list(written)
        moments = np.concatenate([np.zeros(0, np.int64), *(one.moment // 60 for one in found)])
        values = np.concatenate([np.zeros(0, np.int64), *(one.offset for one in found)])
        order = np.lexsort((values, moments))
        moments, values = moments[order], values[order]
        if len(moments):
            last = np.append(moments[1:] != moments[:-1], True)  # one offset a minute
            moments, values = moments[last], values[last]
            changes = np.append(True, values[1:] != values[:-1])
            moments, values = moments[changes], values[changes]
        self._since, self._offset = moments, values  # int64 (stretches,)

    @property
    def dtype(self) -> np.dtype | pd.DatetimeTZDtype:
        """The dtype of the output's timestamps."""
        return np.dtype("M8[ns]") if self.zone is None else pd.DatetimeTZDtype("ns", self.zone)

    @property
    def written(self) -> list[int]:
        """The offsets that records wrote, in minutes, ascending."""
        return sorted(set(self._offset.tolist()))

    def wall(self, minutes: np.ndarray) -> np.ndarray:
        """Return the wall-clock minute of absolute minutes, int64 (minutes,)."""
        if self.zone is not None:
            return np.asarray(minutes + offsets(minutes, self.zone))
        if len(self._since) == 0:
            return minutes
        stretch = np.searchsorted(self._since, minutes, side="right") - 1
        return np.asarray(minutes + self._offset[np.maximum(stretch, 0)])

    def keys(self, minutes: np.ndarray) -> np.ndarray:
        """Return what tells rows apart: the absolute minute with a zone, else the wall-clock minute."""
        return minutes if self.zone is not None else self.wall(minutes)

    def repeated(self, keys: np.ndarray) -> np.ndarray:
        """Return which wall-clock minutes the clock showed more than once, bool (minutes,)."""
        if self.zone is not None or len(self._since) < 2:
            return np.zeros(len(keys), bool)
        begins = (self._since + self._offset)[1:]  # of each stretch but the first, on the wall clock
        ends = self._since[1:] + self._offset[:-1]
        edges = np.concatenate([[-(1 << 40)], begins, ends, [1 << 40]])
        steps = np.concatenate([[1], np.ones(len(begins), int), -np.ones(len(ends), int), [-1]])
        order = np.argsort(edges, kind="stable")
        passes = np.cumsum(steps[order])
        return np.asarray(passes[np.searchsorted(edges[order], keys, side="right") - 1] > 1)


def touched_days(timeline: Timeline, samples: Iterable[Samples]) -> np.ndarray:
    """Return the calendar days, since 1970, on which any record lies, int64 (days,), ascending."""
    marks = np.zeros(_DAYS, bool)
    for one in samples:
        for low in range(0, len(one), 1 << 18):
            start = one.start[low : low + (1 << 18)].astype(np.int64)
            end = start + np.maximum(one.seconds[low : low + (1 << 18)], 1) - 1
            first, last = (timeline.wall(minutes // 60) // DAY for minutes in (start, end))
            for step in range(int((last - first).max(initial=0)) + 1):
                marks[np.clip(np.minimum(first + step, last), 0, _DAYS - 1)] = True
    return np.flatnonzero(marks)


def lay_out(timeline: Timeline, days: np.ndarray, first: int | None, stop: int | None) -> np.ndarray:
    """Return the keys of the rows: every minute of the days, int64 (rows,), ascending.

    Args:
        timeline: The clock.
        days: Calendar days since 1970, ascending.
        first: The first wall-clock minute wanted, or None.
        stop: The one after the last wanted, or None.
    """
    if first is not None:
        days = days[days >= first // DAY]
    if stop is not None:
        days = days[days * DAY < stop]
    parts = [np.zeros(0, np.int64)]
    for low in range(0, len(days), _CHUNK):
        some = days[low : low + _CHUNK]
        if timeline.zone is None:
            keys = wall = (some[:, None] * DAY + np.arange(DAY)).reshape(-1)
        else:
            around = np.unique(some[:, None] + np.arange(-1, 2))
            keys = (around[:, None] * DAY + np.arange(DAY)).reshape(-1)
            wall = timeline.wall(keys)
            within = np.isin(wall // DAY, some)
            keys, wall = keys[within], wall[within]
        kept = np.ones(len(keys), bool)
        if first is not None:
            kept &= wall >= first
        if stop is not None:
            kept &= wall < stop
        parts.append(keys[kept])
    keys = np.concatenate(parts)
    return keys if np.all(keys[1:] > keys[:-1]) else np.unique(keys)


def index_of(timeline: Timeline, keys: np.ndarray) -> pd.DatetimeIndex:
    """Return the timestamps of rows, named "timestamp"."""
    return from_minutes(keys, timeline.dtype).rename("timestamp")
