"""What the rows of a table are about: a participant, a day, a time, an interval.

Tables of embeddings and of labels say so by columns or by index levels; rows are matched by these keys, never
by their position.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lsm2.channels import plain_name
from lsm2.days import as_times, names_people

PARTICIPANT = "participant_id"
KEYS = (PARTICIPANT, "date", "timestamp", "channel", "start", "end")
_TIMES = ("date", "timestamp", "start", "end")


@dataclass(frozen=True, eq=False)
class Keys:
    """Keys of each row, by name, in the order of ``KEYS``."""

    values: dict[str, pd.Index]  # ids with their own dtype, times as timestamps
    columns: tuple[Any, ...]  # labels of columns that hold keys
    count: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the keys that are there."""
        return tuple(self.values)

    @property
    def level(self) -> str | None:
        """The level of a table with these keys, such as ``day``; None if they say nothing."""
        for key, level in (
            ("start", "window"),
            ("channel", "token"),
            ("timestamp", "hour"),
            ("date", "day"),
            (PARTICIPANT, "participant"),
        ):
            if key in self.values:
                return level
        return None

    def index(self) -> pd.Index:
        """Return the keys as an index."""
        if len(self.values) == 1:
            ((name, values),) = self.values.items()
            return values.rename(name)
        return pd.MultiIndex.from_arrays(list(self.values.values()), names=list(self.values))

    def rows(self, names: Iterable[str]) -> list[tuple[Any, ...]]:
        """Return each row's keys of these names, to be compared; a date may be that of a timestamp."""
        return list(zip(*(self._plain(name) for name in names), strict=True))

    def take(self, rows: np.ndarray) -> Keys:
        """Return the keys of some rows."""
        return Keys({k: v.take(rows) for k, v in self.values.items()}, self.columns, len(rows))

    def sorted_rows(self) -> np.ndarray:
        """Return the row numbers in an order that does not depend on that of the table."""
        names = [name for name in self.values if name != PARTICIPANT]
        columns: list[Any] = [self._plain(name) for name in reversed(names)]
        if PARTICIPANT in self.values:
            columns.append(sortable(self.values[PARTICIPANT]))
        return np.lexsort([np.asarray(column) for column in columns]) if columns else np.arange(self.count)

    def _plain(self, name: str) -> Sequence[Any]:
        if name == "date":
            times = self.values["date" if "date" in self.values else "timestamp"]
            days = pd.DatetimeIndex(times).tz_localize(None).normalize()
            return days.as_unit("s").asi8.tolist()
        if name in _TIMES:
            return pd.DatetimeIndex(self.values[name]).as_unit("us").asi8.tolist()
        return self.values[name].astype(object).tolist()


def sortable(ids: pd.Index) -> np.ndarray:
    """Return ids of any type as text that sorts, numbers apart from text."""
    return np.array([f"{type(one).__name__}:{one}" for one in ids.astype(object)], dtype=object).astype(str)


def read_keys(frame: pd.DataFrame, participant: str, what: str, values: Collection[Any] = ()) -> Keys:
    """Read what the rows of a table are about.

    Columns and index levels count by name (``participant_id`` or the name given, ``date``, ``timestamp``,
    ``channel``, ``start``, ``end``). Of index levels with other names or none, the first that holds no
    timestamps is the participant; timestamps are a date where all are midnights; two of them are an interval.
    Row numbers are nobody's ids.

    Args:
        frame: The table.
        participant: Another name of the participants.
        what: Of the table, for messages.
        values: Columns that are known to hold something else.

    Raises:
        FrameError: A time is missing or cannot be read.
    """
    names = {plain_name(key): key for key in KEYS} | {plain_name(participant): PARTICIPANT}
    found: dict[str, tuple[str, pd.Index]] = {}
    columns = []
    for label in frame.columns:
        key = names.get(plain_name(label))
        if key is not None and key not in found:
            found[key] = f"column {label!r} of the {what}", pd.Index(frame[label], dtype=frame[label].dtype)
            columns.append(label)
    others, index = [], frame.index
    for level in range(index.nlevels):
        values = index.get_level_values(level)
        key = None if values.name is None else names.get(plain_name(values.name))
        if key is None:
            others.append(values)
        elif key not in found:
            found[key] = f"the index of the {what}", values
    if not _numbers_rows(frame, values):
        found |= _guess(others, found, f"the index of the {what}")
    read: dict[str, pd.Index] = {}
    for key in KEYS:
        if key in found:
            where, held = found[key]
            read[key] = as_times(held, where) if key in _TIMES else held
    return Keys(read, tuple(columns), len(frame))


def _numbers_rows(frame: pd.DataFrame, values: Collection[Any] = ()) -> bool:
    """Whether the index of a table may be its row numbers: from 0 on, or whole numbers without a name beside
    a column whose name speaks of people, other than those of ``values``.
    """
    index = frame.index
    if index.nlevels > 1 or index.name is not None or not pd.api.types.is_integer_dtype(index.dtype):
        return False
    counted = isinstance(index, pd.RangeIndex) and (index.start, index.step) == (0, 1)
    return counted or any(names_people(label) for label in frame.columns if label not in values)


def _guess(
    levels: list[pd.Index], found: dict[str, tuple[str, pd.Index]], where: str
) -> dict[str, tuple[str, pd.Index]]:
    guessed: dict[str, tuple[str, pd.Index]] = {}
    times = []
    for values in levels:
        timed = isinstance(values, (pd.DatetimeIndex, pd.PeriodIndex))
        if not timed and PARTICIPANT not in found and PARTICIPANT not in guessed:
            guessed[PARTICIPANT] = where, values
        elif timed or PARTICIPANT in guessed:
            times.append(values)
    if any(key in found for key in _TIMES) or len(times) > 2:
        return guessed
    if len(times) == 2:
        return guessed | {"start": (where, times[0]), "end": (where, times[1])}
    for values in times:
        parsed = as_times(values, where)
        midnights = bool((parsed == parsed.normalize()).all())
        guessed["date" if midnights else "timestamp"] = where, parsed
    return guessed
