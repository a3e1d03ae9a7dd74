"""Windows: the runs of consecutive calendar days that a model reads at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lsm2.days.clock import DAY
from lsm2.days.days import Days, row_index, wall_times


@dataclass(frozen=True, eq=False)
class Windows:
    """Runs of `length` consecutive calendar days, from each person's first day on.

    A window is here when one of its days is. Days of it that have no row in the recording are missing.
    """

    days: Days
    length: int  # days of a window
    values: np.ndarray  # float32 (windows, channels, length * 1440), canonical units, NaN = missing
    person: np.ndarray  # int64 (windows,), position in days.participants
    date: np.ndarray  # datetime64[D] (windows,), first day
    day: np.ndarray  # int64 (windows, length), position in days, or -1 for a day that is not there

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.person)

    @property
    def observed(self) -> np.ndarray:
        """Whether a value is there, bool (windows, channels, length * 1440)."""
        return np.asarray(~np.isnan(self.values))

    def index(self) -> pd.Index:
        """Return the index of a table with a row per window: its first date."""
        times = wall_times(self.days, self.date.astype(np.int64) * DAY).rename("date")
        return row_index(self.days, self.person, times)

    def join(self, array: np.ndarray) -> np.ndarray:
        """Join an array of days (days, channels, 1440) to windows (windows, channels, length * 1440)."""
        if self.length == 1:
            return array
        shape = (len(self), array.shape[1], self.length, array.shape[2])
        joined = np.full(shape, np.nan if array.dtype.kind == "f" else 0, array.dtype)
        window, place = np.nonzero(self.day >= 0)
        joined[window, :, place] = array[self.day[window, place]]
        return joined.reshape(len(self), array.shape[1], self.length * array.shape[2])

    def cut(self, array: np.ndarray) -> np.ndarray:
        """Cut an array of windows (windows, channels, length * n) into days (days, channels, n)."""
        if self.length == 1:
            return array
        parts = array.reshape(len(self), array.shape[1], self.length, array.shape[2] // self.length)
        window, place = np.nonzero(self.day >= 0)
        days = np.empty((len(self.days), array.shape[1], parts.shape[-1]), array.dtype)
        days[self.day[window, place]] = parts[window, :, place]
        return days


def make_windows(days: Days, length: int) -> Windows:
    """Join days to windows.

    Args:
        days: A recording.
        length: Consecutive calendar days of a window; the first begins at each person's first day.

    >>> from lsm2.channels import Schema
    >>> from lsm2.days import read_days
    >>> times = pd.DatetimeIndex(["2024-03-01 10:00", "2024-03-03 10:00", "2024-03-09 10:00"])
    >>> days = read_days(pd.DataFrame({"HR": [61.0, 62, 63]}, index=times), Schema.from_names(["heart_rate"]))
    >>> weeks = make_windows(days, 7)
    >>> weeks.date.astype(str).tolist(), weeks.day[0].tolist()
    (['2024-03-01', '2024-03-08'], [0, -1, 1, -1, -1, -1, -1])
    """
    every = np.arange(len(days))
    if length == 1:
        return Windows(days, 1, days.values, days.person, days.date, every[:, None])
    date = days.date.astype(np.int64)
    opens = np.flatnonzero(np.diff(days.person, prepend=-1))
    since = date - np.repeat(date[opens], np.diff(np.append(opens, len(days))))
    run = since // length
    new = np.ones(len(days), bool)
    new[1:] = (days.person[1:] != days.person[:-1]) | (run[1:] != run[:-1])
    window = np.cumsum(new) - 1
    day = np.full((int(new.sum()), length), -1)
    day[window, since % length] = every
    first = np.flatnonzero(new)
    dates = (date - since % length)[first].astype("M8[D]")
    empty = Windows(days, length, np.zeros(0), days.person[first], dates, day)
    return Windows(days, length, empty.join(days.values), empty.person, dates, day)
