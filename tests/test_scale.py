"""Files in parts, processes, folders of parts: the same rows as one frame gives, also after a kill."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

import lsm2
from lsm2.scale import (
    EmbedPartition,
    PartitionError,
    ReconstructPartition,
    embed_dataset,
    reconstruct_dataset,
)
from lsm2.scale.compute import warn_once
from lsm2.scale.job import PARTITIONS, plan_files
from lsm2.scale.plan import find_files, make_plan
from tests.conftest import tiny_model

PEOPLE, DAYS = 6, 2


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model on disk."""
    return tiny_model().save(tmp_path_factory.mktemp("checkpoint") / "tiny")


@pytest.fixture(scope="module")
def recording() -> pd.DataFrame:
    return lsm2.simulate(participants=PEOPLE, days=DAYS, seed=3).drop(columns="activity_counts")


@pytest.fixture
def cohort(tmp_path: Path, recording: pd.DataFrame) -> Path:
    """The recording in a file whose row groups end within people."""
    path = tmp_path / "cohort.parquet"
    recording.to_parquet(path, row_group_size=2000)
    return path


def parts_of(path: Path, days: int) -> list[list[object]]:
    plan = make_plan(find_files(path), participant="participant_id", timestamp="timestamp", part_days=days)
    return [part.people for part in plan.parts]


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def start(code: str) -> subprocess.Popen[str]:
    """Python code in a process group of its own, which does not guard its main module."""
    environment = {**os.environ, "PYTHONPATH": str(Path(lsm2.__file__).parent.parent), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def group_of(process: subprocess.Popen[str]) -> list[int]:
    """Processes of a group that are alive."""
    listed = subprocess.run(["ps", "-eo", "pid,pgid,stat"], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()[1:]]
    return [int(pid) for pid, group, state in rows if int(group) == process.pid and state[0] != "Z"]


# ------------------------------------------------------------------ files in parts


def test_people_that_span_row_groups_stay_whole(cohort: Path, recording: pd.DataFrame) -> None:
    people = list(recording.index.levels[0])  # type: ignore[attr-defined]
    assert parts_of(cohort, 4) == [people[:2], people[2:4], people[4:]]
    assert parts_of(cohort, 1) == [[one] for one in people]  # who does not fit is a part alone
    plan = make_plan(
        find_files(cohort), participant="participant_id", timestamp="timestamp", part_days=2 * DAYS
    )
    frame = plan.load(plan.parts[1])
    pd.testing.assert_frame_equal(frame, recording.loc[people[2:4]], check_index_type=False)
    assert frame.attrs == {"simulated": True}


@pytest.mark.parametrize("level", ["day", "hour", "participant"])
def test_embed_of_a_file_is_that_of_its_frame(
    cohort: Path, recording: pd.DataFrame, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lsm2.scale.run.PART_DAYS", 4)
    model = tiny_model()
    expected = model.embed(recording, level=level)
    found = lsm2.embed(cohort, level=level, model=model)
    pd.testing.assert_frame_equal(found, expected, atol=1e-5)
    assert found.attrs == expected.attrs


@pytest.mark.parametrize(
    "options", [{}, {"summary": "day"}, {"grid": "full", "return_filled": True, "channels": "all"}]
)
def test_reconstruct_of_a_file_is_that_of_its_frame(
    cohort: Path, recording: pd.DataFrame, options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lsm2.scale.run.PART_DAYS", 4)
    model = tiny_model()
    expected = model.reconstruct(recording, **options)  # type: ignore[arg-type]
    output = cohort.with_name("out.parquet")
    rows = lsm2.reconstruct(str(cohort), model=model, output=output, **options)  # type: ignore[arg-type]
    found = pd.read_parquet(output)
    pd.testing.assert_frame_equal(found, expected, atol=1e-4, check_index_type=False)
    assert found.attrs == expected.attrs
    assert rows["rows"].sum() == len(expected) and len(rows) == PEOPLE
    assert {path.name for path in output.parent.iterdir()} == {"cohort.parquet", "out.parquet"}


def test_people_may_go_on_in_other_files_of_other_columns(
    tmp_path: Path, recording: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lsm2.scale.run.PART_DAYS", 4)
    first = recording.index.get_level_values("timestamp") < "2024-03-05"
    recording[first].to_parquet(tmp_path / "month=1.parquet")
    recording.loc[~first, ["steps", "heart_rate"]].to_parquet(tmp_path / "month=2.parquet")
    whole = pd.concat([recording[first], recording.loc[~first, ["steps", "heart_rate"]]])
    model = tiny_model()
    for source in (tmp_path, tmp_path / "month=*.parquet"):
        pd.testing.assert_frame_equal(lsm2.embed(source, model=model), model.embed(whole), atol=1e-5)


def test_samples_and_events_come_in_the_order_of_a_frame(
    cohort: Path, recording: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lsm2.scale.run.PART_DAYS", 4)
    people = recording.index.levels[0]  # type: ignore[attr-defined]
    start = pd.DatetimeIndex([f"2024-03-04 {hour:02}:00" for hour in range(9, 18)])
    ids = [*people[::-1], "a stranger", people[0], people[2]]
    events = pd.DataFrame({"participant_id": ids, "start": start, "end": start + pd.Timedelta("30min")})
    model = tiny_model()
    with pytest.warns(UserWarning, match="no observed token"):
        expected = model.embed(recording, level="window", events=events)
    with pytest.warns(UserWarning, match="no observed token"):
        found = lsm2.embed(cohort, level="window", events=events, model=model)
    pd.testing.assert_frame_equal(found, expected, atol=1e-5)
    some = lsm2.load_model().reconstruct(recording.loc[people[:2]], n_samples=2, seed=1)
    recording.loc[people[:2]].to_parquet(cohort)
    monkeypatch.setattr("lsm2.scale.run.PART_DAYS", 2)
    pd.testing.assert_frame_equal(lsm2.reconstruct(cohort, n_samples=2, seed=1), some, atol=1e-3)


def test_events_of_strangers_are_rows_in_files_too(
    cohort: Path, recording: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lsm2.scale.run.PART_DAYS", 4)
    people = recording.index.levels[0]  # type: ignore[attr-defined]
    events = pd.DataFrame({"participant_id": ["a stranger", people[-1]], "start": "2024-03-04 10:00"})
    events["end"] = "2024-03-04 11:00"
    options = {"level": "window", "events": events, "model": tiny_model()}
    with pytest.warns(UserWarning, match=r"1 of 2 events \(1 of participants .* lacks\)"):
        expected = lsm2.embed(recording, **options)
    for workers in (1, 2):
        with pytest.warns(UserWarning, match=r"1 of 2 events \(1 of participants .* lacks\)"):
            found = lsm2.embed(cohort, workers=workers, **options)
        pd.testing.assert_frame_equal(found, expected, atol=1e-5)
    with pytest.warns(UserWarning, match=r"1 of 2 events \(1 of participants .* lacks\)"):
        lsm2.embed(cohort, output=tmp_path / "out.parquet", **options)
    written = [pd.read_parquet(tmp_path / "out.parquet")]
    with pytest.warns(UserWarning, match=r"1 of 2 events \(1 of participants .* lacks\)"):
        embed_dataset(cohort, tmp_path / "out", part_days=4, progress=False, **options)
    parts = [pd.read_parquet(path) for path in sorted((tmp_path / "out").glob("*.parquet"))]
    written.append(pd.concat(part for part in parts if len(part)))
    for table in written:
        pd.testing.assert_frame_equal(table.iloc[::-1], expected, atol=1e-5)
    wrong = options | {"events": events.assign(participant_id=7)}
    for run in (
        lambda: lsm2.embed(cohort, **wrong),
        lambda: lsm2.embed(cohort, output=tmp_path / "wrong.parquet", **wrong),
        lambda: lsm2.embed(recording, workers=2, **wrong),
        lambda: embed_dataset(cohort, tmp_path / "wrong", progress=False, **wrong),
    ):
        with pytest.raises(ValueError, match="none of the events' participants is in the recording"):
            run()


def test_a_person_who_comes_back_is_named(tmp_path: Path, recording: pd.DataFrame) -> None:
    path = tmp_path / "mixed.parquet"
    recording.reset_index().sort_values("timestamp", kind="stable").to_parquet(path)
    with pytest.raises(ValueError, match=r"mixed\.parquet: participant 'simulated-1' comes back in row 6,"):
        lsm2.embed(path, model=tiny_model())


def test_files_that_cannot_be_read_in_parts(tmp_path: Path, recording: pd.DataFrame) -> None:
    one = recording.loc["simulated-1"]
    one.to_parquet(tmp_path / "a.parquet")
    assert len(lsm2.embed(tmp_path / "a.parquet", model=tiny_model())) == DAYS  # one file of one person
    one.to_parquet(tmp_path / "b.parquet")
    with pytest.raises(ValueError, match=r"a\.parquet: has no column 'participant_id'"):
        lsm2.embed(tmp_path, model=tiny_model())
    with pytest.raises(FileNotFoundError, match="no such file"):
        lsm2.embed(tmp_path / "none.parquet")
    with pytest.raises(FileNotFoundError, match="no file has a name like this"):
        lsm2.embed(tmp_path / "none*.parquet")
    keyed = one.assign(participant_id=[None, *[7] * (len(one) - 1)]).reset_index()
    keyed.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a\.parquet: row 0 has no participant"):
        lsm2.embed(tmp_path / "a.parquet")
    keyed.assign(participant_id=7).to_parquet(tmp_path / "a.parquet")
    keyed.assign(participant_id="7").to_parquet(tmp_path / "b.parquet")
    with pytest.raises(
        ValueError, match=r"participants are int64 in .*a\.parquet and string in .*b\.parquet"
    ):
        lsm2.embed(tmp_path)


def test_what_programs_leave_beside_the_data_is_not_read(tmp_path: Path, recording: pd.DataFrame) -> None:
    for folder in ("", ".out.parquet.parts", "_delta_log", "site=1"):
        (tmp_path / "in" / folder).mkdir(exist_ok=True, parents=True)
    recording.to_parquet(tmp_path / "in" / "site=1" / "a.parquet")
    for stray in (".out.parquet.parts/part-000000.parquet", "_delta_log/1.checkpoint.parquet", "_a.parquet"):
        pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "in" / stray)
    assert [path.name for path in find_files(tmp_path / "in")] == ["a.parquet"]
    model, here = tiny_model(), tmp_path / "in" / "site=1"
    for run in (
        lambda: lsm2.embed(tmp_path / "in", output=tmp_path / "in" / "out.parquet", model=model),
        lambda: lsm2.embed(here / "*.parquet", output=here / "out.parquet", model=model),
        lambda: embed_dataset(tmp_path / "in", tmp_path / "in" / "out", model=model),
        lambda: embed_dataset(tmp_path / "in/**/*.parquet", tmp_path / "in" / "out", model=model),
    ):
        with pytest.raises(ValueError, match="choose a place outside it"):
            run()


def test_columns_of_several_types_go_together_where_they_can(tmp_path: Path, recording: pd.DataFrame) -> None:
    model, files = tiny_model(), {}
    for number, (note, asleep) in enumerate([("tired", bool), (7, "int8"), (0.5, "float64")], start=1):
        one = recording.loc[[f"simulated-{number}"]].copy()
        one["sleep_asleep"] = one["sleep_asleep"].fillna(0).astype(asleep)
        files[number] = one
        one.assign(note=note).to_parquet(tmp_path / f"{number}.parquet")
    pd.DataFrame({"participant_id": [None], "timestamp": [None]}).iloc[:0].to_parquet(tmp_path / "0.parquet")
    expected = model.embed(pd.concat(one.astype({"sleep_asleep": float}) for one in files.values()))
    with pytest.warns(UserWarning, match="no channel of this model, ignored: 'note'"):
        found = lsm2.embed(tmp_path, model=model)
    pd.testing.assert_frame_equal(found, expected, atol=1e-5, check_index_type=False)
    files[2].assign(heart_rate="high").to_parquet(tmp_path / "2.parquet")
    with pytest.raises(
        ValueError, match=r"'heart_rate' is double in .*1\.parquet and .*string in .*2\.parquet"
    ):
        lsm2.embed(tmp_path, model=model)
    files[2].assign(steps=pd.Timestamp("2024-01-01")).to_parquet(tmp_path / "2.parquet")
    with pytest.raises(
        ValueError, match=r"column 'steps' is .* in .*1\.parquet and timestamp.* in .*2\.parquet"
    ):
        lsm2.embed(tmp_path, model=model)
    table = pa.Table.from_pandas(files[1].reset_index())
    pq.write_table(table.append_column("steps", table["steps"]), tmp_path / "2.parquet")
    with pytest.raises(ValueError, match=r"2\.parquet: has several columns 'steps'"):
        lsm2.embed(tmp_path, model=model)


def test_files_may_be_of_several_zones_where_one_is_named(tmp_path: Path, recording: pd.DataFrame) -> None:
    two = []
    for name, zone in (("simulated-1", "Europe/Berlin"), ("simulated-2", "America/New_York")):
        two.append(recording.loc[[name]].tz_localize(zone, level=1))
        two[-1].to_parquet(tmp_path / f"{name}.parquet")
    with pytest.raises(ValueError, match=r"Europe/Berlin.* and .*America/New_York.*; .* with tz="):
        lsm2.embed(tmp_path, model=tiny_model())
    zones = {"simulated-1": "Europe/Berlin", "simulated-2": "America/New_York"}
    found = lsm2.embed(tmp_path, model=tiny_model(), tz=zones)
    expected = tiny_model().embed(recording.loc[list(zones)])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_times_as_text_are_read_person_by_person(
    tmp_path: Path, recording: pd.DataFrame, checkpoint: Path
) -> None:
    model, path = lsm2.load_model(checkpoint), tmp_path / "in.parquet"
    table = recording.reset_index()
    times = table["timestamp"]
    table["timestamp"] = times.dt.strftime("%Y-%m-%dT%H:%M")
    table.loc[int(np.flatnonzero(table["participant_id"] == "simulated-4")[7]), "timestamp"] = "not a time"
    table.to_parquet(path)
    with pytest.raises(PartitionError, match=r"'simulated-4': .*row 7: 'not a time' is not a time") as caught:
        embed_dataset(path, tmp_path / "out", model=checkpoint)
    assert list(caught.value.errors) == ["simulated-4"]
    expected = model.embed(recording.drop("simulated-4"))
    found = pd.read_parquet(tmp_path / "out")
    pd.testing.assert_frame_equal(found, expected, atol=1e-5, check_index_type=False)
    offset = np.where(table["participant_id"] == "simulated-2", "+01:00", "-05:00")
    table["timestamp"] = times.dt.strftime("%Y-%m-%dT%H:%M:%S") + offset
    table.to_parquet(path)
    with pytest.raises(
        ValueError, match=r"in\.parquet, .*row 0: '2024.*-05:00' is text with an offset .*tz="
    ):
        lsm2.embed(path, model=model)
    mixed = table.copy()
    mixed.loc[5, "timestamp"] = "2024-03-04T00:05"
    mixed.to_parquet(path)
    with pytest.raises(PartitionError, match=r"'simulated-1': .*row 5: '2024-03-04T00:05' has no offset"):
        lsm2.embed(path, model=model, tz="America/New_York")
    table.to_parquet(path)
    aware = table.assign(timestamp=pd.to_datetime(table["timestamp"], utc=True))
    pd.testing.assert_frame_equal(
        lsm2.embed(path, model=model, tz="America/New_York"),
        model.embed(aware, tz="America/New_York"),
        atol=1e-5,
        check_index_type=False,
    )


def test_people_are_the_first_level_of_an_index_whatever_its_name(
    tmp_path: Path, recording: pd.DataFrame
) -> None:
    for names in (("user", "time"), (None, None)):
        recording.rename_axis(index=names).to_parquet(tmp_path / "a.parquet")
        rows = lsm2.embed(tmp_path / "a.parquet", model=tiny_model(), output=tmp_path / "out.parquet")
        assert rows["rows"].to_dict() == {f"simulated-{i}": DAYS for i in range(1, PEOPLE + 1)}


def test_parts_are_as_large_as_what_becomes_of_them(tmp_path: Path, recording: pd.DataFrame) -> None:
    hourly = recording[recording.index.get_level_values(1).minute == 0]  # type: ignore[attr-defined]
    hourly.to_parquet(tmp_path / "hourly.parquet")
    assert len(parts_of(tmp_path / "hourly.parquet", 2 * DAYS)) == PEOPLE / 2  # as of every minute
    recording.to_parquet(tmp_path / "cohort.parquet")
    plan = plan_files([tmp_path / "cohort.parquet"], {"n_samples": 3}, 3 * DAYS)
    assert len(plan.parts) == PEOPLE


def test_joined_tables_of_many_days_go_without_shares(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lsm2.scale.run.PART_DAYS", 4)
    monkeypatch.setattr("lsm2.scale.compute._MOST_SHARES", PEOPLE * DAYS - 1)
    model = tiny_model()
    lsm2.embed(cohort, model=model, output=tmp_path / "out.parquet")
    for table in (pd.read_parquet(tmp_path / "out.parquet"), lsm2.embed(cohort, model=model)):
        assert table.attrs["checkpoint"] == model.hash and "observed" not in table.attrs


def test_parts_stay_where_the_joined_file_is_not_whole(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = pq.ParquetWriter.write_table

    def one_less(self: pq.ParquetWriter, table: pa.Table, **options: int) -> None:
        write(self, table if options else table[:-1], **options)  # parts come with options

    monkeypatch.setattr(pq.ParquetWriter, "write_table", one_less)
    with pytest.raises(
        OSError, match=f"holds {PEOPLE * DAYS - 1} of {PEOPLE * DAYS} rows; the parts are left"
    ):
        lsm2.embed(cohort, model=tiny_model(), output=tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
    monkeypatch.undo()
    assert len(lsm2.embed(cohort, model=tiny_model(), output=tmp_path / "out.parquet")) == PEOPLE
    assert not (tmp_path / ".out.parquet.parts").exists()


def test_a_removal_that_is_cut_off_leaves_what_says_whose_it_is(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lsm2.scale.run.PART_DAYS", 4)
    unlink = Path.unlink

    def cut_off(path: Path, **options: bool) -> None:
        unlink(path, **options)
        if path.name == "part-000001.parquet":
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", cut_off)
    with pytest.raises(KeyboardInterrupt):
        lsm2.embed(cohort, model=tiny_model(), output=tmp_path / "out.parquet")
    monkeypatch.setattr(Path, "unlink", unlink)
    assert (tmp_path / ".out.parquet.parts" / "_lsm2.json").is_file()
    assert len(pd.read_parquet(tmp_path / "out.parquet")) == PEOPLE * DAYS
    lsm2.embed(cohort, model=tiny_model(), output=tmp_path / "out.parquet")
    assert not (tmp_path / ".out.parquet.parts").exists()


def test_bad_options_fail_at_once_and_leave_nothing(cohort: Path) -> None:
    model = tiny_model()
    out = cohort.with_name("out.parquet")
    for options, message in [
        ({"units": {"heart_rate": "furlong"}}, "furlong"),
        ({"level": "week"}, "week"),
        ({"workers": 0}, "workers=0"),
        ({"device": []}, "names no device"),
        ({"output": cohort}, "is read here"),
        ({"output": cohort.with_name("out.csv")}, "ends in .parquet"),
        ({"model": model, "device": "gpu0"}, "gpu0"),
    ]:
        with pytest.raises(ValueError, match=message):
            lsm2.embed(cohort, **{"model": model, "output": out} | options)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="no option 'levle'"):
        EmbedPartition(model, levle="day")
    assert {path.name for path in cohort.parent.iterdir()} == {"cohort.parquet"}


def test_parts_warn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsm2.scale.run.PART_DAYS", 1)
    frame = lsm2.simulate(participants=3, days=1)[["heart_rate"]].assign(mood=1.0)
    frame.loc["simulated-2", "heart_rate"] = 900.0
    frame.loc["simulated-3", "heart_rate"] = np.nan
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.warns(UserWarning) as caught:
        lsm2.embed(tmp_path / "a.parquet", model=tiny_model())
    said = [str(one.message) for one in caught]
    assert said[0].startswith("1 column is no channel")
    assert [message.split(" are ")[0] for message in said[1:]] == [
        "1440 values",
        "1 of 1 days have no observed token; their embedding is NaN (and the like in 1 other part)",
    ]
    assert {one.filename for one in caught} == {__file__}


def test_messages_of_one_and_of_several_are_alike() -> None:
    with pytest.warns(UserWarning) as caught:
        warn_once([], ["1 row is doubled.", "3 rows are doubled."])
    assert [str(one.message) for one in caught] == ["1 row is doubled. (and the like in 1 other part)"]


# ------------------------------------------------------------------ partitions


def test_a_partition_is_frame_in_frame_out_and_pickles(recording: pd.DataFrame, checkpoint: Path) -> None:
    import pickle

    model = lsm2.load_model(checkpoint)
    for source in (model, checkpoint):
        embed = pickle.loads(pickle.dumps(EmbedPartition(source, level="hour")))
        table = embed(recording)
        pd.testing.assert_frame_equal(table, model.embed(recording, level="hour").reset_index(), atol=1e-5)
        assert embed.model is embed.model  # loaded once
    fill = pickle.loads(pickle.dumps(ReconstructPartition(model)))
    filled = pd.concat(fill.map([recording]), ignore_index=True)
    pd.testing.assert_frame_equal(filled, model.reconstruct(recording).reset_index(), atol=1e-4)


def test_a_partition_puts_batches_together(recording: pd.DataFrame) -> None:
    embed = EmbedPartition(tiny_model())
    table = recording.reset_index()
    batches = [table.iloc[first : first + 1300] for first in range(0, len(table), 1300)]
    found = pd.concat(embed.map(batches), ignore_index=True)
    pd.testing.assert_frame_equal(found, embed(table), atol=1e-5)
    with pytest.raises(ValueError, match="participant 'simulated-1' comes back after others"):
        list(embed.map([*batches, table.iloc[:10]]))


# ------------------------------------------------------------------ processes


def test_workers_give_the_same_rows_in_order(recording: pd.DataFrame, checkpoint: Path, cohort: Path) -> None:
    model = lsm2.load_model(checkpoint)
    shuffled = recording.sample(frac=1, random_state=0)
    expected = model.embed(shuffled)
    found = lsm2.embed(shuffled, model=model, workers=2)
    pd.testing.assert_frame_equal(found, expected, atol=1e-5)
    assert found.attrs == expected.attrs
    filled = lsm2.reconstruct(recording, model=checkpoint, device=["cpu", "cpu"])
    pd.testing.assert_frame_equal(filled, model.reconstruct(recording), atol=1e-4)


def test_an_error_in_a_worker_names_the_participant(recording: pd.DataFrame, checkpoint: Path) -> None:
    zones = dict.fromkeys(recording.index.levels[0], "Europe/Berlin")  # type: ignore[attr-defined]
    del zones["simulated-4"]
    utc = recording.tz_localize("UTC", level=1)
    with pytest.raises(PartitionError, match="participant 'simulated-4': tz= gives no zone"):
        lsm2.embed(utc, model=checkpoint, workers=2, tz=zones)


BUSY = """
import lsm2, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell runs in the background
recording = lsm2.simulate(participants=8, days=10)
while True:
    lsm2.embed(recording, workers=2, model={checkpoint!r}, level="token")
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_behind(checkpoint: Path, how: signal.Signals) -> None:
    process = start(BUSY.format(checkpoint=str(checkpoint)))
    try:
        until(lambda: len([pid for pid in group_of(process) if _is_worker(pid)]) == 2)
        if how == signal.SIGINT:
            os.killpg(process.pid, how)  # what Ctrl-C does
        else:
            process.kill()
        process.wait(60)
    finally:
        process.kill()
    assert process.returncode != 0
    until(lambda: group_of(process) == [], 30)


def _is_worker(pid: int) -> bool:
    try:
        return b"LokyProcess" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


# ------------------------------------------------------------------ killed and called again

EMBED = """
import lsm2, lsm2.scale.run
lsm2.scale.run.PART_DAYS = 2
lsm2.embed({source!r}, output={output!r}, workers={workers})
"""


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("longer") / "cohort.parquet"
    lsm2.simulate(participants=16, days=2).to_parquet(path, row_group_size=10_000)
    return path


@pytest.fixture(scope="module")
def uninterrupted(longer: Path) -> pd.DataFrame:
    output = longer.with_name("whole.parquet")
    assert start(EMBED.format(source=str(longer), output=str(output), workers=1)).wait(240) == 0
    return pd.read_parquet(output)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_goes_on_without_loss_or_doubles(
    longer: Path, uninterrupted: pd.DataFrame, tmp_path: Path, workers: int
) -> None:
    output = tmp_path / "out.parquet"
    parts = tmp_path / ".out.parquet.parts"
    call = EMBED.format(source=str(longer), output=str(output), workers=workers)
    process = start(call)
    until(lambda: len(list(parts.glob("part-*.parquet"))) >= 3)
    process.kill()
    process.wait()
    until(lambda: group_of(process) == [], 30)
    done = sorted(parts.glob("part-*.parquet"))
    assert 3 <= len(done) < 16 and not output.exists()
    with pytest.raises(ValueError, match="holds parts of another run, of other options"):
        lsm2.embed(longer, output=output, level="hour")
    done[0].write_bytes(done[0].read_bytes()[:100])  # damaged: it is made again
    kept = {path: path.stat().st_mtime_ns for path in done[1:]}
    process = start(call)
    until(lambda: len(made_by(parts)) > len(done) or output.exists())
    for path, when in kept.items():  # what was done is not done again
        assert not path.exists() or path.stat().st_mtime_ns == when
    assert process.wait(240) == 0
    found = pd.read_parquet(output)
    if workers == 1:
        pd.testing.assert_frame_equal(found, uninterrupted, rtol=0, atol=0)
    pd.testing.assert_frame_equal(found, uninterrupted, atol=1e-5)
    assert found.attrs == uninterrupted.attrs and len(found) == 32
    assert not parts.exists()


@pytest.mark.slow
def test_a_killed_worker_costs_no_row(longer: Path, uninterrupted: pd.DataFrame, tmp_path: Path) -> None:
    code = f"""
from lsm2.scale import embed_dataset
embed_dataset({str(longer)!r}, {str(tmp_path / "out")!r}, workers=2, part_days=2)
"""
    process = start(code)
    until(lambda: any(made_by(tmp_path / "out")))
    worker = made_by(tmp_path / "out")[0]
    assert worker != process.pid
    os.kill(worker, signal.SIGKILL)
    assert process.wait(240) == 0
    assert len(set(made_by(tmp_path / "out"))) >= 3  # another took its place
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out"), uninterrupted, atol=1e-5)


def made_by(folder: Path) -> list[int]:
    """The processes that wrote the whole parts of a folder, as far as they are there."""
    found = []
    for path in sorted(folder.glob("part-*.parquet")):
        with contextlib.suppress(OSError, pa.ArrowException):
            found.append(json.loads(pq.read_schema(path).metadata[b"lsm2.part"])["process"])
    return found


# ------------------------------------------------------------------ folders of parts


def poisoned(path: Path, recording: pd.DataFrame, whom: str) -> None:
    """Write a recording in which a row of one person has no time."""
    table = recording.reset_index()
    row = int(np.flatnonzero(table["participant_id"] == whom)[100])
    table.loc[row, "timestamp"] = pd.NaT
    table.to_parquet(path, row_group_size=3000)


def test_a_poisoned_participant_is_named_and_the_others_are_finished(
    cohort: Path, recording: pd.DataFrame, checkpoint: Path
) -> None:
    poisoned(cohort, recording, "simulated-4")
    out = cohort.with_name("out")
    with pytest.raises(PartitionError, match=r"participant 'simulated-4': .* no timestamp") as caught:
        embed_dataset(cohort, out, model=checkpoint, part_days=6)
    assert list(caught.value.errors) == ["simulated-4"] and "other 5 of 6 are done" in str(caught.value)
    assert pd.read_csv(out / "_errors.csv")["participant_id"].tolist() == ["simulated-4"]
    others = recording.drop("simulated-4")
    expected = lsm2.load_model(checkpoint).embed(others.reset_index())
    pd.testing.assert_frame_equal(pd.read_parquet(out), expected, atol=1e-5, check_index_type=False)
    with pytest.warns(UserWarning, match="simulated-4"):
        rows = embed_dataset(cohort, out, model=checkpoint, part_days=6, on_error="warn")
    assert rows.loc["simulated-4", "rows"] == 0 and "no timestamp" in rows.loc["simulated-4", "error"]
    with pytest.raises(PartitionError, match=r"participant 'simulated-4': "):
        lsm2.embed(cohort, model=checkpoint)


@pytest.mark.slow
def test_a_worker_that_always_dies_is_reported() -> None:
    from lsm2.scale.local import spread

    answers = spread([_die_of_three] * 2, range(5), lambda item, error: f"{item}: {error}")
    found = list(answers)
    assert [found[i] for i in (0, 1, 2, 4)] == ["0", "1", "2", "4"]
    assert found[3].startswith("3: its worker process died 4 times")


def _die_of_three(item: int) -> str:
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return str(item)


class Deadly(EmbedPartition):
    """Kills its process at some participants, as who needs too much memory does."""

    whom: ClassVar[set[str]] = {"simulated-2"}

    def table(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self.whom & {*frame.index.get_level_values(0)}:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().table(frame)


class Deadlier(Deadly):
    whom: ClassVar[set[str]] = {"simulated-1", "simulated-2", "simulated-3"}


@pytest.mark.slow
@pytest.mark.parametrize("deadly", [Deadly, Deadlier])
def test_who_kills_a_worker_is_named_and_the_others_are_finished(
    cohort: Path,
    recording: pd.DataFrame,
    checkpoint: Path,
    deadly: type[Deadly],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(PARTITIONS, "embed", deadly)
    whom = sorted(deadly.whom)
    out = cohort.with_name("out")
    message = f"'{whom[0]}': its worker process died 2 times .*participant"
    with pytest.raises(PartitionError, match=message) as caught:
        embed_dataset(cohort, out, model=checkpoint, part_days=8, workers=2)
    assert list(caught.value.errors) == whom
    expected = lsm2.load_model(checkpoint).embed(recording.drop(whom))
    pd.testing.assert_frame_equal(pd.read_parquet(out), expected, atol=1e-5, check_index_type=False)
    assert not list(out.glob(".part-*"))
    with pytest.raises(PartitionError, match=message):
        embed_dataset(cohort, out, model=checkpoint, part_days=8, workers=2)  # one part is left
    monkeypatch.undo()
    assert embed_dataset(cohort, out, model=checkpoint, part_days=8)["rows"].tolist() == [DAYS] * PEOPLE


def test_tries_that_were_interrupted_are_forgotten(
    cohort: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    out = cohort.with_name("out")
    monkeypatch.setattr("lsm2.scale.job.Job._compute", lambda self, part: self.store.begin(part.number))
    monkeypatch.setattr("lsm2.scale.job.Job._keep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        embed_dataset(cohort, out, model=checkpoint)
    assert (out / "_lsm2.json").is_file() and not list(out.glob(".part-*"))


def test_a_finished_folder_is_left_as_it_is(cohort: Path, checkpoint: Path) -> None:
    out = cohort.with_name("out")
    first = reconstruct_dataset(cohort, out, model=checkpoint, part_days=4)
    before = {path: path.stat().st_mtime_ns for path in out.glob("part-*")}
    pd.testing.assert_frame_equal(reconstruct_dataset(cohort, out, model=checkpoint, part_days=4), first)
    assert {path: path.stat().st_mtime_ns for path in out.glob("part-*")} == before and len(before) == 3
    with pytest.raises(ValueError, match="holds parts of another run, of other part_days"):
        reconstruct_dataset(cohort, out, model=checkpoint, part_days=5)
    with pytest.raises(ValueError, match=r"holds 'cohort.parquet' and no _lsm2.json"):
        embed_dataset(cohort, cohort.parent, model=checkpoint)


def test_a_second_run_leaves_the_first_ones_parts_alone(
    cohort: Path, checkpoint: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.parquet"
    parts = tmp_path / ".out.parquet.parts"
    parts.mkdir()
    with FileLock(parts / ".lock"):
        with pytest.raises(ValueError, match="another process is writing to it"):
            lsm2.embed(cohort, model=checkpoint, output=output, progress=False)
        assert parts.is_dir()
    assert len(lsm2.embed(cohort, model=checkpoint, output=output, progress=False)) == PEOPLE
    assert output.is_file() and not parts.exists()


def test_the_packages_are_found_by_name() -> None:
    code = "import lsm2; print(lsm2.scale.embed_dataset.__name__, lsm2.sklearn.Embedder.__name__)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.split() == ["embed_dataset", "Embedder"]


def test_files_without_a_row_give_a_file_without_a_row(model: Path, tmp_path: Path) -> None:
    frame = lsm2.simulate(participants=1, days=1).reset_index().iloc[:0]
    frame.to_parquet(tmp_path / "empty.parquet")
    for method in (lsm2.embed, lsm2.reconstruct):
        output = tmp_path / f"{method.__name__}.parquet"
        summary = method(tmp_path / "empty.parquet", model=model, output=output)
        assert len(summary) == 0 and list(summary.columns) == ["rows", "file", "error"]
        expected = method(tmp_path / "empty.parquet", model=model)
        pd.testing.assert_frame_equal(pd.read_parquet(output), expected, check_index_type=False)
