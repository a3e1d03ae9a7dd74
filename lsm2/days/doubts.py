"""What a recording may hold by mistake, told by its values: units and steps of time that are not said."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from lsm2.channels import Channel
from lsm2.days.clock import DAY
from lsm2.days.days import Days
from lsm2.days.keys import FrameError, Keys

_YEAR = 365 * DAY
"""Minutes of 1970, when nothing was recorded."""
_CROWDED = 100
"""Rows of a person's minute, on average: a wrong unit of time puts thousands into one."""
_COARSE_SHARE, _COARSE_STEPS = 0.9, 20
"""Rows are coarse if so many of their steps of time are of one length, and there are so many."""
READABLE_MINUTES = 180
"""Minutes that a row of a table may hold for, at most (:func:`lsm2.read_table`)."""
_OTHER_UNITS = {"g": "m/s2", "MET": "tenths"}
"""What else a channel may be in, by its unit."""
_SIX_HOURS = 360
"""Minutes with values, at least, that tell of another unit."""


def check_times(keys: Keys) -> None:
    """Refuse a recording whose rows crowd in a few minutes of 1970.

    Raises:
        FrameError: They do.
    """
    minute = keys.minute
    if not len(minute) or int(minute.min()) < 0 or int(minute.max()) >= _YEAR:
        return
    if len(np.unique(keys.person * _YEAR + minute)) * _CROWDED <= len(minute):
        raise FrameError(
            f"all {len(minute)} rows are of a few minutes of 1970. Seconds or milliseconds since 1970 that "
            "were read as nanoseconds look so: pd.to_datetime(values, unit='s'), or unit='ms'."
        )


def warn_of_doubts(days: Days) -> None:
    """Warn of amounts that come every few minutes, and of levels that another unit would explain."""
    rows = days.origin
    step_of_rows = _step(rows.person, rows.minute)
    for column in rows.columns:
        channel = days.schema.channels[column.position]
        there = ~np.isnan(column.values)
        step = max(step_of_rows, _step(rows.person[there], rows.minute[there])) if channel.is_total else 1
        said = [_coarse(column.label, step)] if step > 1 else []
        if channel.unit in _OTHER_UNITS:
            said.append(_other_unit(channel, days.values[:, column.position]))
        for what in filter(None, said):
            warnings.warn(f"column {column.label!r} {what}", UserWarning, stacklevel=3)


def _coarse(label: Any, step: int) -> str:
    """Say what to do with amounts of several minutes."""
    file = f", or read the file by lsm2.read_table(path, minutes={step})" if step <= READABLE_MINUTES else ""
    return (
        f"has a value every {step} minutes, and each counts for one minute: if it is the amount of {step} "
        "minutes, all amounts are wrong. Spread it first, of one person with the times as index for instance "
        f"by frame[{label!r}].resample('1min').ffill(limit={step - 1}) / {step}{file}."
    )


def _other_unit(channel: Channel, values: np.ndarray) -> str:
    """Say that values (days, 1440) are as of another unit, or nothing: gravity in m/s2 is nearly ten times
    that in g, and tenths of METs are whole numbers of which rest is ten.
    """
    there = values[~np.isnan(values)]
    if len(there) < _SIX_HOURS:
        return ""
    unit, mean = _OTHER_UNITS[channel.unit], float(there.mean())
    odd = mean > 3 if unit == "m/s2" else float(there.min()) >= 9 and bool((there == there.round()).all())
    if not odd or unit not in channel.scales:
        return ""
    return (
        f"is {mean:.3g} {channel.unit} on average, hardly what a person does. If it is in another unit, say "
        f"so by units={{{channel.name!r}: {unit!r}}}, for instance."
    )


def _step(person: np.ndarray, minute: np.ndarray) -> int:
    """Return how many minutes lie between rows of a person, given in order; 1 where that varies."""
    steps = np.diff(minute)[np.diff(person) == 0]
    if len(steps) < _COARSE_STEPS or np.count_nonzero(steps <= 1) > (1 - _COARSE_SHARE) * len(steps):
        return 1
    lengths, count = np.unique(steps, return_counts=True)
    return int(lengths[count.argmax()]) if count.max() >= _COARSE_SHARE * len(steps) else 1
