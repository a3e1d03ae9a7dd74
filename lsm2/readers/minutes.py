"""From samples to minutes: intervals spread by overlap, rates averaged, coverage, and when a device was worn.

Every function answers for a block of consecutive absolute minutes, so that memory does not follow the span.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from lsm2.readers.samples import Samples

WORN = 7  # minutes to either side of a sample: the surrounding quarter of an hour
HALF = 30  # seconds of a minute that make a state hold for the minute
_CELLS = 1 << 19  # minutes of intervals laid out at once


@dataclass(frozen=True)
class Block:
    """Consecutive absolute minutes since 1970."""

    first: int
    count: int

    @property
    def stop(self) -> int:
        """The minute after the last."""
        return self.first + self.count

    def widened(self, margin: int) -> Block:
        """Return the block with so many minutes more on either side."""
        return Block(self.first - margin, self.count + 2 * margin)


def spread(samples: Samples, block: Block) -> np.ndarray:
    """Spread amounts over the minutes that they cover, in proportion to the seconds.

    Args:
        samples: Amounts; one without length belongs to the minute it stands in.
        block: The minutes.

    Returns:
        float64 (minutes,), NaN where no sample is.

    >>> samples = Samples(0, np.array([30]), np.array([60]), np.array([10.0]))
    >>> spread(samples, Block(0, 3)).tolist()
    [5.0, 5.0, nan]
    """
    total, covered = np.zeros(block.count), np.zeros(block.count, bool)
    for minute, overlap, row, part in _cells(samples, block):
        share = np.where(part.seconds[row] == 0, 1.0, overlap / np.maximum(part.seconds[row], 1))
        np.add.at(total, minute, part.value[row].astype(np.float64) * share)
        covered[minute] = True
    total[~covered] = np.nan
    return total


def average(samples: Samples, block: Block) -> np.ndarray:
    """Return the mean of the samples of each minute; one that lasts counts in every minute it touches.

    Returns:
        float64 (minutes,), NaN where no sample is.

    >>> samples = Samples(0, np.array([5, 65, 90]), np.array([0, 0, 0]), np.array([60.0, 70.0, 80.0]))
    >>> average(samples, Block(0, 3)).tolist()
    [60.0, 75.0, nan]
    """
    total, count = np.zeros(block.count), np.zeros(block.count)
    for minute, _, row, part in _cells(samples, block):
        np.add.at(total, minute, part.value[row].astype(np.float64))
        np.add.at(count, minute, 1.0)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / np.where(count, count, np.nan))


def holds(samples: Samples, block: Block) -> np.ndarray:
    """Return the minutes of which samples cover at least half, bool (minutes,)."""
    seconds = np.zeros(block.count)
    for minute, overlap, _, _ in _cells(samples.united(), block):
        np.add.at(seconds, minute, overlap)
    return np.asarray(seconds >= HALF)


def near(samples: Iterable[Samples], block: Block, margin: int) -> np.ndarray:
    """Return the minutes within `margin` minutes of any that a sample touches, bool (minutes,)."""
    change = np.zeros(block.count + 1, np.int64)
    for one in samples:
        part = one.between(block.first - margin, block.stop + margin)
        start = part.start.astype(np.int64)
        opens = start // 60 - margin - block.first
        closes = (start + np.maximum(part.seconds, 1) - 1) // 60 + margin + 1 - block.first
        np.add.at(change, np.clip(opens, 0, block.count), 1)
        np.add.at(change, np.clip(closes, 0, block.count), -1)
    return np.asarray(np.cumsum(change[:-1]) > 0)


def _cells(samples: Samples, block: Block) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, Samples]]:
    """Yield, for each minute of each sample: its place, seconds of overlap, the row, and the samples."""
    part = samples.between(block.first, block.stop)
    if len(part) == 0:
        return
    start = part.start.astype(np.int64)
    end = start + part.seconds
    first = np.maximum(start // 60, block.first)
    last = np.minimum(np.maximum(end - 1, start) // 60, block.stop - 1)
    reach = np.cumsum(last - first + 1)
    low = 0
    while low < len(start):
        done = reach[low - 1] if low else 0
        high = max(int(np.searchsorted(reach, done + _CELLS, side="right")), low + 1)
        counts = (last - first + 1)[low:high]
        row = np.repeat(np.arange(low, high), counts)
        minute = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts) + first[row]
        overlap = np.minimum(end[row], minute * 60 + 60) - np.maximum(start[row], minute * 60)
        yield minute - block.first, overlap, row, part
        low = high
