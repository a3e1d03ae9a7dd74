"""Days: the windows of 1,440 wall-clock minutes that the model reads, and the way back to the frame."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Literal

import numpy as np
import pandas as pd

from lsm2.channels import Schema
from lsm2.days.clock import DAY, from_minutes
from lsm2.days.keys import TIMESTAMP
from lsm2.wording import counted

Level = Literal["day", "hour", "token", "participant"]


@dataclass(frozen=True, eq=False)
class Column:
    """A column of the caller's frame that holds a channel, one value per recorded minute."""

    label: Any
    position: int  # of the channel in the schema
    values: (
        np.ndarray
    )  # float32 or float64 (minutes,), in the caller's unit; NaN: missing or outside the range
    conversion: tuple[float, float]  # factor and offset to the canonical unit
    limits: tuple[Any, Any]  # valid range in the caller's unit


@dataclass(frozen=True, eq=False)
class Origin:
    """The recorded minutes, by person and time: what the way back needs."""

    columns: tuple[Column, ...]  # in the order of the caller's frame
    person: np.ndarray  # int64 (minutes,)
    minute: np.ndarray  # int64 (minutes,), absolute; ascending within a person
    day: np.ndarray  # int64 (minutes,), position of the day
    clock: np.ndarray  # int64 (minutes,), minute of the day, 0 to 1439
    zones: tuple[tzinfo | None, ...]
    zone: np.ndarray | None  # int64 (minutes,), position in zones; None where there is only one
    dtype: Any  # dtype of the caller's timestamps
    keyed: bool  # whether the caller's frame names participants
    out_of_range: int  # values that were outside their channel's range
    attrs: dict[Any, Any]  # the caller's frame's own, such as that it is simulated


@dataclass(frozen=True, eq=False, repr=False)
class Days:
    """Person-days of a recording, sorted by person (in order of first appearance) and date.

    Every calendar day that has a row in the caller's frame is here, whether or not the row holds a value.
    """

    schema: Schema
    values: np.ndarray  # float32 (days, channels, 1440), canonical units, NaN = missing
    participants: pd.Index  # in order of first appearance, with their own dtype
    person: np.ndarray  # int64 (days,), position in participants
    date: np.ndarray  # datetime64[D] (days,)
    next_day: np.ndarray  # int64 (days,), position of the same person's following calendar day, or -1
    recorded: tuple[bool, ...]  # (channels,), whether the caller's frame has a column for the channel
    origin: Origin

    def __len__(self) -> int:
        """Return the number of days."""
        return len(self.person)

    def __repr__(self) -> str:
        """Return what is held, in a line."""
        recorded = [name for name, there in zip(self.schema.names, self.recorded, strict=True) if there]
        people = counted(len(self.participants), "participant")
        return f"Days({counted(len(self), 'day')} of {people}, {', '.join(recorded)})"

    @property
    def observed(self) -> np.ndarray:
        """Whether a value is there, bool (days, channels, 1440)."""
        return np.asarray(~np.isnan(self.values))

    def index(
        self, level: Level = "day", where: np.ndarray | None = None, patch_minutes: int = 10
    ) -> pd.Index:
        """Return the index of a table with a row per day, hour, token or participant.

        Args:
            level: "day", "hour" (24 a day), "token" (channel-major within a day) or "participant".
            where: Which rows to keep, bool: (days,), (days, 24), (days, channels, slots) or (participants,).
            patch_minutes: Minutes of a token.

        Raises:
            ValueError: The level is not known.

        >>> from lsm2.days import read_days
        >>> frame = pd.DataFrame({"HR": [61.0]}, index=pd.DatetimeIndex(["2024-03-01 10:00"]))
        >>> days = read_days(frame, Schema.from_names(["heart_rate"]))
        >>> days.index("day").name, len(days.index("hour")), list(days.index("token").names)
        ('date', 24, ['timestamp', 'channel'])
        """
        if level == "participant":
            return self.participants if where is None else self.participants[where]
        if level not in ("day", "hour", "token"):
            raise ValueError(f"level={level!r} is not known; it is 'day', 'hour', 'token' or 'participant'")
        slots = {"day": 1, "hour": 24, "token": DAY // patch_minutes}[level]
        shape = (len(self), len(self.schema), slots) if level == "token" else (len(self), slots)
        kept = np.arange(np.prod(shape)) if where is None else np.flatnonzero(where)
        day, *_, slot = np.unravel_index(kept, shape)
        minute = self.date.astype(np.int64)[day] * DAY + slot * (DAY // slots)
        channels = None
        if level == "token":
            channels = pd.Index(self.schema.names, name="channel").take((kept // slots) % len(self.schema))
        times = wall_times(self, minute).rename("date" if level == "day" else TIMESTAMP)
        return row_index(self, self.person[day], times, channels)


def wall_times(days: Days, minute: np.ndarray) -> pd.DatetimeIndex:
    """Return wall-clock minutes as naive timestamps in the unit of the caller's own."""
    dtype = days.origin.dtype
    naive = np.dtype(f"M8[{dtype.unit}]") if isinstance(dtype, pd.DatetimeTZDtype) else dtype
    return from_minutes(minute, naive)


def row_index(
    days: Days, person: np.ndarray, times: pd.DatetimeIndex, channels: pd.Index | None = None
) -> pd.Index:
    """Return the index of rows by participant (where the caller's frame names them), time and channel."""
    parts: list[tuple[Any, Any]] = []  # (level, codes)
    if days.origin.keyed:
        parts.append(_sorted_level(days.participants, person))
    if channels is None and not parts:
        return times
    parts.append(_time_level(times))
    if channels is not None:
        codes, level = pd.factorize(channels)
        parts.append((level.rename(channels.name), codes))
    levels, all_codes = zip(*parts, strict=True)
    names = [level.name for level in levels]
    return pd.MultiIndex(levels=levels, codes=all_codes, names=names, verify_integrity=False)


def _sorted_level(values: pd.Index, codes: np.ndarray) -> tuple[pd.Index, np.ndarray]:
    """Return values as a sorted index level, where they can be sorted, and the codes that go with it."""
    try:
        order = np.asarray(values.argsort())
    except TypeError:  # ids of mixed types
        return values, codes
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return values.take(order), back[codes]


def _time_level(times: pd.DatetimeIndex) -> tuple[pd.Index, np.ndarray]:
    stamps = times.asi8
    if len(stamps) == 0:
        return times, np.zeros(0, np.int64)
    step = int(np.gcd.reduce(np.diff(stamps[:2000]))) or 1
    low, high = int(stamps.min()), int(stamps.max())
    places, rest = np.divmod(stamps - low, step)
    count = (high - low) // step + 1
    if rest.any() or count > 2 * len(stamps) + 1000:
        unique, codes = np.unique(stamps, return_inverse=True)
        return _stamps(unique, times), codes
    seen = np.zeros(count, bool)
    seen[places] = True
    codes = (np.cumsum(seen) - 1)[places]
    return _stamps(np.flatnonzero(seen) * step + low, times), codes


def _stamps(values: np.ndarray, like: pd.DatetimeIndex) -> pd.DatetimeIndex:
    stamps = pd.DatetimeIndex(values.view(f"M8[{like.unit}]"), name=like.name)
    return stamps if like.tz is None else stamps.tz_localize("UTC").tz_convert(like.tz)


def coverage(days: Days) -> pd.DataFrame:
    """Return the observed fraction of every day and channel: one row per day, one float32 column per channel.

    >>> from lsm2.days import read_days
    >>> times = pd.date_range("2024-03-01", periods=720, freq="min")
    >>> days = read_days(pd.DataFrame({"HR": 61.0}, index=times), Schema.from_names(["heart_rate", "steps"]))
    >>> coverage(days).iloc[0].to_dict()
    {'heart_rate': 0.5, 'steps': 0.0}
    """
    shares = days.observed.mean(axis=2, dtype=np.float32)  # (days, channels)
    return pd.DataFrame(shares, index=days.index("day"), columns=list(days.schema.names))


def crosses_midnight(days: Days) -> np.ndarray:
    """Return the missing minutes whose gap touches a midnight between two days that are both there.

    Such a gap holds 23:59 of a day or 00:00 of the next; a window of one day sees only one of its sides.

    Returns:
        bool (days, channels, 1440).
    """
    missing = np.isnan(days.values)
    result = np.zeros_like(missing)
    before = np.flatnonzero(days.next_day >= 0)
    after = days.next_day[before]
    result[before] |= np.logical_and.accumulate(missing[before, :, ::-1], axis=2)[:, :, ::-1]
    result[after] |= np.logical_and.accumulate(missing[after], axis=2)
    return result
