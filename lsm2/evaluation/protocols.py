"""Which observed minutes an experiment hides.

Every protocol takes recordings and the days to hide in, and returns ``hidden``, boolean (days, channels,
1440): true only where a value was observed (recordings hold no unworn minutes). What is drawn depends on the
seed, the data set and the participant, not on who else is in the recordings.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Protocol

import numpy as np

from lsm2.days import DAY

from .recordings import BoolArray, Recordings

BLOCK_DISTANCE = 10
"""Minutes that stay visible between two hidden blocks."""
LONGEST_INTERVAL = 60
"""A channel sampled less often than every so many minutes is taken as sampled at that."""
FAMILY_MINUTES = 60
"""A family counts as recorded on a day with so many observed minutes."""
MOST_FAMILIES = 5
"""Families of a day that take their turn."""


class Hide(Protocol):
    """A protocol: says what is hidden."""

    def __call__(self, recordings: Recordings, days: BoolArray, *, seed: int) -> BoolArray:
        """Return hidden (days, channels, 1440)."""


def hide_blocks(
    recordings: Recordings,
    days: BoolArray,
    *,
    minutes: int,
    seed: int = 0,
    most_minutes: int = DAY // 4,
) -> BoolArray:
    """Hide all channels in blocks, with data on both sides of every block.

    A channel with a value inside a block has one in the minute before it and in the minute after it (a
    channel sampled less often: within its sampling interval), and at least half of the block's minutes hold a
    value. Blocks may cross midnight between two chosen days. They are drawn until no more fits: a day loses
    at most ``most_minutes``, and never more than half of its observed minutes.

    Args:
        recordings: The days.
        days: (days,) where to hide.
        minutes: Length of a block.
        seed: Seed of the draw.
        most_minutes: Hidden minutes of a day, at most.

    Returns:
        (days, channels, 1440) hidden.
    """
    if minutes < 1:
        raise ValueError(f"a block of {minutes} minutes cannot be hidden; give 1 or more")
    observed = recordings.observed
    hidden = np.zeros_like(observed)
    for person, of_person in recordings.people():
        random = recordings.generator(person, f"blocks {minutes}", seed)
        positions = of_person.start + np.flatnonzero(days[of_person])
        breaks = np.flatnonzero(np.diff(recordings.day_number[positions]) != 1) + 1
        for run in np.split(positions, breaks):
            if len(run):
                line = np.concatenate(list(observed[run]), axis=1)  # (channels, days * 1440)
                in_block = _draw_blocks(line, minutes, most_minutes, random)
                hidden[run] = in_block.reshape(len(run), 1, DAY)
    return hidden & observed


def _draw_blocks(
    observed: BoolArray, minutes: int, most_minutes: int, random: np.random.Generator
) -> BoolArray:
    """Which minutes of consecutive days lie in a block; ``observed`` is (channels, days * 1440)."""
    length = observed.shape[1]
    in_block = np.zeros(length, dtype=bool)
    starts = np.arange(1, length - minutes)  # the minutes before and after exist
    if not len(starts):
        return in_block
    interval = np.array([_sampling_interval(channel) for channel in observed])[:, None]  # (channels, 1)
    channel = np.arange(len(observed))[:, None]
    sums = np.zeros((len(observed), length + 1), dtype=np.int32)
    np.cumsum(observed, axis=1, out=sums[:, 1:])
    stops = starts + minutes
    inside = sums[:, stops] - sums[:, starts]  # (channels, starts)
    before = sums[:, starts] > sums[channel, np.maximum(starts - interval, 0)]
    after = sums[channel, np.minimum(stops + interval, length)] > sums[:, stops]
    allowed = ((inside == 0) | (before & after)).all(axis=0) & (inside.max(axis=0) * 2 >= minutes)

    of_any = observed.any(axis=0).reshape(-1, DAY).sum(axis=1)
    left = np.append(np.minimum(most_minutes, of_any // 2), 0)  # (days + 1,): none after the last day
    first_day = starts // DAY
    on_first = np.minimum(minutes, (first_day + 1) * DAY - starts)
    while True:
        fits = allowed & (on_first <= left[first_day])
        crosses = on_first < minutes
        fits[crosses] &= (minutes - on_first[crosses]) <= left[first_day[crosses] + 1]
        candidates = np.flatnonzero(fits)
        if not len(candidates):
            return in_block
        drawn = int(random.choice(candidates))
        start = int(starts[drawn])
        in_block[start : start + minutes] = True
        left[first_day[drawn]] -= on_first[drawn]
        left[first_day[drawn] + 1] -= minutes - on_first[drawn]
        reach = minutes + max(BLOCK_DISTANCE, int(interval.max()))
        allowed[max(0, drawn - reach + 1) : drawn + reach] = False


def _sampling_interval(observed: BoolArray) -> int:
    """Minutes between two values of a channel, at most an hour; ``observed`` is (minutes,)."""
    gaps = np.diff(np.flatnonzero(observed))
    return min(int(np.ceil(np.median(gaps))), LONGEST_INTERVAL) if len(gaps) else 1


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


def hide_family(recordings: Recordings, days: BoolArray, *, turn: int, half: int, seed: int = 0) -> BoolArray:
    """Hide one family for the whole of every second of a person's chosen days.

    Only days with two or more recorded families lose one. The days are dealt out over two halves, so that the
    day before and the day after keep the family: what another day tells of the level is there to be used.

    Args:
        recordings: The days.
        days: (days,) where to hide.
        turn: Which of the day's recorded families, from 0; a day with fewer loses none.
        half: 0 for the first, third, ... of a person's days, 1 for the others.
        seed: Without effect: nothing is drawn, turns and halves go over every family and day.

    Returns:
        (days, channels, 1440) hidden.
    """
    if turn < 0 or half not in (0, 1):
        raise ValueError(f"turn must be 0 or more and half 0 or 1, got {turn} and {half}")
    observed = recordings.observed
    families = list(dict.fromkeys(channel.family for channel in recordings.channels))
    family_of = np.array([families.index(channel.family) for channel in recordings.channels])
    minutes = np.stack(  # (days, families)
        [observed[:, family_of == f].any(axis=1).sum(axis=1) for f in range(len(families))], axis=1
    )
    recorded = minutes >= FAMILY_MINUTES
    eligible = days & (recorded.sum(axis=1) >= 2)
    for _, of_person in recordings.people():
        chosen = of_person.start + np.flatnonzero(eligible[of_person])
        eligible[chosen[1 - half :: 2]] = False
    in_turn = recorded & (np.cumsum(recorded, axis=1) == turn + 1) & eligible[:, None]  # (days, families)
    return in_turn[:, family_of][:, :, None] & observed


PROTOCOLS: Mapping[str, tuple[Hide, ...]] = MappingProxyType(
    {
        "10 min": (partial(hide_blocks, minutes=10),),
        "30 min": (partial(hide_blocks, minutes=30),),
        "60 min": (partial(hide_blocks, minutes=60),),
        "180 min": (partial(hide_blocks, minutes=180),),
        "random 80 %": (partial(hide_tokens, share=0.8),),
        "family": tuple(
            partial(hide_family, turn=turn, half=half) for turn in range(MOST_FAMILIES) for half in (0, 1)
        ),
    }
)
"""Name of a protocol -> its rounds, each run on its own and scored together."""
