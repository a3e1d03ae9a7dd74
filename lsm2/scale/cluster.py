"""Parts on Ray Data and on Spark: each worker reads its rows itself and writes its file itself."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lsm2.scale.plan import Part

Work = Callable[[Part], Any]


def run_on_ray(
    work: Work, parts: list[Part], *, workers: int | None, gpu: bool
) -> Generator[None, None, None]:
    """Compute parts by ``map_batches`` of Ray Data; yields once for each part.

    Args:
        work: Computes a part; one copy a worker.
        parts: What to compute.
        workers: How many; None for one for each CPU (or GPU) of the cluster.
        gpu: A GPU for each.

    Raises:
        ImportError: Ray Data is not installed.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ImportError("engine='ray' needs Ray Data: pip install 'lsm2[ray]'") from error
    ours = not ray.is_initialized()
    if ours:
        ray.init(num_cpus=None if os.environ.get("RAY_ADDRESS") else workers)
    try:
        yield from _on_ray(ray, work, parts, workers, gpu)
    finally:
        if ours:
            ray.shutdown()


def _on_ray(
    ray: Any, work: Work, parts: list[Part], workers: int | None, gpu: bool
) -> Generator[None, None, None]:
    free = int(ray.cluster_resources().get("GPU" if gpu else "CPU", 0))
    if gpu and not free:
        raise ValueError("gpu=True, but the Ray cluster has no GPU; leave it out to use CPUs")
    count = min(workers or max(free, 1), len(parts))
    items = ray.data.from_items(
        [{"part": pickle.dumps(part)} for part in parts], override_num_blocks=len(parts)
    )
    items.context.enable_progress_bars = False
    done = items.map_batches(
        _RayWorker,
        fn_constructor_args=(work,),
        batch_size=1,
        batch_format="pandas",
        num_gpus=1 if gpu else None,
        compute=ray.data.ActorPoolStrategy(size=count),
    )
    for _ in done.iter_rows():
        yield


class _RayWorker:
    def __init__(self, work: Work) -> None:
        self.work = work

    def __call__(self, items: pd.DataFrame) -> pd.DataFrame:
        return _each(self.work, items)


def run_on_spark(
    work: Work, parts: list[Part], *, workers: int | None, gpu: bool
) -> Generator[None, None, None]:
    """Compute parts by ``mapInPandas`` of Spark; yields once for each part.

    Args:
        work: Computes a part.
        parts: What to compute.
        workers: Where no session is active: cores of a local one; None for all.
        gpu: Use the GPU that the session's configuration gives each task.

    Raises:
        ImportError: PySpark is not installed.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise ImportError("engine='spark' needs PySpark and Java: pip install 'lsm2[spark]'") from error
    spark = SparkSession.getActiveSession()
    ours = spark is None
    if spark is None:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        # A local session gives up at the first failure unless it is told how many it may have.
        spark = SparkSession.builder.master(f"local[{workers or '*'},100]").appName("lsm2").getOrCreate()
    try:
        if gpu and not spark.sparkContext.getConf().get("spark.task.resource.gpu.amount"):
            raise ValueError(
                "gpu=True, but the Spark session gives tasks no GPU; configure "
                "spark.task.resource.gpu.amount, or leave gpu= out to use CPUs"
            )
        items = spark.createDataFrame([(bytearray(pickle.dumps(part)),) for part in parts], "part binary")
        done = items.repartition(len(parts)).mapInPandas(_SparkWorker(work, gpu), "part long")
        for _ in done.collect():
            yield
    finally:
        if ours:
            spark.stop()


@dataclass
class _SparkWorker:
    work: Any
    gpu: bool

    def __call__(self, batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        if self.gpu:
            from pyspark import TaskContext

            context = TaskContext.get()
            addresses = context.resources()["gpu"].addresses if context else ["0"]
            self.work = self.work.on(f"cuda:{addresses[0]}")
        for items in batches:
            yield _each(self.work, items)


def _each(work: Work, items: pd.DataFrame) -> pd.DataFrame:
    parts = [pickle.loads(bytes(item)) for item in items["part"]]
    for part in parts:
        work(part)
    return pd.DataFrame({"part": [part.number for part in parts]})
