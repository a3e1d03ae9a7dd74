"""What a missing minute has around it: how far the nearest observed minutes are, what else was recorded, and
how restless the channel is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lsm2.channels import Schema
from lsm2.days import DAY, Windows

FAR = 2 * DAY
"""Minutes from which on an observed minute counts as none."""
_COMPANY_MINUTES = 10
_REACH = 60
"""Minutes on either side over which restlessness is measured."""
_PRIOR = 10.0
"""Differences that the day's own restlessness counts as, beside those within reach."""


@dataclass(frozen=True)
class Cells:
    """Missing minutes and their surroundings; one entry per cell, in the order of ``np.nonzero(wanted)``."""

    day: np.ndarray
    """int64, position in the days."""
    channel: np.ndarray
    """int64, position in the schema."""
    minute: np.ndarray
    """int64, minute of the day."""
    before: np.ndarray
    """float32, minutes since the last observed minute of the channel; infinite where there is none."""
    after: np.ndarray
    """float32, minutes to the next one."""
    company: np.ndarray
    """int64: 2 a channel of the same family was observed within the same ten minutes, 1 another channel, 0
    none.
    """
    restless: np.ndarray
    """float32, mean absolute difference of neighbouring observed minutes, own units; NaN where unknown."""

    def __len__(self) -> int:
        return len(self.day)

    @property
    def distance(self) -> np.ndarray:
        """float32, half of the harmonic mean of both distances, as in the variance of a Brownian bridge.

        It grows with the distance to the nearer edge and, less, with the length of the gap; next to one side
        only it is the distance to that side. Infinite where the channel was not observed on either side.

        >>> nothing = np.zeros(2, int)
        >>> before, after = np.array([1, 5.0]), np.array([np.inf, 5.0])
        >>> Cells(nothing, nothing, nothing, before, after, nothing, nothing).distance
        array([1. , 2.5])
        """
        with np.errstate(divide="ignore"):
            return np.asarray(1 / (1 / self.before + 1 / self.after))


def surround(windows: Windows, wanted: np.ndarray) -> Cells:
    """Describe the surroundings of missing minutes.

    Distances run on over midnight and over days that are not there.

    Args:
        windows: The recording.
        wanted: (days, channels, 1440) bool, missing minutes.
    """
    days = windows.days
    schema = days.schema
    day, channel, minute = np.nonzero(wanted)
    before = np.empty(len(day), np.float32)
    after = np.empty(len(day), np.float32)
    restless = np.empty(len(day), np.float32)
    observed = days.observed
    clock = days.date.astype(np.int64) * DAY
    for position in np.unique(channel):
        mine = channel == position
        rows = np.unique(day[mine])
        seen = observed[:, position]
        since, until = _distances(seen, clock, days.person)
        before[mine], after[mine] = since[day[mine], minute[mine]], until[day[mine], minute[mine]]
        levels = np.full((len(days), DAY), np.nan, np.float32)
        levels[rows] = _restlessness(days.values[rows, position])
        restless[mine] = levels[day[mine], minute[mine]]
    company = _company(observed, schema)
    return Cells(
        day, channel, minute, before, after, company[day, channel, minute // _COMPANY_MINUTES], restless
    )


def _distances(seen: np.ndarray, clock: np.ndarray, person: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Minutes since the last observed minute and to the next, float32 (days, 1440) each; ``seen`` (days,
    1440).
    """
    span = int(clock.max() - clock.min()) + DAY + 2 * FAR if len(clock) else 1
    # One line of time for all people, with more than FAR between them.
    line = ((clock - (clock.min() if len(clock) else 0) + person * span)[:, None] + np.arange(DAY)).reshape(
        -1
    )
    flat = seen.reshape(-1)
    last = np.maximum.accumulate(np.where(flat, line, -FAR))
    following = np.minimum.accumulate(np.where(flat, line, np.iinfo(np.int64).max // 2)[::-1])[::-1]
    since, until = (line - last).astype(np.float32), (following - line).astype(np.float32)
    since[since >= FAR] = np.inf
    until[until >= FAR] = np.inf
    return since.reshape(seen.shape), until.reshape(seen.shape)


def _restlessness(values: np.ndarray) -> np.ndarray:
    """Mean absolute difference of neighbouring minutes around each minute; ``values`` (days, 1440)."""
    step = np.abs(np.diff(values, axis=1))  # (days, 1439)
    there = ~np.isnan(step)
    total = np.concatenate([np.zeros((len(step), 1)), np.cumsum(np.where(there, step, 0), axis=1)], axis=1)
    count = np.concatenate([np.zeros((len(step), 1)), np.cumsum(there, axis=1)], axis=1)
    first = np.maximum(np.arange(DAY) - _REACH, 0)
    last = np.minimum(np.arange(DAY) + _REACH, DAY - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        of_day = total[:, -1:] / count[:, -1:]
        near, number = total[:, last] - total[:, first], count[:, last] - count[:, first]
        result: np.ndarray = (near + _PRIOR * of_day) / (number + _PRIOR)
    return result.astype(np.float32)


def _company(observed: np.ndarray, schema: Schema) -> np.ndarray:
    """int8 (days, channels, 144), see :class:`Cells`."""
    minutes = observed.reshape(*observed.shape[:2], DAY // _COMPANY_MINUTES, _COMPANY_MINUTES)
    tokens: np.ndarray = np.logical_or.reduce(minutes, axis=-1)  # (days, channels, 144)
    result = np.zeros(tokens.shape, np.int8)
    total = tokens.sum(axis=1)  # (days, 144)
    for positions in schema.families.values():
        family = tokens[:, list(positions)].sum(axis=1)
        for position in positions:
            of_family = family - tokens[:, position]
            result[:, position] = np.where(of_family > 0, 2, np.where(total - family > 0, 1, 0))
    return result
