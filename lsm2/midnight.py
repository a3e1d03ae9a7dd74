"""Windows from noon to noon, for gaps that cross midnight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lsm2.days import DAY, Days

_NOON = DAY // 2


@dataclass(frozen=True)
class Across:
    """Pairs of following days, joined at midnight."""

    first: np.ndarray
    """(pairs,) position of the earlier day."""
    second: np.ndarray
    """(pairs,) position of the later day."""
    values: np.ndarray
    """(pairs, channels, 1440) from noon to noon."""
    wanted: np.ndarray
    """(pairs, channels, 1440) bool."""


def windows(days: Days, wanted: np.ndarray) -> Across:
    """Join the days around each midnight at which a minute is wanted.

    Args:
        days: A recording.
        wanted: (days, channels, 1440) bool, missing minutes of gaps that touch midnight.
    """
    first = np.flatnonzero(days.next_day >= 0)
    second = days.next_day[first]
    touched = wanted[first, :, -1].any(axis=1) | wanted[second, :, 0].any(axis=1)
    first, second = first[touched], second[touched]
    return Across(first, second, _join(days.values, first, second), _join(wanted, first, second))


def blend(fills: np.ndarray, across: Across, shifted: np.ndarray) -> None:
    """Blend fills of noon-to-noon windows into those of the days, in place.

    The weight falls linearly from 1 at midnight to 0 at both noons, so that no seam moves elsewhere.

    Args:
        fills: (days, channels, 1440).
        across: From :func:`windows`.
        shifted: (pairs, channels, 1440) fills of the joined windows, NaN where there is none.
    """
    minute = np.arange(DAY)
    weight = (1 - np.abs(minute - (_NOON - 0.5)) / _NOON).astype(np.float32)
    days_own = _join(fills, across.first, across.second)
    mixed = weight * shifted + (1 - weight) * days_own
    mixed = np.where(np.isnan(shifted), days_own, np.where(np.isnan(days_own), shifted, mixed))
    for pair, (first, second) in enumerate(zip(across.first, across.second, strict=True)):
        fills[first, :, _NOON:] = mixed[pair, :, :_NOON]
        fills[second, :, :_NOON] = mixed[pair, :, _NOON:]


def _join(array: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.concatenate([array[first, :, _NOON:], array[second, :, :_NOON]], axis=2)
