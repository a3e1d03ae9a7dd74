"""A part's table, computed so that a participant whose data fail is named and the others are answered."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lsm2.days import DAY, PARTICIPANT, TIMESTAMP, raw_keys
from lsm2.scale.partition import Partition
from lsm2.wording import counted

SAMPLE = "sample"
_MOST_SHARES = 100_000
"""Joined tables of more days go without ``.attrs["observed"]``: pandas copies it at every step, and parquet
files whose metadata hold millions of numbers cannot be opened.
"""


class PartitionError(ValueError):
    """Participants that could not be computed; ``errors`` maps each to what was wrong."""

    def __init__(self, errors: dict[Any, str], note: str = "") -> None:
        self.errors = errors
        first, message = next(iter(errors.items()))
        whose = "" if first is None else f"participant {first!r}: "
        more = f" ({counted(len(errors) - 1, 'more participant')} failed)" if len(errors) > 1 else ""
        super().__init__(f"{whose}{message.removesuffix('.')}{more}{note}")

    def __reduce__(self) -> tuple[Any, ...]:
        return PartitionError, (self.errors,)


@dataclass
class Outcome:
    """What became of a part."""

    tables: list[pd.DataFrame] = field(default_factory=list)
    errors: dict[Any, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Group:
    """Whole participants of a recording."""

    people: list[Any]
    rows: np.ndarray | None
    """Their positions; None for all."""

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Their rows."""
        return frame if self.rows is None else frame.iloc[self.rows]


def divide(frame: pd.DataFrame, options: dict[str, Any], most_days: float) -> list[Group]:
    """Cut a recording into groups of whole participants of about so many days, in order of appearance.

    Args:
        frame: A recording.
        options: Of the call, for the names of its columns.
        most_days: A participant with more is a group alone; 0 makes every participant one.
    """
    ids, times = raw_keys(
        frame,
        participant=options.get("participant", PARTICIPANT),
        timestamp=options.get("timestamp", TIMESTAMP),
    )
    if ids is None or len(frame) == 0:
        return [Group([None], None)]
    codes, people = pd.factorize(ids)
    if (codes < 0).any():
        return [Group([None], None)]  # the model says which rows have no participant
    days = _day_counts(codes, times, len(people))
    groups = np.zeros(len(people), np.int64)
    held = 0.0
    for person in range(1, len(people)):
        held += days[person - 1]
        fits = held + days[person] <= most_days
        groups[person] = groups[person - 1] + (not fits)
        held = held if fits else 0.0
    if groups[-1] == 0:
        return [Group(list(people), None)]
    order = np.argsort(groups[codes], kind="stable")
    cuts = np.searchsorted(groups[codes][order], np.arange(1, groups[-1] + 1))
    return [Group(list(people[groups == number]), rows) for number, rows in enumerate(np.split(order, cuts))]


def _day_counts(codes: np.ndarray, times: pd.Index, people: int) -> np.ndarray:
    """Days of each participant: by date where times are timestamps, and never fewer than rows for them."""
    rows = np.bincount(codes, minlength=people) / DAY
    if not isinstance(times, pd.DatetimeIndex):
        return rows
    date = times.asi8 // (86_400 * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[times.unit])
    pairs = pd.DataFrame({"person": codes, "date": date}).drop_duplicates()
    return np.maximum(rows, np.bincount(pairs["person"], minlength=people))


def _as_it_is(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def compute(
    partition: Partition,
    frame: pd.DataFrame,
    most_days: float,
    read: Callable[[pd.DataFrame], pd.DataFrame] = _as_it_is,
) -> Outcome:
    """Answer a frame of whole participants; who fails is found by trying each alone.

    Args:
        partition: What to answer.
        frame: A recording.
        most_days: About so many at once.
        read: Makes a recording of a part of the frame.
    """
    outcome = Outcome()
    for group in divide(frame, partition.options, most_days):
        piece = group.of(frame)
        try:
            outcome.tables.append(heard_table(partition, read(piece), outcome.warnings))
        except Exception as error:
            if len(group.people) == 1:
                outcome.errors[group.people[0]] = _said(error)
                continue
            alone = compute_singly(partition, piece, read)
            outcome.tables += alone.tables
            outcome.errors |= alone.errors
            outcome.warnings += alone.warnings
    return outcome


def compute_singly(
    partition: Partition,
    frame: pd.DataFrame,
    read: Callable[[pd.DataFrame], pd.DataFrame],
    begin: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Answer a frame of whole participants one by one.

    Args:
        partition, frame, read: As for :func:`compute`.
        begin: Called with the position of each participant before it is computed; raises where it is not to
            be.
    """
    outcome = Outcome()
    for number, group in enumerate(divide(frame, partition.options, 0)):
        try:
            begin(number)
            outcome.tables.append(heard_table(partition, read(group.of(frame)), outcome.warnings))
        except Exception as error:
            outcome.errors[group.people[0]] = _said(error)
    return outcome


def heard_table(
    partition: Partition, frame: pd.DataFrame, heard: list[str], *, every: bool = False
) -> pd.DataFrame:
    """The table, for all events or those of the frame's people; its warnings are kept if it succeeds."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        table = partition.model_answer(frame) if every else partition.table(frame)
    heard += [str(one.message) for one in caught if issubclass(one.category, UserWarning)]
    return table


def _said(error: Exception) -> str:
    plain = isinstance(error, (ValueError, TypeError))
    return str(error) if plain else f"{type(error).__name__}: {error}"


def join(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Join the tables of parts, in their order; samples are put together by their number."""
    tables = list(tables)
    filled = [table for table in tables if len(table)] or tables[:1]
    table = filled[0] if len(filled) == 1 else pd.concat(filled)
    if table.index.nlevels > 1 and table.index.names[0] == SAMPLE and len(filled) > 1:
        table = table.iloc[np.argsort(table.index.get_level_values(0), kind="stable")]
    table.attrs = join_attrs(one.attrs for one in tables)
    return table


def join_attrs(parts: Iterable[Mapping[Any, Any]]) -> dict[Any, Any]:
    """Join the ``.attrs`` of tables: observed shares in turn, predicted columns that all have."""
    every = list(parts)
    result = dict(every[0]) if every else {}
    if "observed" in result:
        result["observed"] = [share for attrs in every for share in attrs.get("observed", ())]
        if len(result["observed"]) > _MOST_SHARES or any("observed" not in attrs for attrs in every):
            del result["observed"]
    if "predicted" in result:
        result["predicted"] = [
            name for name in result["predicted"] if all(name in attrs["predicted"] for attrs in every)
        ]
    return result


def warn_once(trial: Iterable[str], parts: Iterable[str] = (), stacklevel: int = 5) -> None:
    """Warn once of what the trial without rows said, and of what parts said alike but for their numbers."""
    kinds: dict[str, list[str]] = {_kind(message): [message] for message in trial}
    known = set(kinds)
    for message in parts:
        if _kind(message) not in known:
            kinds.setdefault(_kind(message), []).append(message)
    for alike in kinds.values():
        more = f" (and the like in {counted(len(alike) - 1, 'other part')})" if len(alike) > 1 else ""
        warnings.warn(alike[0] + more, UserWarning, stacklevel=stacklevel)


def _kind(message: str) -> str:
    """A message without its numbers, and without what says one or several: "1 row is", "2 rows are"."""
    return re.sub(r"[\d.]+(?: (\w+?)s? (?:is|are)\b)?", r"# \1", message)


def row_counts(table: pd.DataFrame, people: Iterable[Any]) -> Iterator[tuple[Any, int]]:
    """How many rows of a table each participant has."""
    if PARTICIPANT not in table.index.names:
        yield from ((one, len(table)) for one in people)
        return
    counts = table.index.get_level_values(PARTICIPANT).value_counts()
    for one in people:
        yield one, int(counts.get(one, 0))
