"""A simulated recording for demos, documentation and tests: nobody wore anything, the numbers are made up."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lsm2.arguments import is_whole

_DAY = 1440  # minutes
_START = "2024-03-04"  # a Monday
_CHANNELS = ("heart_rate", "steps", "calories", "activity_counts", "sleep_asleep")
# Lag of the heart behind effort: nothing at once, most after two to four minutes, back at rest after twenty.
_HEART_LAG = np.arange(25) * np.exp(-np.arange(25) / 3.0)
_DRIFT = np.exp(-np.arange(60) / 15.0)  # how long a random change of heart rate or movement lasts


def simulate(participants: int = 2, days: int = 7, seed: int = 0) -> pd.DataFrame:
    """Return a SIMULATED recording: a wrist device with daily rhythm, sleep, bouts of activity and gaps.

    Channels depend on each other as in real recordings: heart rate and energy follow steps, the heart with a
    lag; sleep is still. Missing (NaN) are charging breaks, hours and nights without the device, and short
    dropouts of heart rate. Nothing here was measured, and nothing should be concluded from it about people.

    Args:
        participants: Number of simulated people. Person i is the same whatever the number of people.
        days: Calendar days per person, from 2024-03-04 00:00 on.
        seed: Same seed, same recording.

    Returns:
        One row per participant and minute; index (participant_id, timestamp) with ids "simulated-1", ...;
        float64 columns heart_rate (beats/min), steps (per minute), calories (kcal/min, basal metabolism
        included), activity_counts (per minute), sleep_asleep (0/1). `.attrs["simulated"]` is True.

    Raises:
        ValueError: `participants` or `days` is not a whole number above 0.

    >>> frame = simulate(participants=1, days=2)
    >>> frame.shape, frame.attrs["simulated"], frame.index[0][0]
    ((2880, 5), True, 'simulated-1')
    """
    for name, number in (("participants", participants), ("days", days)):
        if not is_whole(number):
            raise ValueError(f"{name}={number!r} must be a whole number above 0")
    people = [_person(np.random.default_rng([seed, person]), days) for person in range(participants)]
    times = pd.date_range(_START, periods=days * _DAY, freq="min")
    ids = [f"simulated-{person + 1}" for person in range(participants)]
    index = pd.MultiIndex.from_product([ids, times], names=["participant_id", "timestamp"])
    frame = pd.DataFrame(np.concatenate(people, axis=1).T, index=index, columns=list(_CHANNELS))
    frame.attrs["simulated"] = True
    return frame


def _person(rng: np.random.Generator, days: int) -> np.ndarray:
    """Return the channels of one person, float64 (channels, minutes)."""
    minutes = days * _DAY
    resting, weight, vigour = rng.normal(64, 6), rng.normal(72, 11), rng.lognormal(0, 0.3)
    asleep = _asleep(rng, days)
    awake = ~asleep
    cadence = _cadence(rng, days, vigour) * awake
    walking = cadence > 0
    pottering = awake & ~walking & (_smooth(rng.normal(size=minutes), _DRIFT) > 0.6)
    steps = np.where(walking, cadence * rng.normal(1, 0.15, minutes), 0)
    steps += pottering * rng.gamma(1.2, 8, minutes)
    steps = np.clip(np.rint(steps), 0, 220)

    mets = np.where(asleep, 0.95, 1.25) + 0.12 * pottering + 2.2 * (steps / 100) ** 1.9
    calories = mets * weight / 60 * rng.normal(1, 0.01, minutes)

    clock = np.arange(minutes) % _DAY
    rhythm = 5 * np.cos(2 * np.pi * (clock - 16 * 60) / _DAY)  # highest in the afternoon
    effort = np.convolve(12 * np.maximum(mets - 1.25, 0) ** 0.85, _HEART_LAG / _HEART_LAG.sum())[:minutes]
    drift = 6 * _smooth(rng.normal(size=minutes), _DRIFT) * np.where(asleep, 0.4, 1)
    heart = resting + rhythm + 7 * awake + effort + drift + rng.normal(0, 1.2, minutes)
    heart = np.clip(np.rint(heart), 35, 205)

    fidget = rng.gamma(0.7, 130, minutes) * np.exp(0.8 * _smooth(rng.normal(size=minutes), _DRIFT))
    moving = rng.random(minutes) < np.where(asleep, 0.12, 0.82)
    counts = moving * fidget * np.where(asleep, 0.15, 1) + steps * rng.normal(13, 2.5, minutes)
    counts = np.clip(np.rint(counts), 0, 12_000)

    channels = np.stack([heart, steps, calories, counts, asleep.astype(float)])  # (channels, minutes)
    channels[:, _taken_off(rng, days)] = np.nan
    channels[0, _dropouts(rng, days, walking)] = np.nan
    return channels


def _asleep(rng: np.random.Generator, days: int) -> np.ndarray:
    """Return one long sleep a night, later before free days, with short awakenings, bool (minutes,)."""
    night = np.arange(-1, days)  # the first one began on the eve of the recording
    free = (night % 7 == 4) | (night % 7 == 5)  # Friday and Saturday night
    habit = rng.normal(0, 45)
    onset = night * _DAY + 23 * 60 + habit + 45 * free + rng.normal(0, 30, days + 1)
    asleep = _spans(onset, rng.normal(450, 35, days + 1) + 30 * free, days * _DAY)
    wakings = rng.uniform(0, days * _DAY, 25 * days)  # most fall in the day and change nothing
    return asleep & ~_spans(wakings, rng.gamma(1.5, 3, 25 * days), days * _DAY)


def _cadence(rng: np.random.Generator, days: int, vigour: float) -> np.ndarray:
    """Return steps per minute while walking or running, 0 else, float64 (minutes,)."""
    errands = rng.poisson(8 * vigour * days)
    hours = rng.choice([8, 12.5, 17.5, 14.5], errands, p=[0.25, 0.2, 0.3, 0.25])
    start = rng.integers(0, days, errands) * _DAY + rng.normal(60 * hours, 75)
    length = rng.lognormal(np.log(7), 0.8, errands)
    pace = rng.normal(95, 14, errands)
    runs = rng.poisson(0.35 * vigour * days)
    start = np.append(start, rng.integers(0, days, runs) * _DAY + rng.normal(18 * 60, 60, runs))
    length = np.append(length, rng.normal(36, 9, runs))
    pace = np.append(pace, rng.normal(158, 6, runs))
    opens, closes = _edges(start, length, days * _DAY)
    steps = np.zeros(days * _DAY + 1)
    np.add.at(steps, opens, pace)
    np.add.at(steps, closes, -pace)
    steps = np.cumsum(steps)[:-1]
    return np.where(steps > 30, np.minimum(steps, 170), 0)


def _taken_off(rng: np.random.Generator, days: int) -> np.ndarray:
    """Return when the device charges or lies about: no channel at all, bool (minutes,)."""
    day = np.arange(days)
    charging = _spans(day * _DAY + rng.normal(20.5 * 60, 70, days), rng.normal(55, 18, days), days * _DAY)
    charging &= np.repeat(rng.random(days) < 0.7, _DAY)
    idle = day[rng.random(days) < 0.18]
    idle_start = idle * _DAY + rng.normal(11 * 60, 120, len(idle))
    bare = day[rng.random(days) < 0.12]  # nights without the device
    bare_start = bare * _DAY + rng.normal(22.5 * 60, 30, len(bare))
    off = _spans(idle_start, rng.normal(300, 110, len(idle)), days * _DAY)
    return charging | off | _spans(bare_start, rng.normal(560, 40, len(bare)), days * _DAY)


def _dropouts(rng: np.random.Generator, days: int, walking: np.ndarray) -> np.ndarray:
    """Return when the optical sensor loses the heart rate, more often in motion, bool (minutes,)."""
    count = rng.poisson(16 * days)
    lost = _spans(rng.uniform(0, days * _DAY, count), rng.gamma(1.3, 3, count) + 1, days * _DAY)
    return lost | (walking & (rng.random(days * _DAY) < 0.06))


def _spans(start: np.ndarray, length: np.ndarray, minutes: int) -> np.ndarray:
    """Return which minutes lie in any of the spans, bool (minutes,)."""
    change = np.zeros(minutes + 1, np.int64)
    opens, closes = _edges(start, length, minutes)
    np.add.at(change, opens, 1)
    np.add.at(change, closes, -1)
    return np.asarray(np.cumsum(change)[:-1] > 0)


def _edges(start: np.ndarray, length: np.ndarray, minutes: int) -> tuple[np.ndarray, np.ndarray]:
    opens = np.clip(np.rint(start), 0, minutes).astype(np.int64)
    closes = np.clip(np.rint(start + np.maximum(length, 1)), 0, minutes).astype(np.int64)
    return opens, closes


def _smooth(noise: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return noise of unit variance that keeps its value for as long as the kernel lasts."""
    return np.convolve(noise, kernel / np.sqrt((kernel**2).sum()))[: len(noise)]
