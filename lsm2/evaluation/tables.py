"""Tables of filled gaps: averages over participants, ratios with verdicts, biases, and Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import pandas as pd

from lsm2.channels import CHANNELS

from .scores import (
    DRAWS,
    ERRORS,
    PEOPLE_FOR_VERDICT,
    SMALLEST_ERROR,
    bootstrap_mean,
    error_ratios,
    ratio_estimate,
    total_bias,
    verdict,
)
from .seams import seam_ratios

_TITLES = {
    "mse": 'MSE of point="mean", divided by the variance over train people',
    "mae": 'MAE of point="median", own units',
    "mse_z": "MSE in the normalised transformed scale",
    "seam": "Seams: mean jump at the edges of gaps over the signal's own minute-to-minute difference "
    "(at 00:00)",
    "bias": "Bias of totals over hidden minutes: filled / true - 1 of all people, its 95 % interval (each "
    "person's quartiles)",
}


def summarise(results: pd.DataFrame, *, against: str = "linear", draws: int = DRAWS) -> pd.DataFrame:
    """Average over participants, with intervals, ratios to a baseline, verdicts and biases.

    Args:
        results: What :func:`score_gaps` returned.
        against: The method that the others are compared with, paired by participant.
        draws: Bootstrap draws over participants.

    Returns:
        One row per channel, protocol and method: people, days, cells; each error with ``_low`` and ``_high``;
        ``<error>_ratio`` (geometric mean of the participants' ratios) with interval and ``<error>_verdict``;
        ``<error>_ratios`` (each person's, where fewer than 10); ``seam`` and ``seam_midnight`` (geometric
        mean over participants of :func:`seam_ratios`) with intervals; for counts and energies ``bias`` of the
        total with interval and the quartiles over participants.

    Raises:
        ValueError: ``against`` is no method of the results.
    """
    methods = list(dict.fromkeys(results["method"]))
    if against not in methods:
        raise ValueError(f"against={against!r} is no method of these results; they have {', '.join(methods)}")
    rows: list[dict[str, object]] = []
    in_order = results.sort_values(
        "channel", key=lambda names: names.map(list(CHANNELS).index), kind="stable"
    )
    for keys, cell in in_order.groupby(["channel", "protocol"], sort=False):
        channel, protocol = cast("tuple[str, str]", keys)
        by_method = {
            name: part.set_index(["dataset", "participant"]) for name, part in cell.groupby("method")
        }
        for name in methods:
            if name not in by_method:
                continue
            part = by_method[name]
            row: dict[str, object] = {"channel": channel, "protocol": protocol, "method": name}
            row.update(people=len(part), days=int(part["days"].sum()), cells=int(part["cells"].sum()))
            row["unfilled"] = int(part["unfilled"].sum())
            for error in ERRORS:
                row[error], row[f"{error}_low"], row[f"{error}_high"] = bootstrap_mean(
                    part[error], draws=draws
                )
            if name != against:
                row.update(_compare(part, by_method[against], draws))
            if "edges" in part:
                row.update(_seams(part, draws))
            if CHANNELS[channel].is_total:
                bias = total_bias(part["sum_filled"], part["sum_true"], draws=draws)
                row["bias"], (row["bias_low"], row["bias_high"]) = bias.total, bias.interval
                row["bias_q25"], row["bias_q50"], row["bias_q75"] = bias.quartiles
            rows.append(row)
    return pd.DataFrame(rows)


def _compare(part: pd.DataFrame, other: pd.DataFrame, draws: int) -> dict[str, object]:
    found: dict[str, object] = {}
    for error in ERRORS:
        ratios = error_ratios(part[error], other[error].reindex(part.index))
        estimate = ratio_estimate(ratios, draws=draws)
        found[f"{error}_ratio"], found[f"{error}_ratio_low"], found[f"{error}_ratio_high"] = estimate
        found[f"{error}_verdict"] = verdict(estimate, len(ratios))
        if len(ratios) < PEOPLE_FOR_VERDICT:
            found[f"{error}_ratios"] = [round(float(ratio), 3) for ratio in np.sort(ratios)]
    return found


def _seams(part: pd.DataFrame, draws: int) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, midnight in (("seam", False), ("seam_midnight", True)):
        ratios = seam_ratios(part, midnight=midnight)
        ratios = np.maximum(ratios[~np.isnan(ratios)], SMALLEST_ERROR)
        if len(ratios):
            found[name], found[f"{name}_low"], found[f"{name}_high"] = ratio_estimate(ratios, draws=draws)
            found[f"{name}_people"] = len(ratios)
    return found


def contests(results: pd.DataFrame, judged: Sequence[str], *, draws: int = DRAWS) -> pd.DataFrame:
    """Count the cells (channel and protocol) that methods win and lose against each other method.

    Args:
        results: What :func:`score_gaps` returned.
        judged: Methods to judge.
        draws: Bootstrap draws over participants.

    Returns:
        One row per method judged, other method and error (mse, mae): cells with 10 people or more by verdict
        (win, tie, loss), lost (which, as text), and few (cells with fewer people), lower (those of them in
        which the error is lower).
    """
    rows = []
    cells = results.set_index(["dataset", "participant"]).groupby(["channel", "protocol"], sort=False)
    tables = [(keys, dict(list(cell.groupby("method")))) for keys, cell in cells]
    for name in judged:
        for other in dict.fromkeys(results["method"]):
            if other == name:
                continue
            for error in ERRORS[:2]:
                counts = {"win": 0, "tie": 0, "loss": 0, "few": 0, "lower": 0}
                lost = []
                for keys, by_method in tables:
                    if name not in by_method or other not in by_method:
                        continue
                    own = by_method[name][error]
                    ratios = error_ratios(own, by_method[other][error].reindex(own.index))
                    estimate = ratio_estimate(ratios, draws=draws)
                    found = verdict(estimate, len(ratios))
                    if found == "too few people":
                        counts["few"] += 1
                        counts["lower"] += estimate.value < 1
                        continue
                    counts[found] += 1
                    if found == "loss":
                        lost.append(" ".join(cast("tuple[str, str]", keys)))
                rows.append(
                    {"method": name, "against": other, "error": error, **counts, "lost": "; ".join(lost)}
                )
    return pd.DataFrame(rows)


def skill(results: pd.DataFrame, method: str, *, error: str = "mse", against: str = "locf") -> float:
    """1 - geometric mean of error ratios: over participants within channel and protocol, then over those.

    Args:
        results: What :func:`score_gaps` returned.
        method: The method judged.
        error: ``mse``, ``mae`` or ``mse_z``.
        against: The method it is compared with, paired by participant.
    """
    keys = ["channel", "protocol", "dataset", "participant"]
    errors = results.set_index(["method", *keys])[error]
    paired = pd.concat([errors.loc[method], errors.loc[against]], axis=1, join="inner", keys=["own", "other"])
    logs = pd.Series(np.log(error_ratios(paired["own"], paired["other"])), index=paired.index)
    return float(1 - np.exp(logs.groupby(level=["channel", "protocol"]).mean().mean()))


def markdown(summary: pd.DataFrame, *, judged: Sequence[str] = (), against: str = "linear") -> str:
    """Return the summary as Markdown: a table per error, one of seams, and one of the bias of totals.

    Args:
        summary: What :func:`summarise` returned.
        judged: Methods whose ratio to ``against`` and verdict are shown, each with its 95 % interval.
        against: The method that the summary compared with.
    """
    parts = [_error_table(summary, error, judged, against) for error in ERRORS]
    for number, cell in (("seam", _seam), ("bias", _bias)):
        if number in summary and summary[number].notna().any():
            parts.append(_table_of(summary, number, cell))
    return "\n\n".join(parts) + "\n"


def _number(value: object) -> str:
    number = float(cast("float", value))
    if np.isnan(number):
        return "-"
    return f"{number:.3g}" if abs(number) < 100 else f"{number:.0f}"


def _percent(value: object) -> str:
    number = float(cast("float", value))
    return "-" if np.isnan(number) else f"{100 * number:+.1f} %"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows of text as a Markdown table."""
    lines = ["| " + " | ".join(cells) + " |" for cells in [header, ["---"] * len(header), *rows]]
    return "\n".join(lines)


def _cells(summary: pd.DataFrame) -> list[tuple[list[str], dict[str, pd.Series]]]:
    """For each channel and protocol: its first columns, and the row of each method."""
    return [
        (
            [*cast("tuple[str, str]", keys), str(part["people"].iloc[0]), str(part["days"].iloc[0])],
            {row["method"]: row for _, row in part.iterrows()},
        )
        for keys, part in summary.groupby(["channel", "protocol"], sort=False)
    ]


def _error_table(summary: pd.DataFrame, error: str, judged: Sequence[str], against: str) -> str:
    methods = list(dict.fromkeys(summary["method"]))
    header = ["channel", "hidden", "people", "days", *methods, *(f"{name} / {against}" for name in judged)]
    rows = []
    for first, by_method in _cells(summary):
        values = [_number(by_method[name][error]) if name in by_method else "-" for name in methods]
        ratios = [_ratio(by_method[name], error) if name in by_method else "-" for name in judged]
        rows.append([*first, *values, *ratios])
    return f"### {_TITLES[error]}\n\n" + markdown_table(header, rows)


def _ratio(row: pd.Series, error: str) -> str:
    estimate = f"{row[f'{error}_ratio']:.3f}"
    if row[f"{error}_verdict"] == "too few people":
        return f"{estimate} (each: {', '.join(f'{ratio:.2f}' for ratio in row[f'{error}_ratios'])})"
    low, high = row[f"{error}_ratio_low"], row[f"{error}_ratio_high"]
    return f"{estimate} [{low:.3f}, {high:.3f}] {row[f'{error}_verdict']}"


def _table_of(summary: pd.DataFrame, number: str, cell: Callable[[pd.Series], str]) -> str:
    """The cells that hold a number, a column for each method."""
    some = summary[summary[number].notna() & (summary["method"] != "zero")]
    methods = list(dict.fromkeys(some["method"]))
    rows = [
        [*first, *(cell(by_method[name]) if name in by_method else "-" for name in methods)]
        for first, by_method in _cells(some)
    ]
    title = f"### {_TITLES[number]}\n\n"
    return title + markdown_table(["channel", "hidden", "people", "days", *methods], rows)


def _seam(row: pd.Series) -> str:
    midnight = row.get("seam_midnight", float("nan"))
    return _number(row["seam"]) + ("" if np.isnan(midnight) else f" ({_number(midnight)})")


def _bias(row: pd.Series) -> str:
    interval = f"[{_percent(row['bias_low'])}, {_percent(row['bias_high'])}]"
    return f"{_percent(row['bias'])} {interval} ({_percent(row['bias_q25'])}, {_percent(row['bias_q75'])})"
