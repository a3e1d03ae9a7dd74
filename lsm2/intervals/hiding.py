"""Which observed minutes a calibration hides: gaps of one minute to a day, in one channel, a family or all,
and families that a person never recorded.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lsm2.channels import Schema
from lsm2.days import DAY

Pattern = Literal["all", "channel", "family", "absent"]
LENGTHS = ((1, 3), (4, 12), (13, 40), (41, 120), (121, 360), (361, 1080))
"""Ranges of gap lengths in minutes; within one, a day's length is drawn log-uniformly."""
_SHARE = 0.25
"""Share of a day that gaps of up to six hours may cover."""
_MOST_GAPS = 12
_FEWEST_MINUTES = 60
"""Observed minutes with which a channel counts as recorded on a day."""


@dataclass(frozen=True)
class Round:
    """One way to hide minutes."""

    pattern: Pattern
    """All channels at once, one, one family; or a family on all days of a person, ``absent``."""
    minutes: tuple[int, int] = (DAY, DAY)
    """Shortest and longest gap."""


ROUNDS: tuple[Round, ...] = (
    *(Round("all", length) for length in LENGTHS),
    *(Round("channel", length) for length in LENGTHS[1::2]),
    *(Round("family", length) for length in LENGTHS[1::2]),
    Round("channel"),
    Round("family"),
    Round("absent"),
    Round("absent"),
)


@dataclass(frozen=True)
class Recorded:
    """What can be hidden of some days."""

    schema: Schema
    person: np.ndarray
    """int64 (days,), equal ones adjacent."""
    keys: list[str]
    """A name per day, of person and date; draws depend on it, not on other days."""
    observed: np.ndarray
    """(days, channels, 1440) bool."""
    scorable: np.ndarray
    """Same shape; where a value is the truth (not written by an unworn device), on days that take part."""


def hide(recorded: Recorded, *, seed: int, per_day: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Draw what is hidden, round by round.

    Each day takes part in ``per_day`` of the rounds that hide gaps; days of a single family only in those
    that hide all channels. A person with two families or more goes through the rounds of absent families.

    Args:
        recorded: The days.
        seed: Of the draws.
        per_day: Rounds that a day takes part in.

    Yields:
        What is hidden and what of it counts, (days, channels, 1440) bool each.
    """
    schema, observed, scorable = recorded.schema, recorded.observed, recorded.scorable
    family = np.zeros(len(schema), np.int64)
    for number, positions in enumerate(schema.families.values()):
        family[list(positions)] = number
    enough = (observed & scorable).sum(axis=2) >= _FEWEST_MINUTES  # (days, channels)
    random = [np.random.default_rng([seed, zlib.crc32(key.encode())]) for key in recorded.keys]
    taken = [_rounds_of(enough[day], family, random[day], per_day) for day in range(len(enough))]
    first = np.array([one.integers(1000) for one in random])
    absences = 0
    for number, way in enumerate(ROUNDS):
        hidden = np.zeros(observed.shape, bool)
        if way.pattern == "absent":
            _hide_absent(hidden, recorded.person, enough, family, absences, first)
            absences += 1
        else:
            for day in range(len(enough)):
                if number in taken[day]:
                    chosen = _channels(way.pattern, enough[day], family, random[day])
                    hidden[day, chosen] = _gaps(way.minutes, random[day])
            hidden &= scorable
        hidden &= observed
        yield hidden, hidden & scorable


def _hide_absent(
    hidden: np.ndarray,
    person: np.ndarray,
    enough: np.ndarray,
    family: np.ndarray,
    turn: int,
    first: np.ndarray,
) -> None:
    """Hide a family on all days of a person, in place; the families take turns from ``first`` (days,) on."""
    for one in np.unique(person):
        days = np.flatnonzero(person == one)
        families = np.unique(family[enough[days].any(axis=0)])
        if len(families) >= 2:
            gone = families[(int(first[days[0]]) + turn) % len(families)]
            hidden[np.ix_(days, family == gone)] = True


def _rounds_of(enough: np.ndarray, family: np.ndarray, random: np.random.Generator, per_day: int) -> set[int]:
    """Numbers of the rounds of gaps that a day takes part in."""
    families = len(set(family[enough].tolist()))
    if not families:
        return set()
    fitting = [
        number
        for number, way in enumerate(ROUNDS)
        if way.pattern == "all"
        or (way.pattern == "family" and families > 1)
        or (way.pattern == "channel" and enough.sum() > 1)
    ]
    return set(random.permutation(fitting)[:per_day].tolist())


def _channels(
    pattern: Pattern, enough: np.ndarray, family: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Which channels lose their minutes, bool (channels,)."""
    if pattern == "all":
        return np.ones(len(enough), bool)
    drawn = int(random.choice(np.flatnonzero(enough)))
    return family == family[drawn] if pattern == "family" else np.arange(len(enough)) == drawn


def _gaps(minutes: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    """Blocks of one length, bool (1440,); two may touch, and one may be cut off by midnight."""
    low, high = minutes
    if low >= DAY:
        return np.ones(DAY, bool)
    length = int(np.clip(np.exp(random.uniform(np.log(low), np.log(high + 1))), low, high))
    count = int(np.clip(_SHARE * DAY // length, 1, _MOST_GAPS))
    starts = random.choice(DAY // length, size=count, replace=False) * length + random.integers(length)
    hidden = np.zeros(DAY, bool)
    for start in starts:
        hidden[start : start + length] = True
    return hidden
