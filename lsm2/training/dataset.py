"""Days of many sources in memory, and batches of windows drawn from them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lsm2.aim import Normalisation
from lsm2.channels import CHANNELS, Schema
from lsm2.days import read_days
from lsm2.training.config import PretrainConfig
from lsm2.training.sources import Split, load_source, split_people, worn_values

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
    """(days,) number of the person."""
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
    schema = config.schema_of_channels()
    parts: list[Recordings] = []
    days_before = 0
    # A person of one file is one person, however many sources read it.
    numbers: dict[tuple[str, Any], int] = {}
    needs_wear = np.array([c.kind == "count" or c.family == "energy" for c in schema.channels])
    for number, source in enumerate(config.sources):
        people = split_people(source, config, directory, split)
        frame = load_source(source, directory, people)
        if frame.empty:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # unknown columns of a source are expected
            days = read_days(frame, schema, units=source.units)
        values, on = worn_values(days, source.nonwear)
        parts.append(
            Recordings(
                values=values,
                worn=on,
                next_day=np.where(days.next_day >= 0, days.next_day + days_before, -1),
                person=np.array(
                    [numbers.setdefault((source.file, p), len(numbers)) for p in days.participants]
                )[days.person],
                source=np.full(len(values), number),
                needs_wear=needs_wear,
            )
        )
        days_before += len(values)
    if not parts:
        raise ValueError(f"no day of the {split} people is in the sources {[s.name for s in config.sources]}")

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    fields = {name: joined(name) for name in ("values", "worn", "next_day", "person", "source")}
    return Recordings(**fields, needs_wear=needs_wear)


def normalise(config: PretrainConfig, schema: Schema, train: Recordings) -> tuple[Normalisation, ...]:
    """Constants of each channel from the observed minutes of the train people.

    Raises:
        ValueError: A channel has no observed minute.
    """
    observed = train.observed()
    constants = []
    for position, (name, how) in enumerate(config.channels.items()):
        own = train.values[:, position][observed[:, position]].astype(np.float64)
        if own.size == 0:
            raise ValueError(
                f"channel {name!r} has no observed minute among the train people; leave it out of channels"
            )
        channel = CHANNELS[name]
        moved = own
        if how.transform == "log1p":
            moved = np.log1p(own)
        elif how.transform == "log":
            moved = np.log(np.maximum(own, 1e-6))
        binary = channel.kind == "binary"
        constants.append(
            Normalisation(
                transform=how.transform,
                mean=round(float(moved.mean()), 6),
                std=1.0 if binary else round(max(float(moved.std()), 1e-6), 6),
                clip=None if binary else how.clip,
                scale=1.0 if binary else round(max(float(own.std()), 1e-6), 6),
                output=channel.kind,
                minimum=channel.minimum,
                maximum=channel.maximum,
            )
        )
    return tuple(constants)


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


class Windows:
    """Draws windows; every draw depends only on the config, the seed and the step, so that training resumes
    exactly.
    """

    def __init__(self, config: PretrainConfig, recordings: Recordings) -> None:
        self.config = config
        self.recordings = recordings
        self.patch = int(config.network.get("patch_minutes", 10))
        tokens = recordings.observed().reshape(len(recordings), -1, self.patch).any(-1).sum(1)
        self.usable = np.flatnonzero(tokens >= config.min_tokens)
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

    def draw(self, generator: torch.Generator) -> Batch:
        """Draw one batch, sources by the square root of their days."""
        config = self.config
        count = config.batch_windows
        picked = torch.multinomial(self.chance, count, replacement=True, generator=generator).numpy()
        uniform = torch.rand(5, count, generator=generator).numpy()
        slots = _MINUTES // self.patch
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
        return Batch(batch.values, batch.observed, batch.target, torch.from_numpy(start))

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
        start = torch.from_numpy(np.where(self.clock[rows], offset, 0))
        return Batch(torch.from_numpy(seen), torch.from_numpy(observed), torch.from_numpy(target), start)
