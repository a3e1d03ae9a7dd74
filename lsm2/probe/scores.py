"""Scores of out-of-fold predictions, with intervals from a bootstrap over participants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

DRAWS = 1000
Scorer = Callable[[np.ndarray], dict[str, np.ndarray]]
"""From weights of the people (draws, people) to each score (draws,)."""
_LEVEL = 95.0  # per cent
_CHUNK = 2_000_000  # numbers held at once


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Scores, and how they vary over draws of people."""

    value: dict[str, float]  # NaN where not defined
    drawn: dict[str, np.ndarray]  # (draws,) each
    people: int

    def intervals(self) -> dict[str, dict[str, float | None]]:
        """For each score ``value``, ``low`` and ``high`` (95 % interval); None where it is not defined."""
        found: dict[str, dict[str, float | None]] = {}
        for name, value in self.value.items():
            drawn = self.drawn[name][~np.isnan(self.drawn[name])]
            ends: Any = (np.nan, np.nan)
            if self.people > 1 and 2 * len(drawn) > DRAWS:
                ends = np.percentile(drawn, [50 - _LEVEL / 2, 50 + _LEVEL / 2])
            numbers = {"value": value, "low": ends[0], "high": ends[1]}
            found[name] = {key: None if np.isnan(x) else float(x) for key, x in numbers.items()}
        return found

    def minus(self, other: Bootstrap) -> Bootstrap:
        """How much higher each score is than the other's, paired: both of the same people and draws."""
        return Bootstrap(
            {name: value - other.value[name] for name, value in self.value.items()},
            {name: drawn - other.drawn[name] for name, drawn in self.drawn.items()},
            self.people,
        )


def classification(
    y: np.ndarray, probabilities: np.ndarray, people: np.ndarray, seed: int
) -> dict[str, dict[str, float | None]]:
    """Macro F1, AUROC (of the second class, or the mean of each class against the rest) and balanced
    accuracy.

    Args:
        y: Codes of true classes (rows,).
        probabilities: (rows, classes); the predicted class is the likeliest.
        people: int64 (rows,), whom the rows are of: whole people are drawn.
        seed: Of the draws.

    Returns:
        See :meth:`Bootstrap.intervals`.
    """
    return bootstrap(classification_scorer(y, probabilities, people), people, seed).intervals()


def classification_scorer(y: np.ndarray, probabilities: np.ndarray, people: np.ndarray) -> Scorer:
    """The scores of :func:`classification` for any weights of the people."""
    classes = probabilities.shape[1]
    cells = (people * classes + y) * classes + probabilities.argmax(axis=1)
    count = int(people.max()) + 1
    tables = np.bincount(cells, minlength=count * classes**2).reshape(count, -1)
    scored = (1,) if classes == 2 else range(classes)
    ranks = [(_Ranks(probabilities[:, one], y == one), people) for one in scored]

    def scores(draws: np.ndarray) -> dict[str, np.ndarray]:
        confusion = (draws @ tables).reshape(len(draws), classes, classes)
        with np.errstate(invalid="ignore", divide="ignore"):
            hits = np.diagonal(confusion, axis1=1, axis2=2)
            true, said = confusion.sum(2), confusion.sum(1)
            f1 = np.nanmean(2 * hits / (true + said), axis=1)
            recall = np.nanmean(hits / true, axis=1)
            area = np.mean([rank.area(draws[:, whose]) for rank, whose in ranks], axis=0)
        return {"macro_f1": f1, "auroc": area, "balanced_accuracy": recall}

    return scores


def regression(
    y: np.ndarray, predicted: np.ndarray, people: np.ndarray, seed: int
) -> dict[str, dict[str, float | None]]:
    """Pearson r, mean absolute error and R2; arguments and return as for :func:`classification`."""
    return bootstrap(regression_scorer(y, predicted, people), people, seed).intervals()


def regression_scorer(y: np.ndarray, predicted: np.ndarray, people: np.ndarray) -> Scorer:
    """The scores of :func:`regression` for any weights of the people."""
    centre = y.mean()
    a, b = y - centre, predicted - centre
    terms = np.stack([np.ones_like(a), a, b, a * a, b * b, a * b, np.abs(a - b)])
    count = int(people.max()) + 1
    sums = np.stack([np.bincount(people, term, minlength=count) for term in terms], axis=1)

    def scores(draws: np.ndarray) -> dict[str, np.ndarray]:
        n, sa, sb, saa, sbb, sab, off = (draws @ sums).T
        with np.errstate(invalid="ignore", divide="ignore"):
            va, vb = saa - sa * sa / n, sbb - sb * sb / n
            va, vb = (np.where(v > 1e-12 * np.maximum(n, 1), v, np.nan) for v in (va, vb))
            r = np.clip((sab - sa * sb / n) / np.sqrt(va * vb), -1, 1)
            return {"pearson_r": r, "mae": off / n, "r2": 1 - (saa - 2 * sab + sbb) / va}

    return scores


class _Ranks:
    """Scores in order, for areas under the ROC curve of any weights of the rows."""

    def __init__(self, scores: np.ndarray, positive: np.ndarray) -> None:
        self.order = np.argsort(scores, kind="stable")
        ordered = scores[self.order]
        self.opens = np.flatnonzero(np.diff(ordered, prepend=-np.inf))  # where a new score begins
        self.positive = positive[self.order]

    def area(self, weights: np.ndarray) -> np.ndarray:
        """Areas (draws,) for weights of the rows (draws, rows); ties count half."""
        weights = weights[:, self.order]
        up = np.add.reduceat(np.where(self.positive, weights, 0), self.opens, axis=1)
        down = np.add.reduceat(np.where(self.positive, 0, weights), self.opens, axis=1)
        below = np.cumsum(down, axis=1) - down
        pairs = up.sum(1) * down.sum(1)
        return np.asarray((up * (below + down / 2)).sum(1) / np.where(pairs > 0, pairs, np.nan))


def scorer(y: np.ndarray, predicted: np.ndarray, people: np.ndarray) -> Scorer:
    """The scores of probabilities (rows, classes), or of numbers (rows, 1)."""
    if predicted.shape[1] > 1:
        return classification_scorer(y.astype(np.int64), predicted, people)
    return regression_scorer(y.astype(np.float64), predicted[:, 0], people)


def dummy(y: np.ndarray, classes: int) -> np.ndarray:
    """What a constant predicts: all for the most frequent class (rows, classes), or the mean (rows, 1)."""
    if not classes:
        return np.full((len(y), 1), y.mean())
    return np.tile(np.eye(classes)[np.bincount(y).argmax()], (len(y), 1))


def bootstrap(scores: Scorer, whose: np.ndarray, seed: int) -> Bootstrap:
    """Scores of all people as they are, and of draws of as many people with replacement.

    Args:
        scores: Of the rows.
        whose: int64 (rows,), whom the rows are of; equal ones give the same draws, so that they pair.
        seed: Of the draws.
    """
    people = int(whose.max()) + 1
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(people, np.full(people, 1 / people), size=DRAWS).astype(np.float64)
    step = max(1, _CHUNK // max(len(whose), 1))
    parts = [scores(draws[first : first + step]) for first in range(0, DRAWS, step)]
    value = values(scores, whose)
    return Bootstrap(value, {name: np.concatenate([part[name] for part in parts]) for name in value}, people)


def values(scores: Scorer, whose: np.ndarray) -> dict[str, float]:
    """Scores of all people as they are; NaN where not defined."""
    everyone = np.ones((1, int(whose.max()) + 1))
    return {name: float(value[0]) for name, value in scores(everyone).items()}
