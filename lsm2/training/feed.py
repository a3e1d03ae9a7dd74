"""Where the batches of a run come from: days in memory, or files that are read while training goes on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import torch

from lsm2.aim import AIMConfig
from lsm2.scale.plan import Part, Plan, make_plan
from lsm2.training.config import PretrainConfig, StreamConfig
from lsm2.training.dataset import Batch, Recordings, Windows, join, read_recordings
from lsm2.training.sources import Split, canonical_frame, source_files, split_people


@dataclass(frozen=True)
class Drawn:
    """Windows, and the generator that goes on to draw what is hidden in them."""

    batch: Batch
    generator: torch.Generator


class Feed(Protocol):
    """Gives each step its windows; they depend on the config and the step alone."""

    divided: bool
    """Whether each process draws windows of its own; else all draw the same and each takes a share."""

    def draw(self, step: int) -> list[Drawn]:
        """Draw the windows of a step."""

    def close(self) -> None:
        """Stop reading."""


class MemoryFeed:
    """Windows of days that are all in memory."""

    divided = False

    def __init__(self, config: PretrainConfig, recordings: Recordings, network: AIMConfig) -> None:
        self.config = config
        self.windows = Windows(config, recordings, network)

    def of_people_alike(self, channels: int) -> MemoryFeed:
        """Windows of days with so many channels, of people alike."""
        feed = copy(self)
        feed.windows = self.windows.of_people_alike(channels)
        return feed

    def draw(self, step: int) -> list[Drawn]:
        """Draw the windows of a step."""
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + step)
        return [Drawn(self.windows.draw(generator, self.config.batch_windows), generator)]

    def close(self) -> None:
        """Nothing to stop."""


@dataclass(frozen=True)
class Piece:
    """A part of a source's people of one split."""

    source: int
    plan: Plan
    part: Part

    def read(self, config: PretrainConfig) -> Recordings:
        """Read the days of the part's people."""
        frame = canonical_frame(self.plan.parse(self.plan.load(self.part)), config.sources[self.source])
        return read_recordings(frame, config, self.source)


def find_pieces(config: PretrainConfig, stream: StreamConfig, directory: Path, split: Split) -> list[Piece]:
    """Cut the sources' people of one split into parts; reads where their rows are, and no more.

    Raises:
        FileNotFoundError: A source has no file.
        ValueError: The split file does not know a source; a participant's rows do not stand together.
    """
    pieces = []
    for number, source in enumerate(config.sources):
        plan = make_plan(
            source_files(source, directory),
            participant="participant_id",
            timestamp="timestamp",
            part_days=stream.part_days,
            only=set(split_people(source, config, directory, split)),
        )
        pieces += [Piece(number, plan, part) for part in plan.parts]
    return pieces


def read_some(pieces: list[Piece], config: PretrainConfig, stream: StreamConfig, split: Split) -> Recordings:
    """The first parts of each source in turn, as many as the lanes hold (one of each source at least)."""
    turn = pd.Series([piece.source for piece in pieces], dtype=int)
    turn = turn.groupby(turn).cumcount()
    first = np.argsort(turn.to_numpy(), kind="stable")[
        : max(stream.held_parts * stream.lanes, len(config.sources))
    ]
    parts = [pieces[i].read(config) for i in sorted(first)]
    return join([part for part in parts if len(part)], config, split)


class StreamFeed:
    """Windows of a few parts of the people at a time, which others replace as training goes on.

    A batch is made by ``lanes``. Each lane holds ``held_parts`` parts, and draws its share of the batch from
    them; once it has drawn about ``uses`` windows for each day of a part, its oldest part leaves and another
    comes, which a thread reads ahead. Parts come source by source with the chances that sources have in
    memory, and within a source in an order that is shuffled again when it is through. All of that depends on
    the config and the step, so that a run that was stopped goes on exactly, on any number of processes: the
    lanes are dealt out to them.

    Args:
        config: With ``stream``.
        pieces: Parts of the train people.
        days: (pieces,) how many usable days each has.
        network: What the windows are for.
        rank, world: Which process of how many.

    Raises:
        ValueError: There are more processes than lanes; no part has a usable day.
    """

    divided = True

    def __init__(
        self,
        config: PretrainConfig,
        pieces: list[Piece],
        days: list[int],
        network: AIMConfig,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        stream = config.stream or StreamConfig()
        if world > stream.lanes:
            raise ValueError(
                f"{world} processes share {stream.lanes} lanes; set stream.lanes to a multiple of {world}"
            )
        self.config, self.stream, self.pieces, self.network = config, stream, pieces, network
        self.usable = [position for position, count in enumerate(days) if count]
        if not self.usable:
            raise ValueError(f"no day has {config.min_tokens} observed tokens; lower min_tokens or add data")
        self.lanes = range(rank, stream.lanes, world)
        self.windows_of = np.diff(np.linspace(0, config.batch_windows, stream.lanes + 1).astype(int))
        self.every = max(1, round(stream.part_days * stream.uses * stream.lanes / config.batch_windows))
        source = np.array([pieces[position].source for position in self.usable])
        count = np.array([days[position] for position in self.usable], dtype=float)
        self.members = {int(one): np.array(self.usable)[source == one] for one in np.unique(source)}
        total = np.array([count[source == one].sum() for one in self.members])
        weight = np.array([config.sources[one].weight for one in self.members])
        self.chances = np.cumsum(weight * np.sqrt(total) / (weight * np.sqrt(total)).sum())
        mean = dict(zip(self.members, total / [len(m) for m in self.members.values()], strict=True))
        self.share = {p: days[p] / mean[pieces[p].source] for p in self.usable}
        """Of a part that is held: its days over those of its source's mean part."""
        self._order = self._endless()
        self._picked: list[int] = []
        self._held: dict[int, Future[Windows]] = {}
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="lsm2-read")

    def draw(self, step: int) -> list[Drawn]:
        """Draw this process's windows of a step."""
        entered = step // self.every
        pools = {lane: self._pool(lane, entered) for lane in self.lanes}
        ahead = {self._pool(lane, entered + 1)[-1] for lane in self.lanes}
        wanted = list(dict.fromkeys(p for pool in pools.values() for p in pool))
        self._held = {
            piece: self._held[piece] if piece in self._held else self._reader.submit(self._read, piece)
            for piece in [*wanted, *(p for p in ahead if p not in wanted)]
        }
        return [self._draw(step, lane, pool) for lane, pool in pools.items()]

    def close(self) -> None:
        """Stop reading."""
        self._reader.shutdown(wait=True, cancel_futures=True)

    def _draw(self, step: int, lane: int, pool: list[int]) -> Drawn:
        seed = np.random.SeedSequence([self.config.seed, step, lane]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(seed[0] >> np.uint64(1)))
        chances = torch.tensor([self.share[piece] for piece in pool], dtype=torch.float64)
        picked = torch.multinomial(chances, int(self.windows_of[lane]), True, generator=generator)
        counts = torch.bincount(picked, minlength=len(pool)).tolist()
        drawn = [
            self._held[piece].result().draw(generator, count)
            for piece, count in zip(pool, counts, strict=True)
            if count
        ]
        return Drawn(Batch.join(drawn), generator)

    def _pool(self, lane: int, entered: int) -> list[int]:
        """The parts that a lane holds, the newest last."""
        lanes, held = self.stream.lanes, self.stream.held_parts
        while len(self._picked) < (entered + held) * lanes:
            self._picked.append(next(self._order))
        return self._picked[entered * lanes + lane : (entered + held) * lanes : lanes]

    def _endless(self) -> Iterator[int]:
        """Parts for ever, the same for a seed."""
        random = np.random.default_rng([self.config.seed, 1])
        queues: dict[int, list[int]] = {source: [] for source in self.members}
        sources = list(self.members)
        while True:
            source = sources[min(int(np.searchsorted(self.chances, random.random())), len(sources) - 1)]
            if not queues[source]:
                queues[source] = random.permutation(self.members[source]).tolist()
            yield queues[source].pop()

    def _read(self, piece: int) -> Windows:
        return Windows(self.config, self.pieces[piece].read(self.config), self.network)
