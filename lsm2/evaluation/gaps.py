"""Fill hidden minutes with a model and with baselines, and score all of them on the same cells."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol as ClassProtocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from lsm2.channels import CHANNELS
from lsm2.days import DAY

from .baselines import BASELINES, Baseline, mean_source
from .masks import MaskStore
from .parts import PartStore
from .protocols import PROTOCOLS, Protocol
from .recordings import BoolArray, FloatArray, Recordings
from .scores import ERRORS, ChannelScale, person_scores
from .seams import SUMS as SEAM_SUMS
from .seams import seams

KEYS = ["dataset", "participant", "channel", "protocol", "method"]
"""Columns of a result that say what it is of."""


class Reconstructs(ClassProtocol):
    """What a model must offer here: the public ``reconstruct`` of `lsm2.Model`."""

    def reconstruct(
        self,
        data: pd.DataFrame,
        *,
        history: pd.DataFrame | None = None,
        return_median: bool = False,
    ) -> pd.DataFrame:
        """Return the frame with its NaNs filled, means and beside them (``<column>.median``) medians;
        ``history`` holds other days of the same people.
        """


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

    def take(self, chosen: BoolArray) -> Fills:
        """Some of the cells."""
        return Fills(self.mean[chosen], self.median[chosen], self.normalised[chosen], self.unfilled[chosen])


Method = Callable[[Recordings, BoolArray, Mapping[str, ChannelScale]], Fills]
"""Takes recordings whose hidden minutes are NaN, which minutes those are, and the scales of the channels."""


def baseline_method(baseline: Baseline, in_z: Baseline | None = None) -> Method:
    """Return the method that fills by a baseline.

    Own units and transformed scale are filled each on its own, so that a baseline is as good as it can be in
    both.

    Args:
        baseline: For own units.
        in_z: For the normalised transformed scale, where what was learnt differs; by default the same.
    """

    def fill(visible: Recordings, hidden: BoolArray, scales: Mapping[str, ChannelScale]) -> Fills:
        of_channel = [scales[name] for name in visible.names]
        own = baseline(visible, hidden, np.array([scale.mean for scale in of_channel]))
        if baseline is BASELINES["zero"]:
            channel = np.nonzero(hidden)[1]
            normalised = np.array([float(scale.normalise(0.0)) for scale in of_channel])[channel]
        else:
            moved = transformed(visible, scales)
            normalised = (in_z or baseline)(moved, hidden, np.zeros(len(of_channel)))
        return Fills(own, own, normalised, np.zeros(len(own), dtype=bool))

    return fill


def learnt_method(
    learn: Callable[[Sequence[Recordings]], Baseline],
    train: Sequence[Recordings],
    scales: Mapping[str, ChannelScale],
) -> Method:
    """Return the method that fills by a baseline which learns from train people, at its first use.

    Args:
        learn: Takes recordings of train people and returns the baseline; called once in own units and once in
            the transformed scale.
        train: Recordings of train people.
        scales: Constants of the channels; channels without are not learnt.
    """

    @cache
    def method() -> Method:
        known = [with_scales(part, scales) for part in train]
        return baseline_method(learn(known), learn([transformed(part, scales) for part in known]))

    def fill(visible: Recordings, hidden: BoolArray, scales: Mapping[str, ChannelScale]) -> Fills:
        return method()(visible, hidden, scales)

    return fill


def transformed(recordings: Recordings, scales: Mapping[str, ChannelScale]) -> Recordings:
    """The recordings in the normalised transformed scale; all channels have constants."""
    moved = [
        scales[name].normalise(recordings.values[:, position])
        for position, name in enumerate(recordings.names)
    ]
    values = np.stack(moved, axis=1) if moved else recordings.values
    return replace(recordings, values=values.astype(np.float32))


def model_method(model: Reconstructs) -> Method:
    """Return the method that asks a model, through its public API only.

    The model gets a frame of the days with hidden minutes, and of the calendar days beside them where a gap
    reaches midnight, hidden minutes NaN; and the people's other days as ``history``. The median is scored in
    the transformed scale too: it is the same level in every monotone scale.

    Any checkpoint can stand here: an ablation such as the LSM-1-style autoencoder is a model like the others.
    """

    def fill(visible: Recordings, hidden: BoolArray, scales: Mapping[str, ChannelScale]) -> Fills:
        asked = _days_to_ask(visible, hidden)
        part, cells = visible.take(asked), hidden[asked]
        frame, others = part.frame(), visible.take(~asked & np.isin(visible.person, part.person))
        history = others.frame() if len(others) else None
        filled = model.reconstruct(frame.copy(), history=history, return_median=True)
        mean = _read_back(filled, list(visible.names), frame.index, cells)
        median = _read_back(filled, [f"{name}.median" for name in visible.names], frame.index, cells)
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
    """(days,) days with hidden minutes, and seen days beside them where such a channel lacks midnight."""
    with_gap: BoolArray = np.logical_or.reduce(hidden, axis=2)  # (days, channels)
    at_ends = np.isnan(visible.values[:, :, [0, -1]]) & with_gap[:, :, None]
    before, after = np.logical_or.reduce(at_ends, axis=1).T  # (days,) each
    asked: BoolArray = np.logical_or.reduce(with_gap, axis=1)
    # A day that shows nothing tells nothing.
    return asked | (visible.neighbours(before, after) & visible.usable(1))


def _read_back(
    filled: pd.DataFrame, names: list[str], rows: pd.Index, cells: BoolArray
) -> npt.NDArray[np.float64]:
    """The values at ``cells`` (days, channels, 1440) of a filled frame's columns; NaN where a row is not
    there.
    """
    if not set(names) <= set(filled.columns):
        raise ValueError(f"reconstruct returned columns {list(filled.columns)}, asked for {names}")
    filled = filled[names]
    if not filled.index.equals(rows):
        filled = filled.reindex(rows)
    by_minute = filled.to_numpy(dtype=np.float64).reshape(len(cells), DAY, -1)
    return np.moveaxis(by_minute, 2, 1)[cells]


def score_gaps(
    recordings: Iterable[Recordings],
    methods: Mapping[str, Method],
    scales: Mapping[str, ChannelScale],
    *,
    protocols: Mapping[str, Protocol] = PROTOCOLS,
    most_days: int = 8,
    seed: int = 0,
    masks: MaskStore | None = None,
    parts: PartStore | None = None,
    progress: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Hide minutes of every data set by every protocol, fill them by every method, and score the fills.

    Args:
        recordings: Data sets of people who took no part in training; unworn minutes NaN.
        methods: Name -> method. ``zero`` is scored on counts and energies only, ``ridge`` and
            ``day ridge`` where sensors fail.
        scales: Constants of the channels over train people (:func:`lsm2.evaluation.channel_scales`); channels
            without one are left out.
        protocols: Name -> protocol.
        most_days: Days of a participant in which minutes are hidden, drawn by seed among those with 6
            observed hours.
        seed: Seed of all draws.
        masks: Where what is hidden is kept; by default nowhere.
        parts: Where finished parts (data set, protocol, method) are kept and found again; by default nowhere.
        progress: Called with a line after each data set and protocol.

    Returns:
        One row per dataset, participant, channel, protocol and method: days, cells, mse, mae, mse_z,
        sum_true, sum_filled, the sums of :func:`lsm2.evaluation.seams`, unfilled (cells that the method left
        empty), mean_from (of ``day mean``: where it comes from: day, other days, train, or several), seconds
        (that the part took: the data set, protocol and method).

    Raises:
        ValueError: No day has enough in it, or a stored mask is of other recordings.
    """
    masks, parts = masks or MaskStore(), parts or PartStore()
    tables: list[pd.DataFrame] = []
    for part in recordings:
        part = with_scales(part, scales)
        if not len(part.channels):
            continue
        days = part.draw_days(most_days, seed=seed)
        for name, protocol in protocols.items():
            asked = [method for method in methods if _takes_part(method, protocol)]
            rounds = masks.rounds(part, days, name, protocol, seed=seed)
            for method in asked:
                table = parts.get(part, rounds, name, method)
                if table is None:
                    started = time.perf_counter()
                    table = _score(part, rounds, name, protocol, method, methods[method], scales)
                    table["seconds"] = round(time.perf_counter() - started, 3)
                    parts.put(part, rounds, name, method, table)
                if len(table):
                    tables.append(table)
            if progress is not None:
                progress(f"{part.dataset}: {name}")
    if not tables:
        raise ValueError("no recording has a day with 6 observed hours in which minutes can be hidden")
    result = pd.concat(tables, ignore_index=True)
    return result[[*KEYS, *(column for column in result.columns if column not in KEYS)]]


def with_scales(part: Recordings, scales: Mapping[str, ChannelScale]) -> Recordings:
    """The recordings without channels that have no constants or no value."""
    seen = np.asarray(part.observed.any(axis=(0, 2)))
    kept = [i for i, name in enumerate(part.names) if name in scales and seen[i]]
    return replace(part, channels=tuple(part.channels[i] for i in kept), values=part.values[:, kept])


def _takes_part(method: str, protocol: Protocol) -> bool:
    """Ridge regresses on other families, which are only there where sensors fail."""
    return method not in ("ridge", "day ridge") or protocol.group == "sensors"


def _score(
    part: Recordings,
    rounds: Sequence[BoolArray],
    name: str,
    protocol: Protocol,
    method_name: str,
    method: Method,
    scales: Mapping[str, ChannelScale],
) -> pd.DataFrame:
    """All rounds of one protocol, filled by one method: a row per participant, channel and result."""
    tables = []
    for hidden in rounds:
        scored = protocol.scored(name, part, hidden)
        asked = np.logical_or.reduce(list(scored.values()))
        if not asked.any():
            continue
        visible = part.without(hidden)
        fills = method(visible, asked, scales)
        source = mean_source(visible) if method_name == "day mean" else None
        for result, cells in scored.items():
            if cells.any():
                of_cells = fills.take(cells[asked])
                table = _score_cells(part, visible, cells, of_cells, scales, source)
                tables.append(table.assign(protocol=result, method=method_name))
    if not tables:
        return pd.DataFrame(columns=KEYS)
    merged = _merge_rounds(pd.concat(tables, ignore_index=True))
    if method_name == "zero":
        merged = merged[[CHANNELS[channel].is_total for channel in merged["channel"]]]
    return merged.reset_index(drop=True)


def _score_cells(
    part: Recordings,
    visible: Recordings,
    cells: BoolArray,
    fills: Fills,
    scales: Mapping[str, ChannelScale],
    source: npt.NDArray[np.str_] | None,
) -> pd.DataFrame:
    table = person_scores(
        part, cells, scales, mean=fills.mean, median=fills.median, normalised=fills.normalised
    )
    table = pd.concat([table, seams(visible, cells, fills.mean)], axis=1)
    day, channel, _ = np.nonzero(cells)
    group = part.person[day] * len(part.channels) + channel
    size = len(part.participants) * len(part.channels)
    filled = np.unique(group)  # the rows of the table
    table["unfilled"] = np.bincount(group[fills.unfilled], minlength=size)[filled]
    if source is None:
        table["mean_from"] = ""
    else:
        of_cell = pd.Series(source[day, channel])
        table["mean_from"] = [" / ".join(sorted(set(sources))) for _, sources in of_cell.groupby(group)]
    return table


def _merge_rounds(table: pd.DataFrame) -> pd.DataFrame:
    """Rounds of one protocol as if scored at once: errors weighted by their cells, medians by their pairs."""
    if not table.duplicated(KEYS).any():
        return table
    weights = {**dict.fromkeys(ERRORS, "cells"), "edge_median": "edges", "own_median": "own_pairs"}
    weighted = table.assign(**{error: table[error].fillna(0) * table[by] for error, by in weights.items()})
    sums = ["days", "cells", "sum_true", "sum_filled", *SEAM_SUMS, *weights, "unfilled"]
    groups = weighted.groupby(KEYS, sort=False)
    merged = groups[sums].sum()
    for error, by in weights.items():
        merged[error] /= merged[by]  # NaN where there is nothing to weight by
    merged["mean_from"] = groups["mean_from"].agg(
        lambda parts: " / ".join(sorted({s for part in parts for s in part.split(" / ")}))
    )
    return merged.reset_index()
