"""What pictures are made of: a recording and its fill as days, and which of them are shown."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lsm2.channels import CHANNELS, Channel, Schema
from lsm2.days import Days, read_days

_LOWER, _UPPER = ".lower", ".upper"


@dataclass(frozen=True, eq=False)
class Filled:
    """A recording and what ``reconstruct`` returned for it, in canonical units."""

    before: Days
    after: Days
    lower: Days | None  # bounds, of the same days as `after`; None where it was filled without an interval
    upper: Days | None

    def values(self, wanted: pd.MultiIndex) -> list[np.ndarray]:
        """Observed, filled, lower and upper values (days, channels, 1440) of (participant, date) pairs.

        NaN where a day is not there, and in bounds that were not asked for.
        """
        found = []
        for days in (self.before, self.after, self.lower, self.upper):
            values = np.full((len(wanted), *self.before.values.shape[1:]), np.nan, np.float32)
            if days is not None:
                rows = names(days).get_indexer(wanted)
                values[rows >= 0] = days.values[rows[rows >= 0]]
            found.append(values)
        return found


def read_filled(data: pd.DataFrame, filled: pd.DataFrame, schema: Schema | None, **options: Any) -> Filled:
    """Read a recording and its fill alike; ``options`` are those of ``read_days``."""
    return Filled(
        read_quietly(data, schema, **options),
        read_quietly(filled, schema, **options),
        *(_read_bounds(filled, end, schema, options) for end in (_LOWER, _UPPER)),
    )


def read_quietly(data: pd.DataFrame, schema: Schema | None, **options: Any) -> Days:
    """Read days without the warnings that ``reconstruct`` has given before."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_days(data, schema or Schema.from_names(CHANNELS), keep_zeros=True, **options)


def _read_bounds(
    filled: pd.DataFrame, end: str, schema: Schema | None, options: dict[str, Any]
) -> Days | None:
    labels = {f"{label}{end}": label for label in filled.columns}
    bounds = {label: labels[label] for label in filled.columns if label in labels}
    if not bounds:
        return None
    frame = filled.drop(columns=list(bounds.values())).rename(columns=bounds)
    return read_quietly(frame, schema, **options)


def names(days: Days) -> pd.MultiIndex:
    """Return participant and date of each day."""
    return pd.MultiIndex.from_arrays([days.participants[days.person], days.date])


def who(days: Days, person: Any) -> str:
    """How a title begins: the participant, where the recording names any."""
    return f"participant {plain(person)}, " if days.origin.keyed else ""


def plain(text: Any) -> str:
    """Text that matplotlib takes as it stands: a dollar sign opens no formula."""
    return str(text).replace("$", r"\$")


def check_person(days: Days, person: Any) -> None:
    """Refuse a participant that the recording does not hold."""
    if person not in days.participants:
        known = ", ".join(map(repr, days.participants[:10]))
        raise ValueError(f"participant {person!r} is not in the recording, which holds {known}")


def week_of(days: Days, person: Any, start: Any) -> tuple[Any, np.ndarray]:
    """Return a participant and seven dates: by default the first, from their first day on."""
    if not len(days):
        raise ValueError("the recording has no row; there is nothing to draw")
    if person is None:
        person = days.participants[0]
    check_person(days, person)
    own = days.date[days.person == days.participants.get_loc(person)]
    first = own[0] if start is None else np.datetime64(pd.Timestamp(start).date(), "D")
    return person, first + np.arange(7)


def shown(schema: Schema, channels: Iterable[str] | None, present: np.ndarray, what: str) -> list[int]:
    """Positions of the channels to draw: those asked for, or those ``present``, bool (channels,)."""
    if channels is None:
        return [int(position) for position in np.flatnonzero(present)]
    wanted = [channels] if isinstance(channels, str) else list(channels)
    positions = [schema.index(name) for name in wanted]
    absent = [name for name, position in zip(wanted, positions, strict=True) if not present[position]]
    if absent:
        raise ValueError(f"{what} holds no value of {', '.join(absent)} on this day; drop it from channels=")
    return positions


def label(channel: Channel, separator: str = "\n") -> str:
    """Name and unit of a channel, for an axis.

    >>> label(CHANNELS["heart_rate"], " ")
    'heart rate (beats/min)'
    """
    unit = "probability" if channel.kind == "binary" else channel.unit
    return f"{channel.name.replace('_', ' ')}{separator}({unit})"
