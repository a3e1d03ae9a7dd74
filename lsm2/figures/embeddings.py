"""A map of embeddings: rows that went alike lie close together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lsm2.arguments import one_of
from lsm2.figures.frames import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Method = Literal["pca", "umap"]

# Marker and colour of a group: any two differ in marker, so that black and white will do.
_STYLES = (
    ("o", "#000000"),
    ("^", "#d55e00"),
    ("s", "#0072b2"),
    ("D", "#009e73"),
    ("v", "#cc79a7"),
    ("P", "#e69f00"),
    ("X", "#56b4e9"),
    ("*", "#7f7f7f"),
)
_NEIGHBOURS = 15


def embedding_map(
    embeddings: pd.DataFrame,
    color: Any = None,
    *,
    method: Method = "pca",
    label: str | None = None,
    seed: int = 0,
) -> Figure:
    """Draw rows of embeddings as points of a plane, coloured by anything.

    Args:
        embeddings: What `lsm2.embed` returned, such as by day. Rows of NaN are left out and counted.
        color: None (all alike); the name of an index level, such as ``"participant_id"``; a Series that has
            the rows' index or is keyed by participant; or an array with a value per row. Numbers become
            shades with a scale, anything else groups with a marker each (at most 8 groups; the smaller ones
            share one).
        method: ``"pca"``, the two directions of largest variance, or ``"umap"`` (McInnes et al. 2018, needs
            ``pip install umap-learn``), which keeps neighbours together and no distances.
        label: What ``color`` says; by default the name that it carries.
        seed: Of ``"umap"``.

    Returns:
        A matplotlib Figure, made without pyplot.

    Raises:
        ImportError: umap-learn is not installed.
        ValueError: Fewer than three rows with numbers, or ``color`` does not fit the rows.

    >>> dates = pd.date_range("2024-03-01", periods=6, name="date")
    >>> numbers = np.random.default_rng(0).normal(size=(6, 4))
    >>> embeddings = pd.DataFrame(numbers, index=dates, columns=["e0", "e1", "e2", "e3"])
    >>> free = pd.Series(dates.day_of_week > 4, index=dates, name="weekend")
    >>> figure = embedding_map(embeddings, free)
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['False (4)', 'True (2)']
    """
    one_of("method", method, get_args(Method))
    points, axis_labels = project(embeddings, method=method, seed=seed)
    values = _values(embeddings, color)
    name = label or (str(values.name) if values is not None and values.name is not None else "")
    there = ~np.isnan(points).any(axis=1)
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.subplots()
    if values is None:
        axes.scatter(points[there, 0], points[there, 1], s=22, c="black", alpha=0.7, lw=0)
    elif pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        _shade(figure, axes, points[there], values[there].to_numpy(np.float64, na_value=np.nan), name)
    else:
        _group(axes, points[there], values[there], name)
    axes.set_xlabel(axis_labels[0])
    axes.set_ylabel(axis_labels[1])
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    left_out = int((~there).sum())
    axes.set_title(
        f"{there.sum()} rows" + (f"; {left_out} without an embedding left out" if left_out else ""),
        fontsize=10,
    )
    return figure


def project(
    embeddings: pd.DataFrame, *, method: Method = "pca", seed: int = 0
) -> tuple[np.ndarray, tuple[str, str]]:
    """Coordinates of each row, float64 (rows, 2), NaN for rows of NaN, and what the two axes are.

    Raises:
        ImportError: umap-learn is not installed.
        ValueError: Fewer than three rows have numbers.
    """
    numbers = embeddings.to_numpy(np.float64, na_value=np.nan)
    there = ~np.isnan(numbers).any(axis=1)
    if there.sum() < 3:
        raise ValueError(f"a map needs three rows with an embedding or more; there are {there.sum()}")
    points = np.full((len(numbers), 2), np.nan)
    if method == "umap":
        try:
            from umap import UMAP
        except ImportError as error:
            raise ImportError(
                "method='umap' needs umap-learn: pip install umap-learn, or take method='pca'"
            ) from error
        near = min(_NEIGHBOURS, int(there.sum()) - 1)
        points[there] = UMAP(n_neighbors=near, random_state=seed).fit_transform(numbers[there])
        return points, ("UMAP 1", "UMAP 2")
    from sklearn.decomposition import PCA

    pca = PCA(2, svd_solver="full")
    points[there] = pca.fit_transform(numbers[there])
    shares = np.nan_to_num(pca.explained_variance_ratio_)
    return points, (f"component 1 ({shares[0]:.0%} of variance)", f"component 2 ({shares[1]:.0%})")


def _values(embeddings: pd.DataFrame, color: Any) -> pd.Series | None:
    """A value for each row, in the rows' order."""
    index = embeddings.index
    if color is None:
        return None
    if isinstance(color, str):
        if color not in index.names:
            known = ", ".join(map(repr, index.names))
            raise ValueError(f"color={color!r} is no level of the embeddings' index, which has {known}")
        return pd.Series(index.get_level_values(color), name=color)
    if isinstance(color, pd.Series):
        keys = index
        if index.nlevels > 1 and color.index.nlevels == 1:
            keys = index.get_level_values(0)
        if not color.index.is_unique:
            raise ValueError("color= has an index with doubled entries; it needs one value per row")
        found = color.reindex(keys).reset_index(drop=True)
        if not found.notna().any():
            raise ValueError(
                "color= shares no index entry with the embeddings: index it as they are, by "
                f"{', '.join(map(str, index.names))}, or by participant"
            )
        return found
    values: Sequence[Any] = list(color)
    if len(values) != len(index):
        raise ValueError(f"color= has {len(values)} values for {len(index)} rows")
    return pd.Series(values)


def _shade(figure: Figure, axes: Axes, points: np.ndarray, values: np.ndarray, name: str) -> None:
    known = ~np.isnan(values)
    if not known.all():
        axes.scatter(
            points[~known, 0], points[~known, 1], s=22, marker="x", c="#7f7f7f", lw=0.8, label="not known"
        )
        axes.legend(frameon=False, fontsize=8)
    drawn = axes.scatter(
        points[known, 0], points[known, 1], s=30, c=values[known], cmap="cividis", ec="#404040", lw=0.3
    )
    figure.colorbar(drawn, ax=axes, label=plain(name))


def _group(axes: Axes, points: np.ndarray, values: pd.Series, name: str) -> None:
    texts = values.astype("string").fillna("not known").to_numpy()
    sizes = pd.Series(texts).value_counts(sort=False)
    groups = [str(group) for group in sizes.index]
    if len(groups) > len(_STYLES):
        groups = [str(group) for group in sizes.nlargest(len(_STYLES) - 1).index]
    styles = dict(zip(sorted(groups), _STYLES, strict=False))
    rest = ~np.isin(texts, groups)
    for group, (marker, colour) in styles.items():
        own = texts == group
        axes.scatter(
            points[own, 0],
            points[own, 1],
            s=26,
            marker=marker,
            c=colour,
            alpha=0.75,
            lw=0,
            label=plain(f"{group} ({own.sum()})"),
        )
    if rest.any():
        others = len(set(texts[rest]))
        axes.scatter(
            points[rest, 0],
            points[rest, 1],
            s=16,
            marker="x",
            c="#b0b0b0",
            lw=0.8,
            label=f"{others} others ({rest.sum()})",
        )
    axes.legend(title=plain(name) or None, fontsize=8, title_fontsize=8, frameon=False)
