"""From a frame to days: ids, time zones, aggregation to minutes, range checks."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lsm2.channels import Schema, listing
from lsm2.days.clock import DAY
from lsm2.days.days import Column, Days, Origin
from lsm2.days.doubts import check_times, warn_of_doubts
from lsm2.days.keys import PARTICIPANT, TIMESTAMP, FrameError, Keys, names_people, read_keys
from lsm2.days.values import as_floats, drop_zeros, keep_valid, own_limits, to_canonical
from lsm2.wording import counted


def read_days(
    data: pd.DataFrame,
    schema: Schema,
    *,
    columns: Mapping[Any, str] | None = None,
    units: Mapping[str, str] | None = None,
    tz: Any = None,
    participant: str = PARTICIPANT,
    timestamp: str = TIMESTAMP,
    keep_zeros: bool = False,
) -> Days:
    """Read a recording: one participant by a DatetimeIndex, several by a MultiIndex or by columns.

    Rows may be unsorted, sparse, finer than a minute (aggregated by each channel's rule) or doubled (rows
    with the same participant, timestamp and values count once; of other values, means are taken and counts
    are added up, with a warning). NaN, None, inf and values outside a channel's
    valid range are missing. The frame is not modified.

    Args:
        data: The recording.
        schema: The channels to read; other columns are ignored with one warning.
        columns: {column of the frame: channel}, for columns whose names say nothing.
        units: {channel: unit or device}, for columns that are not in the channel's own unit.
        tz: Zone whose wall clock cuts the days of tz-aware timestamps: a zone, the name of a column, or
            {participant: zone}. Without it, the timestamps' own.
        participant: Name of the column or index level of participants.
        timestamp: Name of the column or index level of timestamps.
        keep_zeros: Leave the schema's zero rules out. By them, `values` holds NaN for zeros that mean that
            nothing was recorded; the way back still returns them as they are.

    Raises:
        FrameError: The frame has no time information, rows that crowd in a few minutes of 1970, a row without
            time or participant, a column without numbers, or rows of several people and a column that tells
            them apart but is not named.
        ChannelError: No column, or two columns, hold a channel; a channel or a unit is not known.

    >>> times = pd.date_range("2024-03-01 23:58", periods=4, freq="min")
    >>> frame = pd.DataFrame({"HR": [61, 62, None, 64]}, index=times)
    >>> days = read_days(frame, Schema.from_names(["heart_rate"]))
    >>> days.date.astype(str).tolist(), days.values.shape, days.values[0, 0, -2:].tolist()
    (['2024-03-01', '2024-03-02'], (2, 1, 1440), [61.0, 62.0])
    """
    _check_types(data, columns, units)
    conversions = schema.conversions(units)
    keys = read_keys(data, tz=tz, participant=participant, timestamp=timestamp)
    check_times(keys)
    found, unknown = schema.resolve([label for label in data.columns if label not in keys.columns], columns)
    if unknown:
        warnings.warn(
            f"{counted(len(unknown), 'column is', 'columns are')} no channel of this model, ignored: "
            f"{listing(unknown)}{schema.closest(unknown, found, cutoff=0.8)}. "
            "To use one, map it with columns={'your column': 'channel'}.",
            UserWarning,
            stacklevel=2,
        )
    read = [_read_column(data, schema, position, label, conversions) for position, label in found.items()]
    minutes = _minutes(keys)
    if minutes is not None:
        minutes = _drop_doubled(keys, minutes, [column for column, _ in read], data, unknown)
        read = [_merge(column, count, schema, minutes) for column, count in read]
    _warn_outside(read)
    columns_read = tuple(column for column, _ in read)
    outside = sum(count for _, count in read)
    days = _assemble(schema, keys, minutes, columns_read, outside, dict(data.attrs))
    warn_of_doubts(days)
    if not keep_zeros:
        drop_zeros(days.values, schema)
    return days


def _check_types(data: object, columns: object, units: object) -> None:
    if not isinstance(data, pd.DataFrame):
        hint = " Use series.to_frame()." if isinstance(data, pd.Series) else ""
        hint = " Files are for lsm2.embed(path) and others." if isinstance(data, (str, Path)) else hint
        raise TypeError(f"data must be a pandas DataFrame, not {type(data).__name__}.{hint}")
    for name, value in (("columns", columns), ("units", units)):
        if value is not None and not isinstance(value, Mapping):
            example = "{'your column': 'heart_rate'}" if name == "columns" else "{'distance': 'km'}"
            raise TypeError(f"{name}= must be a mapping such as {example}, not {type(value).__name__}")


def _read_column(
    data: pd.DataFrame,
    schema: Schema,
    position: int,
    label: Any,
    conversions: Mapping[int, tuple[float, float]],
) -> tuple[Column, int]:
    """Return a column in its own unit, and how many of its values were outside the range."""
    numbers = as_floats(data[label], label)
    conversion = conversions.get(position, (1.0, 0.0))
    limits = own_limits(schema.channels[position], conversion, numbers.dtype)
    values, count = keep_valid(numbers, limits)
    return Column(label, position, values, conversion, limits), count


@dataclass(frozen=True)
class _Minutes:
    """Rows in order of person and minute, and which of them open a new minute."""

    order: np.ndarray  # int64 (rows,)
    opens: np.ndarray  # bool (rows,)


def _minutes(keys: Keys) -> _Minutes | None:
    """Return the order of the rows; None where each row is a minute of its own and in its place."""
    person, minute = keys.person, keys.minute
    same = person[1:] == person[:-1]
    if np.all(np.where(same, minute[1:] > minute[:-1], person[1:] > person[:-1])):
        return None
    low = int(minute.min())
    order = np.argsort(person * (int(minute.max()) - low + 1) + (minute - low), kind="stable")
    person, minute = person[order], minute[order]
    opens = np.ones(len(order), bool)
    opens[1:] = (person[1:] != person[:-1]) | (minute[1:] != minute[:-1])
    return _Minutes(order, opens)


def _drop_doubled(
    keys: Keys, minutes: _Minutes, columns: list[Column], data: pd.DataFrame, ignored: list[Any]
) -> _Minutes:
    """Leave out rows that repeat another: same person, timestamp and values. Say what becomes of rows of one
    timestamp with other values, which may be of several people.
    """
    if minutes.opens.all():
        return minutes
    minute = np.cumsum(minutes.opens) - 1
    rows = minutes.order[np.bincount(minute)[minute] > 1]  # those that share their minute
    stamps = pd.DataFrame({"person": keys.person[rows], "exact": keys.exact[rows]})
    suspects = rows[stamps.duplicated(keep=False).to_numpy()]
    if len(suspects) == 0:
        return minutes
    records = {str(i): column.values[suspects] for i, column in enumerate(columns)}
    records |= {"person": keys.person[suspects], "exact": keys.exact[suspects]}
    doubled = np.zeros(len(minute), bool)
    again = pd.DataFrame(records).duplicated().to_numpy()
    doubled[suspects] = again
    _check_conflicts(keys, suspects[~again], columns, data, ignored)
    if not again.any():
        return minutes
    warnings.warn(
        f"{counted(int(doubled.sum()), 'row is', 'rows are')} doubled (same participant, timestamp and "
        "values) and counted once.",
        UserWarning,
        stacklevel=3,
    )
    kept = ~doubled[minutes.order]
    return _Minutes(minutes.order[kept], np.diff(minute[kept], prepend=-1) > 0)


def _check_conflicts(
    keys: Keys, rows: np.ndarray, columns: list[Column], data: pd.DataFrame, ignored: list[Any]
) -> None:
    """Warn of rows with one participant, timestamp and channel and several values; refuse those that a column
    of participants tells apart.
    """
    stamps = pd.DataFrame({"person": keys.person[rows], "exact": keys.exact[rows]})

    def conflicting(apart: pd.DataFrame) -> np.ndarray:
        group = apart.groupby(list(apart), sort=False, dropna=False).ngroup()
        values = pd.DataFrame({i: ~np.isnan(column.values[rows]) for i, column in enumerate(columns)})
        return np.asarray((values.groupby(group.to_numpy()).transform("sum") > 1).any(axis=1))

    wrong = conflicting(stamps)
    if not wrong.any():
        return
    first = int(np.flatnonzero(wrong)[0])
    when = pd.Timestamp(keys.exact[rows[first]], unit=pd.DatetimeIndex([], dtype=keys.dtype).unit)
    whose = f"participant {keys.participants[keys.person[rows[first]]]!r}, " if keys.keyed else ""
    said = (
        f"{counted(int(wrong.sum()), 'row shares its', 'rows share their')} timestamp with another of other "
        f"values (the first at {whose}{when})"
    )
    for label in [] if keys.keyed else ignored:
        if not names_people(label):
            continue
        own = data[[label]].iloc[rows, 0].astype(str).to_numpy()
        if not conflicting(stamps.assign(own=own)).any():
            raise FrameError(
                f"{said}, and the frame names no participants. Column {label!r} tells them apart: pass "
                f"participant={label!r}."
            )
    warnings.warn(
        f"{said}: means are taken, and counts are added up. If they are of several people, name the column "
        "that says so with participant=.",
        UserWarning,
        stacklevel=4,
    )


def _merge(column: Column, outside: int, schema: Schema, minutes: _Minutes) -> tuple[Column, int]:
    """Return the column with one value per minute, and how many values, sums too, were outside the range."""
    values = column.values[minutes.order]
    if minutes.opens.all():
        return replace(column, values=values), outside
    there = np.flatnonzero(~np.isnan(values))
    merged = np.full(np.count_nonzero(minutes.opens), np.nan, values.dtype)
    if len(there):
        rule = schema.channels[column.position].aggregation
        minute = (np.cumsum(minutes.opens) - 1)[there]
        first = np.flatnonzero(np.diff(minute, prepend=-1))  # the first value of each minute
        numbers = values[there].astype(np.float64)
        result = (np.maximum if rule == "max" else np.add).reduceat(numbers, first)
        if rule == "mean":
            result = result / np.diff(first, append=len(numbers))
        result = result.astype(values.dtype)
        if rule == "sum":
            result, excess = keep_valid(result, column.limits)
            outside += excess
        else:
            result = np.clip(result, *column.limits)
        merged[minute[first]] = result
    return replace(column, values=merged), outside


def _warn_outside(read: list[tuple[Column, int]]) -> None:
    wrong = [(column, count) for column, count in read if count]
    if not wrong:
        return
    total = sum(count for _, count in wrong)
    parts = [f"{c.label!r}: {count} outside {c.limits[0]:g} to {c.limits[1]:g}" for c, count in wrong]
    warnings.warn(
        f"{counted(total, 'value is', 'values are')} outside the valid range and taken as missing "
        f"({'; '.join(parts)}). If a column is in another unit, say so with units={{'channel': 'unit'}}.",
        UserWarning,
        stacklevel=3,
    )


def _assemble(
    schema: Schema,
    keys: Keys,
    minutes: _Minutes | None,
    columns: tuple[Column, ...],
    outside: int,
    attrs: dict[Any, Any],
) -> Days:
    """Lay the minutes out as days."""
    rows: Any = slice(None) if minutes is None else minutes.order[minutes.opens]

    person, minute, wall = keys.person[rows], keys.minute[rows], keys.wall[rows]
    date = wall // DAY
    clock = wall - date * DAY
    first, day = _days(person, date)
    day_person, day_date = person[first], date[first]
    next_day = np.full(len(first), -1)
    follows = np.flatnonzero((day_person[1:] == day_person[:-1]) & (day_date[1:] == day_date[:-1] + 1))
    next_day[follows] = follows + 1
    values = np.full((len(first), len(schema), DAY), np.nan, np.float32)
    cell = day * (len(schema) * DAY) + clock
    repeated = _repeated(cell) if keys.zones != (None,) else None
    for column in columns:
        canonical = to_canonical(column.values, schema.channels[column.position], column.conversion)
        place = cell + column.position * DAY
        values.reshape(-1)[place] = canonical
        if repeated is not None:
            values.reshape(-1)[place[repeated]] = _means(cell[repeated], canonical[repeated])
    recorded = {column.position for column in columns}
    return Days(
        schema=schema,
        values=values,
        participants=keys.participants,
        person=day_person,
        date=day_date.astype("M8[D]"),
        next_day=next_day,
        recorded=tuple(position in recorded for position in range(len(schema))),
        origin=Origin(
            columns=columns,
            person=person,
            minute=minute,
            day=day,
            clock=clock,
            zones=keys.zones,
            zone=None if keys.zone is None else keys.zone[rows],
            dtype=keys.dtype,
            keyed=keys.keyed,
            out_of_range=outside,
            attrs=attrs,
        ),
    )


def _days(person: np.ndarray, date: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first minute of every day, days sorted by person and date, and the day of every minute."""
    if len(person) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    opens = np.ones(len(person), bool)
    opens[1:] = (person[1:] != person[:-1]) | (date[1:] != date[:-1])
    if np.all((person[1:] != person[:-1]) | (date[1:] >= date[:-1])):
        return np.flatnonzero(opens), np.cumsum(opens) - 1
    order = np.lexsort((date, person))  # a clock set back across midnight
    first, day = _days(person[order], date[order])
    back = np.empty_like(day)
    back[order] = day
    return order[first], back


def _repeated(cell: np.ndarray) -> np.ndarray | None:
    """Return the minutes that share their wall-clock minute with another: both passes of a repeated hour."""
    if np.all(cell[1:] > cell[:-1]):
        return None
    _, inverse, counts = np.unique(cell, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(counts[inverse] > 1)
    return rows if len(rows) else None


def _means(cell: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return, for each value, the mean of those in the same cell that are not missing."""
    _, group = np.unique(cell, return_inverse=True)
    there = ~np.isnan(values)
    total = np.bincount(group, np.where(there, values, 0.0))
    with np.errstate(invalid="ignore"):
        means: np.ndarray = total / np.bincount(group, there)
    return means[group]
