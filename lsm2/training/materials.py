"""What a run learns from: all days in memory, or files of which a few parts are held at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch.distributed as dist

from lsm2.aim import AIMConfig
from lsm2.files import replacing
from lsm2.training.config import PretrainConfig
from lsm2.training.dataset import Recordings, load_recordings, usable_days
from lsm2.training.feed import Feed, MemoryFeed, Piece, StreamFeed, find_pieces, read_some
from lsm2.training.sources import source_files
from lsm2.training.survey import Survey


@dataclass(frozen=True)
class Materials:
    """Recordings as a run needs them."""

    survey: Survey
    """Of the train people."""
    feed: Callable[[AIMConfig], Feed]
    """Of a network, the windows of the train people."""
    valid: Recordings | None
    """Days of valid people, for the first process."""


def gather(
    config: PretrainConfig, directory: Path, notes: Path | None = None, rank: int = 0, world: int = 1
) -> Materials:
    """Look through the train people, and read valid people.

    Args:
        config: Says whether days are held in memory.
        directory: The data directory.
        notes: Where the survey of files lies or is written: a run that goes on need not look
            again.
        rank, world: Which process of how many; files are looked through by all of them.

    Raises:
        FileNotFoundError: A file of the config is not in the directory.
        ValueError: No day is usable; the files are others than when ``notes`` were written.
    """
    stream = config.stream
    if stream is None:
        train = load_recordings(config, directory, "train")
        return Materials(
            Survey.of(config, train),
            lambda network: MemoryFeed(config, train, network),
            load_recordings(config, directory, "valid") if rank == 0 else None,
        )
    pieces = find_pieces(config, stream, directory, "train")
    survey, days = _survey(config, directory, pieces, notes, rank, world)
    valid = None
    if rank == 0:
        valid = read_some(find_pieces(config, stream, directory, "valid"), config, stream, "valid")
    return Materials(survey, lambda network: StreamFeed(config, pieces, days, network, rank, world), valid)


def _survey(
    config: PretrainConfig, directory: Path, pieces: list[Piece], notes: Path | None, rank: int, world: int
) -> tuple[Survey, list[int]]:
    """The survey of all parts, and how many usable days each has."""
    files = {str(path.relative_to(directory)): path.stat().st_size for path in _files(config, directory)}
    known: list[Any] = [None]
    if rank == 0 and notes is not None and notes.is_file():
        known = [json.loads(notes.read_text())]
        if known[0]["files"] != files:
            different = sorted(set(files.items()) ^ set(known[0]["files"].items()))[0][0]
            raise ValueError(
                f"{notes.parent} holds a run of other recordings ({different} differs); choose another "
                "output folder, or start afresh with --fresh"
            )
    if world > 1:
        dist.broadcast_object_list(known)
    if known[0] is not None:
        counts, moments = np.array(known[0]["counts"], dtype=np.int64), np.array(known[0]["moments"])
        return Survey(counts, moments), known[0]["days"]
    own = {position: _look(config, pieces[position]) for position in range(rank, len(pieces), world)}
    everyone: list[Any] = [own]
    if world > 1:
        everyone = [None] * world
        dist.all_gather_object(everyone, own)
    parts = {position: part for found in everyone for position, part in found.items()}
    survey, days = Survey.empty(config), []
    for position in range(len(pieces)):  # in order: sums of other orders differ in their last bits
        survey += parts[position][0]
        days.append(parts[position][1])
    if rank == 0 and notes is not None:
        found = {"files": files, "days": days, "counts": survey.counts.tolist()}
        with replacing(notes) as temporary:
            temporary.write_text(json.dumps(found | {"moments": survey.moments.tolist()}))
    return survey, days


def _look(config: PretrainConfig, piece: Piece) -> tuple[Survey, int]:
    recordings = piece.read(config)
    return Survey.of(config, recordings), len(usable_days(config, recordings))


def _files(config: PretrainConfig, directory: Path) -> set[Path]:
    return {path for source in config.sources for path in source_files(source, directory)}
