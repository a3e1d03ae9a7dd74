"""Figures of an evaluation of gaps: error against gap length and horizon, one panel a channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lsm2.channels import CHANNELS
from lsm2.wording import counted

from .protocols import HORIZONS, PROTOCOLS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Marker, line and colour of a method: any two differ in marker and line, so that black and white will do.
_STYLES: dict[str, tuple[str, str, str]] = {
    "linear": ("s", "--", "#0072b2"),
    "kalman": ("D", "-.", "#009e73"),
    "locf": ("v", ":", "#7f7f7f"),
    "day mean": ("x", "-", "#999999"),
    "same minute": ("+", ":", "#56b4e9"),
    "saits": ("P", "--", "#cc79a7"),
    "brits": ("X", "-.", "#e69f00"),
}
_MODELS = (("o", "-", "#000000"), ("^", "-", "#d55e00"), ("*", "--", "#000000"), ("h", "-.", "#d55e00"))
_TITLES = {
    "mse": 'MSE of point="mean" / variance',
    "mae": 'MAE of point="median", own units',
    "mse_z": "MSE, normalised transformed scale",
}


def draw_all(summary: pd.DataFrame, *, judged: Sequence[str] = ()) -> dict[str, Figure]:
    """Draw every figure for which the summary has results.

    Args:
        summary: What :func:`lsm2.evaluation.summarise` returned.
        judged: Names of models, which are drawn boldest.

    Returns:
        File name without ending -> matplotlib Figure, made without pyplot.
    """
    horizons = {f"next {minutes} min": float(minutes) for minutes in HORIZONS}
    label = "minutes after the last one seen"
    figures: dict[str, Figure | None] = {}
    for error in ("mse", "mae"):
        figures[f"gap-length-{error}"] = error_by_length(summary, error, judged=judged)
    for error in ("mse", "mae"):
        figures[f"extrapolation-{error}"] = error_by_minutes(
            summary, horizons, error, label=label, judged=judged
        )
    return {name: figure for name, figure in figures.items() if figure is not None}


def error_by_length(summary: pd.DataFrame, error: str, *, judged: Sequence[str] = ()) -> Figure | None:
    """Draw an error against the length of gaps; see :func:`error_by_minutes`."""
    lengths = {name: each.minutes for name, each in PROTOCOLS.items() if each.minutes is not None}
    del lengths["short gaps, one channel"]  # stands at the same length as those of all channels
    return error_by_minutes(summary, lengths, error, label="gap, minutes (the first: 1 to 9)", judged=judged)


def error_by_minutes(
    summary: pd.DataFrame,
    minutes: dict[str, float],
    error: str,
    *,
    label: str,
    judged: Sequence[str] = (),
) -> Figure | None:
    """Draw an error against minutes: a panel per channel, a line per method, 95 % intervals of the models.

    Args:
        summary: What :func:`lsm2.evaluation.summarise` returned.
        minutes: Protocol -> where it stands on the axis.
        error: ``mse``, ``mae`` or ``mse_z``.
        label: Of the axis of minutes.
        judged: Names of models.

    Returns:
        The figure; None where fewer than two of the protocols have results.
    """
    rows = summary[summary["protocol"].isin(minutes)]
    if rows["protocol"].nunique() < 2:
        return None
    channels = [name for name in CHANNELS if name in set(rows["channel"])]
    wide = min(3, len(channels))
    deep = -(-len(channels) // wide)
    figure = Figure(figsize=(3.6 * wide + 0.4, 2.5 * deep + 0.9), layout="constrained")
    panels = figure.subplots(deep, wide, squeeze=False).ravel()
    methods = [name for name in dict.fromkeys(rows["method"]) if name != "zero"]
    styles = _styles(methods, judged)
    for axes, channel in zip(panels, channels, strict=False):
        _panel(axes, rows[rows["channel"] == channel], minutes, error, styles, judged)
        people = int(rows.loc[rows["channel"] == channel, "people"].max())
        unit = f", {CHANNELS[channel].unit}" if error == "mae" else ""
        axes.set_title(
            f"{channel.replace('_', ' ')}{unit} ({counted(people, 'person', 'people')})", fontsize=9
        )
    for axes in panels[len(channels) :]:
        axes.set_visible(False)
    handles = {
        text: line for axes in panels for line, text in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(), handles.keys(), loc="outside upper center", ncols=5, frameon=False, fontsize=9
    )
    figure.supylabel(_TITLES[error], fontsize=10)
    figure.supxlabel(label, fontsize=10)
    return figure


def _styles(methods: Sequence[str], judged: Sequence[str]) -> dict[str, tuple[str, str, str]]:
    models = iter(_MODELS * len(methods))
    return {
        name: next(models) if name in judged or name not in _STYLES else _STYLES[name] for name in methods
    }


def _panel(
    axes: Axes,
    rows: pd.DataFrame,
    minutes: dict[str, float],
    error: str,
    styles: dict[str, tuple[str, str, str]],
    judged: Sequence[str],
) -> None:
    # Models last, so that they lie on top.
    for name in sorted(styles, key=lambda name: name in judged):
        own = rows[rows["method"] == name]
        own = own.assign(x=own["protocol"].map(minutes)).sort_values("x")
        if own.empty:
            continue
        marker, line, colour = styles[name]
        bold = name in judged
        axes.plot(
            own["x"],
            own[error],
            marker=marker,
            ls=line,
            color=colour,
            lw=1.8 if bold else 1.0,
            ms=5 if bold else 4,
            mfc=colour if bold else "none",
            label=name,
            zorder=3 if bold else 2,
        )
        if bold:
            axes.fill_between(
                own["x"], own[f"{error}_low"], own[f"{error}_high"], color=colour, alpha=0.12, lw=0
            )
    axes.set_xscale("log")
    ticks = sorted({minutes[name] for name in rows["protocol"]})
    axes.set_xticks(ticks, [f"{tick:g}" if tick >= 10 else "1-9" for tick in ticks])
    axes.minorticks_off()
    axes.set_ylim(bottom=0, top=_top(rows, error, judged))
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _top(rows: pd.DataFrame, error: str, judged: Sequence[str]) -> float:
    """Upper end of the axis: what is far worse than the rest need not be seen whole."""
    best = rows.groupby("protocol")[error].min().max()
    worst = rows.loc[rows["method"].isin([*judged, "linear", "day mean"]), error].max()
    return float(np.nanmax([1.1 * worst, 1.5 * best, 1e-6]))
