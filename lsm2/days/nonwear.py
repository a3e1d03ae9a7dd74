"""Worn minutes: when the device was on the body, and frames without what it wrote when it was not."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lsm2.channels import CHANNELS, Schema
from lsm2.days.clock import DAY
from lsm2.days.days import Days
from lsm2.days.keys import PARTICIPANT, TIMESTAMP, read_keys
from lsm2.days.read import read_days

STILL = 90  # minutes of zeros that mean the device was off (Choi et al. 2011)

_MOTION = ("steps", "distance", "activity_counts", "intensity")


def worn(days: Days) -> np.ndarray:
    """Return which minutes the device was worn, bool (days, 1440).

    On a day with heart rate: minutes with heart rate. On others: recorded minutes outside runs of 90 minutes
    or more in which every motion channel (steps, distance, activity_counts, intensity) is 0, the length of
    Choi et al. 2011 (doi 10.1249/MSS.0b013e3181ed61a3). Runs go on across midnight.
    """
    names = days.schema.names
    observed = days.observed
    result: np.ndarray = np.asarray(observed.any(axis=1))  # (days, 1440)
    motion = [position for position, name in enumerate(names) if name in _MOTION]
    if motion:
        moving = days.values[:, motion]  # (days, motion channels, 1440)
        still = np.asarray(observed[:, motion].any(axis=1) & ~(moving > 0).any(axis=1))
        result &= run_lengths(still, days.next_day) < STILL
    if "heart_rate" in names:
        heart = observed[:, names.index("heart_rate")]
        result = np.where(heart.any(axis=1, keepdims=True), heart, result)
    return result


def mask_nonwear(
    data: pd.DataFrame,
    *,
    columns: Mapping[Any, str] | None = None,
    units: Mapping[str, str] | None = None,
    participant: str = PARTICIPANT,
    timestamp: str = TIMESTAMP,
) -> pd.DataFrame:
    """Return a copy of a frame in which counts and energies of minutes when the device was off are missing.

    Devices that lie on a table go on writing 0 steps and 1.0 MET. A minute was worn where it has a heart
    rate; on days without heart rate, where it is outside runs of 90 minutes or more without any motion (Choi
    et al. 2011).

    Args:
        data: A recording, in any form that `lsm2.embed` takes.
        columns: {column of the frame: channel}.
        units: {channel: unit or device}.
        participant: Name of the column or index level of participants.
        timestamp: Name of the column or index level of timestamps.

    Raises:
        ValueError: The frame cannot be read; says why and where.

    >>> times = pd.date_range("2024-03-01 10:00", periods=3, freq="min")
    >>> frame = pd.DataFrame({"HR": [61, None, 64], "steps": [5.0, 0.0, 7.0]}, index=times)
    >>> mask_nonwear(frame)["steps"].tolist()
    [5.0, nan, 7.0]
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # other columns stay, and zones change no run of zeros
        days = read_days(
            data,
            Schema(channels=tuple(CHANNELS.values())),
            columns=columns,
            units=units,
            participant=participant,
            timestamp=timestamp,
        )
        keys = read_keys(data, tz=None, participant=participant, timestamp=timestamp)
    frame = data.copy()
    if len(days) == 0:
        return frame
    date = days.date.astype(np.int64)
    first, span = int(date.min()), int(date.max() - date.min()) + 1
    row_date = keys.wall // DAY
    day = np.searchsorted(days.person * span + (date - first), keys.person * span + (row_date - first))
    off = ~worn(days)[day, keys.wall - row_date * DAY]
    for column in days.origin.columns:
        channel = days.schema.channels[column.position]
        if channel.kind == "count" or channel.family == "energy":
            drop = off & data[column.label].notna().to_numpy()
            if drop.any():
                frame[column.label] = data[column.label].mask(drop)
    return frame


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
