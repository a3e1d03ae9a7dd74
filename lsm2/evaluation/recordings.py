"""The minute values of one data set's people, in the form in which minutes are hidden and scored."""

from __future__ import annotations

import hashlib
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from lsm2.channels import Channel
from lsm2.days import DAY, Days, read_days

if TYPE_CHECKING:
    from lsm2.training.config import PretrainConfig

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Recordings:
    """Days of several people, each person's in order of date.

    It holds values and nothing else: no reference to the frame they came from, so that a method that is
    handed ``recordings.without(hidden)`` cannot see what was hidden.

    Args:
        dataset: Name of the data set, for tables and seeds.
        channels: One for each row of a day.
        participants: One label per person.
        person: (days,) position in ``participants``; equal ones adjacent.
        date: (days,) datetime64[D], ascending within a person.
        values: (days, channels, 1440) float32 in canonical units, NaN where missing or not worn.
    """

    dataset: str
    channels: tuple[Channel, ...]
    participants: pd.Index
    person: IntArray
    date: npt.NDArray[np.datetime64]
    values: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        expected = (len(self.person), len(self.channels), DAY)
        if self.values.shape != expected:
            raise ValueError(f"values of {self.dataset} have shape {self.values.shape}, expected {expected}")
        if len(self.date) != len(self.person):
            raise ValueError(f"{self.dataset} has {len(self.person)} days but {len(self.date)} dates")

    def __len__(self) -> int:
        return len(self.person)

    @property
    def names(self) -> tuple[str, ...]:
        """Channel names, in order."""
        return tuple(channel.name for channel in self.channels)

    @property
    def observed(self) -> BoolArray:
        """(days, channels, 1440) where there is a value."""
        return ~np.isnan(self.values)

    @property
    def day_number(self) -> IntArray:
        """(days,) days since 1970-01-01, so that minutes of a person lie on one line."""
        return self.date.astype("datetime64[D]").astype(np.int64)

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that any change of people, days, channels or values changes."""
        people = "\n".join(map(str, self.participants[self.person]))
        digest = hashlib.sha256("\n".join([self.dataset, *self.names, people]).encode())
        digest.update(self.day_number.tobytes())
        digest.update(np.packbits(self.observed).tobytes())
        digest.update(np.nan_to_num(self.values, nan=0.0).tobytes())
        return digest.hexdigest()[:16]

    def people_taken(self, chosen: npt.NDArray[np.generic]) -> Recordings:
        """The days of some people, by their positions; participants keep theirs."""
        return self.take(np.isin(self.person, chosen))

    def usable(self, minutes: int = 360) -> BoolArray:
        """(days,) days with a value of any channel in at least ``minutes`` minutes."""
        return self.observed.any(axis=1).sum(axis=1) >= minutes

    def people(self) -> Iterator[tuple[int, slice]]:
        """Each person with a day: position in ``participants``, and their days as a slice."""
        starts = np.flatnonzero(np.diff(self.person, prepend=-1))
        for start, stop in zip(starts, [*starts[1:], len(self.person)], strict=True):
            yield int(self.person[start]), slice(int(start), int(stop))

    def generator(self, person: int, purpose: str, seed: int) -> np.random.Generator:
        """Random numbers for one person and purpose: draws do not depend on who else is there."""
        key = f"{self.dataset}|{self.participants[person]}|{purpose}"
        return np.random.default_rng([seed, zlib.crc32(key.encode())])

    def take(self, days: npt.NDArray[np.generic]) -> Recordings:
        """The days chosen by a boolean array or by ascending positions; participants keep their positions."""
        return replace(self, person=self.person[days], date=self.date[days], values=self.values[days])

    def without(self, hidden: BoolArray) -> Recordings:
        """The same days with NaN where ``hidden`` (days, channels, 1440)."""
        return replace(self, values=np.where(hidden, np.float32(np.nan), self.values))

    def draw_days(self, most: int = 8, *, minutes: int = 360, seed: int = 0) -> BoolArray:
        """(days,) at most ``most`` usable days a person, drawn at random among those with most channels.

        Where a person wore a second device for a day or two, those days would else mostly be passed over.

        Args:
            most: Days a person.
            minutes: A day is usable with at least so many observed minutes.
            seed: Draws differ with it, and with nothing else.
        """
        usable = self.usable(minutes)
        channels = (self.observed.sum(axis=2) >= minutes).sum(axis=1)
        drawn = np.zeros(len(self), dtype=bool)
        for person, days in self.people():
            positions = days.start + np.flatnonzero(usable[days])
            if len(positions) > most:
                shuffled = self.generator(person, "days", seed).permutation(positions)
                positions = shuffled[np.argsort(-channels[shuffled], kind="stable")][:most]
            drawn[positions] = True
        return drawn

    def neighbours(self, before: BoolArray, after: BoolArray) -> BoolArray:
        """Which days are the calendar day before or after certain days of the same person.

        Args:
            before: (days,) days whose day before is wanted.
            after: (days,) days whose day after is wanted.

        Returns:
            (days,) the days wanted that there are.
        """
        follows = (np.diff(self.person) == 0) & (np.diff(self.day_number) == 1)  # (days - 1,)
        wanted = np.zeros(len(self), dtype=bool)
        wanted[:-1] |= before[1:] & follows
        wanted[1:] |= after[:-1] & follows
        return wanted

    def frame(self) -> pd.DataFrame:
        """Every minute of every day: index (participant_id, timestamp), float32 columns by canonical name."""
        minutes = self.date.astype("datetime64[m]")[:, None] + np.arange(DAY).astype("timedelta64[m]")
        index = pd.MultiIndex.from_arrays(
            [
                self.participants.take(np.repeat(self.person, DAY)),
                pd.DatetimeIndex(minutes.ravel().astype("datetime64[ns]")),
            ],
            names=["participant_id", "timestamp"],
        )
        by_minute = np.moveaxis(self.values, 1, 2).reshape(-1, len(self.channels))  # (days * 1440, channels)
        return pd.DataFrame(by_minute, index=index, columns=list(self.names))


def read_recordings(
    config: PretrainConfig, directory: Path, split: Literal["train", "valid", "test"]
) -> Iterator[Recordings]:
    """Read the people of one split, a data set at a time, without what an unworn device wrote.

    Args:
        config: The pretraining configuration, which names the sources, the split file and the channels.
        directory: Where the files are.
        split: Whose recordings.

    Yields:
        Each source's people, where it has any in the split; only channels that they recorded. A file that
        several sources read is read as the first of them says, so that nobody counts twice.

    Raises:
        FileNotFoundError: A file of the configuration is not there.
        ValueError: The split file does not know a source.
    """
    from lsm2.training.sources import load_source, split_people

    first_of_file = {source.file: source for source in reversed(config.sources)}
    for source in config.sources:
        if source is not first_of_file[source.file]:
            continue
        frame = load_source(source, directory, split_people(source, config, directory, split))
        if not frame.empty:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # a source may hold columns that are no channel
                days = read_days(frame, config.schema_of_channels(), units=source.units)
            yield from_days(days, source.name, nonwear=source.nonwear)


def from_days(
    days: Days, dataset: str, *, nonwear: Literal["auto", "zero_runs", "none"] = "auto"
) -> Recordings:
    """The worn minutes of the recorded channels; a logged night counts as worn.

    Args:
        days: Days of a frame.
        dataset: Name, for tables and seeds.
        nonwear: How unworn minutes are told; see :class:`lsm2.training.sources.Source`.
    """
    from lsm2.training.sources import worn_values

    values, on = worn_values(days, nonwear)
    for position, channel in enumerate(days.schema.channels):
        if channel.kind == "count" or channel.family == "energy":
            values[:, position][~on] = np.nan
    kept = np.flatnonzero(~np.isnan(values).all(axis=(0, 2)))
    return Recordings(
        dataset,
        tuple(days.schema.channels[i] for i in kept),
        days.participants,
        days.person.astype(np.int64),
        days.date,
        np.ascontiguousarray(values[:, kept]),
    )
