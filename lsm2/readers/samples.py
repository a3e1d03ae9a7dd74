"""Records in little memory: growing columns of numbers while reading, sorted samples by source after it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

LONGEST = 7 * 86_400  # seconds that one record may last


class Columns:
    """The records of one kind as they come: 17 bytes each, no object per record."""

    def __init__(self) -> None:
        self.start = array("I")  # seconds since 1970
        self.seconds = array("I")  # how long it lasts
        self.value = array("f")
        self.source = array("H")
        self.start_offset = array("b")  # of the clock, in quarters of an hour
        self.end_offset = array("b")

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.start)

    def extend(
        self,
        start: np.ndarray,
        seconds: np.ndarray,
        value: np.ndarray,
        source: int,
        start_offset: np.ndarray,
        end_offset: np.ndarray,
    ) -> None:
        """Append many records of one source; each array is (records,), offsets in quarters of an hour."""
        self.start.frombytes(start.astype(np.uint32).tobytes())
        self.seconds.frombytes(seconds.astype(np.uint32).tobytes())
        self.value.frombytes(value.astype(np.float32).tobytes())
        self.source.frombytes(np.full(len(start), source, np.uint16).tobytes())
        self.start_offset.frombytes(start_offset.astype(np.int8).tobytes())
        self.end_offset.frombytes(end_offset.astype(np.int8).tobytes())


@dataclass(frozen=True, eq=False)
class Samples:
    """The records of one kind and source, sorted by start."""

    source: int
    start: np.ndarray  # uint32 (records,), seconds since 1970
    seconds: np.ndarray  # uint32 (records,)
    value: np.ndarray  # float32 (records,)

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.start)

    @property
    def span(self) -> tuple[int, int]:
        """The first and the last minute that a record touches."""
        ends = self.start.astype(np.int64) + np.maximum(self.seconds, 1) - 1
        return int(self.start[0]) // 60, int(ends.max()) // 60

    def between(self, first: int, stop: int) -> Samples:
        """Return the records that touch minutes from `first` up to `stop`, which is left out."""
        low = np.searchsorted(self.start, max(first * 60 - LONGEST, 0))
        high = np.searchsorted(self.start, max(stop * 60, 0))
        start, seconds, value = (part[low:high] for part in (self.start, self.seconds, self.value))
        part = Samples(self.source, start, seconds, value)
        kept = start.astype(np.int64) + np.maximum(seconds, 1) > first * 60
        return part if kept.all() else part.where(kept)

    def where(self, kept: np.ndarray) -> Samples:
        """Return some of the records, given by bool (records,)."""
        return Samples(self.source, self.start[kept], self.seconds[kept], self.value[kept])

    def above(self, level: float) -> Samples:
        """Return the records whose value is above a level."""
        return self.where(self.value > level)

    def united(self) -> Samples:
        """Return samples that do not overlap and cover the same seconds, for records that say yes or no."""
        start = self.start.astype(np.int64)
        end = start + self.seconds
        if len(start) > 1:
            start[1:] = np.maximum(start[1:], np.maximum.accumulate(end)[:-1])
        kept = end > start
        seconds = (end - start)[kept].astype(np.uint32)
        return Samples(self.source, start[kept].astype(np.uint32), seconds, self.value[kept])


def merge_twins(samples: Samples) -> tuple[Samples, int]:
    """Return samples of which no two are of the same moment and length, and how many of them differed.

    Those that differ become their mean: of records on a grid only one can be true.

    >>> twins = Samples(0, np.array([0, 0, 60]), np.array([0, 0, 0]), np.array([4.0, 8.0, 1.0]))
    >>> merge_twins(twins)[0].value.tolist()
    [6.0, 1.0]
    """
    start, seconds = samples.start, samples.seconds
    opens = np.ones(len(start), bool)
    opens[1:] = (start[1:] != start[:-1]) | (seconds[1:] != seconds[:-1])
    if opens.all():
        return samples, 0
    place = np.cumsum(opens) - 1
    count = np.bincount(place)
    value = (np.bincount(place, samples.value) / count).astype(np.float32)
    merged = Samples(samples.source, start[opens], seconds[opens], value)
    return merged, int(np.count_nonzero(count > 1))


def join(parts: Sequence[Samples]) -> Samples:
    """Return the samples of one source that came in several parts, sorted by start."""
    if len(parts) == 1:
        return parts[0]
    columns = [
        np.concatenate([getattr(one, name) for one in parts]) for name in ("start", "seconds", "value")
    ]
    order = np.lexsort((columns[2], columns[1], columns[0]))
    start, seconds, value = (column[order] for column in columns)
    return Samples(parts[0].source, start, seconds, value)


@dataclass(frozen=True, eq=False)
class Offsets:
    """What the clock showed: offsets at moments, the first and last of each run of the same."""

    moment: np.ndarray  # int64 (moments,), seconds since 1970
    offset: np.ndarray  # int64 (moments,), minutes


def sort_records(columns: Columns) -> tuple[list[Samples], Offsets, int]:
    """Return the samples of each source, the offsets that were written, and how many records were doubled.

    Records of the same source, start, end and value count once. The columns are emptied.
    """
    start = np.frombuffer(columns.start, np.uint32).copy()
    seconds = np.frombuffer(columns.seconds, np.uint32).copy()
    value = np.frombuffer(columns.value, np.float32).copy()
    source = np.frombuffer(columns.source, np.uint16).copy()
    offsets = np.stack(
        [np.frombuffer(columns.start_offset, np.int8), np.frombuffer(columns.end_offset, np.int8)]
    )
    for name in ("start", "seconds", "value", "source", "start_offset", "end_offset"):
        del getattr(columns, name)[:]
    order = np.lexsort((value, seconds, start, source))
    start, seconds, value, source = start[order], seconds[order], value[order], source[order]
    offsets = offsets[:, order]
    opens = np.ones(len(start), bool)
    if len(start):
        opens[1:] = (
            (start[1:] != start[:-1])
            | (seconds[1:] != seconds[:-1])
            | (value[1:] != value[:-1])
            | (source[1:] != source[:-1])
        )
    doubled = int(len(opens) - np.count_nonzero(opens))
    if doubled:
        start, seconds, value, source = start[opens], seconds[opens], value[opens], source[opens]
        offsets = offsets[:, opens]
    found = list(_by_source(source, start, seconds, value))
    return found, _runs(source, start, seconds, offsets), doubled


def _by_source(
    source: np.ndarray, start: np.ndarray, seconds: np.ndarray, value: np.ndarray
) -> Iterator[Samples]:
    edges = [0, *(np.flatnonzero(np.diff(source)) + 1).tolist(), len(source)]
    for low, high in pairwise(edges):
        if high > low:
            yield Samples(int(source[low]), start[low:high], seconds[low:high], value[low:high])


def _runs(source: np.ndarray, start: np.ndarray, seconds: np.ndarray, offsets: np.ndarray) -> Offsets:
    at_start, at_end = offsets
    edge = np.ones(len(start), bool)
    if len(start) > 2:
        same = (at_start[1:] == at_start[:-1]) & (source[1:] == source[:-1])
        edge[1:-1] = ~(same[:-1] & same[1:])
    crossing = at_end != at_start
    moments = np.concatenate([start[edge], start[crossing] + seconds[crossing]]).astype(np.int64)
    quarters = np.concatenate([at_start[edge], at_end[crossing]]).astype(np.int64)
    return Offsets(moments, quarters * 15)
