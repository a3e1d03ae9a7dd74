"""The protocols: what is hidden, round by round, and which of it is scored.

Every ``hide`` function takes recordings and the days to hide in, and returns ``hidden``, boolean (days,
channels, 1440): true only where a value was observed (recordings hold no unworn minutes). What is drawn
depends on the seed, the data set and the participant, not on who else is in the recordings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Literal
from typing import Protocol as CallProtocol

import numpy as np

from lsm2.days import DAY

from .blocks import SHORT_MINUTES, hide_blocks, hide_short_gaps, hide_slices
from .families import (
    MOST_FAMILIES,
    hide_asleep,
    hide_families,
    hide_family,
    hide_intense,
    hide_workouts,
)
from .recordings import BoolArray, Recordings

DAYTIME = (8 * 60, 20 * 60)
"""Minutes of the day between which the visible part may end, when what follows is to be told."""
WORN_BEFORE = 60
"""Observed minutes that such a day has, at least, before that."""
HORIZONS = (10, 30, 60, 180)
"""Minutes over which what follows is scored."""
FILLED_BY_SOURCE = frozenset({("fitbit_mobius", "heart_rate")})
"""Data sets and channels whose short holes their source had filled."""

Group = Literal["random", "short", "blocks", "extrapolation", "sensors", "openmhc", "simulated"]


class Hide(CallProtocol):
    """Says what is hidden."""

    def __call__(self, recordings: Recordings, days: BoolArray, *, seed: int) -> BoolArray:
        """Return hidden (days, channels, 1440)."""


@dataclass(frozen=True)
class Protocol:
    """An experiment: rounds of hiding, each run on its own and scored together."""

    group: Group
    rounds: tuple[Hide, ...]
    minutes: float | None = None
    """Length of its gaps, for figures."""
    horizons: tuple[int, ...] = ()
    """Minutes after the first hidden one over which errors are taken, each a result of its own; none: all."""
    unscored: frozenset[tuple[str, str]] = frozenset()
    """(data set, channel) that are hidden but not scored."""

    def scored(self, name: str, recordings: Recordings, hidden: BoolArray) -> dict[str, BoolArray]:
        """Which of the hidden minutes are scored, by the name under which the result stands.

        Args:
            name: The protocol's own.
            recordings: What was hidden in.
            hidden: (days, channels, 1440) what one round hides.

        Returns:
            Name of a result -> (days, channels, 1440), a part of ``hidden``.
        """
        left_out = [(recordings.dataset, channel) in self.unscored for channel in recordings.names]
        cells = hidden & ~np.array(left_out, dtype=bool)[:, None]
        if not self.horizons:
            return {name: cells}
        line = recordings.day_number[:, None] * DAY + np.arange(DAY)  # (days, 1440)
        first = np.full(len(recordings), np.iinfo(np.int64).max)
        for _, of_person in recordings.people():
            any_hidden = hidden[of_person].any(axis=1)
            if any_hidden.any():
                first[of_person] = line[of_person][any_hidden].min()
        since = line - first[:, None]
        return {f"next {n} min": cells & ((since >= 0) & (since < n))[:, None, :] for n in self.horizons}

    def results(self, name: str) -> tuple[str, ...]:
        """Names of its results in tables."""
        return tuple(f"next {n} min" for n in self.horizons) or (name,)


def hide_tokens(
    recordings: Recordings, days: BoolArray, *, share: float, patch_minutes: int = 10, seed: int = 0
) -> BoolArray:
    """Hide a share of each day's tokens with a value, over all its channels; at least one stays visible.

    Args:
        recordings: The days.
        days: (days,) where to hide.
        share: Between 0 and 1; rounded down to whole tokens of the day.
        patch_minutes: Minutes of a token.
        seed: Seed of the draw.

    Returns:
        (days, channels, 1440) hidden.
    """
    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1, got {share}")
    if DAY % patch_minutes:
        raise ValueError(f"patch_minutes must divide {DAY}, got {patch_minutes}")
    observed = recordings.observed
    patches = observed.reshape(len(observed), len(recordings.channels), -1, patch_minutes)
    tokens = patches.any(axis=3).reshape(len(observed), -1)  # (days, channels * slots)
    order = np.full(tokens.shape, np.inf)
    for person, of_person in recordings.people():
        random = recordings.generator(person, f"tokens {share}", seed)
        drawn = random.random(tokens[of_person].shape)
        order[of_person] = np.where(tokens[of_person], drawn, np.inf)  # what holds no value comes last
    rank = np.argsort(np.argsort(order, axis=1), axis=1)
    count = np.floor(share * tokens.sum(axis=1)).astype(np.int64) * days
    hidden = (rank < count[:, None]).reshape(*patches.shape[:3], 1)
    return np.broadcast_to(hidden, patches.shape).reshape(observed.shape) & observed


def hide_rest(recordings: Recordings, days: BoolArray, *, turn: int, seed: int = 0) -> BoolArray:
    """Hide everything after a random worn daytime minute of one of a person's days, later days included.

    The last visible minute and the one after it are worn (a value of any channel), lie between 8:00 and
    20:00, and follow an hour or more of observed minutes of that day.

    Args:
        recordings: The days.
        days: (days,) where the visible part may end.
        turn: Which of the person's chosen days, from 0; a person with fewer is left whole.
        seed: Seed of the draw.

    Returns:
        (days, channels, 1440) hidden.
    """
    if turn < 0:
        raise ValueError(f"turn must be 0 or more, got {turn}")
    observed = recordings.observed
    hidden = np.zeros_like(observed)
    for person, of_person in recordings.people():
        chosen = of_person.start + np.flatnonzero(days[of_person])
        if turn >= len(chosen):
            continue
        day = int(chosen[turn])
        on = observed[day].any(axis=0)
        minute = np.arange(DAY - 1)
        fits = on[:-1] & on[1:] & (np.cumsum(on)[:-1] >= WORN_BEFORE)
        candidates = minute[fits & (minute >= DAYTIME[0]) & (minute < DAYTIME[1])]
        if not len(candidates):
            continue
        date = recordings.date[day]
        last = int(recordings.generator(person, f"rest of {date}", seed).choice(candidates))
        hidden[day, :, last + 1 :] = True
        hidden[day + 1 : of_person.stop] = True
    return hidden & observed


def _blocks(minutes: int) -> Protocol:
    return Protocol("blocks", (partial(hide_blocks, minutes=minutes),), minutes=minutes)


def _random(share: float) -> Protocol:
    return Protocol("random", (partial(hide_tokens, share=share),))


_SHORT = float(np.sqrt(SHORT_MINUTES[0] * SHORT_MINUTES[1]))

PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        "short gaps, one channel": Protocol(
            "short",
            (partial(hide_short_gaps, one_channel=True),),
            minutes=_SHORT,
            unscored=FILLED_BY_SOURCE,
        ),
        "short gaps, all channels": Protocol(
            "short",
            (partial(hide_short_gaps, one_channel=False),),
            minutes=_SHORT,
            unscored=FILLED_BY_SOURCE,
        ),
        **{f"{minutes} min": _blocks(minutes) for minutes in (10, 30, 60, 180, 360)},
        **{f"random {share:.0%}".replace("%", " %"): _random(share) for share in (0.3, 0.5, 0.8)},
        "extrapolation": Protocol(
            "extrapolation",
            tuple(partial(hide_rest, turn=turn) for turn in range(8)),
            horizons=HORIZONS,
        ),
        "1 family": Protocol(
            "sensors",
            tuple(
                partial(hide_family, turn=turn, half=half) for turn in range(MOST_FAMILIES) for half in (0, 1)
            ),
        ),
        "2 families": Protocol(
            "sensors", tuple(partial(hide_families, count=2, half=half) for half in (0, 1))
        ),
        "half of families": Protocol(
            "sensors", tuple(partial(hide_families, count=None, half=half) for half in (0, 1))
        ),
        "random_noise": Protocol("openmhc", (partial(hide_tokens, share=0.5, patch_minutes=30),)),
        "temporal_slice": Protocol("openmhc", (hide_slices,)),
        "intensity_failure": Protocol("openmhc", (hide_intense,)),
    }
)
"""Name of a protocol -> what it does. OpenMHC's ``signal_slice`` is "half of families"."""

SIMULATED: Mapping[str, Protocol] = MappingProxyType(
    {
        "sleep_gap": Protocol("simulated", (hide_asleep,)),
        "workout_gap": Protocol("simulated", (hide_workouts,)),
    }
)
"""OpenMHC's scenarios that our recordings cannot answer: for simulated data, to see that they are right."""


def choose_protocols(names: Sequence[str] | None = None) -> dict[str, Protocol]:
    """Return protocols by their names or by those of their groups; by default all but the simulated ones.

    Raises:
        ValueError: There is no such protocol or group.

    Examples:
        >>> list(choose_protocols(["random", "10 min"]))
        ['random 30 %', 'random 50 %', 'random 80 %', '10 min']
    """
    if names is None:
        return dict(PROTOCOLS)
    every = {**PROTOCOLS, **SIMULATED}
    chosen: dict[str, Protocol] = {}
    for name in names:
        found = {key: each for key, each in every.items() if name in (key, each.group)}
        if not found:
            groups = ", ".join(dict.fromkeys(each.group for each in every.values()))
            raise ValueError(f"no protocol {name!r}; there are {', '.join(every)}, and the groups {groups}")
        chosen |= found
    return chosen
