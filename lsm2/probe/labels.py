"""Labels and the rows of data that they are about, matched by participant and time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lsm2.channels import listing, nearest
from lsm2.days import FrameError
from lsm2.probe.keys import KEYS, PARTICIPANT, Keys, read_keys

# The keys by which labels may name rows of each level; fewer keys mean that rows share a label.
_FITTING = {
    "participant": ({PARTICIPANT},),
    "day": ({PARTICIPANT}, {PARTICIPANT, "date"}, {"date"}),
    "hour": ({PARTICIPANT}, {PARTICIPANT, "date"}, {"date"}, {PARTICIPANT, "timestamp"}, {"timestamp"}),
    "token": (
        {PARTICIPANT},
        {PARTICIPANT, "date"},
        {"date"},
        {PARTICIPANT, "timestamp"},
        {"timestamp"},
        {PARTICIPANT, "timestamp", "channel"},
        {"timestamp", "channel"},
    ),
    "window": ({PARTICIPANT}, {PARTICIPANT, "start", "end"}, {"start", "end"}),
}


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels, one for each combination of keys, none missing."""

    name: str | None
    keys: Keys
    values: pd.Series  # (labels,), with a plain index
    groups: np.ndarray | None  # object (labels,), where a column of the labels holds them
    missing: int  # labels that were NaN

    def level(self) -> str:
        """The level that the keys mean.

        Raises:
            FrameError: The keys may mean several.
        """
        level = self.keys.level
        if level is None:
            raise FrameError(
                "labels say nothing of what they are about; index them by participant, by (participant, "
                "date), or give columns participant_id, start and end"
            )
        if level in ("hour", "token"):
            raise FrameError(
                "labels are by timestamp; say with level='hour' or level='token' which rows they are about"
            )
        return level

    def events(self) -> pd.DataFrame:
        """The intervals that the labels are about, in their order."""
        return pd.DataFrame(self.keys.values)


def read_labels(
    labels: Any, *, label: str | None = None, groups: Any = None, participant: str = PARTICIPANT
) -> Labels:
    """Read labels from a Series, a mapping {participant: label}, or a frame.

    Args:
        labels: A Series indexed by participant, (participant, date) or (participant, start, end), or a frame
            with these as index or columns and the labels in a column.
        label: The frame's column of labels; None for ``"label"``, or the only column that is left.
        groups: The name of a column of groups in the frame; anything else is left alone.
        participant: Another name of the participants.

    Raises:
        TypeError: ``labels`` is none of these.
        FrameError: Nothing says whom the labels are about, the column of labels is not clear, all labels are
            missing, one thing has two labels, or a time cannot be read.
    """
    if isinstance(labels, Mapping):
        labels = pd.Series(labels)
        if labels.index.nlevels == 1:
            labels = labels.rename_axis(PARTICIPANT)
    if isinstance(labels, pd.Series):
        frame = labels.rename("label" if label is None else label).to_frame()
        named, name = frame.columns[0], None if labels.name is None else str(labels.name)
    elif isinstance(labels, pd.DataFrame):
        frame, named = labels, None
    else:
        raise TypeError(f"labels must be a Series, a frame or a mapping, not {type(labels).__name__}")
    group_column = groups if isinstance(groups, str) else None
    keys = read_keys(frame, participant, "labels", (label if named is None else named, group_column))
    if not keys.names:  # whose index are row numbers
        raise FrameError(
            f"labels say nothing of whom they are about: they have columns {listing(frame.columns)} and row "
            f"numbers for an index. Index them by participant, or call their column {PARTICIPANT!r}; if the "
            "row numbers are the participants' ids, say so by "
            f"labels.rename_axis({PARTICIPANT!r})"
        )
    if group_column is not None and group_column not in frame.columns:
        raise FrameError(
            f"groups={group_column!r} is no column of the labels{nearest(group_column, frame.columns)}; they "
            f"have {listing(frame.columns)}"
        )
    if named is None:
        named = _label_column(frame, keys, label, group_column)
        name = str(named)
    values = frame[named].reset_index(drop=True)
    of_group = None if group_column is None else frame[group_column].astype(object).to_numpy()
    there = np.flatnonzero(values.notna().to_numpy())
    if len(values) == 0:
        raise FrameError("there are no labels: the table of labels is empty")
    if len(there) == 0:
        raise FrameError(f"all {len(values)} labels are missing (NaN) in {named!r}")
    found = Labels(
        name,
        keys.take(there),
        values.iloc[there].reset_index(drop=True),
        None if of_group is None else of_group[there],
        len(values) - len(there),
    )
    return _without_doubles(found)


def _label_column(frame: pd.DataFrame, keys: Keys, label: str | None, groups: str | None) -> Any:
    if label is not None:
        if label not in frame.columns:
            raise FrameError(
                f"label={label!r} is no column of the labels{nearest(label, frame.columns)}; they have "
                f"{listing(frame.columns)}"
            )
        return label
    others = [column for column in frame.columns if column not in keys.columns and column != groups]
    if "label" in others:
        return "label"
    if len(others) != 1:
        have = f"they have {listing(others)}" if others else "there is none beside the keys"
        raise FrameError(f"which column of the labels holds the label? Name it with label='...'; {have}")
    return others[0]


def _without_doubles(labels: Labels) -> Labels:
    """Keep the first of equal labels of one thing."""
    first: dict[tuple[Any, ...], int] = {}
    values = labels.values.astype(object).to_numpy()
    for row, key in enumerate(labels.keys.rows(labels.keys.names)):
        kept = first.setdefault(key, row)
        if values[kept] != values[row]:
            shown = ", ".join(f"{name} {v[row]}" for name, v in labels.keys.values.items())
            raise FrameError(
                f"labels contradict each other: {shown} is labelled {values[kept]!r} and {values[row]!r}; "
                "keep one label of each"
            )
    if not labels.keys.names or len(first) == len(values):
        return labels
    rows = np.array(list(first.values()))
    return replace(
        labels,
        keys=labels.keys.take(rows),
        values=labels.values.iloc[rows].reset_index(drop=True),
        groups=None if labels.groups is None else labels.groups[rows],
    )


def match(labels: Keys, rows: Keys, level: str, what: str = "labels") -> np.ndarray:
    """Find the label of each row of data.

    Args:
        labels: Keys of the labels, each combination once.
        rows: Keys of the data.
        level: Of the data.
        what: Of the labels, for messages.

    Returns:
        int64 (rows,), position of the label, or -1.

    Raises:
        FrameError: The labels' keys are not those of rows of this level, or nothing matches.
    """
    names = set(labels.names)
    fitting = _FITTING[level]
    if PARTICIPANT in names and PARTICIPANT not in rows.names and labels.values[PARTICIPANT].nunique() == 1:
        names -= {PARTICIPANT}  # the only one's labels, and data that names nobody
    if names not in fitting:
        raise FrameError(
            f"{what} are by {listing(labels.names) or 'nothing'}, and the data's rows by "
            f"{listing(rows.names) or 'nothing'} (level {level!r}); "
            + (
                "give intervals recordings, or embed(level='window', events=...)"
                if "start" in names
                else f"{what} of this level are by " + " or by ".join(_shown(keys) for keys in fitting)
            )
        )
    if PARTICIPANT not in names and PARTICIPANT in rows.names and rows.values[PARTICIPANT].nunique() > 1:
        raise FrameError(
            f"{what} are by {listing(labels.names)} and name no participant, and the data has "
            f"{rows.values[PARTICIPANT].nunique()}; add {PARTICIPANT} to the {what}"
        )
    if PARTICIPANT in names and PARTICIPANT not in rows.names:
        raise FrameError(
            f"{what} name participants, and the data names none; give it a column or index {PARTICIPANT!r}"
        )
    ordered = [key for key in KEYS if key in names]
    where = {key: number for number, key in enumerate(labels.rows(ordered))}
    found = np.array([where.get(key, -1) for key in rows.rows(ordered)], dtype=np.int64)
    if len(found) and (found < 0).all():
        examples = [_example(keys, ordered) for keys in (labels, rows)]
        raise FrameError(
            f"no row of the data has one of the {what}: {what} are of {examples[0]}, data of {examples[1]}; "
            "give both the same ids, of the same type, and the same dates"
        )
    return found


def _shown(keys: set[str]) -> str:
    return "(" + ", ".join(key for key in KEYS if key in keys) + ")" if len(keys) > 1 else next(iter(keys))


def _example(keys: Keys, names: list[str]) -> str:
    parts = []
    for name in names:
        values = keys.values.get(name, keys.values.get("timestamp"))
        one = values.astype(object)[0] if values is not None else None
        parts.append(f"{name} {str(one) if hasattr(one, 'isoformat') else repr(one)} ({values.dtype})")  # type: ignore[union-attr]
    return ", ".join(parts)
