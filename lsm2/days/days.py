"""Days: the windows of 1,440 wall-clock minutes that the model reads, and what leads back to the caller's frame."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Literal

import numpy as np
import pandas as pd

from lsm2.channels import Schema

Level = Literal["day", "hour", "token", "participant"]


@dataclass(frozen=True)
class Column:
    """A column of the caller's frame that holds a channel, one value per recorded minute."""

    label: Any
    position: int  # of the channel in the schema
    values: np.ndarray  # float32 or float64 (minutes,), in the caller's unit; NaN: missing or outside the range
    conversion: tuple[float, float]  # factor and offset to the canonical unit
    limits: tuple[Any, Any]  # valid range in the caller's unit


@dataclass(frozen=True)
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


@dataclass(frozen=True)
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

    @property
    def observed(self) -> np.ndarray:
        """Whether a value is there, bool (days, channels, 1440)."""
        return ~np.isnan(self.values)
