"""Errors of filled minutes: per participant and channel, then over participants, with intervals and verdicts.

Two scores decide: the squared error of ``point="mean"``, divided by the channel's variance over train people,
and the absolute error of ``point="median"`` in the channel's own unit. Beside them stands the squared error
in the transformed scale (unless told otherwise log1p for counts and energies), normalised by train people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from lsm2.channels import Channel

from .recordings import BoolArray, FloatArray, Recordings

ERRORS = ("mse", "mae", "mse_z")
"""Names of the errors in result tables."""
SMALLEST_ERROR = 1e-4
"""In ratios, an error counts as at least this."""
SMALLEST_FOR_LOG = 1e-6
"""Before a logarithm, a value counts as at least this."""
PEOPLE_FOR_VERDICT = 10
"""With fewer people there is no verdict."""
DRAWS = 1000
"""Bootstrap draws over participants."""

Transform = Literal["identity", "log1p", "log"]
Verdict = Literal["win", "loss", "tie", "too few people"]


class Estimate(NamedTuple):
    """A value and its 95 % interval over participants."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ChannelScale:
    """A channel's constants over train people: of its values, and of its transformed values (``z``)."""

    transform: Transform
    mean: float
    variance: float
    z_mean: float
    z_std: float

    def normalise(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Own units to the transformed scale, where train people have mean 0 and standard deviation 1."""
        return (_transformed(np.asarray(values, dtype=np.float64), self.transform) - self.z_mean) / self.z_std


def _transformed(own: npt.NDArray[np.float64], transform: Transform) -> npt.NDArray[np.float64]:
    if transform == "log1p":
        return np.log1p(np.maximum(own, 0))
    return np.log(np.maximum(own, SMALLEST_FOR_LOG)) if transform == "log" else own


def transform_of(channel: Channel) -> Transform:
    """``log1p`` for counts and energies, else ``identity``."""
    return "log1p" if channel.is_total else "identity"


def channel_scales(
    recordings: Iterable[Recordings], transforms: Mapping[str, Transform] | None = None
) -> dict[str, ChannelScale]:
    """Constants of every channel over the days given, which must be train people's.

    Args:
        recordings: Data sets; a channel's minutes of all of them count alike.
        transforms: Channel name -> transform, where it is not that of :func:`transform_of`.

    Returns:
        Channel name -> its scale.

    Raises:
        ValueError: A channel has no spread, so that nothing can be divided by it.
    """
    sums: dict[str, npt.NDArray[np.float64]] = {}
    of_channel: dict[str, Transform] = {}
    for part in recordings:
        for position, channel in enumerate(part.channels):
            values = part.values[:, position]
            own = values[~np.isnan(values)].astype(np.float64)
            of_channel[channel.name] = (transforms or {}).get(channel.name, transform_of(channel))
            moved = _transformed(own, of_channel[channel.name])
            add = np.array([len(own), own.sum(), (own**2).sum(), moved.sum(), (moved**2).sum()])
            sums[channel.name] = sums.get(channel.name, np.zeros(5)) + add
    scales = {}
    for name, (count, own_sum, own_squares, z_sum, z_squares) in sums.items():
        if count == 0:
            continue
        mean, z_mean = float(own_sum / count), float(z_sum / count)
        variance = float(own_squares / count - mean**2)
        z_variance = float(z_squares / count - z_mean**2)
        if not (variance > 0 and z_variance > 0):
            raise ValueError(
                f"{name} has no spread over {count:.0f} train minutes; errors cannot be scaled by it"
            )
        scales[name] = ChannelScale(of_channel[name], mean, variance, z_mean, float(np.sqrt(z_variance)))
    return scales


def person_scores(
    recordings: Recordings,
    hidden: BoolArray,
    scales: Mapping[str, ChannelScale],
    *,
    mean: FloatArray,
    median: FloatArray,
    normalised: FloatArray,
) -> pd.DataFrame:
    """Errors over the hidden minutes of each participant and channel.

    Args:
        recordings: The true values.
        hidden: (days, channels, 1440) the cells scored.
        scales: Constants of each channel.
        mean: (cells,) fills to score by squared error and by their sum, own units, in the order of
            ``np.nonzero(hidden)``.
        median: (cells,) fills to score by absolute error, own units.
        normalised: (cells,) fills in the normalised transformed scale.

    Returns:
        A row per participant and channel with a hidden minute: dataset, participant, channel, days, cells,
        mse (own squared units / train variance), mae (own units), mse_z, sum_true, sum_filled.

    Raises:
        ValueError: A fill is missing or not finite.
    """
    day, channel, _ = np.nonzero(hidden)
    for what, fills in (("mean", mean), ("median", median), ("normalised", normalised)):
        if fills.shape != day.shape:
            raise ValueError(
                f"{what} holds {fills.shape} fills for {len(day)} hidden minutes of {recordings.dataset}"
            )
        if not np.isfinite(fills).all():
            raise ValueError(f"{what} has {int((~np.isfinite(fills)).sum())} fills that are not finite")
    truth = recordings.values[hidden].astype(np.float64)
    of_channel = [scales[name] for name in recordings.names]
    variance = np.array([scale.variance for scale in of_channel])
    truth_z = np.empty(len(truth))
    for position, scale in enumerate(of_channel):
        chosen = channel == position
        truth_z[chosen] = scale.normalise(truth[chosen])

    group = recordings.person[day] * len(recordings.channels) + channel
    size = len(recordings.participants) * len(recordings.channels)

    def per_group(weights: FloatArray) -> npt.NDArray[np.float64]:
        return np.bincount(group, weights=weights, minlength=size).astype(np.float64)

    cells = np.bincount(group, minlength=size)
    with_cells = np.flatnonzero(cells)
    person_position, channel_position = np.divmod(with_cells, len(recordings.channels))
    days = np.zeros(size, dtype=np.int64)
    day_of_cell, channel_of_cell = np.nonzero(hidden.any(axis=2))
    np.add.at(days, recordings.person[day_of_cell] * len(recordings.channels) + channel_of_cell, 1)
    count = np.maximum(cells, 1)
    table = pd.DataFrame(
        {
            "cells": cells,
            "days": days,
            "mse": per_group((mean - truth) ** 2 / variance[channel]) / count,
            "mae": per_group(np.abs(median - truth)) / count,
            "mse_z": per_group((normalised - truth_z) ** 2) / count,
            "sum_true": per_group(truth),
            "sum_filled": per_group(mean),
        }
    ).iloc[with_cells]
    table.insert(0, "dataset", recordings.dataset)
    table.insert(1, "participant", recordings.participants.take(person_position).astype(str))
    table.insert(2, "channel", np.array(recordings.names, dtype=object)[channel_position])
    return table.reset_index(drop=True)


def _resampled(values: npt.NDArray[np.float64], draws: int, seed: int) -> npt.NDArray[np.float64]:
    """(draws, ...) means of people drawn with replacement from ``values`` (people, ...)."""
    people = len(values)
    chosen = np.random.default_rng(seed).integers(people, size=(draws, people))
    return values[chosen].mean(axis=1)


def bootstrap_mean(values: npt.ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> Estimate:
    """Mean over participants with its 95 % percentile interval.

    Args:
        values: (people,) one value per participant.
        draws: Bootstrap draws.
        seed: Seed of the draws.

    Examples:
        >>> bootstrap_mean([2.0, 2.0, 2.0])
        Estimate(value=2.0, low=2.0, high=2.0)
    """
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        return Estimate(float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(_resampled(array, draws, seed), [0.025, 0.975])
    return Estimate(float(array.mean()), float(low), float(high))


def error_ratios(errors: npt.ArrayLike, against: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """(people,) paired ratios of errors, each counted as at least 1e-4.

    Examples:
        >>> error_ratios([0.5, 0.0], [1.0, 0.0]).tolist()
        [0.5, 1.0]
    """
    top = np.maximum(np.asarray(errors, dtype=np.float64), SMALLEST_ERROR)
    return top / np.maximum(np.asarray(against, dtype=np.float64), SMALLEST_ERROR)


def ratio_estimate(ratios: npt.ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> Estimate:
    """Geometric mean of the participants' error ratios with its 95 % interval."""
    return Estimate(*(float(np.exp(part)) for part in bootstrap_mean(np.log(ratios), draws=draws, seed=seed)))


def verdict(ratio: Estimate, people: int) -> Verdict:
    """Win where the ratio's interval lies below 1, loss where above, else tie; none for under 10 people.

    Examples:
        >>> verdict(Estimate(0.8, 0.7, 0.9), 12), verdict(Estimate(0.8, 0.7, 0.9), 9)
        ('win', 'too few people')
    """
    if people < PEOPLE_FOR_VERDICT:
        return "too few people"
    if ratio.high < 1:
        return "win"
    return "loss" if ratio.low > 1 else "tie"


@dataclass(frozen=True)
class Bias:
    """Filled total over true total, minus 1: over all people, and the spread of each person's."""

    total: float
    """Of the sums over all people."""
    interval: tuple[float, float]
    """95 % bootstrap interval of ``total`` over participants."""
    quartiles: tuple[float, float, float]
    """25 %, 50 % and 75 % of the participants' own biases (people with a true total of 0 left out)."""


def total_bias(filled: npt.ArrayLike, true: npt.ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> Bias:
    """Bias of totals over hidden minutes.

    Args:
        filled: (people,) sums of the fills.
        true: (people,) sums of the true values.
        draws: Bootstrap draws over participants.
        seed: Seed of the draws.

    Examples:
        >>> total_bias([90.0, 110.0], [100.0, 100.0]).total
        0.0
    """
    sums = np.stack([np.asarray(filled, dtype=np.float64), np.asarray(true, dtype=np.float64)], axis=1)
    if not sums[:, 1].sum() > 0:
        nothing = float("nan")
        return Bias(nothing, (nothing, nothing), (nothing, nothing, nothing))
    drawn = _resampled(sums, draws, seed)  # (draws, 2)
    drawn = drawn[drawn[:, 1] > 0]
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1] - 1, [0.025, 0.975])
    moved = sums[sums[:, 1] > 0]
    first, second, third = np.quantile(moved[:, 0] / moved[:, 1] - 1, [0.25, 0.5, 0.75])
    total = float(sums[:, 0].sum() / sums[:, 1].sum() - 1)
    return Bias(total, (float(low), float(high)), (float(first), float(second), float(third)))
