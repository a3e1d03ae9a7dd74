"""The page and the figures of an evaluation of probes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .tables import markdown_table

MAIN = {"classification": "auroc", "regression": "pearson_r"}
"""The score that verdicts and figures are about."""
_SHOWN = {
    "classification": ("auroc", "macro_f1", "balanced_accuracy"),
    "regression": ("pearson_r", "mae", "r2"),
}
_TITLES = {
    "auroc": "AUROC",
    "macro_f1": "macro F1",
    "balanced_accuracy": "balanced accuracy",
    "pearson_r": "r",
    "mae": "MAE",
    "r2": "R2",
}
_STYLES = (
    ("o", "-", "#000000"),
    ("s", "--", "#0072b2"),
    ("^", "-.", "#7f7f7f"),
    ("D", ":", "#d55e00"),
    ("v", "-", "#009e73"),
    ("x", "--", "#cc79a7"),
    ("*", "-.", "#e69f00"),
    ("P", ":", "#56b4e9"),
)
Styles = dict[str, tuple[str, str, str]]
"""Marker, line and colour of each method, the same in all panels."""
_COLUMNS = 4


def probe_page(facts: dict[str, Any], scores: pd.DataFrame, differences: pd.DataFrame) -> str:
    """Everything as a Markdown page.

    Args:
        facts: Of a :class:`ProbeEvaluation`.
        scores: Likewise.
        differences: Likewise.
    """
    command = f"`{facts['command']}`, " if "command" in facts else ""
    lines = [
        "# Probes on embeddings",
        f"{command}{facts['date']}, {facts['machine']}, {facts['seconds']} s."
        + "".join(f" {name}: checkpoint `{value}`." for name, value in facts["checkpoints"].items()),
        "Linear probes (logistic or ridge regression, penalty chosen inside the training folds) on frozen "
        "embeddings and on what they are compared with, by five folds over people, the same for all; of "
        f"participants' labels the mean of {facts['repeats']} draws of the folds. In brackets the 95 % "
        "interval of 1,000 bootstrap draws of people. The encoder was trained (without labels) on train "
        "people, whom the folds hold too: their scores and those of others stand apart below. *hand-made*: "
        "levels, quantiles, hourly profile, rest and activity rhythm; *missingness*: what was recorded when, "
        "and no value; *dummy*: the most frequent class, or the mean; *fine-tuned*, *from scratch*: the "
        "first encoder trained further, or from random weights, on the labels of each fold (lsm2.finetune, "
        "folds drawn once).",
    ]
    whole = scores[scores["removed"].isna() & scores["labelled"].isna()]
    for kind, shown in _SHOWN.items():
        some = whole[(whole["kind"] == kind) & (whole["whose"] == "all")]
        if len(some):
            lines += [f"## {kind.capitalize()}", _table(some, shown)]
    lines += ["## Against each other, paired by person", _verdicts(scores, differences)]
    apart = whole[whole["whose"].isin(["train", "test"])]
    if len(apart):
        lines += ["## People that the encoder was trained on, and others", _apart(apart)]
    removed = scores[scores["removed"].notna()]
    if len(removed):
        lines += [
            "## With something removed from the recordings of people held out",
            "Change of the score (AUROC or r); the probes are those of whole recordings.",
            _removals(whole[whole["whose"] == "all"], removed),
            "Mean drop over the tasks and removals in which both methods are clearly above chance without "
            "removal (their intervals lie above AUROC 0.5 or r 0):",
            _drops(whole[whole["whose"] == "all"], removed, list(facts["checkpoints"])),
        ]
    few = scores[scores["labelled"].notna()]
    if len(few):
        lines += ["## Few labelled people", _few(whole[whole["whose"] == "all"], few)]
    return "\n\n".join(lines) + "\n"


def _main(scores: pd.DataFrame) -> pd.DataFrame:
    return scores[scores["score"] == scores["kind"].map(MAIN)]


def _with_interval(row: Any) -> str:
    low, high = row["low"], row["high"]
    shown = "-" if pd.isna(row["value"]) else f"{row['value']:.3g}"
    return shown if pd.isna(low) else f"{shown} [{low:.2g}, {high:.2g}]"


def _table(some: pd.DataFrame, shown: Sequence[str]) -> str:
    rows = []
    for (task, method), part in some.groupby(["task", "method"], sort=False):
        by_score: Any = part.set_index("score")
        first = part.iloc[0]
        rows.append(
            [str(task), first["dataset"], f"{first['people']} / {first['rows']}", str(method)]
            + [_with_interval(by_score.loc[name]) for name in shown]
        )
    return markdown_table(
        ["task", "data set", "people / rows", "method", *(_TITLES[name] for name in shown)], rows
    )


def _verdicts(scores: pd.DataFrame, differences: pd.DataFrame) -> str:
    kind = scores.drop_duplicates("task").set_index("task")["kind"]
    main = differences[differences["score"] == differences["task"].map(kind).map(MAIN)]
    rows = []
    for _, row in main.iterrows():
        verdict = "unclear"
        if not pd.isna(row["low"]):
            verdict = "better" if row["low"] > 0 else "worse" if row["high"] < 0 else "unclear"
        cells = [row["task"], row["method"], row["against"], _TITLES[row["score"]]]
        rows.append([*cells, _with_interval(row), verdict])
    return markdown_table(["task", "method", "against", "score", "difference", ""], rows)


def _apart(apart: pd.DataFrame) -> str:
    main = _main(apart)
    rows = []
    for (task, method), part in main.groupby(["task", "method"], sort=False):
        by_part: Any = part.set_index("whose")
        cells = []
        for whose in ("train", "test"):
            there = whose in by_part.index
            cells += [str(by_part.loc[whose, "people"]) if there else "-"]
            cells += [_with_interval(by_part.loc[whose]) if there else "-"]
        rows.append([str(task), str(method), *cells])
    return markdown_table(["task", "method", "train people", "score", "test people", "score"], rows)


def _removals(whole: pd.DataFrame, removed: pd.DataFrame) -> str:
    before: Any = _main(whole).set_index(["task", "method"])["value"]
    table: Any = _main(removed).pivot_table(
        index=["task", "method"], columns="removed", values="value", sort=False
    )
    names = list(dict.fromkeys(removed["removed"]))
    rows = []
    for (task, method), row in table.iterrows():
        value = before.loc[(task, method)]
        changes = ["" if pd.isna(row.get(name)) else f"{row[name] - value:+.3f}" for name in names]
        rows.append([str(task), str(method), f"{value:.3f}", *changes])
    return markdown_table(["task", "method", "whole", *names], rows)


def _drops(whole: pd.DataFrame, removed: pd.DataFrame, models: Sequence[str]) -> str:
    """How much each model loses by removals, beside each other method on the same cells."""
    before = _main(whole)
    clear = before[before["low"] > before["kind"].map({"classification": 0.5, "regression": 0.0})]
    after = _main(removed).merge(clear, on=["task", "method"], suffixes=("", "_whole"))
    after["lost"] = after["value_whole"] - after["value"]
    lost = after.pivot(index=["task", "removed"], columns="method", values="lost")
    rows = []
    for model in [one for one in models if one in lost]:
        for other in lost.columns.drop(model):
            both = lost[[model, other]].dropna()
            if len(both):
                own, its = both.mean()
                smaller = f"{1 - own / its:.0%}" if min(own, its) > 0 else "-"
                cells = f"{len(both)} in {both.index.get_level_values('task').nunique()}"
                rows.append([model, str(other), cells, f"{own:.3f}", f"{its:.3f}", smaller])
    return markdown_table(
        ["method", "beside", "cells in tasks", "its mean drop", "the other's", "smaller by"], rows
    )


def _few(whole: pd.DataFrame, few: pd.DataFrame) -> str:
    main = _main(few)
    sizes = sorted(main["labelled"].unique())
    before: Any = _main(whole).set_index(["task", "method"])
    rows = []
    for (task, method), part in main.groupby(["task", "method"], sort=False):
        by_size: Any = part.set_index("labelled")
        cells = [_with_interval(by_size.loc[size]) if size in by_size.index else "" for size in sizes]
        rows.append([str(task), str(method), *cells, _with_interval(before.loc[(task, method)])])
    return markdown_table(["task", "method", *(f"{size:.0f} people" for size in sizes), "all"], rows)


def draw_probes(scores: pd.DataFrame) -> dict[str, Figure]:
    """Draw the score against the number of labelled people and against what was removed, a panel a task.

    Returns:
        File name without ending -> matplotlib Figure, made without pyplot.
    """
    main = _main(scores[scores["whose"] == "all"])
    whole = main[main["removed"].isna() & main["labelled"].isna()]
    figures = {}
    styles = dict(zip(dict.fromkeys(main["method"]), cycle(_STYLES), strict=False))
    few, removed = main[main["labelled"].notna()], main[main["removed"].notna()]
    if len(few):
        figures["few-labels"] = _panels(
            few["task"].unique(), lambda ax, task: _draw_few(ax, few, whole, task, styles)
        )
    if len(removed):
        figures["removed"] = _panels(
            removed["task"].unique(), lambda ax, task: _draw_removed(ax, removed, whole, task, styles)
        )
    return figures


def _panels(tasks: Any, draw: Any) -> Figure:
    columns = min(_COLUMNS, len(tasks))
    rows = -(-len(tasks) // columns)
    figure = Figure(figsize=(3.4 * columns, 2.8 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, task in zip(axes, tasks, strict=False):
        draw(ax, task)
        ax.set_title(task, fontsize=10)
        ax.grid(alpha=0.3)
    for ax in axes[len(tasks) :]:
        ax.set_visible(False)
    shown: dict[str, Any] = {}
    for ax in axes:
        handles, labels = ax.get_legend_handles_labels()
        shown |= dict(zip(labels, handles, strict=True))
    figure.legend(list(shown.values()), list(shown), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _draw_few(ax: Axes, few: pd.DataFrame, whole: pd.DataFrame, task: str, styles: Styles) -> None:
    own = few[few["task"] == task]
    every: Any = whole[whole["task"] == task].set_index("method")
    for method, part in own.groupby("method", sort=False):
        marker, line, colour = styles[str(method)]
        part = part.sort_values("labelled")
        all_people = 0.8 * every.loc[method, "people"]  # of five folds, four are learnt from
        x = np.append(part["labelled"], all_people)
        y = np.append(part["value"], every.loc[method, "value"])
        low = np.append(part["low"], every.loc[method, "low"])
        high = np.append(part["high"], every.loc[method, "high"])
        ax.plot(x, y, marker=marker, linestyle=line, color=colour, label=method, markersize=4)
        ax.fill_between(x, low.astype(float), high.astype(float), alpha=0.12, color=colour)
    ax.set_xscale("log")
    ax.set_xticks(x, [f"{n:.0f}" for n in x])
    ax.minorticks_off()
    ax.set_xlabel("labelled people", fontsize=8)
    ax.set_ylabel(_TITLES[own["score"].iloc[0]], fontsize=8)


def _draw_removed(ax: Axes, removed: pd.DataFrame, whole: pd.DataFrame, task: str, styles: Styles) -> None:
    own = removed[removed["task"] == task]
    every: Any = whole[whole["task"] == task].set_index("method")
    names = list(dict.fromkeys(own["removed"]))
    for method, part in own.groupby("method", sort=False):
        marker, line, colour = styles[str(method)]
        by_name: Any = part.set_index("removed")["value"]
        y = [every.loc[method, "value"], *(by_name.get(name, np.nan) for name in names)]
        ax.plot(range(len(y)), y, marker=marker, linestyle=line, color=colour, label=method, markersize=4)
    ax.set_xticks(range(len(names) + 1), ["whole", *names], rotation=45, ha="right", fontsize=7)
    ax.set_ylabel(_TITLES[own["score"].iloc[0]], fontsize=8)
