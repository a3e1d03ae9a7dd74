"""From days back to the caller's frame: own columns, own units, own times, observed values bit for bit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from lsm2.days.clock import DAY, from_minutes
from lsm2.days.days import Column, Days, row_index
from lsm2.days.grid import Grid, bounds, make_grid
from lsm2.days.keys import TIMESTAMP, FrameError
from lsm2.days.values import from_canonical, own_limits


def to_frame(
    days: Days,
    fills: np.ndarray,
    *,
    channels: Literal["all"] | Iterable[str] | None = None,
    grid: Literal["days", "full"] = "days",
    max_gap: Any = None,
    return_filled: bool = False,
    has_token: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return the recording with its gaps filled, at minute steps, in the caller's columns and units.

    Args:
        days: The recording.
        fills: float32 (days, channels, 1440), values for missing minutes in canonical units; NaN: not filled.
        channels: See :func:`lay_out`, as the parameters below.
        grid: "days" or "full".
        max_gap: Longest gap to fill.
        return_filled: Whether to add `<column>.filled`, bool: the value is a fill.
        has_token: bool (days,), the days with an observed token.

    Raises:
        ValueError: `grid` or `max_gap` is not understood, or a channel is not known.

    >>> from lsm2.channels import Schema
    >>> from lsm2.days import read_days
    >>> times = pd.date_range("2024-03-01 10:00", periods=3, freq="min")
    >>> days = read_days(pd.DataFrame({"HR": [61, None, 64]}, index=times), Schema.from_names(["heart_rate"]))
    >>> to_frame(days, np.full(days.values.shape, 70, np.float32))["HR"].tolist()
    [61.0, 70.0, 64.0]
    """
    layout = lay_out(days, channels=channels, grid=grid, max_gap=max_gap, has_token=has_token)
    return layout.frame(fills, return_filled=return_filled)


def lay_out(
    days: Days,
    *,
    channels: Literal["all"] | Iterable[str] | None = None,
    grid: Literal["days", "full"] = "days",
    max_gap: Any = None,
    has_token: np.ndarray | None = None,
) -> Layout:
    """Lay out the minutes to return, and which of them are to be filled.

    Observed values are copied from the caller's columns. Where the clock was set back, both passes of the
    repeated hour are returned; a minute that only one pass recorded gets, in the other, what the day holds
    for it.

    Args:
        days: The recording.
        channels: None for the caller's own, "all" for every channel of the schema, or a list of channels;
            those without a column come by canonical name and in canonical units.
        grid: "days" for the days with a token, "full" to add all others from a person's first day to the
            last.
        max_gap: Longest gap to fill, as a Timedelta or a string such as "60min"; None for no limit.
        has_token: bool (days,), the days with an observed token; default: those with an observed minute.

    Raises:
        ValueError: `grid` or `max_gap` is not understood, or a channel is not known.
    """
    if grid not in ("days", "full"):
        raise ValueError(f"grid={grid!r} is not known; it is 'days' or 'full'")
    limit = _minutes_of(max_gap)
    columns = select_columns(days, channels)
    wanted = np.asarray(days.observed.any(axis=(1, 2)) if has_token is None else has_token, bool)
    rows = make_grid(days, wanted, full=grid == "full")
    keys = _Keys(days, rows)
    fillable = np.flatnonzero(wanted[rows.day] & (rows.day >= 0)) if len(wanted) else np.zeros(0, np.int64)
    recorded, missing = [], []
    for column in columns:
        values = np.full(len(rows.person), np.nan, column.values.dtype)
        if len(column.values):
            values[keys.row] = column.values[keys.recorded]
        empty = fillable[np.isnan(values[fillable])]
        if limit is not None:
            empty = empty[keys.gap_lengths(column, empty) <= limit]
        recorded.append(values)
        missing.append(empty)
    return Layout(days, rows, tuple(columns), tuple(recorded), tuple(missing))


@dataclass(frozen=True, eq=False, repr=False)
class Layout:
    """The minutes of an output, with what was recorded in them; from :func:`lay_out`."""

    days: Days
    rows: Grid
    columns: tuple[Column, ...]
    recorded: tuple[np.ndarray, ...]  # per column: (rows,) in the caller's unit and dtype, NaN where missing
    missing: tuple[np.ndarray, ...]  # per column: int64, the rows to fill

    def filled(self, number: int, fills: np.ndarray) -> np.ndarray:
        """Return a column's values (rows,) in the caller's unit and dtype, its gaps filled.

        Args:
            number: Of the column.
            fills: float32 (days, channels, 1440) in canonical units; NaN: not filled.
        """
        values = self.recorded[number].copy()
        rows = self.missing[number]
        values[rows] = _proposed(self.days, fills, self.columns[number], self.rows, rows)
        return values

    def frame(
        self,
        fills: np.ndarray,
        *,
        bounds: tuple[np.ndarray, np.ndarray] | None = None,
        medians: np.ndarray | None = None,
        return_filled: bool = False,
    ) -> pd.DataFrame:
        """Return the recording with its gaps filled.

        Args:
            fills: float32 (days, channels, 1440), canonical units; NaN: not filled.
            bounds: Lower and upper bounds of the fills, likewise; each column is followed by
                `<column>.lower` and `<column>.upper`, which equal the value where it is no fill.
            medians: Second fills; each column is followed by `<column>.median`, filled with them.
            return_filled: Add `<column>.filled`, bool, after all other columns.
        """
        if fills.shape != self.days.values.shape:
            raise ValueError(f"fills has shape {fills.shape}, the days have {self.days.values.shape}")
        data: dict[Any, np.ndarray] = {}
        flags: dict[str, np.ndarray] = {}
        for number, column in enumerate(self.columns):
            data[column.label] = self.filled(number, fills)
            if bounds is not None:
                data[f"{column.label}.lower"] = self.filled(number, bounds[0])
                data[f"{column.label}.upper"] = self.filled(number, bounds[1])
            if medians is not None:
                data[f"{column.label}.median"] = self.filled(number, medians)
            if return_filled:
                flags[f"{column.label}.filled"] = self.is_fill(number, data[column.label])
        frame = pd.DataFrame({**data, **flags}, copy=False)
        frame.attrs = dict(self.days.origin.attrs)
        times = from_minutes(self.rows.minute, self.days.origin.dtype)
        frame.index = row_index(self.days, self.rows.person, times.rename(TIMESTAMP))
        return frame

    def is_fill(self, number: int, values: np.ndarray) -> np.ndarray:
        """Return which of a column's values, from :meth:`filled`, are fills, bool (rows,)."""
        flags = np.zeros(len(values), bool)
        rows = self.missing[number]
        flags[rows] = ~np.isnan(values[rows])
        return flags


def round_counts(days: Days, fills: np.ndarray, columns: Iterable[Column]) -> None:
    """Round fills of channels that devices write in whole numbers, in the caller's unit and in place.

    Args:
        days: The recording.
        fills: (days, channels, 1440) in canonical units.
        columns: The columns whose channels are filled.
    """
    for column in columns:
        channel = days.schema.channels[column.position]
        if channel.integer and channel.kind == "count":
            scale, offset = column.conversion
            own = np.rint((fills[:, column.position] - offset) / scale)
            fills[:, column.position] = own * scale + offset


def select_columns(days: Days, channels: Literal["all"] | Iterable[str] | None) -> list[Column]:
    """Return the columns of the output: the caller's for None, else those asked for, in that order.

    Args:
        days: The recording.
        channels: None, "all", or a list of the caller's column labels, canonical names or aliases.

    Raises:
        ChannelError: The schema has no such channel.
        FrameError: A channel without a column has the name of a column that holds another.
    """
    own = days.origin.columns
    if channels is None:
        return list(own)
    if not isinstance(channels, Iterable):
        raise TypeError(f"channels={channels!r} must be 'all' or a list of channels")
    by_position = {column.position: column for column in own}
    by_label = {column.label: column.position for column in own}
    if channels == "all":
        positions = [*by_position, *range(len(days.schema))]
    else:
        names = [channels] if isinstance(channels, str) else channels
        positions = [by_label[name] if name in by_label else days.schema.index(name) for name in names]
    columns = [by_position.get(p) or _without_column(days, p) for p in dict.fromkeys(positions)]
    for column in columns:
        if by_label.get(column.label, column.position) != column.position:
            raise FrameError(
                f"channel {column.label!r} has no column, and the column of that name holds "
                f"{days.schema.names[by_label[column.label]]!r}: rename it to get both"
            )
    return columns


def _without_column(days: Days, position: int) -> Column:
    channel = days.schema.channels[position]
    nothing = np.zeros(0, np.float32)
    return Column(channel.name, position, nothing, (1.0, 0.0), own_limits(channel, (1.0, 0.0), nothing.dtype))


class _Keys:
    """Where the recorded minutes are among the rows of the output."""

    def __init__(self, days: Days, rows: Grid) -> None:
        origin = days.origin
        self._rows, self._origin = rows, origin
        self._low = int(origin.minute.min()) if len(origin.minute) else 0
        self._span = int(origin.minute.max()) - self._low + 1 if len(origin.minute) else 1
        keys = self._key(rows.person, rows.minute)
        returned = np.zeros(len(days), bool)
        returned[rows.day[rows.day >= 0]] = True
        all_returned = bool(returned.all())
        self.recorded: Any = slice(None) if all_returned else np.flatnonzero(returned[origin.day])
        recorded = self._key(origin.person[self.recorded], origin.minute[self.recorded])
        self.row: Any = slice(None) if np.array_equal(keys, recorded) else np.searchsorted(keys, recorded)

    def _key(self, person: np.ndarray, minute: np.ndarray) -> np.ndarray:
        return person * self._span + (minute - self._low)

    def gap_lengths(self, column: Column, rows: np.ndarray) -> np.ndarray:
        """Return how long the gap is, in minutes, that each of these missing rows is in.

        A gap lasts from the last observed minute to the next one, or to the end of the person's recording.
        """
        origin = self._origin
        observed = np.flatnonzero(~np.isnan(column.values))
        person, minute = self._rows.person[rows], self._rows.minute[rows]
        first, last = bounds(origin)
        at = np.searchsorted(
            self._key(origin.person[observed], origin.minute[observed]), self._key(person, minute)
        )
        padded = np.concatenate([[-1], observed, [-1]])
        before, after = padded[at], padded[at + 1]
        owner = np.append(origin.person, -1)  # the last place stands for no minute
        begin = np.where(owner[before] == person, np.append(origin.minute, 0)[before], first[person] - 1)
        end = np.where(owner[after] == person, np.append(origin.minute, 0)[after], last[person] + 1)
        return np.asarray(end - begin - 1)


def _proposed(days: Days, fills: np.ndarray, column: Column, rows: Grid, missing: np.ndarray) -> np.ndarray:
    """Return what goes into missing rows, in the caller's unit and dtype, within the valid range."""
    cell = (rows.day[missing] * len(days.schema) + column.position) * DAY + rows.clock[missing]
    values = fills.reshape(-1)[cell]
    if days.origin.zones != (None,):  # the other pass of a repeated hour may have recorded it
        known = days.values.reshape(-1)[cell]
        values = np.where(np.isnan(known), values, known)
    return np.clip(from_canonical(values, column.conversion).astype(column.values.dtype), *column.limits)


def _minutes_of(max_gap: Any) -> float | None:
    if max_gap is None:
        return None
    try:
        if isinstance(max_gap, (int, float)) or str(max_gap).strip().isdecimal():
            raise ValueError("a number has no unit")
        length = pd.Timedelta(max_gap) / pd.Timedelta(minutes=1)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"max_gap={max_gap!r} is no length of time; write it as '60min' or a Timedelta"
        ) from error
    if not length >= 0:
        raise ValueError(f"max_gap={max_gap!r} must not be negative or empty")
    return float(length)
