"""Files in, a folder of parts out: on this machine, on Ray, on Spark."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from lsm2.arguments import is_whole, one_of
from lsm2.model import Model
from lsm2.progress import progress_bar
from lsm2.scale.cluster import run_on_ray, run_on_spark
from lsm2.scale.compute import PartitionError, warn_once
from lsm2.scale.job import PARTITIONS, job_facts, make_crew, make_job, outcomes, plan_files
from lsm2.scale.plan import find_files, refuse_inside
from lsm2.scale.run import PART_DAYS
from lsm2.scale.store import ERRORS, Store, summarise

ENGINES = ("local", "ray", "spark")
Engine = Literal["local", "ray", "spark"]


def embed_dataset(
    input_glob: str | Path,
    output_dir: str | Path,
    *,
    engine: Engine = "local",
    model: Model | str | Path | None = None,
    workers: int | None = None,
    device: str | Sequence[str] | None = None,
    precision: str | None = None,
    gpu: bool = False,
    part_days: int = PART_DAYS,
    on_error: Literal["raise", "warn"] = "raise",
    progress: bool | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Embed parquet files into a folder of parquet files, by as many workers as there are.

    The files' participants are cut into parts; each worker reads the rows of its part, and writes one file
    ``part-000000.parquet``, under a temporary name that is then renamed. Nothing is shuffled, and no
    participant is split. Called again after it was cut off, it goes on with the parts that are not there,
    and tries those again of which a participant failed. The parts do not depend on the engine.

    Args:
        input_glob: A parquet file, a folder of them or a pattern such as ``"cohort/*.parquet"``. In each
            file, the rows of a participant stand together; participants may go on in other files.
        output_dir: A folder, made where it is not there. ``pandas.read_parquet`` and others read it as one
            table.
        engine: ``"local"``; ``"ray"``: Ray Data on the cluster that ``ray.init`` joined, else a local one;
            ``"spark"``: the active session, else a local one. All workers must see the files and the folder
            by the same paths.
        model: A name or folder for :func:`lsm2.load_model`, or None; a model is sent along with its weights.
        workers: Worker processes; None: one (``"local"``), as many as the cluster's CPUs or GPUs.
        device: As for :func:`lsm2.embed`; on clusters one name, for all workers.
        precision: As for :func:`lsm2.load_model`, for models by name.
        gpu: A GPU for each worker: all of this machine's, one of Ray's, or the one that Spark's configuration
            gives to a task.
        part_days: About so many days become a part; memory grows with it.
        on_error: Where participants fail, the others are finished, ``_errors.csv`` names the failed, and
            then: ``"raise"`` or ``"warn"``.
        progress: Show a bar; None shows it on a terminal once it takes a few seconds.
        **options: As for :func:`lsm2.embed`. Of ``events``, rows come participant by participant.

    Returns:
        A row for each participant: ``rows`` written, ``file``, and ``error`` (None where there was none).

    Raises:
        FileNotFoundError: No file has such a name.
        ImportError: Ray or Spark is not installed.
        PartitionError: Participants failed (a ValueError; ``.errors`` maps each to what was wrong).
        ValueError: As for :func:`lsm2.embed`; a participant comes back in a file after others; the folder
            holds parts of another call.

    Example:
        >>> import lsm2, tempfile
        >>> from pathlib import Path
        >>> from lsm2.scale import embed_dataset
        >>> folder = Path(tempfile.mkdtemp())
        >>> lsm2.simulate(participants=2, days=1).to_parquet(folder / "cohort.parquet")
        >>> embed_dataset(folder / "*.parquet", folder / "embeddings", workers=1)["rows"].tolist()
        [1, 1]
    """
    return _dataset(
        "embed",
        input_glob,
        Path(output_dir),
        engine=engine,
        model=model,
        workers=workers,
        device=device,
        precision=precision,
        gpu=gpu,
        part_days=part_days,
        on_error=on_error,
        progress=progress,
        options=options,
    )


def reconstruct_dataset(
    input_glob: str | Path,
    output_dir: str | Path,
    *,
    engine: Engine = "local",
    model: Model | str | Path | None = None,
    workers: int | None = None,
    device: str | Sequence[str] | None = None,
    precision: str | None = None,
    gpu: bool = False,
    part_days: int = PART_DAYS,
    on_error: Literal["raise", "warn"] = "raise",
    progress: bool | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Fill the gaps of parquet files into a folder of parquet files; see :func:`embed_dataset`.

    Args:
        input_glob, output_dir, engine, model, workers, device: See :func:`embed_dataset`.
        precision, gpu, part_days, on_error, progress: See :func:`embed_dataset`.
        **options: As for :func:`lsm2.reconstruct`.

    Returns:
        As for :func:`embed_dataset`.

    Raises:
        FileNotFoundError, ImportError, PartitionError, ValueError: As for :func:`embed_dataset`.

    Example:
        >>> import lsm2, tempfile
        >>> from pathlib import Path
        >>> from lsm2.scale import reconstruct_dataset
        >>> folder = Path(tempfile.mkdtemp())
        >>> lsm2.simulate(participants=1, days=1).to_parquet(folder / "cohort.parquet")
        >>> reconstruct_dataset(folder / "cohort.parquet", folder / "filled")["rows"].tolist()
        [1440]
    """
    return _dataset(
        "reconstruct",
        input_glob,
        Path(output_dir),
        engine=engine,
        model=model,
        workers=workers,
        device=device,
        precision=precision,
        gpu=gpu,
        part_days=part_days,
        on_error=on_error,
        progress=progress,
        options=options,
    )


def _dataset(
    method: str,
    source: str | Path,
    output: Path,
    *,
    engine: str,
    model: Model | str | Path | None,
    workers: int | None,
    device: str | Sequence[str] | None,
    precision: str | None,
    gpu: bool,
    part_days: int,
    on_error: str,
    progress: bool | None,
    options: dict[str, Any],
) -> pd.DataFrame:
    one_of("engine", engine, ENGINES)
    one_of("on_error", on_error, ("raise", "warn"))
    if not is_whole(part_days):
        raise ValueError(f"part_days={part_days!r} must be a number of days, 1 or more")
    local = engine == "local"
    if gpu and local and device is None:
        device = _gpus()
    crew = make_crew(workers if local else None, device)
    if not local and len(crew) > 1:
        raise ValueError(f"device={device!r} is for engine='local'; with {engine!r}, ask for gpu=True")
    # On a cluster, this process only tries the options: it need not have the workers' device.
    at = crew[0][0] if local else "cpu"
    partition = PARTITIONS[method](model, device=at, precision=precision, **options)
    output = output.expanduser()
    refuse_inside(source, output / "part-000000.parquet")
    plan = plan_files(find_files(source), options, part_days)
    store = Store(output.absolute())
    job, heard = make_job(partition, plan, part_days, store)
    with store.held(job_facts(partition, plan, part_days)):
        todo = [part for part in plan.parts if not store.is_done(part.number)]
        if local or not todo:
            steps: Generator[Any, None, None] = outcomes(job, todo, crew)
        else:
            run = run_on_ray if engine == "ray" else run_on_spark
            place = job.on(crew[0][0] or "auto", None if gpu else 1)
            steps = run(place, todo, workers=workers, gpu=gpu)
        with closing(steps):
            for _ in progress_bar(len(todo), method, "part", progress, steps):
                pass
        reports = store.reports(len(plan.parts))
        errors = {one: message for report in reports for one, message in report["errors"]}
        store.write_errors(errors)
    warn_once(heard, [message for report in reports for message in report["warnings"]], stacklevel=4)
    if errors:
        done = len(plan.people) - len(errors)
        note = f". The other {done} of {len(plan.people)} are done; {output / ERRORS} lists who failed."
        error = PartitionError(errors, note)
        if on_error == "raise":
            raise error
        warn_once([str(error)], stacklevel=4)
    return summarise(reports, [store.path(number).name for number in range(len(plan.parts))])


def _gpus() -> list[str]:
    import torch

    count = torch.cuda.device_count()
    if count == 0:
        raise ValueError("gpu=True, but this machine has no CUDA device; leave it out to use the CPU")
    return [f"cuda:{number}" for number in range(count)]
