"""Days of many sources in memory, and batches of windows drawn from them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from lsm2.aim import AIMConfig
from lsm2.aim.normalisation import Normaliser
from lsm2.aim.usual import USUAL_SUMS, usual_sums
from lsm2.days import read_days
from lsm2.training.config import PretrainConfig
from lsm2.training.sources import Split, load_source, split_people, worn_values

if TYPE_CHECKING:
    import pandas as pd

_MINUTES = 1440


@dataclass(frozen=True)
class Recordings:
    """Days of all sources end to end."""

    values: np.ndarray
    """(days, channels, 1440) float32 canonical units, NaN where not recorded."""
    worn: np.ndarray
    """(days, 1440) bool."""
    next_day: np.ndarray
    """(days,) position of the following calendar day of the same person, or -1."""
    person: np.ndarray
    """(days,) number of the person in their source: a person of two sources has two."""
    source: np.ndarray
    """(days,) position in the config's sources."""
    needs_wear: np.ndarray
    """(channels,) bool: zeros of an unworn device are no measurement of it."""

    def __len__(self) -> int:
        """Return the number of days."""
        return len(self.values)

    def observed(self, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Minutes that may be learnt or scored: recorded, and worn where the channel needs it. (days,
        channels, 1440).
        """
        return ~np.isnan(self.values[rows]) & (self.worn[rows][:, None, :] | ~self.needs_wear[:, None])


def load_recordings(config: PretrainConfig, directory: Path, split: Split) -> Recordings:
    """Read all sources' people of one split.

    Raises:
        FileNotFoundError: A file of the config is not in the directory.
        ValueError: A source has no people in the split file, or no day is usable.
    """
    parts = []
    for number, source in enumerate(config.sources):
        frame = load_source(source, directory, split_people(source, config, directory, split))
        if not frame.empty:
            parts.append(read_recordings(frame, config, number))
    return join(parts, config, split)


def read_recordings(frame: pd.DataFrame, config: PretrainConfig, number: int) -> Recordings:
    """Rows of people of the source ``number``, named and cleaned, as days."""
    source, schema = config.sources[number], config.schema_of_channels()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # unknown columns of a source are expected
        days = read_days(frame, schema, units=source.units)
    values, on = worn_values(days, source.nonwear)
    return Recordings(
        values=values,
        worn=on,
        next_day=days.next_day,
        person=np.asarray(days.person),
        source=np.full(len(values), number),
        needs_wear=np.array([c.kind == "count" or c.family == "energy" for c in schema.channels]),
    )


def join(parts: Sequence[Recordings], config: PretrainConfig, split: Split) -> Recordings:
    """Recordings end to end; people of different parts are different.

    Raises:
        ValueError: There are none.
    """
    if not parts:
        raise ValueError(
            f"no day of the {split} people is in the sources {[s.name for s in config.sources]}; see who "
            f"they are ({config.splits or 'drawn: valid_fraction of each source'})"
        )
    days_before = np.cumsum([0, *(len(part) for part in parts)])
    people_before = np.cumsum([0, *(part.person.max(initial=-1) + 1 for part in parts)])
    return Recordings(
        values=np.concatenate([part.values for part in parts]),
        worn=np.concatenate([part.worn for part in parts]),
        next_day=np.concatenate(
            [np.where(p.next_day >= 0, p.next_day + n, -1) for p, n in zip(parts, days_before, strict=False)]
        ),
        person=np.concatenate([p.person + n for p, n in zip(parts, people_before, strict=False)]),
        source=np.concatenate([part.source for part in parts]),
        needs_wear=parts[0].needs_wear,
    )


def usable_days(config: PretrainConfig, recordings: Recordings) -> np.ndarray:
    """Positions of the days that have ``min_tokens`` observed tokens."""
    observed = recordings.observed().reshape(len(recordings), -1, config.patch_minutes)
    return np.flatnonzero(observed.any(-1).sum(1) >= config.min_tokens)


@dataclass(frozen=True)
class Batch:
    """Windows of 1,440 minutes."""

    values: Tensor
    """(windows, channels, minutes) own units; zeros where not seen."""
    observed: Tensor
    """(windows, channels, minutes) bool: what the network may see."""
    target: Tensor
    """(windows, channels, minutes) bool: what may be learnt: seen, and worn where that matters."""
    start: Tensor
    """(windows,) clock slot of the first minute."""
    clock: Tensor
    """(windows,) bool: the recording tells it; else it is drawn."""
    usual: Tensor | None = None
    """(windows, channels, slots, 3) sums over other days of the person, where the network sees them."""

    @classmethod
    def join(cls, batches: Sequence[Batch]) -> Batch:
        """Batches end to end; one alone is not copied."""
        if len(batches) == 1:
            return batches[0]
        usual = [batch.usual for batch in batches if batch.usual is not None]
        return cls(
            values=torch.cat([batch.values for batch in batches]),
            observed=torch.cat([batch.observed for batch in batches]),
            target=torch.cat([batch.target for batch in batches]),
            start=torch.cat([batch.start for batch in batches]),
            clock=torch.cat([batch.clock for batch in batches]),
            usual=torch.cat(usual) if usual else None,
        )

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return Batch(
            values=self.values.to(device),
            observed=self.observed.to(device),
            target=self.target.to(device),
            start=self.start.to(device),
            clock=self.clock.to(device),
            usual=None if self.usual is None else self.usual.to(device),
        )


class Windows:
    """Draws windows; every draw depends only on the config, the seed and the step, so that training resumes
    exactly.
    """

    def __init__(self, config: PretrainConfig, recordings: Recordings, network: AIMConfig) -> None:
        self.config = config
        self.recordings = recordings
        self.network = network
        self.normaliser = Normaliser(network.normalisation)
        self.patch = network.patch_minutes
        self.usable = usable_days(config, recordings)
        if not self.usable.size:
            raise ValueError(f"no day has {config.min_tokens} observed tokens; lower min_tokens or add data")
        source = recordings.source[self.usable]
        days = np.bincount(source, minlength=len(config.sources))
        factor = np.array([s.weight for s in config.sources])
        chance = (factor / np.sqrt(np.maximum(days, 1)))[source]
        self.chance = torch.from_numpy(chance / chance.sum())
        self.clock = np.array([s.clock for s in config.sources])[recordings.source]
        names = list(config.channels)
        self.scaled = names.index("activity_counts") if "activity_counts" in names else None
        self.person = recordings.person
        order = np.argsort(self.person, kind="stable")
        self.days_of = np.split(order, np.cumsum(np.bincount(self.person))[:-1])

    def of_people_alike(self, channels: int) -> Windows:
        """The same, but people are drawn alike, and only days with minutes of so many ``channels``; any day
        where none has.
        """
        enough = self.recordings.observed(self.usable).any(-1).sum(1) >= channels
        chosen = copy(self)
        chosen.usable = self.usable[enough] if enough.any() else self.usable
        person = self.person[chosen.usable]
        chance = 1 / np.bincount(person)[person]
        chosen.chance = torch.from_numpy(chance / chance.sum())
        return chosen

    def draw(self, generator: torch.Generator, count: int) -> Batch:
        """Draw ``count`` windows, sources by the square root of their days."""
        config = self.config
        picked = torch.multinomial(self.chance, count, replacement=True, generator=generator).numpy()
        uniform = torch.rand(5, count, generator=generator).numpy()
        slots = self.network.slots
        offset = np.where(uniform[0] < config.shift_probability, (uniform[1] * slots).astype(int), 0)
        factor = np.where(uniform[2] < 0.5, config.count_scale ** (2 * uniform[3] - 1), 1.0)
        seen_unworn = uniform[4] < config.unworn_probability
        random_start = torch.randint(0, slots, (count,), generator=generator).numpy()
        rows = self.usable[picked]
        batch = self.windows(rows, offset, seen_unworn)
        empty = ~batch.target.flatten(1).any(1).numpy()
        if empty.any():  # nothing was recorded after the window's start
            offset = np.where(empty, 0, offset)
            batch = self.windows(rows, offset, seen_unworn)
        start = np.where(self.clock[rows], offset, random_start)
        if self.scaled is not None:
            batch.values[:, self.scaled] *= torch.from_numpy(factor.astype(np.float32))[:, None]
        usual = None
        if self.network.usual_day:
            others = self.other_days(rows, generator)
            usual = self.usual(others, offset, seen_unworn, factor)
        return replace(batch, start=torch.from_numpy(start), usual=usual)

    def other_days(self, rows: np.ndarray, generator: torch.Generator | None = None) -> list[np.ndarray]:
        """Other days of the same person, without the day after, into which a window may reach.

        Args:
            rows: (windows,) days.
            generator: Draws how many, often none; None for as many as there may be.
        """
        config, drawn = self.config, []
        for row in rows:
            days = self.days_of[self.person[row]]
            days = days[(days != row) & (days != self.recordings.next_day[row])]
            most = min(len(days), config.usual_days)
            if generator is None:
                drawn.append(days[:most])
                continue
            seen, share = torch.rand(2, generator=generator).tolist()
            count = int((most + 1) ** share) if seen < config.usual_probability else 0
            drawn.append(days[torch.randperm(len(days), generator=generator).numpy()[:count]])
        return drawn

    def usual(
        self, others: list[np.ndarray], offset: np.ndarray, seen_unworn: np.ndarray, factor: np.ndarray
    ) -> Tensor:
        """Sums of :func:`lsm2.aim.usual.usual_sums` over days.

        Args:
            others: For each window the days.
            offset: (windows,) clock slot at which the window begins.
            seen_unworn: (windows,) whether zeros of an unworn device count.
            factor: (windows,) that activity counts are multiplied by.

        Returns:
            (windows, channels, slots, 3).
        """
        network, recordings = self.network, self.recordings
        window = np.repeat(np.arange(len(others)), [len(days) for days in others])
        sums = torch.zeros(len(others), network.channels, network.slots, USUAL_SUMS)
        if not len(window):
            return sums
        days = np.concatenate(others)
        values = recordings.values[days]
        visible = recordings.observed(days) | (~np.isnan(values) & seen_unworn[window][:, None, None])
        if self.scaled is not None:
            values[:, self.scaled] *= factor[window, None].astype(np.float32)
        own = usual_sums(torch.from_numpy(values), torch.from_numpy(visible), network, self.normaliser)
        sums.index_add_(0, torch.from_numpy(window), own)
        slot = (torch.from_numpy(offset)[:, None] + torch.arange(network.slots)) % network.slots
        return sums.gather(2, slot[:, None, :, None].expand_as(sums))

    def whole_days(self, rows: np.ndarray) -> Batch:
        """The days ``rows`` as they are, worn minutes alone; with as many other days of the person as there
        may be, where the network sees them.
        """
        zeros = np.zeros(len(rows), dtype=int)
        unworn = zeros.astype(bool)
        batch = self.windows(rows, zeros, unworn)
        if not self.network.usual_day:
            return batch
        return replace(batch, usual=self.usual(self.other_days(rows), zeros, unworn, np.ones(len(rows))))

    def windows(self, rows: np.ndarray, offset: np.ndarray, seen_unworn: np.ndarray) -> Batch:
        """Cut windows that start ``offset`` (slots) into the days ``rows`` and reach into the following
        days.
        """
        recordings, minutes = self.recordings, offset * self.patch
        values = np.full((len(rows), *recordings.values.shape[1:]), np.nan, dtype=np.float32)
        on = np.zeros((len(rows), _MINUTES), dtype=bool)
        for i, (row, skip) in enumerate(zip(rows, minutes, strict=True)):
            values[i, :, : _MINUTES - skip] = recordings.values[row, :, skip:]
            on[i, : _MINUTES - skip] = recordings.worn[row, skip:]
            following = recordings.next_day[row]
            if skip and following >= 0:
                values[i, :, _MINUTES - skip :] = recordings.values[following, :, :skip]
                on[i, _MINUTES - skip :] = recordings.worn[following, :skip]
        recorded = ~np.isnan(values)
        target = recorded & (on[:, None, :] | ~recordings.needs_wear[:, None])
        observed = np.where(seen_unworn[:, None, None], recorded, target)
        seen = np.where(observed, values, 0.0).astype(np.float32)
        clock = self.clock[rows]
        return Batch(
            values=torch.from_numpy(seen),
            observed=torch.from_numpy(observed),
            target=torch.from_numpy(target),
            start=torch.from_numpy(np.where(clock, offset, 0)),
            clock=torch.from_numpy(clock),
        )
