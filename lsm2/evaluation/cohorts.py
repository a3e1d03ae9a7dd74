"""Whom to score, and the other people whose scales and learnt baselines they are scored by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from lsm2.channels import CHANNELS, Schema
from lsm2.days import read_days
from lsm2.wording import counted

from .recordings import Recordings, from_days, read_recordings
from .scores import ChannelScale, channel_scales

if TYPE_CHECKING:
    from lsm2.training.config import PretrainConfig


@dataclass(frozen=True)
class Cohort:
    """People to score, and what is known from others."""

    recordings: tuple[Recordings, ...]
    train: tuple[Recordings, ...]
    """Of other people, whom baselines learn from; may be empty."""
    scales: dict[str, ChannelScale]
    """Constants of the channels."""

    @property
    def train_fingerprint(self) -> str:
        """Changes with what baselines learn from."""
        return hashlib.sha256("".join(part.fingerprint for part in self.train).encode()).hexdigest()[:16]

    def only(self, channels: Sequence[str]) -> Cohort:
        """The cohort with some channels left out of what is scored."""
        kept = {name: scale for name, scale in self.scales.items() if name in channels}
        return replace(self, scales=kept)


def config_cohort(
    config: PretrainConfig, directory: Path, split: Literal["valid", "test"]
) -> tuple[list[Cohort], str]:
    """The valid or test people of a pretraining configuration, beside its train people.

    Args:
        config: Names the sources, the split file and the channels.
        directory: Where the files are.
        split: Whom to score.

    Returns:
        The cohort, and a sentence on where scales and learnt baselines come from.

    Raises:
        FileNotFoundError: A file of the configuration is not there.
        ValueError: The split file does not know a source, or a channel has no spread.
    """
    train = tuple(read_recordings(config, directory, "train"))
    transforms = {name: channel.transform for name, channel in config.channels.items()}
    scales = channel_scales(train, transforms)
    people = sum(len(part.participants) for part in train)
    cohort = Cohort(tuple(read_recordings(config, directory, split)), train, scales)
    return [cohort], f"Scales and learnt baselines are of {people} train people."


def frame_cohorts(
    data: pd.DataFrame,
    train: pd.DataFrame | None = None,
    *,
    name: str = "recording",
    seed: int = 0,
    **options: Any,
) -> tuple[list[Cohort], str]:
    """The people of a frame, beside those of another frame or of its own other half.

    Minutes in which the device was not worn are left out, as told by missing heart rate or, without a heart
    rate, by long runs of zeros (:func:`lsm2.mask_nonwear`).

    Args:
        data: A recording, in any form that :func:`lsm2.reconstruct` takes.
        train: A recording of other people. Without it, the people of ``data`` are divided in two halves at
            random, and each half is scored beside the other; a person alone is scored by their own scales,
            and baselines that learn are left out.
        name: Name of the data set, for tables and files.
        seed: Seed of the division.
        **options: Passed on to the reading of frames: columns, units, tz, participant, timestamp, keep_zeros.

    Returns:
        The cohorts, and a sentence on where scales and learnt baselines come from.

    Raises:
        ValueError: A frame cannot be read.

    Examples:
        >>> import lsm2
        >>> cohorts, said = frame_cohorts(lsm2.simulate(4, 1))
        >>> [len(cohort.recordings[0]) for cohort in cohorts], said.split(":")[0]
        ([2, 2], "Scales and learnt baselines are of the file's other people")
    """
    part = _read(data, name, options)
    if train is not None:
        other = _read(train, f"{name} train", options)
        people = counted(len(other.participants), "person", "people")
        said = f"Scales and learnt baselines are of {people} of another file."
        return [Cohort((part,), (other,), _scales(other))], said
    usable = np.unique(part.person[part.usable()])
    if len(usable) < 2:
        said = (
            "There is one person: scales are of the recording itself, hidden minutes included, and baselines "
            "that learn from other people are left out."
        )
        return [Cohort((part,), (), _scales(part))], said
    order = np.random.default_rng(seed).permutation(usable)
    halves = [part.people_taken(np.sort(half)) for half in np.array_split(order, 2)]
    named = [replace(half, dataset=f"{name}, half {i}") for i, half in enumerate(halves, 1)]
    cohorts = [Cohort((named[own],), (named[1 - own],), _scales(named[1 - own])) for own in (0, 1)]
    said = (
        "Scales and learnt baselines are of the file's other people: they are divided in two halves at "
        "random, and each half is scored beside the other."
    )
    return cohorts, said


def _scales(part: Recordings) -> dict[str, ChannelScale]:
    """Constants of the channels that vary; one that never changes has nothing to score."""
    kept = [
        i for i in range(len(part.channels)) if np.nanmax(part.values[:, i]) > np.nanmin(part.values[:, i])
    ]
    varying = replace(part, channels=tuple(part.channels[i] for i in kept), values=part.values[:, kept])
    return channel_scales([varying])


def _read(data: pd.DataFrame, name: str, options: dict[str, Any]) -> Recordings:
    return from_days(read_days(data, Schema.from_names(CHANNELS), **options), name)
