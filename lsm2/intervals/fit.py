"""From residuals to a calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from lsm2.aim import Normalisation
from lsm2.channels import Channel, Schema
from lsm2.days import DAY
from lsm2.intervals import correlation
from lsm2.intervals.calibration import Calibration, CalibrationConfig, ChannelCalibration
from lsm2.intervals.correlation import spread_of_sum
from lsm2.intervals.residuals import Residuals
from lsm2.intervals.scales import Scale
from lsm2.intervals.tables import DISTANCES, Minutes, Table, fit_table
from lsm2.intervals.totals import Totals, correct, fit_corrected

FEWEST_PEOPLE = 2
_FOLDS = 10
_RANKED = 60_000
"""Minutes over which levels are corrected, at most."""


def fit(
    residuals: Residuals,
    schema: Schema,
    normalisation: tuple[Normalisation, ...],
    *,
    checkpoint: str,
    description: str = "",
    provisional: bool = False,
    data: dict[str, Any] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Calibration:
    """Fit intervals, totals and samples to what a model answered for hidden minutes.

    Split-conformal by people: error quantiles conditional on channel, company, distance and predicted level
    (:mod:`lsm2.intervals.tables`), whose levels are then moved so that people who were left out are covered.

    Args:
        residuals: Of people on whom the weights were not trained.
        schema: The channels.
        normalisation: The network's constants, for each channel.
        checkpoint: Hash of the weights.
        description: For people: what it was calibrated on.
        provisional: The calibration is to be replaced by a better one.
        data: Further facts for people.
        progress: Called with a line now and then.

    Raises:
        ValueError: No channel has residuals of two people or more.
    """
    channels: list[ChannelCalibration] = []
    tables: dict[str, Table] = {}
    totals: dict[str, Totals] = {}
    for position, (channel, constants) in enumerate(zip(schema.channels, normalisation, strict=True)):
        mine = residuals.take(residuals.cells.channel == position)
        people = len(np.unique(mine.person))
        if people >= FEWEST_PEOPLE:
            facts, tables[channel.name], totals[channel.name] = fit_channel(mine, channel, constants)
            channels.append(facts)
            if progress is not None:
                progress(f"{channel.name}: {len(mine)} minutes of {people} people")
    if not channels:
        raise ValueError("no channel has hidden minutes of two people or more; calibrate on more people")
    config = CalibrationConfig(
        checkpoint=checkpoint,
        description=description,
        provisional=provisional,
        channels=tuple(channels),
        data=data or {},
    )
    return Calibration(config, tables, totals)


def fit_channel(
    residuals: Residuals, channel: Channel, constants: Normalisation
) -> tuple[ChannelCalibration, Table, Totals]:
    """Fit one channel to its residuals."""
    person = residuals.person
    minutes = Minutes.of(residuals.cells, residuals.mean, np.arange(len(person)))
    scale = Scale.of(channel, constants)
    fold = _folds(person)
    random = np.random.default_rng(0)
    _, who, count = np.unique(person, return_inverse=True, return_counts=True)
    weight = (1 / count)[who]
    error = (residuals.truth - residuals.mean).astype(np.float64)
    target = _frequencies(residuals) if channel.kind == "binary" else residuals.truth
    table = fit_table(scale, person, minutes, target)
    ranks = np.full(len(person), np.nan)
    some = np.zeros(len(person), bool)
    share = weight / weight.sum()
    some[random.choice(len(person), min(_RANKED, len(person)), replace=False, p=share)] = True
    for one in np.unique(fold):
        left = fold == one
        part = fit_table(scale, person[~left], minutes.take(~left), target[~left])
        rows = np.flatnonzero(left & some)
        ranks[rows] = part.rank(target[rows], part.where(minutes.take(rows)), random.random(len(rows)))
    table = replace(table, corrected=correct(ranks[some], person[some]))
    where = table.where(minutes)
    # The spread of squared errors, not of frequencies.
    spread = where.mix(table.spread) if channel.kind != "binary" else _bernoulli(residuals.mean)
    own = correlation.mixture(
        correlation.of_errors(residuals.gap, residuals.cells.minute, weight, error, spread)
    )
    ranked = correlation.mixture(
        correlation.of_ranks(
            table,
            where,
            residuals.gap,
            residuals.cells.minute,
            weight,
            error,
            random,
            binary=channel.kind == "binary",
        )
    )
    facts = ChannelCalibration(
        name=channel.name,
        scale=scale,
        binary=channel.kind == "binary",
        people=len(count),
        minutes=len(person),
        restless=table.restless,
        error_correlation=own,
        rank_correlation=ranked,
    )
    return facts, table, _fit_totals(residuals, error, spread, own, fold)


def _bernoulli(probability: np.ndarray) -> np.ndarray:
    return np.sqrt(np.clip(probability * (1 - probability), 1e-6, None)).astype(np.float64)


def _folds(person: np.ndarray) -> np.ndarray:
    """Whole people in at most ten folds, (minutes,)."""
    _, who = np.unique(person, return_inverse=True)
    order = np.random.default_rng(0).permutation(int(who.max()) + 1)
    return np.asarray(order[who] % _FOLDS)


def _frequencies(residuals: Residuals) -> np.ndarray:
    """For a binary channel: the answer plus the mean error of a person's minutes with like answers."""
    level = np.rint(np.clip(residuals.mean, 0, 1) * 10).astype(np.int64)
    near = np.log2(np.clip(residuals.cells.distance, DISTANCES[0], DISTANCES[-1])).astype(np.int64) // 3
    _, group = np.unique((residuals.person * 32 + level) * 16 + near + 4, return_inverse=True)
    error = (residuals.truth - residuals.mean).astype(np.float64)
    return np.asarray(residuals.mean + (np.bincount(group, error) / np.bincount(group))[group])


def _fit_totals(
    residuals: Residuals, error: np.ndarray, spread: np.ndarray, own: tuple[float, ...], fold: np.ndarray
) -> Totals:
    """Fit sums of errors over the gaps of a day that were hidden together."""
    _, gap = np.unique(residuals.gap, return_inverse=True)
    sums = int(gap.max()) + 1
    total = np.bincount(gap, error)
    minutes = np.bincount(gap)
    person, folds = np.zeros(sums, np.int64), np.zeros(sums, np.int64)
    person[gap], folds[gap] = residuals.person, fold
    expected = np.empty(sums)
    for first in range(0, sums, 512):  # dense rows of a few at a time
        rows = np.flatnonzero((gap >= first) & (gap < first + 512))
        dense = np.zeros((min(512, sums - first), DAY))
        dense[gap[rows] - first, residuals.cells.minute[rows]] = spread[rows]
        expected[first : first + 512] = spread_of_sum(dense, own)
    return fit_corrected(person, total / np.maximum(expected, 1e-9), minutes, folds)
