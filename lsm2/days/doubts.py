"""What a recording may hold by mistake, told by its values: units and steps of time that are not said."""

from __future__ import annotations

import warnings

import numpy as np

from lsm2.days.clock import DAY
from lsm2.days.days import Days
from lsm2.days.keys import FrameError, Keys

_YEAR = 365 * DAY
"""Minutes of 1970, when nothing was recorded."""
_COARSE_SHARE, _COARSE_STEPS = 0.9, 20
"""A channel is coarse if so many of its steps of time are of one length, and there are so many."""
_USUAL = {"m/s2": ("g", 3.0), "tenths": ("MET", 5.0)}
"""Another unit of a channel, by the unit it is taken for and the mean above which that is in doubt."""
_SIX_HOURS = 360
"""Minutes with values, at least: a mean of fewer may be that of a run."""


def check_times(keys: Keys) -> None:
    """Refuse a recording whose times are all of 1970.

    Raises:
        FrameError: They are.
    """
    if len(keys.minute) and int(keys.minute.min()) >= 0 and int(keys.minute.max()) < _YEAR:
        raise FrameError(
            f"all {len(keys.minute)} rows are of 1970. Seconds or milliseconds since 1970 that "
            "were read as nanoseconds look so: pd.to_datetime(values, unit='s'), or unit='ms'."
        )


def warn_of_doubts(days: Days) -> None:
    """Warn of amounts that come every few minutes, and of levels that another unit would explain."""
    for column in days.origin.columns:
        channel, values = days.schema.channels[column.position], days.values[:, column.position]
        said = []
        if channel.is_total and (step := _step(values)) > 1:
            said.append(
                f"has a value every {step} minutes, and each counts for one minute: if it is the amount of "
                f"{step} minutes, all amounts come out too high. Spread it first, of one person for instance "
                f"by frame[{column.label!r}].resample('1min').ffill(limit={step - 1}) / {step}, or read the "
                f"file by lsm2.read_table(path, minutes={step})."
            )
        for unit, (own, most) in _USUAL.items():
            if channel.unit == own and unit in channel.scales and (values > most).any():
                mean = float(np.nanmean(values, dtype=np.float64))
                if mean > most and np.count_nonzero(~np.isnan(values)) >= _SIX_HOURS:
                    said.append(
                        f"is {mean:.3g} {own} on average, hardly what a person does. If it is in another "
                        f"unit, say so by units={{{channel.name!r}: {unit!r}}}, for instance."
                    )
        for what in said:
            warnings.warn(f"column {column.label!r} {what}", UserWarning, stacklevel=3)


def _step(values: np.ndarray) -> int:
    """Return how many minutes lie between the values (days, 1440) of a channel; 1 where that varies."""
    there = ~np.isnan(values)
    next_to = int(np.count_nonzero(there[:, 1:] & there[:, :-1]))
    if next_to > (1 - _COARSE_SHARE) * np.count_nonzero(there):
        return 1
    day, minute = np.nonzero(there)
    steps = np.diff(minute)[np.diff(day) == 0]
    if len(steps) < _COARSE_STEPS:
        return 1
    count = np.bincount(steps)
    return int(count.argmax()) if count.max() >= _COARSE_SHARE * len(steps) else 1
