"""Totals and means of days, over observed and filled minutes, with intervals of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lsm2.days import DAY, Layout
from lsm2.intervals import Calibrated


def by_day(
    layout: Layout,
    fills: np.ndarray,
    *,
    calibrated: Calibrated | None = None,
    level: float | None = None,
) -> pd.DataFrame:
    """Sum (counts, energies) or average (other channels) each day's observed and filled minutes.

    An interval is that of the sum of the errors over all filled minutes of the day, around the sum of the
    means; it is not made of the minutes' own bounds.

    Args:
        layout: The minutes.
        fills: float32 (days, channels, 1440), canonical units; NaN: not filled.
        calibrated: For intervals.
        level: Of the interval; None for none.

    Returns:
        One row for every calendar day of the recording; per column of the layout ``<column>`` and, with a
        level, ``<column>.lower`` and ``<column>.upper``, in the caller's unit (times minutes, for totals),
        NaN where no minute counts; then ``<column>.observed`` and ``<column>.filled``, shares of the day's
        minutes: 1,440, or as many as its clock showed.
    """
    days = layout.days
    there = np.flatnonzero(layout.rows.day >= 0)
    day, clock = layout.rows.day[there], layout.rows.clock[there]
    length = _lengths(layout, there)
    spread = None if calibrated is None or level is None else calibrated.spread()
    data: dict[Any, np.ndarray] = {}
    shares: dict[str, np.ndarray] = {}

    def per_day(values: np.ndarray) -> np.ndarray:
        return np.bincount(day, values, minlength=len(days))

    for number, column in enumerate(layout.columns):
        channel = days.schema.channels[column.position]
        values = layout.filled(number, fills)
        is_fill = layout.is_fill(number, values)[there]
        values = values[there].astype(np.float64)
        counts = ~np.isnan(values)
        minutes, filled = per_day(counts), per_day(is_fill)
        divisor = np.where(minutes > 0, 1.0 if channel.is_total else np.maximum(minutes, 1), np.nan)
        total = per_day(np.where(counts, values, 0.0))
        data[column.label] = total / divisor
        if calibrated is not None and spread is not None and level is not None:
            means = layout.filled(number, calibrated.mean)[there].astype(np.float64)
            centre = per_day(np.where(counts, means, 0.0))
            mask = np.zeros((len(days), DAY), bool)
            mask[day[is_fill], clock[is_fill]] = True
            errors = calibrated.sum_errors(column.position, spread, mask, level)
            observed = per_day(np.where(counts & ~is_fill, values, 0.0))
            ends = [observed + filled * float(limit) for limit in column.limits]
            bounds = [np.clip(centre + error / column.conversion[0], *ends) for error in errors]
            data[f"{column.label}.lower"] = np.minimum(bounds[0], total) / divisor
            data[f"{column.label}.upper"] = np.maximum(bounds[1], total) / divisor
        shares[f"{column.label}.observed"] = (minutes - filled) / length
        shares[f"{column.label}.filled"] = filled / length
    frame = pd.DataFrame({**data, **shares}, index=days.index("day"))
    frame.attrs = dict(days.origin.attrs)
    return frame


def _lengths(layout: Layout, there: np.ndarray) -> np.ndarray:
    """Return how many minutes each day's clock showed, float64 (days,).

    Clocks set back or forward within the recorded part of a day make it longer or shorter than 1,440.

    Args:
        layout: The minutes.
        there: int64, its rows that are of a day, in order of time.
    """
    day = layout.rows.day[there]
    ahead = (
        layout.days.date[day].astype(np.int64) * DAY + layout.rows.clock[there] - layout.rows.minute[there]
    )
    first, last = (np.zeros(len(layout.days)) for _ in range(2))
    last[day] = ahead  # of rows of one day, the last one stays
    first[day[::-1]] = ahead[::-1]
    return DAY + first - last
