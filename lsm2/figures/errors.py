"""Errors of fills against the length of the gap, from an evaluation's results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import pandas as pd
from matplotlib.figure import Figure

from lsm2.arguments import one_of

Error = Literal["mae", "mse", "mse_z"]


def error_by_gap(scores: pd.DataFrame, error: Error = "mae", *, judged: Sequence[str] = ()) -> Figure:
    """Draw the error of each method against the length of the gap, a panel per channel.

    Args:
        scores: ``scores.parquet`` of ``lsm2 evaluate gaps``, or what `lsm2.evaluation.summarise` made of it.
        error: ``"mae"``: absolute error of medians, in the channel's unit; ``"mse"``: squared error of means
            over the channel's variance; ``"mse_z"``: squared error on the model's own scale.
        judged: Methods to draw boldest, with their 95 % intervals, such as ``["lsm2-small"]``.

    Returns:
        A matplotlib Figure, made without pyplot. Methods differ by marker and line, not by colour alone.

    Raises:
        ValueError: The error is not known, or the results are of fewer than two lengths of gaps.

    >>> minutes = ["10 min", "60 min"] * 2
    >>> rows = {"channel": "heart_rate", "protocol": minutes, "method": ["linear"] * 2 + ["mine"] * 2}
    >>> scores = {"people": 12, "mae": [4.0, 6.0, 3.0, 5.0], "mae_low": 2.0, "mae_high": 7.0}
    >>> figure = error_by_gap(pd.DataFrame(rows | scores), judged=["mine"])
    >>> figure.axes[0].get_title()
    'heart rate, beats/min (12 people)'
    """
    from lsm2.evaluation.figures import error_by_length
    from lsm2.evaluation.tables import summarise

    one_of("error", error, get_args(Error))
    summary = scores
    if f"{error}_low" not in scores.columns:
        summary = summarise(scores, against=str(scores["method"].iloc[0]))
    figure = error_by_length(summary, error, judged=judged)
    if figure is None:
        raise ValueError(
            "the results hold fewer than two lengths of gaps; run `lsm2 evaluate gaps --protocols blocks`"
        )
    return figure
