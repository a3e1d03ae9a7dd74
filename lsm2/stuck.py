"""Stuck sensors: what an accelerometer writes on both sides of a gap, to the last bit, it wrote within."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lsm2.days import DAY, Days

_SIDE = 5  # minutes on either side that must be the same number, to the last bit
_LONGEST = 180  # minutes of a gap; nothing is known of longer ones


def hold(days: Days, wanted: np.ndarray, fills: Iterable[np.ndarray]) -> None:
    """Fill gaps of stuck accelerometers with what they are stuck at, in place.

    Of train and valid people, every gap of up to 150 minutes between such minutes held their number
    (docs/experiments.md). Other channels are left alone: heart rate in whole beats may be the same by chance.

    Args:
        days: The recording.
        wanted: bool (days, channels, 1440), minutes to fill.
        fills: float32 (days, channels, 1440) each.
    """
    positions = [
        position
        for position, channel in enumerate(days.schema.channels)
        if channel.unit == "g" and wanted[:, position].any()
    ]
    if not positions:
        return
    breaks = np.flatnonzero(days.next_day[:-1] < 0) + 1  # days that follow another stand behind it
    for first, stop in zip([0, *breaks], [*breaks, len(days)], strict=True):
        for position in positions:
            asked = wanted[first:stop, position].reshape(-1)
            if asked.any():
                seen = np.where(asked, np.nan, days.values[first:stop, position].reshape(-1))
                held = _held(seen)
                rows = np.flatnonzero(asked & ~np.isnan(held))
                day, minute = first + rows // DAY, rows % DAY
                for fill in fills:
                    fill[day, position, minute] = held[rows]


def _held(seen: np.ndarray) -> np.ndarray:
    """Return the number that each missing minute of a stuck sensor holds, float32 (minutes,); else NaN."""
    held = np.full(len(seen), np.nan, np.float32)
    edges = np.diff(np.isnan(seen).astype(np.int8), prepend=0, append=0)
    start, stop = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    inside = (start >= _SIDE) & (stop + _SIDE <= len(seen)) & (stop - start <= _LONGEST)
    start, stop = start[inside], stop[inside]
    steps = np.arange(_SIDE)
    around = np.concatenate([seen[start[:, None] - 1 - steps], seen[stop[:, None] + steps]], axis=1)
    for number in np.flatnonzero((around == around[:, :1]).all(axis=1)):  # NaN equals nothing
        held[start[number] : stop[number]] = around[number, 0]
    return held
