"""Cells in bulk: texts to numbers and times, and which of them are neither.

Times come out as whole seconds since 1970: UTC where the text says how far its clock is from it, else as that
clock shows them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

_MISSING = frozenset(("", "nan", "null", "none", "na", "n/a", "<na>", "nat", "-", "--", "no data"))
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
    r" ?(?:[Zz]|UTC|([+-])([0-9]{2})(?::?([0-9]{2}))?)?"
)
_OFFSET = re.compile(r"([+-])([0-9]{2})(?::?([0-9]{2}))?$")
_FARTHEST = 15 * 60  # minutes that a clock can be from UTC


Clock = Literal["utc", "written", "local"]  # UTC; UTC beside the offset of the person's clock; that clock


@dataclass(frozen=True)
class Numbers:
    """Numbers, NaN where missing or malformed."""

    value: np.ndarray  # float64 (cells,)
    bad: np.ndarray  # bool (cells,), neither a number nor missing


@dataclass(frozen=True)
class Times:
    """Times, and what was written of the clock that showed them."""

    seconds: np.ndarray  # int64 (cells,), 0 where malformed
    offset: np.ndarray  # int64 (cells,), minutes from UTC, 0 where none was written
    has_offset: np.ndarray  # bool (cells,): `seconds` are UTC, and the clock that far from it
    is_utc: np.ndarray  # bool (cells,): written with a Z, or as UTC
    bad: np.ndarray  # bool (cells,)
    finer: np.ndarray | None = None  # int64 (cells,), nanoseconds after the second, where any are

    def clocks(self) -> Iterator[tuple[Clock, np.ndarray]]:
        """Yield each clock that times were written on, and which times those are."""
        kinds: tuple[tuple[Clock, np.ndarray], ...] = (
            ("written", self.has_offset),
            ("utc", self.is_utc & ~self.has_offset),
            ("local", ~self.is_utc & ~self.has_offset),
        )
        for clock, rows in kinds:
            if rows.any():
                yield clock, rows

    def clock_of(self, row: int) -> Clock:
        """Return the clock that one time was written on."""
        return next(clock for clock, rows in self.clocks() if rows[row])


def read_numbers(cells: Sequence[Any]) -> Numbers:
    """Return the numbers of cells that are texts, or numbers already.

    >>> numbers = read_numbers(["7", " 1.5 ", "", "many", 3, True, None])
    >>> numbers.value.tolist(), numbers.bad.tolist()
    ([7.0, 1.5, nan, nan, 3.0, nan, nan], [False, False, False, True, False, True, False])
    """
    plain = [cell if type(cell) in (str, int, float) else None for cell in cells]
    series = pd.Series(plain, dtype=object)
    value = _floats(series)
    odd = ~np.isfinite(value)
    bad = np.zeros(len(plain), bool)
    for row in np.flatnonzero(odd).tolist():
        cell = cells[row]
        missing = cell is None or (
            cell.strip().casefold() in _MISSING if isinstance(cell, str) else cell != cell
        )
        bad[row] = not missing
    value[odd] = np.nan
    return Numbers(value, bad)


def _floats(series: pd.Series) -> np.ndarray:
    try:
        return np.array(pd.to_numeric(series, errors="coerce"), np.float64)
    except (OverflowError, ValueError, TypeError):  # whole numbers of hundreds of digits
        return np.array([_float(cell) for cell in series], np.float64)


def _float(cell: Any) -> float:
    try:
        return float(cell)
    except (OverflowError, ValueError, TypeError):
        return np.nan


def read_iso(cells: Sequence[Any]) -> Times:
    """Return times such as `2024-03-31T07:45:10Z`, `2024-03-31 07:45` or `2024-03-31T07:45:10.123+02:00`.

    An offset may be without its minutes (`+02`), as databases write it.

    >>> times = read_iso(["1970-01-01T02:00:10+02:00", "1970-01-01 00:01", "soon"])
    >>> times.seconds.tolist(), times.offset.tolist(), times.bad.tolist()
    ([10, 60, 0], [120, 0, 0], [False, False, True])
    """
    texts = [cell.strip() if type(cell) is str else "" for cell in cells]
    fits = np.array([_ISO.fullmatch(text) is not None for text in texts], bool)
    is_utc = np.array([text[-1:] in "Zz" or text.endswith("UTC") for text in texts], bool) & fits
    offset = np.zeros(len(texts), np.int64)
    has_offset = np.zeros(len(texts), bool)
    naive = list(texts)
    for row, text in enumerate(texts):
        if is_utc[row]:
            naive[row] = text.rstrip("ZzUTC ")
        elif len(text) > 16 and text[-3] in ":+-0123456789" and fits[row]:
            match = _OFFSET.search(text, 16)
            if match:
                minutes = int(match.group(2)) * 60 + int(match.group(3) or 0)
                offset[row] = -minutes if match.group(1) == "-" else minutes
                has_offset[row] = True
                naive[row] = text[: match.start()].rstrip()
    seconds, finer, known = _seconds([text.replace(",", ".") for text in naive], "ISO8601")
    bad = ~fits | ~known | (np.abs(offset) > _FARTHEST) | (offset % 15 != 0)
    seconds = np.where(bad, 0, seconds - offset * 60)
    return Times(seconds, offset, has_offset & ~bad, is_utc & ~bad, bad, finer)


def read_clock(cells: Sequence[Any], *forms: str) -> Times:
    """Return times of a clock in the first of the forms that fits each cell.

    Args:
        cells: Texts.
        forms: As `datetime.strptime` takes them; with `%z` the times come out in UTC.

    >>> read_clock(["01/31/21 05:00:08", "soon"], "%m/%d/%y %H:%M:%S").seconds.tolist()
    [1612069208, 0]
    """
    texts = [cell.strip() if type(cell) is str else "" for cell in cells]
    seconds, left = np.zeros(len(texts), np.int64), np.ones(len(texts), bool)
    is_utc, finer = np.zeros(len(texts), bool), np.zeros(len(texts), np.int64)
    for form in forms:
        rows = np.flatnonzero(left)
        if len(rows) == 0:
            break
        found, parts, known = _seconds([texts[row] for row in rows], form)
        seconds[rows[known]] = found[known]
        if parts is not None:
            finer[rows[known]] = parts[known]
        is_utc[rows[known]] = "%z" in form
        left[rows[known]] = False
    none = np.zeros(len(texts), bool)
    return Times(seconds, np.zeros(len(texts), np.int64), none, is_utc, left, _any(finer))


def read_epoch(cells: Sequence[Any], per_second: int) -> Times:
    """Return times given as a number since 1970 (UTC).

    Args:
        cells: Numbers, or texts of them.
        per_second: How many make a second: 1000 for milliseconds.
    """
    numbers = read_numbers(cells)
    known = np.isfinite(numbers.value) & (np.abs(numbers.value) < 2.0**62)
    value = np.where(known, numbers.value, 0)
    seconds = np.floor(value / per_second)
    finer = np.rint((value - seconds * per_second) * (1e9 / per_second)).astype(np.int64)
    none = np.zeros(len(seconds), bool)
    return Times(seconds.astype(np.int64), np.zeros(len(seconds), np.int64), none, known, ~known, _any(finer))


def _seconds(texts: list[str], form: str) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    times = pd.to_datetime(pd.Series(texts, dtype=object), format=form, errors="coerce", utc=True)
    known = times.notna().to_numpy()
    index = pd.DatetimeIndex(times).tz_localize(None)
    whole = index.as_unit("s")
    finer = np.where(known, (index - whole) // pd.Timedelta(1, "ns"), 0).astype(np.int64)
    return np.where(known, whole.asi8, 0), _any(finer), known


def _any(finer: np.ndarray) -> np.ndarray | None:
    return finer if finer.any() else None
