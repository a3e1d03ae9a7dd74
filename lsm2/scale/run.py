"""``embed`` and ``reconstruct`` on files and on several processes or devices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lsm2.days import PARTICIPANT, find_key
from lsm2.model import Model
from lsm2.progress import progress_bar
from lsm2.scale.compute import Outcome, PartitionError, compute, divide, heard_table, join, warn_once
from lsm2.scale.job import (
    PARTITIONS,
    Place,
    answer_strangers,
    job_facts,
    make_crew,
    make_job,
    outcomes,
    plan_files,
)
from lsm2.scale.local import spread
from lsm2.scale.partition import Partition
from lsm2.scale.plan import Plan, find_files, refuse_inside
from lsm2.scale.store import Store, summarise
from lsm2.tables import PARQUET, read_table, write_table

PART_DAYS = 128
_PIECES_A_WORKER = 4
Piece = tuple[list[Any], pd.DataFrame]
"""Participants and their frame."""


def answer(
    method: str,
    data: pd.DataFrame | str | Path,
    *,
    model: Model | str | Path | None,
    output: str | Path | None,
    workers: int | None,
    device: str | Sequence[str] | None,
    progress: bool | None,
    **options: Any,
) -> pd.DataFrame:
    """Embed or reconstruct a frame or files; see :func:`lsm2.embed` and :func:`lsm2.reconstruct`."""
    crew = make_crew(workers, device)
    partition = PARTITIONS[method](model, device=crew[0][0], **options)
    if output is not None:
        output = Path(output).expanduser()
        _check_output(output)
    if isinstance(data, (str, Path)):
        files = find_files(data)
        if len(files) > 1 or files[0].name.lower().endswith(PARQUET):
            plan = plan_files(files, options, PART_DAYS)
            if output is None:
                return _from_files(partition, plan, crew, progress)
            refuse_inside(data, output)
            return _to_file(partition, plan, crew, output, progress)
        names = {name: options[name] for name in ("participant", "timestamp") if name in options}
        data = read_table(files[0], **names)
    if len(crew) > 1 and isinstance(data, pd.DataFrame):
        table = _from_frame(partition, data, crew, progress)
    else:
        table = partition.model_answer(data, progress=progress)
    if output is None:
        return table
    write_table(table, output)
    named = PARTICIPANT in table.index.names
    counts = table.groupby(level=PARTICIPANT, sort=False).size() if named else [len(table)]
    return pd.DataFrame({"rows": counts}).assign(file=Path(output).name, error=None)


def _from_frame(
    partition: Partition, data: pd.DataFrame, crew: Sequence[Place], progress: bool | None
) -> pd.DataFrame:
    """Answer a frame in worker processes."""
    singles = divide(data, partition.options, 0)
    if len(singles) == 1:  # a single participant is one piece of work
        return partition.on(crew[0][0], None).model_answer(data, progress=progress)
    heard: list[str] = []
    heard_table(partition, data.iloc[:0], heard)  # bad options fail here, at once
    people = [one for group in singles for one in group.people]
    strangers = answer_strangers(partition, people, data.iloc[:0], heard)
    days = sum(max(len(group.rows) / 1440, 1) for group in singles if group.rows is not None)
    groups = divide(data, partition.options, min(max(days / (_PIECES_A_WORKER * len(crew)), 1), PART_DAYS))
    work = [partial(_compute, partition.on(*place)) for place in crew[: len(groups)]]
    pieces = ((group.people, group.of(data)) for group in groups)  # one after the other: memory
    with closing(spread(work, pieces, _died)) as answers:
        tables, said = _gather(progress_bar(len(groups), partition.method, "part", progress, answers))
    warn_once(heard, said)
    if strangers is not None:
        tables.append(strangers)
    return _in_order(partition, tables, [group.people for group in groups])


def _compute(partition: Partition, piece: Piece) -> Outcome:
    return compute(partition, piece[1], np.inf)


def _died(piece: Piece, error: Exception) -> Outcome:
    return Outcome(errors=dict.fromkeys(piece[0], str(error)))


def _from_files(
    partition: Partition, plan: Plan, crew: Sequence[Place], progress: bool | None
) -> pd.DataFrame:
    """Answer files part by part, and hold the answers."""
    job, heard = make_job(partition, plan, PART_DAYS)
    with closing(outcomes(job, plan.parts, crew)) as answers:
        tables, said = _gather(progress_bar(len(plan.parts), partition.method, "part", progress, answers))
    warn_once(heard, said)
    people = [part.people for part in plan.parts]
    return _in_order(partition, tables or [job.empty], people)


def _to_file(
    partition: Partition, plan: Plan, crew: Sequence[Place], output: Path, progress: bool | None
) -> pd.DataFrame:
    """Answer files part by part into a folder beside the output, and join its parts at the end."""
    if not output.name.lower().endswith(PARQUET):
        raise ValueError(f"{output}: output= of files ends in {' or '.join(PARQUET)}")
    if any(output.exists() and output.samefile(name) for name in plan.files):
        raise ValueError(f"{output}: is read here; choose another name for the output")
    store = Store(output.absolute().with_name(f".{output.name}.parts"))
    job, heard = make_job(partition, plan, PART_DAYS, store)
    count = len(plan.parts)
    if not count:  # files without a row
        write_table(job.empty, output)
        warn_once(heard)
        return summarise([], [])
    with store.held(job_facts(partition, plan, PART_DAYS)):
        try:
            todo = [part for part in plan.parts if not store.is_done(part.number)]
            with closing(outcomes(job, todo, crew)) as answers:
                for outcome in progress_bar(len(todo), partition.method, "part", progress, answers):
                    if outcome.errors:
                        raise PartitionError(outcome.errors)
            reports = store.reports(count)
            store.merge(count, output)
            store.remove()
        except BaseException:
            store.discard_if_nothing_is_done()
            raise
    warn_once(heard, [message for report in reports for message in report["warnings"]])
    return summarise(reports, [output.name] * count)


def _check_output(output: Path) -> None:
    from lsm2.tables import check_suffix

    check_suffix(output)
    if not output.parent.is_dir():
        raise FileNotFoundError(
            f"{output.parent}: no such directory to write {output.name} into; make it first"
        )


def _gather(answers: Iterable[Outcome]) -> tuple[list[pd.DataFrame], list[str]]:
    """Each outcome's table, and all warnings; the first error ends all."""
    tables, warnings = [], []
    for outcome in answers:
        if outcome.errors:
            raise PartitionError(outcome.errors)
        warnings += outcome.warnings
        tables.append(join(outcome.tables))
    return tables, warnings


def _in_order(partition: Partition, tables: list[pd.DataFrame], people: list[list[Any]]) -> pd.DataFrame:
    """Join tables; rows of events, those of unknown participants last, come in the order of the events."""
    events = partition.options.get("events")
    label = partition.options.get("participant", PARTICIPANT)
    ids = find_key(events, PARTICIPANT, label) if isinstance(events, pd.DataFrame) else None
    if events is None or ids is None:
        return join(tables)
    part = {one: number for number, group in enumerate(people) for one in group}
    owner = np.array([part.get(one, len(people)) for one in ids.astype(object)], np.int64)
    table = join(tables)
    attrs = table.attrs
    table = table.iloc[np.argsort(np.argsort(owner, kind="stable"), kind="stable")]
    table.attrs = attrs
    return table
