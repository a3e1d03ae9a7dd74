"""Plausible completions: values drawn for missing minutes, as spread out and as connected as real ones.

Each minute's value is read from its calibrated quantiles at a rank. The ranks of a channel come from a
stationary Gaussian process whose correlation over time was fitted to the errors of hidden gaps (a Gaussian
copula), so that single minutes and sums over gaps and days both spread as the truth does around the answers.
"""

from __future__ import annotations

import zlib

import numpy as np

from lsm2.days import DAY, Days
from lsm2.intervals.bounds import Calibrated
from lsm2.intervals.correlation import TIMES, draw, stationary

_DAYS_AT_ONCE = 64


def complete(calibrated: Calibrated, days: Days, *, sample: int, seed: int) -> np.ndarray:
    """Draw one completion.

    What is drawn depends on the seed, the sample's number, the participant, the date and the channel's
    family, and on nothing else in the recording. Channels of a family share their ranks; different families
    are drawn independently of each other, given the answers.

    Args:
        calibrated: Missing minutes and answers.
        days: The recording.
        sample: Number of the completion.
        seed: Of the draws.

    Returns:
        float32 (days, channels, 1440), canonical units, in the valid range; NaN where there is no answer or
        no calibration.
    """
    from scipy.special import ndtr

    result = np.full(calibrated.mean.shape, np.nan, np.float32)
    processes: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for position, table, where, rows in calibrated.parts():
        channel = calibrated.channels[position]
        facts = calibrated.calibration.channel(channel.name)
        if channel.family not in processes:
            processes = {channel.family: _processes(days, calibrated, channel.family, sample, seed)}
        place, parts = processes[channel.family]
        chosen = parts[place[calibrated.cells.day[rows]], calibrated.cells.minute[rows]]  # (rows, parts)
        score = chosen @ np.sqrt(np.array(facts.rank_correlation))
        drawn = draw(table, ndtr(score), where, binary=facts.binary)
        calibrated.place(result, position, rows, drawn)
    return result


def _processes(
    days: Days, calibrated: Calibrated, family: str, sample: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """For the days with missing minutes of a family: their places (days,) and float32 (n, 1440, parts).

    Each day's process begins a day earlier, with that day's own noise, so that it goes on over midnight and
    does not depend on which days are there.
    """
    members = [i for i, channel in enumerate(calibrated.channels) if channel.family == family]
    rows = np.unique(calibrated.cells.day[np.isin(calibrated.cells.channel, members)])
    place = np.full(len(days), -1)
    place[rows] = np.arange(len(rows))
    result = np.empty((len(rows), DAY, len(TIMES)), np.float32)
    for first in range(0, len(rows), _DAYS_AT_ONCE):
        some = rows[first : first + _DAYS_AT_ONCE]
        noise = np.empty((2 * DAY, len(some), len(TIMES)))
        for number, row in enumerate(some.tolist()):
            label = str(days.participants[int(days.person[row])])
            date = int(days.date[row].astype(np.int64))
            for half in (0, 1):
                key = zlib.crc32(f"{label}|{date - 1 + half}|{family}".encode())
                random = np.random.default_rng([seed, key, sample])
                noise[half * DAY : (half + 1) * DAY, number] = random.standard_normal((DAY, len(TIMES)))
        result[first : first + len(some)] = stationary(noise)[DAY:].transpose(1, 0, 2)
    return place, result
