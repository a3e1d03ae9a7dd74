"""A week's map of what was recorded and what was not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lsm2.channels import Schema
from lsm2.figures.frames import names, read_quietly, shown, week_of, who

_RECORDED, _MISSING = "#1a1a1a", "#f2f2f2"


def missingness(
    data: pd.DataFrame,
    *,
    person: Any = None,
    start: Any = None,
    channels: Iterable[str] | None = None,
    schema: Schema | None = None,
    columns: Mapping[Any, str] | None = None,
    units: Mapping[str, str] | None = None,
    tz: Any = None,
    participant: str = "participant_id",
    timestamp: str = "timestamp",
) -> Figure:
    """Draw which minutes of a week were recorded: a panel per channel, a row per day, a column per minute.

    Args:
        data: The recording, in any form that `lsm2.reconstruct` takes.
        person: The participant to draw. By default the first.
        start: The first calendar day. By default the person's first.
        channels: Canonical names of the channels to draw. By default all that the recording has.
        schema: The channels there are, a model's `schema`; by default the registry `lsm2.CHANNELS`.
        columns, units, tz, participant, timestamp: As given to `lsm2.reconstruct`.

    Returns:
        A matplotlib Figure, made without pyplot. Recorded minutes are dark, missing ones light; days without
        a row in the recording are hatched.

    Raises:
        ValueError: If there is no such person or channel, or no day of that week.

    >>> times = pd.date_range("2024-03-01", periods=7 * 1440, freq="min")
    >>> recording = pd.DataFrame({"heart_rate": 60.0}, index=times[times.hour > 5])
    >>> [axes.get_title(loc="left") for axes in missingness(recording).axes]
    ['heart rate: 75% recorded']
    """
    days = read_quietly(
        data, schema, columns=columns, units=units, tz=tz, participant=participant, timestamp=timestamp
    )
    one, dates = week_of(days, person, start)
    rows = names(days).get_indexer(pd.MultiIndex.from_product([[one], dates]))
    if (rows < 0).all():
        raise ValueError(f"the recording holds no day of participant {one!r} in the week from {dates[0]} on")
    observed = days.observed[rows] & (rows >= 0)[:, None, None]  # (7, channels, 1440)
    positions = shown(days.schema, channels, np.asarray(days.recorded), "the recording")
    figure = Figure(figsize=(9.0, 0.9 + 1.3 * len(positions)), layout="constrained")
    panels = figure.subplots(len(positions), 1, sharex=True, squeeze=False)[:, 0]
    for axes, position in zip(panels, positions, strict=True):
        there = observed[:, position]
        axes.imshow(
            there,
            cmap=ListedColormap([_MISSING, _RECORDED]),
            vmin=0,
            vmax=1,
            aspect="auto",
            interpolation="nearest",
            extent=(0, 24, 7, 0),
        )
        for number in np.flatnonzero(rows < 0):
            axes.axhspan(number, number + 1, fc="white", ec="#808080", hatch="////", lw=0)
        axes.hlines(range(1, 7), 0, 24, color="white", lw=1.5)
        axes.set_yticks(np.arange(7) + 0.5, [f"{pd.Timestamp(date):%a %d %b}" for date in dates])
        axes.tick_params(labelsize=7, left=False)
        name = days.schema.channels[position].name.replace("_", " ")
        axes.set_title(f"{name}: {there[rows >= 0].mean():.0%} recorded", loc="left", fontsize=9)
    panels[-1].set_xticks(range(0, 25, 3))
    panels[-1].set_xlabel("hour of the day", fontsize=9)
    figure.suptitle(f"{who(days, one)}week from {dates[0]}", fontsize=11)
    patches = [
        Patch(fc=_RECORDED, label="recorded"),
        Patch(fc=_MISSING, ec="#808080", lw=0.5, label="not recorded"),
        Patch(fc="white", ec="#808080", hatch="////", lw=0.5, label="no such day in the recording"),
    ]
    used = patches if (rows < 0).any() else patches[:2]
    figure.legend(handles=used, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure
