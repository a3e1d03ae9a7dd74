"""What workers are told: how to answer, where the rows are, where answers go; and how many workers."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

import pandas as pd

from lsm2.arguments import is_whole
from lsm2.days import PARTICIPANT, TIMESTAMP, find_key, positions
from lsm2.scale.compute import Outcome, compute, compute_singly, heard_table, join
from lsm2.scale.local import spread
from lsm2.scale.partition import EmbedPartition, Partition, ReconstructPartition
from lsm2.scale.plan import Part, Plan, make_plan
from lsm2.scale.store import Store, Tries, fingerprint

PARTITIONS: dict[str, type[Partition]] = {"embed": EmbedPartition, "reconstruct": ReconstructPartition}
_DEATHS = 2  # at a participant, before the others are computed without; clusters try four times or more
_DIED = (
    "its worker process died {} times while it computed this {} (out of memory?); give workers more memory"
)
_CROWDED = 2  # times the days of a part that its sparse rows may stand for, before it is cut again
Place = tuple[str | None, int | None]
"""Device and threads of a worker; None leaves them as they are."""


@dataclass
class Job:
    """What a worker does with a part: read its rows, answer, and write its file where there is a folder."""

    partition: Partition
    plan: Plan  # without its parts
    part_days: int
    empty: pd.DataFrame  # the answer to a frame without rows
    last: int  # number of the last part
    strangers: pd.DataFrame | None = None  # the answer to events of participants that the files lack
    store: Store | None = None

    def __call__(self, part: Part) -> Outcome:
        """Compute a part, unless its file is there; where there is a folder, the tables stay there."""
        if self.store is not None and self.store.is_done(part.number):
            return Outcome()
        try:
            outcome = self._compute(part)
        except ValueError as error:  # of a file
            outcome = Outcome(errors=dict.fromkeys(part.people, str(error)))
        if part.number == self.last and self.strangers is not None:
            outcome.tables.append(self.strangers)
        return self._keep(part, outcome)

    def _compute(self, part: Part) -> Outcome:
        store, read = self.store, self.plan.parse
        tries = Tries() if store is None else store.begin(part.number)
        if store is None or tries.count == 0:
            return compute(self.partition, self.plan.load(part), _CROWDED * self.part_days, read)
        if tries.count - tries.ends.total() > _DEATHS:
            raise ValueError(_DIED.format(_DEATHS + 1, "part"))

        def begin(number: int) -> None:
            if tries.ends[number] >= _DEATHS:
                raise ValueError(_DIED.format(_DEATHS, "participant"))
            store.note(part.number, number)

        return compute_singly(self.partition, self.plan.load(part), read, begin)

    def died(self, part: Part, error: Exception) -> Outcome:
        """The outcome of a part whose worker died."""
        return self._keep(part, Outcome(errors=dict.fromkeys(part.people, str(error))))

    def on(self, device: str | None, threads: int | None = None) -> Job:
        """The same job on another device, with so many threads."""
        return replace(self, partition=self.partition.on(device, threads))

    def _keep(self, part: Part, outcome: Outcome) -> Outcome:
        if self.store is None:
            return outcome
        self.store.write(part.number, part.people, outcome, self.empty)
        return Outcome(errors=outcome.errors)


def plan_files(files: Sequence[Path], options: dict[str, Any], part_days: int) -> Plan:
    """Find the parts of files, by the names that a call's options give to columns.

    Raises:
        ValueError: As for :func:`lsm2.scale.plan.make_plan`; or events do not say whose they are.
    """
    participant = options.get("participant", PARTICIPANT)
    timestamp = options.get("timestamp", TIMESTAMP)
    samples = options.get("n_samples")
    if samples is not None and is_whole(samples):  # memory goes with the answer
        part_days = max(part_days // int(samples), 1)
    plan = make_plan(
        files,
        participant=participant,
        timestamp=timestamp,
        part_days=part_days,
        zoned=options.get("tz") is not None,
        columns=list(options.get("columns") or ()),
    )
    events = options.get("events")
    if (
        isinstance(events, pd.DataFrame)
        and len(plan.people) > 1
        and find_key(events, PARTICIPANT, participant) is None
    ):
        raise ValueError(
            f"events have no column {PARTICIPANT!r}, and the recording has {len(plan.people)} participants; "
            "say whose each event is"
        )
    return plan


def make_job(
    partition: Partition, plan: Plan, part_days: int, store: Store | None = None
) -> tuple[Job, list[str]]:
    """Make a job, its options tried on a frame without rows; also return the warnings that this gave.

    Raises:
        ValueError: An option is wrong, or events are all of participants that the files lack.
    """
    heard: list[str] = []
    empty = heard_table(partition, plan.empty(), heard)
    strangers = answer_strangers(partition, plan.people, plan.empty(), heard)
    last = len(plan.parts) - 1
    if last < 0 and strangers is not None:
        empty = join([empty, strangers])
    return Job(partition, plan.without_parts(), part_days, empty, last, strangers, store), heard


def answer_strangers(
    partition: Partition, people: Sequence[Any], empty: pd.DataFrame, heard: list[str]
) -> pd.DataFrame | None:
    """Return the rows of events of participants that a recording lacks, which are NaN; None without such.

    Args:
        partition: Its options may hold events.
        people: The recording's participants; ``[None]`` where it names nobody.
        empty: A frame without rows.
        heard: Takes the warning that counts them.

    Raises:
        FrameError: The events are all of such participants.
    """
    events = partition.options.get("events")
    if not isinstance(events, pd.DataFrame) or None in people:
        return None
    ids = find_key(events, PARTICIPANT, partition.options.get("participant", PARTICIPANT))
    unknown = None if ids is None else positions(ids, pd.Index(people, dtype=object)) < 0
    if unknown is None or not unknown.any():
        return None
    count = int(unknown.sum())
    heard.append(
        f"{count} of {len(events)} events ({count} of participants that the recording lacks) have no "
        "observed token; their embedding is NaN"
    )
    return heard_table(partition.with_options(events=events[unknown]), empty, [], every=True)


def job_facts(partition: Partition, plan: Plan, part_days: int) -> dict[str, Any]:
    """What must be as it was for a run that was cut off to go on."""
    return {
        "method": partition.method,
        "checkpoint": partition.model.hash,
        "precision": partition.model.precision,
        "options": fingerprint(partition.options),
        "files": [[name, os.stat(name).st_size, os.stat(name).st_mtime_ns] for name in plan.files],
        "part_days": part_days,
        "parts": len(plan.parts),
    }


def make_crew(workers: int | None, device: str | Sequence[str] | None) -> list[Place]:
    """Where each worker computes; a crew of one is this process itself.

    Raises:
        ValueError: ``workers`` is no number of processes, or fewer than the devices.
    """
    if workers is not None and not is_whole(workers):
        raise ValueError(f"workers={workers!r} must be a number of processes, 1 or more")
    devices = [device] if device is None or isinstance(device, str) else list(device)
    if not devices:
        raise ValueError("device=[] names no device")
    count = int(workers or len(devices))
    if count < len(devices):
        raise ValueError(f"workers={workers} is fewer than the {len(devices)} devices; leave workers= out")
    if count == 1:
        return [(devices[0], None)]
    import joblib

    threads = max(joblib.cpu_count() // count, 1)
    return [(devices[number % len(devices)], threads) for number in range(count)]


def outcomes(job: Job, parts: Sequence[Part], crew: Sequence[Place]) -> Generator[Outcome, None, None]:
    """Outcomes of parts, in order, computed here or in worker processes."""
    if len(crew) == 1 or not parts or (len(parts) == 1 and job.store is None):
        return (job(part) for part in parts)
    # In a folder each try gets further, since a participant ends two at most: also one part is for a worker.
    attempts = {} if job.store is None else {"attempts": inf}
    return spread([job.on(*place) for place in crew[: len(parts)]], parts, job.died, **attempts)
