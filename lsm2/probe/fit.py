"""Fitting a probe on matched rows, and its out-of-fold predictions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lsm2.days import FrameError
from lsm2.probe import linear, scores
from lsm2.probe.linear import Linear, Recipe, folds, most_folds
from lsm2.probe.probe import likeliest
from lsm2.probe.targets import Target
from lsm2.wording import counted


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows to learn from: each has an embedding, a label and a group."""

    x: np.ndarray  # float64 (rows, features), no NaN
    target: Target  # of the rows
    people: np.ndarray  # int64 (rows,), position among the participants
    groups: np.ndarray  # int64 (rows,)
    grouped_by: str  # participants, or groups

    def take(self, rows: np.ndarray) -> Rows:
        """Return some rows, or all in another order."""
        target = replace(self.target, y=self.target.y[rows])
        return Rows(self.x[rows], target, self.people[rows], self.groups[rows], self.grouped_by)


def check_rows(rows: Rows, cv: int, recipe: Recipe) -> None:
    """Refuse what cannot be cross-validated.

    Raises:
        FrameError: Too few people or groups, also of a class, or too few rows for the components.
    """
    whole = "people" if rows.grouped_by == "participants" else "groups"
    count = len(np.unique(rows.groups))
    if count < cv:
        more = "pass groups= to split one person's data, or " if whole == "people" and count < 2 else ""
        fewer = f"; pass cv={count} or fewer" if count >= 2 else ""
        raise FrameError(
            f"cv={cv} folds need {cv} {whole} or more with data and a label, and there are {count}{fewer}; "
            f"{more}label more of them"
        )
    if most_folds(rows.target.y, rows.groups, recipe) < 2:
        pairs = np.unique(np.column_stack([rows.target.y, rows.groups]), axis=0)
        counts = np.bincount(pairs[:, 0], minlength=recipe.classes)
        rare = ", ".join(repr(rows.target.classes[one]) for one in np.flatnonzero(counts < 2))
        raise FrameError(
            f"only one of the {whole} has label {rare}: it cannot be both learnt and tested. Drop or merge "
            "such classes, or label more people."
        )
    largest = int(np.bincount(rows.target.y).max()) if recipe.classes else cv
    if largest < cv:
        raise FrameError(
            f"cv={cv} folds need a class with {cv} rows or more, and the largest has {largest}; pass "
            f"cv={largest} or fewer, or label more {whole}"
        )
    if recipe.components is not None and recipe.components > rows.x.shape[1]:
        raise FrameError(
            f"components={recipe.components} is more than the {counted(rows.x.shape[1], 'column')} of the "
            "embeddings"
        )


def cross_validate(rows: Rows, cv: int, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """Predict every row by a model that saw none of its group; strengths are chosen inside training folds.

    Args:
        rows: In an order that does not depend on that of the data.
        cv: Number of folds.
        recipe: How to fit.

    Returns:
        Probabilities (rows, classes) or numbers (rows, 1), and the fold of each row (rows,).

    Raises:
        FrameError: A training fold lacks a class, or has fewer rows than components.
    """
    y, width = rows.target.y, max(recipe.classes, 1)
    predicted = np.full((len(y), width), np.nan)
    fold_of = np.full(len(y), -1)
    for number, (train, held) in enumerate(folds(y, rows.groups, cv, recipe)):
        absent = np.setdiff1d(np.arange(recipe.classes), y[train])
        if len(absent):
            raise FrameError(
                f"a training fold has no row of class {rows.target.classes[absent[0]]!r}, of which there are "
                "too few people; drop or merge such classes, or pass another cv="
            )
        if recipe.components is not None and recipe.components > len(train):
            raise FrameError(
                f"components={recipe.components} is more than the {counted(len(train), 'row')} of a training "
                "fold"
            )
        model = fit(rows.take(train), recipe)[0]
        fold_of[held] = number
        held_out = rows.x[held]
        predicted[held] = model.probabilities(held_out) if recipe.classes else model.outputs(held_out)
    return predicted, fold_of


def fit(rows: Rows, recipe: Recipe) -> tuple[Linear, float]:
    """Fit on all rows; return the model and the strength that folds inside the rows chose."""
    return linear.fit(rows.x, rows.target.y, rows.groups, recipe)


def measure(rows: Rows, predicted: np.ndarray, recipe: Recipe) -> dict[str, Any]:
    """Sizes, and each score with its interval and that of a dummy: the most frequent class, or the mean."""
    y = rows.target.y
    # Of one person alone the groups are drawn.
    units = rows.people if rows.people.max() else rows.groups
    found: dict[str, Any] = {
        "rows": len(y),
        "people": len(np.unique(rows.people)),
        "groups": len(np.unique(rows.groups)),
    }
    if recipe.classes:
        found["classes"] = {
            str(name): {"rows": int((y == code).sum()), "people": len(np.unique(rows.people[y == code]))}
            for code, name in enumerate(rows.target.classes)
        }
    own = scores.bootstrap(scores.scorer(y, predicted, units), units, recipe.seed).intervals()
    plain = scores.values(scores.scorer(y, scores.dummy(y, recipe.classes), units), units)
    dummies = {name: None if np.isnan(value) else value for name, value in plain.items()}
    return found | {name: score | {"dummy": dummies[name]} for name, score in own.items()}


def out_of_fold(
    target: Target, labels: np.ndarray, predicted: np.ndarray, fold_of: np.ndarray, index: pd.Index
) -> pd.DataFrame:
    """Out-of-fold predictions as a table."""
    columns: dict[str, Any] = {"label": pd.Series(labels, dtype=object).infer_objects().array}
    if target.classes:
        columns["prediction"] = likeliest(target.classes, predicted, np.zeros(len(predicted), bool))
        columns |= {f"p_{name}": predicted[:, code] for code, name in enumerate(target.classes)}
    else:
        columns["prediction"] = predicted[:, 0]
    return pd.DataFrame(columns | {"fold": fold_of}, index=index)
