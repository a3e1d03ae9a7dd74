"""What simple methods fill in: the marks to beat.

Every baseline takes recordings with the hidden minutes already NaN, the minutes to fill, and a fallback value
per channel (the mean of the train people), and returns one value per hidden minute, in the order of
``np.nonzero(hidden)``. All work on a person's continuous series, across days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from lsm2.days import DAY

from .recordings import BoolArray, FloatArray, IntArray, Recordings

Baseline = Callable[[Recordings, BoolArray, FloatArray], FloatArray]


def series(
    visible: Recordings, hidden: BoolArray
) -> Iterator[tuple[int, IntArray, IntArray, IntArray, FloatArray]]:
    """For each person and channel: positions of the fills, times to fill, times and values seen."""
    cell = np.full(hidden.shape, -1, dtype=np.int64)
    cell[hidden] = np.arange(hidden.sum())
    minute = np.arange(DAY)
    for _, days in visible.people():
        time = visible.day_number[days][:, None] * DAY + minute  # (days of the person, 1440)
        for channel in range(len(visible.channels)):
            asked = hidden[days, channel]
            if asked.any():
                values = visible.values[days, channel]
                seen = ~np.isnan(values)
                yield channel, cell[days, channel][asked], time[asked], time[seen], values[seen]


def linear(visible: Recordings, hidden: BoolArray, fallback: FloatArray) -> FloatArray:
    """Linear interpolation in time, edges held; a person without any value gets the fallback."""
    fills = np.empty(int(hidden.sum()))
    for channel, part, asked, seen, values in series(visible, hidden):
        fills[part] = np.interp(asked, seen, values) if len(seen) else fallback[channel]
    return fills


def last_observation(visible: Recordings, hidden: BoolArray, fallback: FloatArray) -> FloatArray:
    """Last observation carried forward, the first one backward; without any value, the fallback."""
    fills = np.empty(int(hidden.sum()))
    for channel, part, asked, seen, values in series(visible, hidden):
        if len(seen):
            fills[part] = values[np.maximum(np.searchsorted(seen, asked) - 1, 0)]
        else:
            fills[part] = fallback[channel]
    return fills


def day_mean(visible: Recordings, hidden: BoolArray, fallback: FloatArray) -> FloatArray:
    """Mean of the channel's visible minutes of the day; without any, what :func:`mean_source` says."""
    _, means = _means(visible, fallback)
    day, channel, _ = np.nonzero(hidden)
    return means[day, channel]


def mean_source(visible: Recordings) -> npt.NDArray[np.str_]:
    """(days, channels) what the day mean is of: ``day``, the person's ``other days``, or ``train`` people."""
    source, _ = _means(visible, np.zeros(len(visible.channels)))
    return source


def _means(visible: Recordings, fallback: FloatArray) -> tuple[npt.NDArray[np.str_], FloatArray]:
    seen = visible.observed
    counts = seen.sum(axis=2)  # (days, channels)
    sums = np.where(seen, visible.values, 0).sum(axis=2, dtype=np.float64)
    means = np.broadcast_to(np.asarray(fallback, dtype=np.float64), counts.shape).copy()
    source = np.full(counts.shape, "train", dtype="U10")
    for _, days in visible.people():
        recorded = counts[days].sum(axis=0)  # (channels,)
        with_any = np.broadcast_to(recorded > 0, counts[days].shape)
        means[days] = np.where(with_any, sums[days].sum(axis=0) / np.maximum(recorded, 1), means[days])
        source[days] = np.where(with_any, "other days", source[days])
    means = np.where(counts > 0, sums / np.maximum(counts, 1), means)
    return np.where(counts > 0, "day", source), means


def zero(visible: Recordings, hidden: BoolArray, fallback: FloatArray) -> FloatArray:
    """Always zero: for counts only."""
    return np.zeros(int(hidden.sum()))


def same_minute(train: Sequence[Recordings]) -> Baseline:
    """Learn the mean of each minute of the day over train people; a person's own comes first.

    A hidden minute gets the mean of the same minute on the person's other days; a person who shows it on no
    day, the mean of that minute over train people; failing that, the fallback.

    Args:
        train: Recordings of train people.
    """
    profile = minute_means(train)

    def fill(visible: Recordings, hidden: BoolArray, fallback: FloatArray) -> FloatArray:
        every = np.stack(
            [
                np.where(np.isnan(mean), value, mean)
                for name, value in zip(visible.names, fallback, strict=True)
                for mean in [profile.get(name, np.full(DAY, np.nan))]
            ]
        )  # (channels, 1440)
        fills = np.empty(int(hidden.sum()))
        person = visible.person[np.nonzero(hidden)[0]]
        for position, days in visible.people():
            _, channel, minute = np.nonzero(hidden[days])
            if len(channel):
                own = _mean_over_days(visible.values[days])
                own = np.where(np.isnan(own), every, own)
                fills[person == position] = own[channel, minute]
        return fills

    return fill


def minute_means(train: Sequence[Recordings]) -> dict[str, npt.NDArray[np.float64]]:
    """Channel -> (1440,) mean of each minute of the day over people, every person weighing alike.

    Args:
        train: Recordings; minutes that nobody has are NaN.
    """
    sums: dict[str, npt.NDArray[np.float64]] = {}
    for part in train:
        for _, days in part.people():
            means = _mean_over_days(part.values[days])  # (channels, 1440)
            for name, mean in zip(part.names, means, strict=True):
                there = ~np.isnan(mean)
                add = np.stack([np.where(there, mean, 0), there])
                sums[name] = sums.get(name, np.zeros((2, DAY))) + add
    with np.errstate(invalid="ignore"):
        return {name: total / count for name, (total, count) in sums.items()}


def _mean_over_days(values: FloatArray) -> npt.NDArray[np.float64]:
    """(channels, 1440) of (days, channels, 1440), NaN where no day has a value."""
    count = (~np.isnan(values)).sum(axis=0)
    total = np.nansum(values, axis=0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {"linear": linear, "locf": last_observation, "day mean": day_mean, "zero": zero}
)
"""Name in tables -> baseline."""
