"""What a page shows of one participant: days, fills, bounds, summaries, and a map of the embeddings."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lsm2.channels import Channel
from lsm2.days import Days
from lsm2.figures.embeddings import project
from lsm2.figures.frames import names, read_filled
from lsm2.filling import read_filling
from lsm2.model import Model


@dataclass(frozen=True, eq=False)
class Contents:
    """One participant's recording as a page shows it, in canonical units."""

    participant: Any  # None where the recording names nobody
    channels: tuple[Channel, ...]  # that are shown
    predicted: tuple[str, ...]  # of these, channels without any observed value
    dates: np.ndarray  # datetime64[D] (days,)
    observed: np.ndarray  # float32 (days, channels, 1440), NaN = not recorded
    filled: np.ndarray  # the same with gaps filled, NaN on days with nothing recorded
    lower: np.ndarray  # bounds of the filled minutes, NaN without an interval
    upper: np.ndarray
    daily: np.ndarray  # float64 (days, channels, 3): total or mean, its lower and its upper bound
    points: np.ndarray | None  # float64 (days, 2), NaN = no embedding; None where there are too few
    axes: tuple[str, str]  # what the two are
    alike: np.ndarray  # int64 (days,), the day whose embedding is nearest, or -1
    notes: tuple[str, ...]  # what reading and filling warned of
    simulated: bool

    @property
    def coverage(self) -> np.ndarray:
        """Recorded share of each day and channel, (days, channels)."""
        shares: np.ndarray = (~np.isnan(self.observed)).mean(axis=2)
        return shares


def gather(
    model: Model,
    data: pd.DataFrame,
    *,
    interval: float | None,
    channels: Any,
    batch_size: int | None,
    progress: bool | None,
    **options: Any,
) -> Contents:
    """Fill, bound, sum up and embed one participant's recording.

    Args:
        model: The model.
        data: The participant's rows.
        interval: Level of the bounds; None for none.
        channels: As for `lsm2.reconstruct`.
        batch_size, progress: As for `lsm2.reconstruct`.
        **options: How to read the frame: ``columns``, ``units``, ``tz``, ``participant``, ``timestamp``,
            ``keep_zeros``.
    """
    run: dict[str, Any] = {"batch_size": batch_size, "progress": progress, **options}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        calibration = None if interval is None else model.calibrated()
        filling = read_filling(
            model._engine, model.schema, data, ("mean",), calibration, channels=channels, **run
        )
        filled = filling.table("mean", interval=interval)
        daily = filling.table("mean", interval=interval, summary="day")
        embeddings = model.embed(data, level="day", **run)
    notes = tuple(dict.fromkeys(str(each.message) for each in caught if each.category is UserWarning))
    read = {name: value for name, value in options.items() if name != "keep_zeros"}
    days = read_filled(data, filled, model.schema, **read)
    observed, complete, lower, upper = days.values(names(days.before))
    labels = _labels(days.before, daily)
    positions = sorted(labels)
    points, axes = None, ("", "")
    if embeddings.notna().all(axis=1).sum() >= 3:
        points, axes = project(embeddings)
    predicted = set(filling.predicted)
    shown = tuple(days.before.schema.channels[position] for position in positions)
    return Contents(
        participant=days.before.participants[0] if days.before.origin.keyed else None,
        channels=shown,
        predicted=tuple(
            channel.name
            for channel, position in zip(shown, positions, strict=True)
            if str(labels[position]) in predicted
        ),
        dates=days.before.date,
        observed=observed[:, positions],
        filled=complete[:, positions],
        lower=lower[:, positions],
        upper=upper[:, positions],
        daily=_daily(days.before, daily, labels),
        points=points,
        axes=axes,
        alike=_alike(embeddings.to_numpy(np.float64)),
        notes=notes,
        simulated=bool(data.attrs.get("simulated", False)),
    )


def _labels(days: Days, daily: pd.DataFrame) -> dict[int, Any]:
    """Position of each channel that is returned -> its column's label."""
    own = {column.label: column.position for column in days.origin.columns}
    known = {name: position for position, name in enumerate(days.schema.names)}
    found = {}
    for label in daily.columns:
        position = own.get(label, known.get(label))
        if position is not None and position not in found:
            found[position] = label
    return found


def _daily(days: Days, daily: pd.DataFrame, labels: dict[int, Any]) -> np.ndarray:
    conversions = {column.position: column.conversion for column in days.origin.columns}
    values = np.full((len(days), len(labels), 3), np.nan)
    for number, position in enumerate(sorted(labels)):
        label = labels[position]
        factor, offset = conversions.get(position, (1.0, 0.0))
        if days.schema.channels[position].is_total:
            offset = 0.0
        for place, column in enumerate((label, f"{label}.lower", f"{label}.upper")):
            if column in daily.columns:
                values[:, number, place] = daily[column].to_numpy(np.float64) * factor + offset
    return values


def _alike(embeddings: np.ndarray) -> np.ndarray:
    """Which other day's embedding is nearest to each day's (Euclidean), or -1."""
    there = np.flatnonzero(~np.isnan(embeddings).any(axis=1))
    nearest = np.full(len(embeddings), -1)
    if len(there) > 1:
        from sklearn.neighbors import NearestNeighbors

        search = NearestNeighbors(n_neighbors=1).fit(embeddings[there])
        nearest[there] = there[search.kneighbors(return_distance=False)[:, 0]]
    return nearest
