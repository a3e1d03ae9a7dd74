"""Linear models by scikit-learn, folded into one matrix: standardisation, principal components, weights."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

# Penalties on the mean loss over rows, so that they mean the same for few rows and many.
STRENGTHS = np.logspace(2, -4, 7)
_MIDDLE = 1.0
_INNER_FOLDS = 5
_MOST_STEPS = 1000


@dataclass(frozen=True, eq=False)
class Linear:
    """A linear map: classes have one output each (two classes share one), numbers one."""

    weights: np.ndarray  # float64 (outputs, features)
    bias: np.ndarray  # float64 (outputs,)

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """Scores of rows (rows, features) as (rows, outputs)."""
        return np.asarray(x @ self.weights.T + self.bias)

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """Probabilities of classes (rows, classes) of rows (rows, features); NaN where a row holds NaN."""
        scores = self.outputs(x)
        if scores.shape[1] == 1:
            scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
        shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Recipe:
    """How a probe is fitted."""

    classes: int  # 0 for a regression
    components: int | None = None  # principal components, or None to keep all columns
    class_weight: Any = "balanced"
    seed: int = 0


class Trainer:
    """Rows to learn from, standardised; fits at any strength, from strong to weak without starting anew."""

    def __init__(self, x: np.ndarray, y: np.ndarray, recipe: Recipe) -> None:
        self.y, self.recipe = y, recipe
        self.scaler = StandardScaler().fit(x)
        self.x = self.scaler.transform(x)
        self.components: np.ndarray | None = None
        if recipe.components is not None:
            # Scaled columns have mean zero, so that the components need no centre of their own.
            self.components = PCA(recipe.components, svd_solver="full").fit(self.x).components_
            self.x = self.x @ self.components.T
        self.weight: np.ndarray | None = None
        if recipe.classes and recipe.class_weight is not None:
            counts = np.bincount(y, minlength=recipe.classes)
            self.weight = (len(y) / (recipe.classes * counts))[y]  # as scikit-learn's "balanced"
        self.model: Any = None

    def fit(self, strength: float) -> Linear:
        """Fit with this penalty."""
        rows = len(self.y)
        if not self.recipe.classes:
            self.model = Ridge(alpha=rows * strength, solver="cholesky")
        elif self.model is None:
            self.model = LogisticRegression(max_iter=_MOST_STEPS, tol=1e-5, warm_start=True)
        if self.recipe.classes:
            self.model.set_params(C=1 / (rows * strength))
        with warnings.catch_warnings(), config_context(assume_finite=True, skip_parameter_validation=True):
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model.fit(self.x, self.y, sample_weight=self.weight)
        return self._fold(np.atleast_2d(self.model.coef_), np.atleast_1d(self.model.intercept_))

    def _fold(self, weights: np.ndarray, bias: np.ndarray) -> Linear:
        """Weights on standardised columns (or components) as weights on the columns themselves."""
        if self.components is not None:
            weights = weights @ self.components
        weights = weights / self.scaler.scale_
        return Linear(weights, bias - weights @ self.scaler.mean_)


def folds(
    y: np.ndarray, groups: np.ndarray, count: int, recipe: Recipe
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split rows into folds of whole groups, classes spread evenly.

    Args:
        y: Labels (rows,).
        groups: int64 (rows,).
        count: Number of folds.
        recipe: Says whether labels are classes, and holds the seed.

    Returns:
        Training and held-out row numbers of each fold.
    """
    if recipe.classes:
        splitter = StratifiedGroupKFold(count, shuffle=True, random_state=recipe.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of classes with fewer rows than folds
            return list(splitter.split(np.zeros(len(y)), y, groups))
    people = np.unique(groups)
    held = KFold(count, shuffle=True, random_state=recipe.seed).split(people)
    return [
        (np.flatnonzero(~np.isin(groups, people[out])), np.flatnonzero(np.isin(groups, people[out])))
        for _, out in held
    ]


def most_folds(y: np.ndarray, groups: np.ndarray, recipe: Recipe) -> int:
    """Return the largest number of folds in which every class can be both learnt and held out."""
    if not recipe.classes:
        return len(np.unique(groups))
    pairs = np.unique(np.column_stack([y, groups]), axis=0)
    return int(np.bincount(pairs[:, 0], minlength=recipe.classes).min())


def choose_strength(x: np.ndarray, y: np.ndarray, groups: np.ndarray, recipe: Recipe) -> float:
    """Choose the penalty by folds of groups: least log loss (classes weighing alike), or squared error.

    Args:
        x, y: Rows to learn from (rows, features), (rows,).
        groups: int64 (rows,).
        recipe: How to fit.

    Returns:
        One of ``STRENGTHS``, the stronger of equals; a middle one where there are too few groups to try.
    """
    count = min(_INNER_FOLDS, most_folds(y, groups, recipe))
    if count < 2:
        return _MIDDLE
    losses, tried = np.zeros(len(STRENGTHS)), 0
    for train, held in folds(y, groups, count, recipe):
        fewest = min(len(train), x.shape[1])
        if recipe.classes and len(np.unique(y[train])) < recipe.classes:
            continue
        if recipe.components is not None and recipe.components > fewest:
            continue
        tried += 1
        trainer = Trainer(x[train], y[train], recipe)
        losses += [_loss(trainer.fit(strength), x[held], y[held], recipe) for strength in STRENGTHS]
    return float(STRENGTHS[int(np.argmin(losses))]) if tried else _MIDDLE


def fit(x: np.ndarray, y: np.ndarray, groups: np.ndarray, recipe: Recipe) -> tuple[Linear, float]:
    """Fit on all rows; return the model and the strength that folds of groups inside the rows chose."""
    strength = choose_strength(x, y, groups, recipe)
    return Trainer(x, y, recipe).fit(strength), strength


def _loss(model: Linear, x: np.ndarray, y: np.ndarray, recipe: Recipe) -> float:
    if not recipe.classes:
        return float(((model.outputs(x)[:, 0] - y) ** 2).sum())
    wrong = -np.log(np.maximum(model.probabilities(x)[np.arange(len(y)), y], 1e-12))
    weight = np.ones(len(y))
    if recipe.class_weight is not None:
        weight = 1 / np.bincount(y, minlength=recipe.classes)[y]
    return float((wrong * weight).sum() / weight.sum())
