"""Out-of-fold predictions of linear probes from several tables of features, on the same rows and folds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lsm2.probe import linear
from lsm2.probe.linear import Linear, Recipe, folds

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Features:
    """A table of features of the labelled rows."""

    values: Float
    """(rows, features), NaN where a number cannot be told."""
    removed: Mapping[str, Float] = field(default_factory=dict)
    """The same after something was removed from the recordings, by its name."""

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that any change changes."""
        digest = hashlib.sha256(repr([*self.removed, self.values.shape]).encode())
        for values in (self.values, *self.removed.values()):
            digest.update(np.ascontiguousarray(values, np.float64).tobytes())
        return digest.hexdigest()[:16]

    def beside(self, other: Features) -> Features:
        """Both tables side by side."""
        both = {
            name: np.concatenate([values, other.removed[name]], axis=1)
            for name, values in self.removed.items()
            if name in other.removed
        }
        return Features(np.concatenate([self.values, other.values], axis=1), both)


@dataclass(frozen=True, eq=False)
class Rows:
    """What is to be told, and of whom."""

    y: npt.NDArray[np.generic]
    """(rows,) codes of classes (int64), or numbers (float64)."""
    people: Int
    """(rows,) whom each row is of; people are never divided."""
    recipe: Recipe

    def folds(self, count: int, repeat: int) -> list[tuple[Int, Int]]:
        """Training and held-out rows of each fold, drawn anew in each repeat."""
        recipe = Recipe(self.recipe.classes, self.recipe.components, self.recipe.class_weight, repeat)
        return folds(self.y, self.people, count, recipe)


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A linear model, and what stands for numbers that cannot be told."""

    linear: Linear
    middle: Float
    kept: Int
    classes: int

    def predict(self, x: Float) -> Float:
        x = x[:, self.kept]
        x = np.where(np.isnan(x), self.middle, x)
        return self.linear.probabilities(x) if self.classes else self.linear.outputs(x)


def fit(x: Float, rows: Rows, train: Int) -> _Fitted:
    """Fit on some rows; NaN becomes the column's median over them, columns without numbers are left out.

    The penalty is chosen by folds of people inside ``train``; with ``recipe.components`` above the number of
    columns or rows, all principal components are kept.
    """
    own = x[train]
    kept = np.flatnonzero(~np.isnan(own).all(axis=0))
    middle = np.nanmedian(own[:, kept], axis=0)
    filled = np.where(np.isnan(own[:, kept]), middle, own[:, kept])
    recipe, y, people = rows.recipe, rows.y[train], rows.people[train]
    if recipe.components is not None and recipe.components >= min(len(kept), len(train) // 2):
        recipe = Recipe(recipe.classes, None, recipe.class_weight, recipe.seed)
    return _Fitted(linear.fit(filled, y, people, recipe)[0], middle, kept, recipe.classes)


def out_of_fold(features: Features, rows: Rows, *, count: int = 5, repeats: int = 5) -> dict[str, Float]:
    """Predict each row by models that saw nothing of its person.

    Args:
        features: Of the rows.
        rows: Labels and people.
        count: Number of folds.
        repeats: How often the folds are drawn; predictions are averaged over them.

    Returns:
        Under ``""`` probabilities (rows, classes) or numbers (rows, 1) from what was recorded, and under each
        name of ``features.removed`` those of the same models when that is removed from the rows held out.
    """
    width = max(rows.recipe.classes, 1)
    seen = {"": features.values, **features.removed}
    total = {name: np.zeros((len(rows.y), width)) for name in seen}
    for repeat in range(repeats):
        for train, held in rows.folds(count, repeat):
            model = fit(features.values, rows, train)
            for name, values in seen.items():
                total[name][held] += model.predict(values[held])
    return {name: values / repeats for name, values in total.items()}


def by_number_of_people(
    features: Features, rows: Rows, sizes: tuple[int, ...], *, count: int = 5, repeats: int = 5
) -> dict[int, Float]:
    """Predict each row from few labelled people.

    Args:
        features, rows: As for :func:`out_of_fold`.
        sizes: Numbers of people to learn from; of each training fold so many are drawn, classes alike.
        count, repeats: As for :func:`out_of_fold`.

    Returns:
        For each size probabilities (rows, classes) or numbers (rows, 1), averaged over repeats.
    """
    width = max(rows.recipe.classes, 1)
    total = {size: np.zeros((len(rows.y), width)) for size in sizes}
    for repeat in range(repeats):
        for number, (train, held) in enumerate(rows.folds(count, repeat)):
            order = _in_turn(rows, train, np.random.default_rng([repeat, number]))
            for size in sizes:
                some = train[np.isin(rows.people[train], order[:size])]
                total[size][held] += fit(features.values, rows, some).predict(features.values[held])
    return {size: values / repeats for size, values in total.items()}


def _in_turn(rows: Rows, train: Int, random: np.random.Generator) -> Int:
    """People of training rows in random order, one of each class (by their first row) in turn."""
    people, first = np.unique(rows.people[train], return_index=True)
    shuffled = random.permutation(len(people))
    if not rows.recipe.classes:
        return people[shuffled]
    label = rows.y[train][first][shuffled].astype(np.int64)
    turn = np.empty(len(people), np.int64)
    for one in np.unique(label):
        turn[label == one] = np.arange((label == one).sum())
    return people[shuffled[np.argsort(turn, kind="stable")]]
