"""Labels as what a probe learns: numbers, or classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lsm2.arguments import one_of
from lsm2.wording import counted

TASKS = ("auto", "classification", "regression")
MOST_CLASSES = 10  # distinct numbers that `auto` still takes for classes
_KINDS = {
    "string": "text",
    "boolean": "bools",
    "integer": "numbers",
    "floating": "numbers",
    "mixed-integer-float": "numbers",
    "decimal": "numbers",
}


@dataclass(frozen=True, eq=False)
class Target:
    """What a probe learns."""

    task: str  # classification or regression
    y: np.ndarray  # int64 codes of classes, or float64 numbers (rows,)
    classes: tuple[Any, ...]  # sorted; str, int, float or bool; () for regression


def read_target(values: pd.Series, task: str = "auto") -> Target:
    """Read labels as classes or numbers.

    Args:
        values: Labels without missing ones.
        task: ``auto``: text, bools, categories and at most ten distinct numbers (on average two labels or
            more for each) are classes, other numbers a regression; ``classification``; ``regression``.

    Returns:
        The task, the labels, and the classes; whole numbers are int classes, also where they come as floats.

    Raises:
        ValueError: An unknown task, one class only, text for a regression, infinite numbers, or labels that
            are neither text, numbers nor bools.

    >>> read_target(pd.Series([0.0, 1.0, 1.0])).classes, read_target(pd.Series([31.5, 47, 22.1])).task
    ((0, 1), 'regression')
    """
    one_of("task", task, TASKS)
    categorical = isinstance(values.dtype, pd.CategoricalDtype)
    values = values.astype(object)
    found = pd.api.types.infer_dtype(values, skipna=True)
    kind = _KINDS.get(found)
    if kind is None:
        raise ValueError(
            f"labels are {found} values, such as {_some(values)}; give text, numbers or bools, one kind only"
        )
    if kind == "numbers":
        numbers = values.to_numpy(np.float64)
        if not np.isfinite(numbers).all():
            infinite = int((~np.isfinite(numbers)).sum())
            raise ValueError(f"{counted(infinite, 'label is', 'labels are')} infinite; drop or correct such")
        if task == "auto":
            distinct = len(np.unique(numbers))
            few = distinct <= 2 or (distinct <= MOST_CLASSES and 2 * distinct <= len(numbers))
            task = "classification" if few or categorical else "regression"
        if task == "regression":
            if len(np.unique(numbers)) < 2:
                raise ValueError(f"all labels are {numbers[0]:g}; a regression needs different ones")
            return Target(task, numbers, ())
        whole = bool((numbers == np.rint(numbers)).all())
        values = pd.Series([int(x) if whole else float(x) for x in numbers], dtype=object)
    elif task == "regression":
        raise ValueError(
            f"labels are {kind}, such as {_some(values)}, and task='regression' needs numbers; use "
            "task='classification', or convert them"
        )
    plain = {"bools": bool, "text": str}.get(kind)
    classes = sorted({x if plain is None else plain(x) for x in values})
    if len(classes) < 2:
        raise ValueError(f"all labels are of one class, {classes[0]!r}; a probe needs two or more")
    if len(classes) > max(2, len(values) // 2):
        raise ValueError(
            f"{len(values)} labels are of {len(classes)} classes, such as {_some(values)}; a class needs "
            "several rows to learn from" + ("; use task='regression'" if kind == "numbers" else "")
        )
    code = {label: number for number, label in enumerate(classes)}
    return Target("classification", np.array([code[x] for x in values], np.int64), tuple(classes))


def _some(values: pd.Series) -> str:
    return ", ".join(map(repr, dict.fromkeys(values.tolist()[:3])))
