"""What the edges of gaps tell of a sensor: an accelerometer that is stuck, a heart rate that fails when high.

Two rules beside the network, with a few numbers of train and valid people (docs/experiments.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lsm2.days import DAY, Days

_LONGEST = 180  # minutes of a gap; nothing is known of longer ones
_SIDE = 5  # minutes on either side that must be the same number, to the last bit

_TOP, _TOP_AROUND = 0.8, 0.7  # quantiles of the person, and of the hours around, that both edges lie above
_AROUND = 60  # minutes before a gap and after it
_FEWEST, _SHARE = 5, 0.3  # gaps of a person that are so, and their share of the gaps, at least
_LOST = 0.01  # their minutes over those that are seen, at least
_HIGH = 0.6  # quantile that both edges of a gap lie above if it is to be lifted
_LIFT = (0.4, 0.12)  # how far: at once, and for each doubling of the distance to the nearest edge


def correct(days: Days, wanted: np.ndarray, fills: Sequence[np.ndarray]) -> None:
    """Correct fills of gaps of up to three hours by what their edges tell of the sensor, in place.

    - **Stuck accelerometers**: a gap between five minutes on both sides that hold one number, to the last
      bit, holds it too.
    - **Heart rates that fail when high**: where five gaps of a person or more, three in ten of them, and as
      many minutes as 1 % of those seen, begin and end in the top fifth of what is seen of the person and
      above 70 % of what is seen within an hour, they are not there by chance. Those with both edges in the
      person's upper two fifths, and what energy lacks at the same minutes, are filled no lower than a curve
      above the line between the edges.

    Other channels are left alone.

    Args:
        days: The recording.
        wanted: bool (days, channels, 1440), minutes to fill.
        fills: float32 (days, channels, 1440) each.
    """
    channels = days.schema.channels
    still = [position for position, channel in enumerate(channels) if channel.unit == "g"]
    heart = [position for position, channel in enumerate(channels) if channel.name == "heart_rate"]
    energy = [position for position, channel in enumerate(channels) if channel.family == "energy"]
    positions = [*still, *heart, *(energy if heart else ())]
    least = np.array([[channels[position].minimum] for position in positions], np.float32)
    most = np.array([[channels[position].maximum] for position in positions], np.float32)
    missing = np.logical_or.reduce(wanted, axis=2)
    for person in np.unique(days.person[missing[:, positions].any(axis=1)]):
        own = slice(*np.searchsorted(days.person, [person, person + 1]))
        asked = wanted[own, positions]
        place = np.arange(len(asked)) + np.cumsum([0, *(days.next_day[own][:-1] < 0)])
        seen = _line(np.where(asked, np.nan, days.values[own, positions]), place)
        proposed = np.stack([_line(fill[own, positions], place) for fill in fills])
        for row in range(len(still)):
            _hold(seen[row], proposed[:, row])
        if heart:
            _lift(seen[len(still) :], proposed[:, len(still) :])
        by_day = proposed.clip(least, most).reshape(len(proposed), len(positions), -1, DAY)[:, :, place]
        for fill, corrected in zip(fills, by_day.swapaxes(1, 2), strict=True):
            fill[own, positions] = np.where(asked, corrected, fill[own, positions])


def _line(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Lay days (days, channels, 1440) behind one another, each at its place: (channels, minutes)."""
    line = np.full((values.shape[1], place[-1] + 1, DAY), np.nan, np.float32)
    line[:, place] = values.swapaxes(0, 1)
    return line.reshape(len(line), -1)


def _gaps(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first minutes of the gaps between seen minutes, and those behind them."""
    edges = np.diff(np.isnan(seen).astype(np.int8), prepend=0, append=0)
    start, stop = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    known = (start > 0) & (stop < len(seen)) & (stop - start <= _LONGEST)
    return start[known], stop[known]


def _inside(start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the minutes of gaps, and how far each is from the nearest minute outside."""
    length = stop - start
    since = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    return np.repeat(start, length) + since, np.minimum(since + 1, np.repeat(length, length) - since)


def _hold(seen: np.ndarray, fills: np.ndarray) -> None:
    """Fill the gaps of a stuck sensor with its number, in place: fills (fills, minutes)."""
    start, stop = _gaps(seen)
    inside = (start >= _SIDE) & (stop + _SIDE <= len(seen))
    start, stop = start[inside], stop[inside]
    steps = np.arange(_SIDE)
    around = np.concatenate([seen[start[:, None] - 1 - steps], seen[stop[:, None] + steps]], axis=1)
    for number in np.flatnonzero((around == around[:, :1]).all(axis=1)):  # NaN equals nothing
        fills[:, start[number] : stop[number]] = around[number, 0]


def _lift(seen: np.ndarray, fills: np.ndarray) -> None:
    """Lift fills (fills, channels, minutes) of gaps that are there because heart rate, the first channel, was
    high, in place.
    """
    heart = seen[0]
    start, stop = _gaps(heart)
    if len(start) < _FEWEST:
        return
    high, top = np.nanquantile(heart, [_HIGH, _TOP])
    lower = np.minimum(heart[start - 1], heart[stop])
    at_top = lower > top
    at_top[at_top] = _rank_around(heart, start[at_top], stop[at_top], lower[at_top]) > _TOP_AROUND
    minutes = (stop - start)[at_top].sum()
    if at_top.sum() < max(_FEWEST, _SHARE * len(start)) or minutes < _LOST * (~np.isnan(heart)).sum():
        return
    minute, distance = _inside(start[lower > high], stop[lower > high])
    lift = _LIFT[0] + _LIFT[1] * np.log2(distance)
    for position, channel in enumerate(seen):
        own = np.isin(minute, _inside(*_gaps(channel))[0])
        if own.any():
            visible = np.flatnonzero(~np.isnan(channel))
            ordinary, usual_most = np.quantile(channel[visible], [0.5, 0.95])
            between = np.interp(minute[own], visible, channel[visible])
            lifted = between + lift[own] * (usual_most - ordinary)
            fills[:, position, minute[own]] = np.maximum(fills[:, position, minute[own]], lifted)


def _rank_around(seen: np.ndarray, start: np.ndarray, stop: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return which share of what is seen around each gap is lower than a value, ties counted half."""
    padded = np.pad(seen, _AROUND, constant_values=np.nan)  # shifted by as much
    minute = np.arange(_AROUND)
    around = np.concatenate(
        [padded[start[:, None] + minute], padded[stop[:, None] + _AROUND + minute]], axis=1
    )
    lower, same = around < value[:, None], around == value[:, None]
    return np.asarray((lower.sum(axis=1) + same.sum(axis=1) / 2) / (~np.isnan(around)).sum(axis=1))
