"""Errors of sums over gaps and days: quantiles in units of the spread that correlated minutes would have."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lsm2.intervals.tables import LEVELS

COUNTS = 4.0 ** np.arange(6)
"""Centres of the buckets of missing minutes, 1 to 1024."""
_SOLID_PEOPLE = 6.0
_SOLID_SUMS = 3.0


@dataclass(frozen=True)
class Totals:
    """Quantiles of (sum of truth minus sum of answers) / spread."""

    errors: np.ndarray
    """float64 (len(COUNTS), len(LEVELS))."""
    corrected: np.ndarray
    """float64 (len(LEVELS),), see :class:`lsm2.intervals.tables.Table`."""

    def quantile(self, level: float, minutes: np.ndarray) -> np.ndarray:
        """Quantiles (sums,) of sums over so many minutes."""
        read = float(np.interp(level, [0, *LEVELS, 1], [0, *self.corrected, 1]))
        # Beyond the outermost level the tail goes on as steeply as it was.
        columns = np.array([_beyond(row, read) for row in self.errors])
        return np.interp(np.log(np.maximum(minutes, 1)), np.log(COUNTS), columns)

    def rank(self, error: np.ndarray, minutes: np.ndarray) -> np.ndarray:
        """Uncorrected level (sums,) of errors in units of the spread."""
        place = np.clip(np.log(np.maximum(minutes, 1)) / np.log(4.0), 0, len(COUNTS) - 1)
        low = np.minimum(place.astype(np.int64), len(COUNTS) - 2)
        part = (place - low)[:, None]
        rows = self.errors[low] * (1 - part) + self.errors[low + 1] * part
        return np.array(
            [np.interp(e, row, LEVELS, left=0.0, right=1.0) for e, row in zip(error, rows, strict=True)]
        )


def _beyond(row: np.ndarray, level: float) -> float:
    """A quantile from a row of LEVELS, with exponential tails beyond the outermost."""
    first, last = LEVELS[0], LEVELS[-1]
    if level < first:
        slope = (row[4] - row[0]) / np.log(LEVELS[4] / first)
        return float(row[0] + slope * np.log(max(level, 1e-12) / first))
    if level > last:
        slope = (row[-1] - row[-5]) / np.log((1 - LEVELS[-5]) / (1 - last))
        return float(row[-1] - slope * np.log(max(1 - level, 1e-12) / (1 - last)))
    return float(np.interp(level, LEVELS, row))


def fit_totals(person: np.ndarray, error: np.ndarray, minutes: np.ndarray) -> Totals:
    """Fit the quantiles; people weigh alike, and buckets of few people lean on all sums.

    Args:
        person: (sums,) whose they are.
        error: (sums,) in units of the spread.
        minutes: (sums,) missing minutes in each.
    """
    order = np.argsort(error, kind="stable")
    person, error, minutes = person[order], error[order], minutes[order]
    place = np.log(np.maximum(minutes, 1)) / np.log(4.0)
    _, wide = _quantiles(person, error)
    rows = []
    for centre in range(len(COUNTS)):
        near = np.abs(np.clip(place, 0, len(COUNTS) - 1) - centre) <= 0.75
        trust, own = _quantiles(person[near], error[near])
        rows.append(wide + trust * (own - wide))
    return Totals(np.array(rows), LEVELS.copy())


def _quantiles(person: np.ndarray, error: np.ndarray) -> tuple[float, np.ndarray]:
    if not len(person):
        return 0.0, np.zeros(len(LEVELS))
    _, who, count = np.unique(person, return_inverse=True, return_counts=True)
    weight = 1 / (count + _SOLID_SUMS)
    people = float((count * weight).sum())
    weight = weight[who] / people
    return people / (people + _SOLID_PEOPLE), np.interp(LEVELS, np.cumsum(weight) - weight / 2, error)


def correct(ranks: np.ndarray, person: np.ndarray) -> np.ndarray:
    """The levels at which quantiles must be read to cover people who were left out of the fit.

    Args:
        ranks: (cells,) levels of truths, from fits without their own person.
        person: (cells,)

    Returns:
        (len(LEVELS),), never narrower than LEVELS and rising.
    """
    _, who, count = np.unique(person, return_inverse=True, return_counts=True)
    weight = (1 / (count + _SOLID_SUMS))[who]
    order = np.argsort(ranks, kind="stable")
    mass = np.cumsum(weight[order])
    found = np.interp(LEVELS, (mass - weight[order] / 2) / mass[-1], ranks[order])
    found = np.where(LEVELS < 0.5, np.minimum(found, LEVELS), np.maximum(found, LEVELS))
    found[len(LEVELS) // 2] = 0.5
    return np.clip(np.maximum.accumulate(found), 0.0, 1.0)


def fit_corrected(person: np.ndarray, error: np.ndarray, minutes: np.ndarray, fold: np.ndarray) -> Totals:
    """Fit totals, and their levels by leaving each fold (sums,) of people out in turn."""
    ranks = np.empty(len(error))
    for one in np.unique(fold):
        left = fold == one
        ranks[left] = fit_totals(person[~left], error[~left], minutes[~left]).rank(error[left], minutes[left])
    return replace(fit_totals(person, error, minutes), corrected=correct(ranks, person))
