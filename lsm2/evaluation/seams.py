"""Seams: how far the signal jumps where a fill meets what was recorded.

The statistic: over all pairs of neighbouring minutes of which one is visible and the other a scored fill, the
mean absolute difference between the recorded value and the fill, divided by the mean absolute difference
between neighbouring minutes that are both visible, of the same person and channel, on the same days. Gaps
fall at random, so the truth itself has a ratio of about 1: more is a seam, less is smoother than the signal.
Means and not medians, because the median difference of counts is often 0; the medians stand beside them. At
00:00 the same, over pairs of 23:59 and 00:00 of which at least one is a fill.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from lsm2.days import DAY

from .recordings import BoolArray, FloatArray, Recordings

SUMS = ("edges", "edge_jump", "own_pairs", "own_jump", "midnights", "midnight_jump")
"""Numbers of pairs, and sums of their absolute differences, in own units."""


def seams(visible: Recordings, cells: BoolArray, fills: FloatArray) -> pd.DataFrame:
    """Sum up the jumps of each participant and channel with a scored fill.

    Args:
        visible: The recordings with hidden minutes NaN.
        cells: (days, channels, 1440) the minutes scored, none of them visible.
        fills: (cells,) their fills in own units, in the order of ``np.nonzero(cells)``.

    Returns:
        A row per participant and channel, in the order of :func:`lsm2.evaluation.person_scores`: edges,
        edge_jump, own_pairs, own_jump, midnights, midnight_jump (sums over pairs), edge_median, own_median.
    """
    filled = np.full(cells.shape, np.nan)
    filled[cells] = fills
    rows: list[dict[str, float]] = []
    for _, days in visible.people():
        breaks = np.diff(visible.day_number[days]) != 1  # (days - 1,)
        with_cells: BoolArray = np.logical_or.reduce(cells[days], axis=2)  # (days, channels)
        for channel in np.flatnonzero(with_cells.any(axis=0)):
            near = with_cells[:, channel].copy()
            near[:-1] |= with_cells[1:, channel]
            near[1:] |= with_cells[:-1, channel]
            seen = np.where(near[:, None], visible.values[days, channel], np.nan).astype(np.float64)
            rows.append(_jumps(seen, filled[days, channel], breaks))
    return pd.DataFrame(rows)


def _jumps(
    seen: npt.NDArray[np.float64], filled: npt.NDArray[np.float64], breaks: BoolArray
) -> dict[str, float]:
    """Of one person and channel; ``seen`` and ``filled`` (days, 1440), ``breaks`` (days - 1,)."""
    apart = np.zeros(seen.size - 1, dtype=bool)
    midnight = np.arange(DAY - 1, seen.size - 1, DAY)
    apart[midnight] = breaks
    seen, filled = seen.ravel(), filled.ravel()
    out, back = np.abs(filled[1:] - seen[:-1]), np.abs(seen[1:] - filled[:-1])  # into the fill, out of it
    own, inside = np.abs(np.diff(seen)), np.abs(np.diff(filled))
    for differences in (out, back, own, inside):
        differences[apart] = np.nan
    edges = np.concatenate([out[~np.isnan(out)], back[~np.isnan(back)]])
    at_midnight = np.concatenate([part[midnight] for part in (out, back, inside)])
    at_midnight = at_midnight[~np.isnan(at_midnight)]
    own = own[~np.isnan(own)]
    return {
        "edges": len(edges),
        "edge_jump": float(edges.sum()),
        "own_pairs": len(own),
        "own_jump": float(own.sum()),
        "midnights": len(at_midnight),
        "midnight_jump": float(at_midnight.sum()),
        "edge_median": float(np.median(edges)) if len(edges) else float("nan"),
        "own_median": float(np.median(own)) if len(own) else float("nan"),
    }


def seam_ratios(results: pd.DataFrame, *, midnight: bool = False) -> npt.NDArray[np.float64]:
    """(rows,) mean jump at edges (or at 00:00) over the signal's own; NaN where there is none of either.

    Args:
        results: Rows with the columns ``SUMS``.
        midnight: Take the jumps at 00:00 instead of those at the edges of gaps.

    Examples:
        >>> one = {"edges": 2, "edge_jump": 6.0, "own_pairs": 4, "own_jump": 8.0}
        >>> seam_ratios(pd.DataFrame([one])).tolist()
        [1.5]
    """
    count, total = ("midnights", "midnight_jump") if midnight else ("edges", "edge_jump")
    with np.errstate(divide="ignore", invalid="ignore"):
        jump = results[total].to_numpy(dtype=np.float64) / results[count].to_numpy(dtype=np.float64)
        own = results["own_jump"].to_numpy(dtype=np.float64) / results["own_pairs"].to_numpy(dtype=np.float64)
        ratios = jump / own
    return np.where(np.isfinite(ratios), ratios, np.nan)
