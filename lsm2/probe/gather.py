"""From data and labels to rows to learn from: embedded, matched, in an order of their own."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lsm2.days import FrameError
from lsm2.model import Model
from lsm2.probe.embeddings import Embeddings, read_embeddings
from lsm2.probe.fit import Rows
from lsm2.probe.keys import PARTICIPANT, sortable
from lsm2.probe.labels import Labels, match, read_labels
from lsm2.probe.targets import read_target
from lsm2.wording import counted


@dataclass(frozen=True, eq=False)
class Gathered:
    """Rows to learn from."""

    rows: Rows  # in an order that does not depend on that of the data
    order: np.ndarray  # int64 (rows,), position among the rows in the order of the data
    kept: np.ndarray  # int64 (rows,), positions of the rows in the data, ascending
    index: pd.Index  # in the order of the data
    labels: np.ndarray  # object (rows,), in the order of the data
    features: tuple[str, ...]


def embed_labelled(
    data: pd.DataFrame, labels: Labels, level: str | None, model: Model, participant: str, **options: Any
) -> tuple[Embeddings, str]:
    """Embed recordings at the level that the labels mean; return the embeddings and the level.

    Raises:
        FrameError: The labels are no intervals, and the level is ``window``.
    """
    level = level or labels.level()
    if (level == "window") != ("start" in labels.keys.names):
        raise FrameError(
            f"labels by {', '.join(labels.keys.names) or 'nothing'} do not go with level={level!r} of "
            "recordings: intervals (participant_id, start, end) go with level='window', and nothing else does"
        )
    events = labels.events() if level == "window" else None
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=".*have no observed token"
        )  # counted among what is left out
        table = model.embed(data, level=level, events=events, participant=participant, **options)  # type: ignore[arg-type]
    return read_embeddings(table), level


def read_labelled(data: pd.DataFrame, level: str | None, participant: str) -> tuple[Embeddings, str]:
    """Read embeddings, whose level must be the one asked for; return them and their level.

    Raises:
        FrameError: They are of another level, or do not say of which.
    """
    found = read_embeddings(data, participant=participant)
    if found.level is None:
        raise FrameError(
            "the embeddings do not say what their rows are about; index them as embed does, by "
            "participant_id, date, ..."
        )
    if level is not None and level != found.level:
        raise FrameError(
            f"the embeddings are by {found.level}, not by level={level!r}; leave it out, or embed again"
        )
    return found, found.level


def gather(embeddings: Embeddings, labels: Labels, level: str, task: str, groups: Any) -> Gathered:
    """Match embeddings and labels, and leave out what lacks either; one warning counts it.

    Args:
        embeddings: Of ``level``.
        labels: Of the same level or of whole participants or days.
        level: What a row stands for.
        task: ``auto``, ``classification`` or ``regression``.
        groups: None for participants, the name of a column of the labels, or a Series or mapping with keys
            like those of labels.

    Raises:
        FrameError: Nothing matches, or a row has no group.
        ValueError: The labels cannot be learnt; see :func:`lsm2.probe.targets.read_target`.
    """
    features = tuple(embeddings.frame.columns)
    position = match(labels.keys, embeddings.keys, level)
    x = embeddings.values(features)
    blank = np.isnan(x).any(axis=1)
    labelled = position >= 0
    counts = (
        (labels.missing, "missing label", "(NaN)"),
        (len(labels.values) - len(np.unique(position[labelled])), "label", "without data"),
        (int((~labelled).sum()), "row", "of data without a label"),
        (int((labelled & blank).sum()), "labelled row", "without an embedding (NaN)"),
    )
    left_out = ", ".join(f"{counted(count, what)} {why}" for count, what, why in counts if count)
    kept = np.flatnonzero(labelled & ~blank)
    if len(kept) == 0:
        raise FrameError(
            f"none of {counted(len(x), 'row')} of data has both a label and an embedding: {left_out}"
        )
    if left_out:
        warnings.warn(f"left out: {left_out}", UserWarning, stacklevel=3)
    keys, position = embeddings.keys.take(kept), position[kept]
    used, inverse = np.unique(position, return_inverse=True)
    target = read_target(labels.values.iloc[used], task)
    people = np.zeros(len(kept), np.int64)
    if PARTICIPANT in keys.names:
        people = np.unique(sortable(keys.values[PARTICIPANT]), return_inverse=True)[1]
    grouped = people if groups is None else _groups(groups, labels, position, embeddings, kept, level)
    if groups is not None and people.max() and len(np.unique(people)) < len(_pairs(people, grouped)):
        warnings.warn(
            "some participants are in several groups, so that the folds test on people who were trained on; "
            "the scores are not of people unseen",
            UserWarning,
            stacklevel=3,
        )
    whole = Rows(
        x[kept],
        type(target)(target.task, target.y[inverse], target.classes),
        people,
        grouped,
        "participants" if groups is None else "groups",
    )
    order = keys.sorted_rows()
    return Gathered(
        whole.take(order),
        order,
        kept,
        embeddings.frame.index[kept],
        labels.values.astype(object).to_numpy()[position],
        features,
    )


def _groups(
    groups: Any, labels: Labels, position: np.ndarray, embeddings: Embeddings, kept: np.ndarray, level: str
) -> np.ndarray:
    """The group of each kept row, int64."""
    if isinstance(groups, str):
        if labels.groups is None:
            raise FrameError(f"groups={groups!r} names a column, and the labels are no frame; pass a Series")
        held = labels.groups[position]
    elif isinstance(groups, (pd.Series, Mapping)):
        read = read_labels(groups)
        found = match(read.keys, embeddings.keys.take(kept), level, "groups")
        held = np.array([*read.values.tolist(), None], dtype=object)[found]  # -1: none
    else:
        raise TypeError(
            "groups is the name of a column of the labels, or a Series or mapping with keys like theirs, not "
            f"{type(groups).__name__}"
        )
    missing = pd.isna(pd.Series(held, dtype=object)).to_numpy()
    if missing.any():
        raise FrameError(f"{int(missing.sum())} of {len(held)} labelled rows have no group; give each one")
    return np.unique(sortable(pd.Index(held, dtype=object)), return_inverse=True)[1]


def _pairs(people: np.ndarray, groups: np.ndarray) -> np.ndarray:
    return np.unique(np.column_stack([people, groups]), axis=0)
