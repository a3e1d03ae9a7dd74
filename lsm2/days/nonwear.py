"""Worn minutes: when the device was on the body, and frames without what it wrote when it was not."""

from __future__ import annotations

import numpy as np

from lsm2.days.days import Days

STILL = 90  # minutes of zeros that mean the device was off (Choi et al. 2011)

_MOTION = ("steps", "distance", "activity_counts", "intensity")


def worn(days: Days) -> np.ndarray:
    """Return which minutes the device was worn, bool (days, 1440).

    On a day with heart rate: minutes with heart rate. On others: recorded minutes outside runs of 90 minutes or more
    in which every motion channel (steps, distance, activity_counts, intensity) is 0, the length of Choi et al. 2011
    (doi 10.1249/MSS.0b013e3181ed61a3). Runs go on across midnight.
    """
    names = days.schema.names
    observed = days.observed
    result = observed.any(axis=1)  # (days, 1440)
    motion = [position for position, name in enumerate(names) if name in _MOTION]
    if motion:
        moving = days.values[:, motion]  # (days, motion channels, 1440)
        still = observed[:, motion].any(axis=1) & ~(moving > 0).any(axis=1)
        result &= run_lengths(still, days.next_day) < STILL
    if "heart_rate" in names:
        heart = observed[:, names.index("heart_rate")]
        result = np.where(heart.any(axis=1)[:, None], heart, result)
    return result


def run_lengths(flags: np.ndarray, next_day: np.ndarray) -> np.ndarray:
    """Return the length in minutes of the run of True that each minute is part of, 0 where False.

    Args:
        flags: bool (days, 1440).
        next_day: int (days,), see `Days`; runs go on into the following calendar day.
    """
    if len(flags) == 0:
        return np.zeros(flags.shape, np.int64)
    ends = np.zeros(flags.shape, bool)  # the last minute of a run
    ends[:, :-1] = flags[:, :-1] & ~flags[:, 1:]
    goes_on = next_day >= 0
    ends[:, -1] = flags[:, -1]
    ends[goes_on, -1] &= ~flags[next_day[goes_on], 0]
    flat, stops = flags.reshape(-1), np.flatnonzero(ends)
    count = np.concatenate([[0], np.cumsum(flat)])  # True minutes before each place
    lengths = np.diff(count[stops + 1], prepend=0)
    result = np.zeros(flat.size, np.int64)
    result[flat] = np.repeat(lengths, lengths)
    return result.reshape(flags.shape)
