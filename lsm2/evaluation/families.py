"""Hidden channels: whole families for a day, or those that fail in a state of the wearer.

As every protocol here, these return ``hidden``, boolean (days, channels, 1440): true only where a value was
observed. What is drawn depends on the seed, the data set and the participant, not on who else is there.
"""

from __future__ import annotations

import numpy as np

from .recordings import BoolArray, IntArray, Recordings

FAMILY_MINUTES = 60
"""A family counts as recorded on a day with so many observed minutes."""
MOST_FAMILIES = 5
"""Families of a day that take their turn."""
INTENSE_QUANTILE = 0.95
"""Heart rate is high above this quantile of the person's own minutes."""


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
    recorded, family_of = _recorded_families(recordings)
    eligible = _half_of_days(recordings, days & (recorded.sum(axis=1) >= 2), half)
    in_turn = recorded & (np.cumsum(recorded, axis=1) == turn + 1) & eligible[:, None]  # (days, families)
    return in_turn[:, family_of][:, :, None] & recordings.observed


def hide_families(
    recordings: Recordings, days: BoolArray, *, count: int | None, half: int, seed: int = 0
) -> BoolArray:
    """Hide several families, drawn at random, for the whole of every second of a person's chosen days.

    Args:
        recordings: The days.
        days: (days,) where to hide.
        count: How many, on days with one more at least; None for half of the day's (rounded down), on days
            with two or more: OpenMHC's scenario ``signal_slice``.
        half: 0 for the first, third, ... of a person's days, 1 for the others.
        seed: Seed of the draw.

    Returns:
        (days, channels, 1440) hidden.
    """
    if half not in (0, 1) or (count is not None and count < 1):
        raise ValueError(f"count must be 1 or more, or None, and half 0 or 1, got {count} and {half}")
    recorded, family_of = _recorded_families(recordings)
    of_day = recorded.sum(axis=1)
    wanted = of_day // 2 if count is None else np.full(len(of_day), count)
    eligible = _half_of_days(recordings, days & (of_day >= 2) & (of_day > wanted), half)
    order = np.full(recorded.shape, np.inf)
    for person, of_person in recordings.people():
        drawn = recordings.generator(person, f"families {count}", seed).random(recorded[of_person].shape)
        order[of_person] = np.where(recorded[of_person], drawn, np.inf)
    rank = np.argsort(np.argsort(order, axis=1), axis=1)
    chosen = (rank < wanted[:, None]) & eligible[:, None]  # (days, families)
    return chosen[:, family_of][:, :, None] & recordings.observed


def _recorded_families(recordings: Recordings) -> tuple[BoolArray, IntArray]:
    """(days, families) whether a family was recorded on the day; (channels,) the family of each channel."""
    observed = recordings.observed
    families = list(dict.fromkeys(channel.family for channel in recordings.channels))
    family_of = np.array([families.index(channel.family) for channel in recordings.channels])
    minutes = np.stack(  # (days, families)
        [observed[:, family_of == f].any(axis=1).sum(axis=1) for f in range(len(families))], axis=1
    )
    return minutes >= FAMILY_MINUTES, family_of


def _half_of_days(recordings: Recordings, eligible: BoolArray, half: int) -> BoolArray:
    """(days,) every second eligible day of a person."""
    kept = eligible.copy()
    for _, of_person in recordings.people():
        chosen = of_person.start + np.flatnonzero(eligible[of_person])
        kept[chosen[1 - half :: 2]] = False
    return kept


def hide_intense(recordings: Recordings, days: BoolArray, *, seed: int = 0) -> BoolArray:
    """Hide heart rate and energy while heart rate is high: OpenMHC's scenario ``intensity_failure``.

    High is the top 5 % of the person's own minutes (OpenMHC's 160 beats/min hardly occur in daily life).

    Args:
        recordings: The days.
        days: (days,) where to hide.
        seed: Without effect: nothing is drawn.

    Returns:
        (days, channels, 1440) hidden.
    """
    hidden = np.zeros_like(recordings.observed)
    if "heart_rate" not in recordings.names:
        return hidden
    heart = recordings.values[:, recordings.names.index("heart_rate")]  # (days, 1440)
    fails = _channels(recordings, families=("heart", "energy"))
    for _, of_person in recordings.people():
        if (~np.isnan(heart[of_person])).any():
            high = heart[of_person] > np.nanquantile(heart[of_person], INTENSE_QUANTILE)
            hidden[of_person] = (high & days[of_person, None])[:, None, :] & fails[:, None]
    return hidden & recordings.observed


def hide_asleep(recordings: Recordings, days: BoolArray, *, seed: int = 0) -> BoolArray:
    """Hide all channels but those of sleep during logged sleep: OpenMHC's scenario ``sleep_gap``.

    Args:
        recordings: The days.
        days: (days,) where to hide.
        seed: Without effect: nothing is drawn.

    Returns:
        (days, channels, 1440) hidden.
    """
    sleep = _channels(recordings, families=("sleep",))
    asleep = (recordings.values[:, sleep] == 1).any(axis=1) & days[:, None]  # (days, 1440)
    return asleep[:, None, :] & ~sleep[:, None] & recordings.observed


def hide_workouts(recordings: Recordings, days: BoolArray, *, seed: int = 0) -> BoolArray:
    """Hide heart rate and energy during workouts: OpenMHC's scenario ``workout_gap``.

    Args:
        recordings: The days.
        days: (days,) where to hide.
        seed: Without effect: nothing is drawn.

    Returns:
        (days, channels, 1440) hidden.
    """
    workout = _channels(recordings, families=("workout",))
    during = (recordings.values[:, workout] == 1).any(axis=1) & days[:, None]  # (days, 1440)
    fails = _channels(recordings, families=("heart", "energy"))
    return during[:, None, :] & fails[:, None] & recordings.observed


def _channels(recordings: Recordings, families: tuple[str, ...]) -> BoolArray:
    """(channels,) which are of some families."""
    return np.array([channel.family in families for channel in recordings.channels], dtype=bool)
