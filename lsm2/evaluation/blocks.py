"""Hidden stretches of time: blocks of one length, short gaps, slices.

As every protocol here, these return ``hidden``, boolean (days, channels, 1440): true only where a value was
observed. What is drawn depends on the seed, the data set and the participant, not on who else is there.
"""

from __future__ import annotations

import numpy as np

from lsm2.days import DAY

from .recordings import BoolArray, IntArray, Recordings

BLOCK_DISTANCE = 10
"""Minutes that stay visible between two hidden blocks."""
LONGEST_INTERVAL = 60
"""A channel sampled less often than every so many minutes is taken as sampled at that."""
SHORT_GAPS = 12
"""Short gaps of a day."""
SHORT_MINUTES = (1, 9)
"""Shortest and longest short gap."""
SHORT_DISTANCE = 60
"""Minutes between two short gaps of a day."""
SLICE_MINUTES = (30, 60)
"""Shortest and longest block of a temporal slice."""


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
    interval = _sampling_intervals(observed)
    inside, joined = _places(observed, starts, minutes, interval)
    allowed = ((inside == 0) | joined).all(axis=0) & (inside.max(axis=0) * 2 >= minutes)

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


def _sampling_intervals(observed: BoolArray) -> IntArray:
    """(channels, 1) minutes between two values of ``observed`` (channels, minutes), at most an hour."""
    gaps = [np.diff(np.flatnonzero(channel)) for channel in observed]
    found = [min(int(np.ceil(np.median(gap))), LONGEST_INTERVAL) if len(gap) else 1 for gap in gaps]
    return np.array(found, dtype=np.int64)[:, None]


def _places(
    observed: BoolArray, starts: IntArray, minutes: int, interval: IntArray
) -> tuple[IntArray, BoolArray]:
    """(channels, starts): values inside a stretch from there on, and whether there is one on both sides."""
    length = observed.shape[1]
    channel = np.arange(len(observed))[:, None]
    sums = np.zeros((len(observed), length + 1), dtype=np.int64)
    np.cumsum(observed, axis=1, out=sums[:, 1:])
    stops = starts + minutes
    inside = sums[:, stops] - sums[:, starts]
    before = sums[:, starts] > sums[channel, np.maximum(starts - interval, 0)]
    after = sums[channel, np.minimum(stops + interval, length)] > sums[:, stops]
    return inside, before & after


def hide_short_gaps(
    recordings: Recordings, days: BoolArray, *, one_channel: bool, seed: int = 0
) -> BoolArray:
    """Hide 12 gaps of 1 to 9 minutes a day, an hour or more apart, with data on both sides.

    Args:
        recordings: The days.
        days: (days,) where to hide.
        one_channel: Each gap is of one channel, drawn among the day's, instead of all.
        seed: Seed of the draw.

    Returns:
        (days, channels, 1440) hidden.
    """
    observed = recordings.observed
    hidden = np.zeros_like(observed)
    shortest, longest = SHORT_MINUTES
    for person, of_person in recordings.people():
        random = recordings.generator(person, f"short gaps {one_channel}", seed)
        for day in of_person.start + np.flatnonzero(days[of_person]):
            interval = _sampling_intervals(observed[day])
            recorded = np.flatnonzero(observed[day].any(axis=1))
            free = np.ones(DAY, dtype=bool)  # minutes in which a gap may still begin
            # A day with little in it may not hold twelve; more tries than that would not find them either.
            for _ in range(4 * SHORT_GAPS):
                minutes = int(random.integers(shortest, longest + 1))
                channels = random.choice(recorded, 1) if one_channel else recorded
                starts = np.arange(1, DAY - minutes)
                inside, joined = _places(observed[day][channels], starts, minutes, interval[channels])
                dense = interval[channels] == 1
                whole = np.where(dense, inside == minutes, inside > 0)
                fits = ((inside == 0) | joined).all(axis=0) & whole.any(axis=0) & free[starts]
                candidates = starts[fits]
                if not len(candidates):
                    continue
                start = int(random.choice(candidates))
                hidden[day, channels, start : start + minutes] = True
                free[max(0, start - SHORT_DISTANCE - longest) : start + minutes + SHORT_DISTANCE] = False
                if len(_starts(hidden[day].any(axis=0))) == SHORT_GAPS:
                    break
    return hidden & observed


def _starts(flags: BoolArray) -> IntArray:
    """Where runs of True begin."""
    return np.flatnonzero(flags & ~np.r_[False, flags[:-1]])


def hide_slices(recordings: Recordings, days: BoolArray, *, share: float = 0.25, seed: int = 0) -> BoolArray:
    """Hide all channels in blocks of 30 to 60 minutes, until a share of the day's observed minutes is hidden.

    Unlike :func:`hide_blocks` it asks for no data beside a block, so blocks may join, or reach the end of
    what was recorded: OpenMHC's scenario ``temporal_slice``, which imitates a device that is off.

    Args:
        recordings: The days.
        days: (days,) where to hide.
        share: Of the minutes with a value of any channel, between 0 and 1.
        seed: Seed of the draw.

    Returns:
        (days, channels, 1440) hidden.
    """
    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1, got {share}")
    observed = recordings.observed
    hidden = np.zeros_like(observed)
    for person, of_person in recordings.people():
        random = recordings.generator(person, f"slices {share}", seed)
        for day in of_person.start + np.flatnonzero(days[of_person]):
            recorded = observed[day].any(axis=0)  # (1440,)
            wanted = share * recorded.sum()
            in_slice = np.zeros(DAY, dtype=bool)
            while (in_slice & recorded).sum() < wanted:
                minutes = int(random.integers(SLICE_MINUTES[0], SLICE_MINUTES[1] + 1))
                start = int(random.choice(np.flatnonzero(recorded & ~in_slice)))
                in_slice[start : start + minutes] = True
            hidden[day] = in_slice
    return hidden & observed
