"""What a recording holds, in a table: days, observed shares and gaps of each participant and channel."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lsm2.days.clock import DAY
from lsm2.days.days import Days, wall_times


def describe(days: Days) -> pd.DataFrame:
    """Count the days and gaps of every participant and recorded channel.

    Gaps are measured in minutes that went by, so the hour that a clock skips in spring is none.

    Returns:
        One row per participant and recorded channel; the columns are those of :func:`lsm2.describe`.

    >>> from lsm2.channels import Schema
    >>> from lsm2.days import read_days
    >>> times = pd.DatetimeIndex(["2024-03-01 10:00", "2024-03-01 10:05", "2024-03-01 10:06"])
    >>> days = read_days(pd.DataFrame({"HR": 61.0}, index=times), Schema.from_names(["heart_rate"]))
    >>> describe(days)[["days", "gaps", "longest_gap"]].loc["heart_rate"].tolist()
    [1.0, 1.0, 4.0]
    """
    origin, people = days.origin, len(days.participants)
    columns = sorted(origin.columns, key=lambda column: column.position)
    shape = (people, len(columns))
    minutes, observed_days, gaps = (np.zeros(shape, np.int64) for _ in range(3))
    median, longest = (np.full(shape, np.nan) for _ in range(2))
    for number, column in enumerate(columns):
        seen = ~np.isnan(days.values[:, column.position])  # (days, 1440)
        minutes[:, number] = np.bincount(days.person, seen.sum(axis=1), people)
        observed_days[:, number] = np.bincount(days.person, seen.any(axis=1), people)
        there = np.flatnonzero(seen[origin.day, origin.clock] & ~np.isnan(column.values))
        person, step = origin.person[there], np.diff(origin.minute[there]) - 1
        gap = (step > 0) & (person[1:] == person[:-1])
        lengths = pd.Series(step[gap]).groupby(person[1:][gap])
        found = np.asarray(lengths.size().index)
        gaps[found, number] = lengths.size()
        median[found, number] = lengths.median()
        longest[found, number] = lengths.max()
    count = np.bincount(days.person, minlength=people)
    start = np.cumsum(count) - count  # days are sorted by person, then date
    first, last = (
        wall_times(days, days.date.astype(np.int64)[at] * DAY) for at in (start, start + count - 1)
    )
    channels = pd.Index([days.schema.channels[column.position].name for column in columns], name="channel")
    index: pd.Index = channels[:0] if people == 0 else channels
    if origin.keyed:
        index = pd.MultiIndex.from_product([days.participants, channels])
    each = np.repeat(np.arange(people), len(columns))
    return pd.DataFrame(
        {
            "first": first[each],
            "last": last[each],
            "days": count[each],
            "observed_days": observed_days.ravel(),
            "observed": (minutes / (count[:, None] * DAY)).ravel(),
            "gaps": gaps.ravel(),
            "median_gap": median.ravel(),
            "longest_gap": longest.ravel(),
        },
        index=index,
    )
