"""Parts on a real Ray cluster and on real Spark, both on this machine: the same rows, whatever dies."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import lsm2
from lsm2.scale import EmbedPartition, PartitionError, embed_dataset, reconstruct_dataset
from lsm2.scale.job import PARTITIONS
from tests.test_scale import Deadly, made_by, poisoned

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning")]
WORKERS = 2


def lacks(engine: str) -> str | None:
    if importlib.util.find_spec({"ray": "ray", "spark": "pyspark"}[engine]) is None:
        return f"needs pip install 'lsm2[{engine}]'"
    if engine == "spark" and shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        return "Spark needs Java"
    return None


@pytest.fixture(scope="module", params=["ray", "spark"])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """A cluster of this machine, which the calls find running."""
    name: str = request.param
    reason = lacks(name)
    if reason is not None:
        pytest.skip(reason)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(lsm2.__file__).parent.parent))
        if name == "ray":
            patch.setenv("RAY_worker_niceness", "0")
            import ray

            ray.init(num_cpus=WORKERS, include_dashboard=False, logging_level="error", log_to_driver=False)
            yield name
            ray.shutdown()
        else:
            patch.setenv("PYSPARK_PYTHON", sys.executable)
            patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
            from pyspark.sql import SparkSession

            builder = SparkSession.builder.master(f"local[{WORKERS},4]").config("spark.ui.enabled", "false")
            session = builder.config("spark.log.level", "ERROR").getOrCreate()
            yield name
            session.stop()


@pytest.fixture(scope="module")
def recording() -> pd.DataFrame:
    return lsm2.simulate(participants=16, days=2, seed=4)


def test_the_same_rows_though_a_worker_is_killed(
    engine: str, recording: pd.DataFrame, tmp_path: Path
) -> None:
    source, out = tmp_path / "cohort.parquet", tmp_path / "out"
    recording.to_parquet(source, row_group_size=5000)
    killed: list[tuple[int, int]] = []  # process, parts there were

    def kill() -> None:
        while not (found := made_by(out)):
            time.sleep(0.01)
        os.kill(found[0], signal.SIGKILL)
        killed.append((found[0], len(found)))

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    rows = embed_dataset(source, out, engine=engine, workers=WORKERS, part_days=2)  # type: ignore[arg-type]
    killer.join(1)
    ((process, parts),) = killed
    assert process != os.getpid() and parts < 16
    assert len(set(made_by(out))) >= 2  # others did the rest
    assert rows["rows"].tolist() == [2] * 16
    pd.testing.assert_frame_equal(pd.read_parquet(out), lsm2.embed(recording), atol=1e-5)


def test_a_poisoned_participant_is_named(engine: str, recording: pd.DataFrame, tmp_path: Path) -> None:
    some = recording.loc[[f"simulated-{i}" for i in range(1, 5)]]
    poisoned(tmp_path / "cohort.parquet", some, "simulated-2")
    out = tmp_path / "out"
    with pytest.raises(PartitionError, match=r"'simulated-2': .* no timestamp.* other 3 of 4 are done"):
        embed_dataset(tmp_path / "cohort.parquet", out, engine=engine, part_days=4)  # type: ignore[arg-type]
    assert pd.read_csv(out / "_errors.csv")["participant_id"].tolist() == ["simulated-2"]
    expected = lsm2.embed(some.drop("simulated-2").reset_index())
    pd.testing.assert_frame_equal(pd.read_parquet(out), expected, atol=1e-5, check_index_type=False)


def test_a_participant_who_kills_its_worker_is_named(
    engine: str, recording: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PARTITIONS, "embed", Deadly)
    some = recording.loc[[f"simulated-{i}" for i in range(1, 5)]]
    some.to_parquet(tmp_path / "cohort.parquet")
    out = tmp_path / "out"
    with pytest.raises(PartitionError, match=r"'simulated-2': its worker process died 2 times"):
        embed_dataset(tmp_path / "cohort.parquet", out, engine=engine, part_days=4)  # type: ignore[arg-type]
    expected = lsm2.embed(some.drop("simulated-2"))
    pd.testing.assert_frame_equal(pd.read_parquet(out), expected, atol=1e-5, check_index_type=False)


def test_reconstruct_on_a_cluster_too(engine: str, recording: pd.DataFrame, tmp_path: Path) -> None:
    some = recording.loc[["simulated-1", "simulated-2"]]
    some.to_parquet(tmp_path / "cohort.parquet")
    reconstruct_dataset(tmp_path / "cohort.parquet", tmp_path / "out", engine=engine, part_days=2)  # type: ignore[arg-type]
    found = pd.read_parquet(tmp_path / "out")
    pd.testing.assert_frame_equal(found, lsm2.reconstruct(some), atol=1e-3, check_index_type=False)


def test_a_gpu_that_is_not_there_is_missed_at_once(
    engine: str, recording: pd.DataFrame, tmp_path: Path
) -> None:
    recording.loc[["simulated-1"]].to_parquet(tmp_path / "cohort.parquet")
    with pytest.raises(ValueError, match=r"gpu=True, but the .* no GPU"):
        embed_dataset(tmp_path / "cohort.parquet", tmp_path / "out", engine=engine, gpu=True)  # type: ignore[arg-type]


def test_the_callable_goes_into_a_pipeline_of_ones_own(engine: str, recording: pd.DataFrame) -> None:
    frame = recording.loc[["simulated-1", "simulated-2"]].reset_index()
    expected = lsm2.embed(frame).reset_index()
    found: Any
    if engine == "ray":
        import ray.data

        data = ray.data.from_pandas([part for _, part in frame.groupby("participant_id")])
        found = data.map_batches(
            EmbedPartition,
            fn_constructor_kwargs={"model": "lsm2-small", "threads": 1},
            batch_size=None,
            batch_format="pandas",
            compute=ray.data.ActorPoolStrategy(size=1),
        ).to_pandas()
    else:
        from pyspark.sql import SparkSession

        spark = SparkSession.getActiveSession()
        assert spark is not None
        spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "1000")  # people span batches
        columns = ", ".join(f"e{i} float" for i in range(192))
        data = spark.createDataFrame(frame)
        embed = EmbedPartition("lsm2-small", threads=1)
        found = (
            data.repartition(2, "participant_id")
            .sortWithinPartitions("participant_id", "timestamp")
            .mapInPandas(embed.map, f"participant_id string, date timestamp, {columns}")
            .toPandas()
        )
    found = found.sort_values(["participant_id", "date"], ignore_index=True)
    pd.testing.assert_frame_equal(found, expected, atol=1e-5, check_dtype=False)
