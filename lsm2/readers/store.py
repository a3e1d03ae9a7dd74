"""What a reader keeps: records by person and channel, checked as they come, on whatever clock they have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from lsm2.channels import CHANNELS, Channel
from lsm2.days.clock import offsets
from lsm2.readers.cells import Clock, Times
from lsm2.readers.recording import ASLEEP, AWAKE, UNKNOWN
from lsm2.readers.request import Request
from lsm2.readers.samples import LONGEST, Columns, Offsets
from lsm2.readers.xml import ReadError

# What a source writes of an amount where there is none: nothing, so that zeros are added while the device was
# worn; zeros, also while it was off, which are taken out; zeros only while it was worn, which are believed.
Zeros = Literal["absent", "written", "believed"]

_EARLIEST, _LATEST = 31_536_000, 2_524_608_000  # 1971 to 2050: clocks that were never set lie outside
_ABSURD = 1e6  # no record of a minute or an interval comes near it in any canonical unit
_SOURCES = 65_535
_PEOPLE = 100_000


@dataclass
class Person:
    """The records of one person.

    Columns are kept by channel, clock, and whether they lie on a grid: one record a minute, so that two of
    one moment exclude each other.
    """

    columns: dict[tuple[str, Clock, bool], Columns] = field(default_factory=dict)
    offsets: list[Offsets] = field(default_factory=list)  # told apart from records
    dense: set[tuple[str, str]] = field(default_factory=set)  # (channel, source) that writes zeros
    believed: set[tuple[str, str]] = field(default_factory=set)  # those of them that do while worn only


class Store:
    """Takes records in bulk, and keeps those that a channel is made of.

    Args:
        request: What is asked for.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.faults = request.faults
        self.people: dict[Any, Person] = {}
        self.sources: list[str] = []
        self.outside: Counter[str] = Counter()  # values outside the channel's range
        self.never: int = 0  # local times that the zone's clock never showed
        self.elements = 0  # records offered
        self._places: dict[str, int] = {}
        self._reach = request.reach

    def add(
        self,
        channel: str,
        start: np.ndarray,
        value: np.ndarray,
        *,
        place: Callable[[int], str],
        seconds: np.ndarray | int = 0,
        bad: np.ndarray | None = None,
        unit: str | None = None,
        source: str = "",
        person: Any = None,
        clock: Clock = "utc",
        offset: np.ndarray | None = None,
        grid: bool = False,
        zeros: Zeros = "absent",
    ) -> None:
        """Add records of one channel, source and person.

        Args:
            channel: Its name.
            start: Seconds since 1970, int64 (records,): UTC, or of the local clock.
            value: float64 (records,); NaN is nothing.
            place: Says where a record stands.
            seconds: How long each lasts.
            bad: Records whose time was refused already.
            unit: Of the values; None: the channel's own.
            source: The device or app.
            person: Whose they are, where the export says it.
            clock: That of `start`.
            offset: Minutes that the person's clock was from UTC, for "written".
            grid: Whether there is one record a minute.
            zeros: What the source writes where there is nothing, of an amount.

        Raises:
            ReadError: A record is malformed, and such records are not skipped.
        """
        self.elements += len(start)
        kept = np.ones(len(start), bool) if bad is None else ~bad
        lasting = np.broadcast_to(np.asarray(seconds, np.int64), start.shape)
        factor, shift = _meaning(channel).conversion(unit)
        value = np.asarray(value, np.float64) * factor + shift
        kept &= ~np.isnan(value)
        kept &= self._check_times(start, lasting, kept, place)
        kept &= self._check_values(channel, value, kept, place)
        if clock == "local" and self.request.zone is not None:
            start, shown = to_absolute(start, self.request.zone)
            self.never += int(np.count_nonzero(kept & ~shown))
            kept &= shown
            clock = "utc"
        earliest, latest = self._reach
        kept &= (start + lasting >= earliest) & (start <= latest)
        if not kept.any():
            return
        quarters = np.zeros(len(start), np.int64) if offset is None else np.asarray(offset) // 15
        owner = self._person(person)
        columns = owner.columns.setdefault((channel, clock, grid), Columns())
        if zeros != "absent":
            owner.dense.add((channel, source))
        if zeros == "believed":
            owner.believed.add((channel, source))
        columns.extend(
            start[kept], lasting[kept], value[kept], self._source(source), quarters[kept], quarters[kept]
        )

    def tell_offset(self, moment: int, offset: int, person: Any = None) -> None:
        """Add what the export says of the clock: so many minutes from UTC at a moment, seconds since 1970."""
        if _EARLIEST <= moment < _LATEST:
            told = Offsets(np.array([moment], np.int64), np.array([offset], np.int64))
            self._person(person).offsets.append(told)

    def refuse(self, bad: np.ndarray, place: Callable[[int], str], reason: str, detail: Any) -> None:
        """Refuse records: raise for the first, or count all.

        Args:
            bad: bool (records,).
            place: Says where a record stands.
            reason: The kind of fault.
            detail: Says what is wrong with a record, given its number.
        """
        rows = np.flatnonzero(bad)
        if len(rows):
            first = int(rows[0])
            self.faults.refuse(place(first), reason, detail(first), count=len(rows))

    def within(self, channel: str, value: np.ndarray, among: np.ndarray) -> np.ndarray:
        """Return which values lie in the channel's range, bool (records,); count others among some."""
        kind = _meaning(channel)
        within = np.asarray((value >= kind.minimum) & (value <= kind.maximum))
        lost = int(np.count_nonzero(among & ~within))
        if lost:
            self.outside[channel] += lost
        return within

    def check_times(
        self, times: Times, cells: Any, place: Callable[[int], str], among: np.ndarray | None = None
    ) -> None:
        """Refuse what was read as a time and is none, of all cells or among some."""
        bad = times.bad if among is None else times.bad & among
        self.refuse(bad, place, "a time that is none", lambda row: f"{_shown(cells[row])} is no time")

    def check_numbers(
        self, bad: np.ndarray, cells: Any, place: Callable[[int], str], label: str = "value"
    ) -> None:
        """Refuse what was read as a number and is none."""
        self.refuse(
            bad,
            place,
            "a value that is no number",
            lambda row: f"{label} {_shown(cells[row])} is no number",
        )

    def _check_times(
        self, start: np.ndarray, seconds: np.ndarray, kept: np.ndarray, place: Callable[[int], str]
    ) -> np.ndarray:
        far = (start < _EARLIEST) | (start >= _LATEST)
        self.refuse(
            kept & far,
            place,
            "a time that is none",
            lambda row: f"its time, {start[row]} seconds since 1970, lies outside the years 1971 to 2049",
        )
        wrong = ~far & ((seconds < 0) | (seconds > LONGEST))
        self.refuse(
            kept & wrong,
            place,
            "an impossible length",
            lambda row: (
                "it ends before it starts"
                if seconds[row] < 0
                else f"it lasts {seconds[row]} seconds, longer than seven days"
            ),
        )
        return ~far & ~wrong

    def _check_values(
        self, channel: str, value: np.ndarray, kept: np.ndarray, place: Callable[[int], str]
    ) -> np.ndarray:
        kind = _meaning(channel)
        if kind.aggregation == "sum":
            wrong = (value < 0) | (value > _ABSURD)
            self.refuse(
                kept & wrong,
                place,
                "an impossible value",
                lambda row: f"{value[row]:g} {kind.unit} is impossible for {channel}",
            )
            return ~wrong
        return self.within(channel, value, kept)

    def _person(self, person: Any) -> Person:
        if person not in self.people and len(self.people) >= _PEOPLE:
            raise ReadError(f"{self.request.path}: more than {_PEOPLE:,} participants; split the export")
        return self.people.setdefault(person, Person())

    def _source(self, name: str) -> int:
        found = self._places.setdefault(name, len(self.sources))
        if found == len(self.sources):
            if found >= _SOURCES:
                raise ReadError(f"{self.request.path}: more than {_SOURCES:,} sources; this is no export")
            self.sources.append(name)
        return found


def _meaning(channel: str) -> Channel:
    """Return the channel that records are of; stretches awake or of an unknown stage are of sleep."""
    return CHANNELS[ASLEEP if channel in (AWAKE, UNKNOWN) else channel]


def _shown(cell: Any) -> str:
    return repr(cell)[:80]


def to_absolute(local: np.ndarray, zone: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the moment at which a zone's clock showed a time, and whether it ever did.

    Where it did twice (end of summer time) the first counts.

    Args:
        local: Seconds since 1970 on the clock, int64 (records,).
        zone: The zone.

    Returns:
        Seconds since 1970 (UTC), int64 (records,), and bool (records,).

    >>> from lsm2.days.clock import as_zone
    >>> to_absolute(np.array([7200]), as_zone("Europe/Berlin"))
    (array([3600]), array([ True]))
    """
    minute = local // 60
    day = 1440
    before, after = (offsets(minute + step, zone) for step in (-day, day))
    first, second = (minute - one for one in (np.maximum(before, after), np.minimum(before, after)))
    is_first = first + offsets(first, zone) == minute
    is_second = second + offsets(second, zone) == minute
    absolute = np.where(is_first, first, second)
    return absolute * 60 + local % 60, is_first | is_second
