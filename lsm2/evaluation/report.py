"""The page of an evaluation of gaps, in Markdown."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lsm2.wording import counted

from .tables import markdown, markdown_table

_WITHIN = 0.05  # how far a total of hidden minutes may lie from the truth
_ERRORS = {"mse": "squared error of the mean", "mae": "absolute error of the median"}


def page(facts: dict[str, Any], scores: pd.DataFrame, summary: pd.DataFrame, contests: pd.DataFrame) -> str:
    """Return the page: what was done, verdicts, skill, and the tables.

    Args:
        facts: When, where, of whom, by what checkpoints; ``command`` and ``split`` where there are.
        scores: What :func:`score_gaps` returned.
        summary: What :func:`summarise` returned.
        contests: What :func:`contests` returned.
    """
    models = list(facts["checkpoints"])
    of_split = f", {facts['split']} people" if "split" in facts else ""
    command = f"`{facts['command']}`, " if "command" in facts else ""
    sets = ", ".join(f"{name} {count}" for name, count in facts["people_by_dataset"].items())
    lines = [
        f"# Filled gaps{of_split}",
        f"{command}{facts['date']}, {facts['machine']}, {facts['seconds']:.0f} s "
        f"({facts['cpu_seconds']:.0f} s of processor time). "
        f"{counted(facts['people'], 'person', 'people')} ({sets}), {counted(facts['days'], 'day')}."
        + "".join(f" {name}: checkpoint `{value}`." for name, value in facts["checkpoints"].items()),
        "Errors are averaged per participant, then over participants. Ratios are geometric means of the "
        "participants' own ratios with a 95 % bootstrap interval over participants (1,000 draws); with fewer "
        "than 10 people each person's ratio stands instead of a verdict. Every method fills the "
        "same minutes.",
        *facts["notes"],
        "Seconds by method, of all parts: "
        + ", ".join(f"{name} {seconds:.0f}" for name, seconds in facts["seconds_by_method"].items())
        + ".",
    ]
    sources = _mean_sources(scores)
    if sources:
        lines.append(sources)
    lines.append(_skills(facts))
    if models:
        lines.append(_verdicts(contests))
    if "bias" in summary:
        lines.append(totals(summary))
    return "\n\n".join(lines) + "\n\n" + markdown(summary, judged=models)


def _mean_sources(scores: pd.DataFrame) -> str:
    family = scores[(scores["protocol"] == "1 family") & (scores["method"] == "day mean")]
    if family.empty:
        return ""
    counts = ", ".join(f"{count} from {name}" for name, count in family["mean_from"].value_counts().items())
    return (
        "Where a whole family is hidden, the day mean is of the person's other days or of train people: "
        f"{counts} (participants and channels)."
    )


def _skills(facts: dict[str, Any]) -> str:
    rows = [
        [name, f"{value:+.3f}", _signed(facts.get("skill_openmhc", {}).get(name))]
        for name, value in facts["skill"].items()
    ]
    return (
        "## Skill over last observation carried forward (squared error)\n\n"
        + markdown_table(["method", "all channels and protocols", "OpenMHC's scenarios"], rows)
        + "\n\nMeans over the cells that a method fills, so skills of methods that fill unlike cells (zero, "
        "ridge, day ridge) do not compare."
    )


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"


def _verdicts(contests: pd.DataFrame) -> str:
    rows = []
    for row in contests.to_dict("records"):
        judged = row["win"] + row["tie"] + row["loss"]
        share = f" ({row['win'] / judged:.0%})" if judged else ""
        rows.append(
            [
                row["method"],
                row["against"],
                _ERRORS[row["error"]],
                f"{row['win']}{share}",
                str(row["tie"]),
                str(row["loss"]),
                f"{row['lower']} of {row['few']}",
                row["lost"] or "-",
            ]
        )
    header = ["model", "against", "by", "won", "tied", "lost", "lower with < 10 people", "lost cells"]
    return "## Verdicts: cells of channel and protocol\n\n" + markdown_table(header, rows)


def totals(summary: pd.DataFrame) -> str:
    """How many totals of hidden minutes are right: as they are, and as far as so few people can tell."""
    rows = []
    of_totals = summary[summary["bias"].notna() & (summary["method"] != "zero")]
    for method, cells in of_totals.groupby("method", sort=False):
        within = cells["bias"].abs() <= _WITHIN
        beyond = (cells["bias_low"] > _WITHIN) | (cells["bias_high"] < -_WITHIN)
        named = (cells["channel"] + " " + cells["protocol"])[beyond]
        numbers = [len(cells), within.sum(), (~within & ~beyond).sum(), beyond.sum()]
        rows.append([str(method), *map(str, numbers), "; ".join(named) or "-"])
    percent = f"{100 * _WITHIN:.0f} %"
    header = ["method", "cells", f"within {percent}", "not known", f"beyond {percent}", "which"]
    return (
        "## Totals of counts and energies over hidden minutes\n\n"
        + markdown_table(header, rows)
        + f"\n\nNot known: the total is off by more than {percent}, but its 95 % interval over people "
        "(below) reaches there; beyond: it does not."
    )
