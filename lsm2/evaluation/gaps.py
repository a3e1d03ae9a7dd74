"""Fill hidden minutes with a model and with baselines, and score all of them on the same cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from lsm2.channels import CHANNELS
from lsm2.days import DAY

from .baselines import BASELINES, Baseline, mean_source
from .protocols import PROTOCOLS, Hide
from .recordings import BoolArray, FloatArray, Recordings
from .scores import ERRORS, ChannelScale, is_total, person_scores


class Reconstructs(Protocol):
    """What a model must offer here: the public ``reconstruct`` of `lsm2.Model`."""

    def reconstruct(self, data: pd.DataFrame, *, point: Literal["mean", "median"] = "mean") -> pd.DataFrame:
        """Return the frame with its NaNs filled."""


@dataclass(frozen=True)
class Fills:
    """What a method gives for the hidden minutes, in the order of ``np.nonzero(hidden)``."""

    mean: FloatArray
    """(cells,) scored by squared error and by their sum, own units."""
    median: FloatArray
    """(cells,) scored by absolute error, own units."""
    normalised: FloatArray
    """(cells,) scored in the normalised transformed scale."""
    unfilled: BoolArray
    """(cells,) left empty by the method; they count as the mean of the train people."""


Method = Callable[[Recordings, BoolArray, Mapping[str, ChannelScale]], Fills]
"""Takes recordings whose hidden minutes are NaN, which minutes those are, and the scales of the channels."""


def baseline_method(baseline: Baseline) -> Method:
    """Return the method that fills by a baseline.

    Own units and transformed scale are filled each on its own, so that a baseline is as good as it can be in
    both.
    """

    def fill(visible: Recordings, hidden: BoolArray, scales: Mapping[str, ChannelScale]) -> Fills:
        of_channel = [scales[name] for name in visible.names]
        own = baseline(visible, hidden, np.array([scale.mean for scale in of_channel]))
        if baseline is BASELINES["zero"]:
            channel = np.nonzero(hidden)[1]
            normalised = np.array([float(scale.normalise(0.0)) for scale in of_channel])[channel]
        else:
            moved = np.stack(
                [scale.normalise(visible.values[:, position]) for position, scale in enumerate(of_channel)],
                axis=1,
            )
            in_z = replace(visible, values=moved.astype(np.float32))
            normalised = baseline(in_z, hidden, np.zeros(len(of_channel)))
        return Fills(own, own, normalised, np.zeros(len(own), dtype=bool))

    return fill


def model_method(model: Reconstructs) -> Method:
    """Return the method that asks a model, through its public API only.

    The model gets a frame of the days with hidden minutes, and of the calendar days beside them where a gap
    reaches midnight, hidden minutes NaN. It fills that twice: ``point="mean"`` and ``point="median"``. The
    median is scored in the transformed scale too: it is the same level in every monotone scale.
    """

    def fill(visible: Recordings, hidden: BoolArray, scales: Mapping[str, ChannelScale]) -> Fills:
        asked = _days_to_ask(visible, hidden)
        part, cells = visible.take(asked), hidden[asked]
        frame = part.frame()
        mean = _read_back(model.reconstruct(frame.copy(), point="mean"), frame, cells)
        median = _read_back(model.reconstruct(frame.copy(), point="median"), frame, cells)
        channel = np.nonzero(hidden)[1]
        of_channel = [scales[name] for name in visible.names]
        unfilled = np.isnan(mean) | np.isnan(median)
        instead = np.array([scale.mean for scale in of_channel])[channel]
        mean, median = np.where(unfilled, instead, mean), np.where(unfilled, instead, median)
        normalised = np.empty(len(median))
        for position, scale in enumerate(of_channel):
            chosen = channel == position
            normalised[chosen] = scale.normalise(median[chosen])
        return Fills(mean, median, normalised, unfilled)

    return fill


def _days_to_ask(visible: Recordings, hidden: BoolArray) -> BoolArray:
    """(days,) days with hidden minutes, and those beside them where such a channel lacks midnight."""
    with_gap: BoolArray = np.logical_or.reduce(hidden, axis=2)  # (days, channels)
    at_ends = np.isnan(visible.values[:, :, [0, -1]]) & with_gap[:, :, None]
    before, after = np.logical_or.reduce(at_ends, axis=1).T  # (days,) each
    asked: BoolArray = np.logical_or.reduce(with_gap, axis=1)
    return asked | visible.neighbours(before, after)


def _read_back(filled: pd.DataFrame, asked: pd.DataFrame, cells: BoolArray) -> npt.NDArray[np.float64]:
    """The values at ``cells`` (days, channels, 1440) of a filled frame; NaN where a row is not there."""
    if list(filled.columns) != list(asked.columns):
        raise ValueError(
            f"reconstruct returned columns {list(filled.columns)}, asked for {list(asked.columns)}"
        )
    if not filled.index.equals(asked.index):
        filled = filled.reindex(asked.index)
    by_minute = filled.to_numpy(dtype=np.float64).reshape(len(cells), DAY, -1)
    return np.moveaxis(by_minute, 2, 1)[cells]


def score_gaps(
    recordings: Iterable[Recordings],
    methods: Mapping[str, Method],
    scales: Mapping[str, ChannelScale],
    *,
    protocols: Mapping[str, Sequence[Hide]] = PROTOCOLS,
    most_days: int = 8,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Hide minutes of every data set by every protocol, fill them by every method, and score the fills.

    Args:
        recordings: Data sets of people who took no part in training; unworn minutes NaN.
        methods: Name -> method. ``zero`` is scored on counts and energies only.
        scales: Constants of the channels over train people (:func:`lsm2.evaluation.channel_scales`); channels
            without one are left out.
        protocols: Name -> its rounds.
        most_days: Days of a participant in which minutes are hidden, drawn by seed among those with 6
            observed hours.
        seed: Seed of all draws.
        progress: Called with a line after each data set and protocol.

    Returns:
        One row per dataset, participant, channel, protocol and method: days, cells, mse, mae, mse_z,
        sum_true, sum_filled, unfilled (cells that the method left empty), mean_from (where the day mean of
        the person's cells comes from: day, other days, train, or several).
    """
    tables: list[pd.DataFrame] = []
    for part in recordings:
        part = _with_scales(part, scales)
        if not len(part.channels):
            continue
        days = part.draw_days(most_days, seed=seed)
        for name, rounds in protocols.items():
            scored = [
                table
                for hide in rounds
                if (hidden := hide(part, days, seed=seed)).any()
                for table in _score_round(part, hidden, methods, scales)
            ]
            if scored:
                tables.append(_merge_rounds(pd.concat(scored, ignore_index=True)).assign(protocol=name))
            if progress is not None:
                progress(f"{part.dataset}: {name}")
    if not tables:
        raise ValueError("no recording has a day with 6 observed hours in which minutes can be hidden")
    result = pd.concat(tables, ignore_index=True)
    keys = ["dataset", "participant", "channel", "protocol", "method"]
    return result[[*keys, *(column for column in result.columns if column not in keys)]]


def _with_scales(part: Recordings, scales: Mapping[str, ChannelScale]) -> Recordings:
    """The recordings without channels that have no constants or no value."""
    seen = np.asarray(part.observed.any(axis=(0, 2)))
    kept = [i for i, name in enumerate(part.names) if name in scales and seen[i]]
    return replace(part, channels=tuple(part.channels[i] for i in kept), values=part.values[:, kept])


def _score_round(
    part: Recordings, hidden: BoolArray, methods: Mapping[str, Method], scales: Mapping[str, ChannelScale]
) -> list[pd.DataFrame]:
    visible = part.without(hidden)
    day, channel, _ = np.nonzero(hidden)
    group = part.person[day] * len(part.channels) + channel
    size = len(part.participants) * len(part.channels)
    source = mean_source(visible)[day, channel]
    tables = []
    for name, method in methods.items():
        fills = method(visible, hidden, scales)
        table = person_scores(
            part, hidden, scales, mean=fills.mean, median=fills.median, normalised=fills.normalised
        )
        filled = np.unique(group)  # the rows of the table
        table["unfilled"] = np.bincount(group[fills.unfilled], minlength=size)[filled]
        table["mean_from"] = [
            " / ".join(sorted(set(sources))) for _, sources in pd.Series(source).groupby(group)
        ]
        table["method"] = name
        if name == "zero":
            table = table[[is_total(CHANNELS[channel_name]) for channel_name in table["channel"]]]
        tables.append(table)
    return tables


def _merge_rounds(table: pd.DataFrame) -> pd.DataFrame:
    """Rounds of one protocol as if scored at once: errors weighted by their cells."""
    keys = ["dataset", "participant", "channel", "method"]
    if not table.duplicated(keys).any():
        return table
    weighted = table.assign(**{error: table[error] * table["cells"] for error in ERRORS})
    sums = ["days", "cells", *ERRORS, "sum_true", "sum_filled", "unfilled"]
    merged = weighted.groupby(keys, sort=False)[sums].sum()
    for error in ERRORS:
        merged[error] /= merged["cells"]
    sources = table.groupby(keys, sort=False)["mean_from"]
    merged["mean_from"] = sources.agg(
        lambda parts: " / ".join(sorted({s for part in parts for s in part.split(" / ")}))
    )
    return merged.reset_index()
