"""Pretraining: data in, the same checkpoint out, whatever happens on the way."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

import lsm2
from lsm2.aim import AIM
from lsm2.training import PretrainConfig, Source, load_source, pretrain
from lsm2.training.config import StreamConfig
from lsm2.training.contrastive import contrast, draw_view
from lsm2.training.dataset import Recordings, Windows, load_recordings
from lsm2.training.feed import StreamFeed, find_pieces
from lsm2.training.materials import gather
from lsm2.training.sources import SleepLog, draw_split, native_samples, read_splits
from lsm2.training.survey import Survey
from lsm2.training.trainer import learning_rate
from tests.pretraining import NETWORK, config

SHIPPED = Path(lsm2.__file__).parent / "training" / "lsm2-small.json"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    frame = lsm2.simulate(participants=8, days=2, seed=3).reset_index()
    frame[["participant_id", "timestamp", "heart_rate", "steps", "sleep_asleep"]].to_parquet(
        folder / "cohort.parquet"
    )
    return folder


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoint / "model.safetensors")


def same(a: Path, b: Path) -> bool:
    left, right = weights(a), weights(b)
    return all(torch.equal(left[name], right[name]) for name in left)


def test_a_checkpoint_that_loads_and_embeds(data: Path, tmp_path: Path) -> None:
    checkpoint = pretrain(config(), data=data, output=tmp_path / "run", progress=False)
    model = lsm2.load_model(checkpoint)
    assert model.config.training["steps"] == 6 and model.config.training["people"] == 6
    assert lsm2.embed(lsm2.simulate(participants=1, days=1)[["heart_rate"]], model=model).notna().all().all()
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [3, 6]
    assert np.isfinite([line[k] for line in lines for k in ("train_loss", "valid_loss")]).all()
    assert {"gaps_10/heart_rate/mse_ratio", "gaps_10/heart_rate/mae_ratio"} <= set(lines[0]["valid"])


def test_training_learns(data: Path, tmp_path: Path) -> None:
    long = config(
        steps=60, valid_every=60, batch_windows=8, learning_rate=5e-3, ema=0.9, checkpoint_seconds=60
    )
    pretrain(long, data=data, output=tmp_path, progress=False)
    line = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert line["valid"]["gaps_60/steps/mse_ratio"] < 0.95  # the first answer, 1.0, is linear interpolation


def test_same_seed_same_weights(data: Path, tmp_path: Path) -> None:
    a, b, c = (
        pretrain(config(seed=seed), data=data, output=tmp_path / name, progress=False)
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert same(a, b) and not same(a, c)


def pretrain_in_stops(settings: PretrainConfig, data: Path, output: Path) -> Path:
    """Stopped after every step, and called again."""
    for _ in range(20):
        checkpoint = pretrain(settings, data=data, output=output, progress=False, seconds=0)
        if checkpoint.exists():
            break
    return checkpoint


def test_a_stopped_run_goes_on_to_the_same_weights(data: Path, tmp_path: Path) -> None:
    whole = pretrain(config(), data=data, output=tmp_path / "whole", progress=False)
    parts = pretrain_in_stops(config(), data, tmp_path / "parts")
    assert same(whole, parts)
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("whole", "parts")]
    assert [json.loads(a)["valid"] for a in logs[0]] == [json.loads(b)["valid"] for b in logs[1]]


_RUN = """
import sys
from lsm2.training import PretrainConfig, pretrain
from pathlib import Path
pretrain(PretrainConfig.read(Path(sys.argv[1])), data=sys.argv[2], output=sys.argv[3], device="cpu",
progress=False)
threads = [file.read_text() for file in Path("/proc/self/task").glob("*/comm")]
assert not any("gloo" in name for name in threads), "threads of the process group outlive it"
"""


def start(
    arguments: list[str], folder: Path, settings: PretrainConfig, data: Path
) -> subprocess.Popen[bytes]:
    (folder / "config.json").write_text(settings.model_dump_json())
    (folder / "run.py").write_text(_RUN)
    command = [
        *arguments,
        str(folder / "run.py"),
        str(folder / "config.json"),
        str(data),
        str(folder / "run"),
    ]
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE)


def steps_done(run: Path) -> int:
    try:
        return int(json.loads((run / "state" / "state.json").read_text())["step"])
    except FileNotFoundError:  # not yet there, or just being replaced
        return 0


def test_a_killed_run_goes_on_to_the_same_weights(data: Path, tmp_path: Path) -> None:
    """All runs in processes of one thread: the bits of a sum depend on the number of threads."""
    settings = config(steps=60, valid_every=60)
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start([sys.executable], whole, settings, data).wait() == 0
    process = start([sys.executable], killed, settings, data)
    while process.poll() is None:
        if steps_done(killed / "run") >= 5:
            process.kill()
            break
        time.sleep(0.01)
    process.wait()
    assert process.returncode != 0, "the run ended before it could be killed"
    assert 5 <= steps_done(killed / "run") < 60
    assert start([sys.executable], killed, settings, data).wait() == 0
    assert same(whole / "run" / "checkpoint", killed / "run" / "checkpoint")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_loses_no_step(data: Path, tmp_path: Path, number: signal.Signals) -> None:
    settings = config(steps=2000, valid_every=2000, log_every=1, checkpoint_seconds=3600)
    process = start([sys.executable], tmp_path, settings, data)
    log = tmp_path / "run" / "log.jsonl"
    while process.poll() is None and not (log.exists() and len(log.read_text().splitlines()) > 4):
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    # Where interrupts are ignored, as in background shells, Ctrl-C does nothing.
    if number == signal.SIGINT and process.returncode == 0:
        pytest.skip("this shell ignores interrupts")
    assert process.returncode in (-signal.SIGINT, 1, 130, 143), errors.decode()[-2000:]
    done = steps_done(tmp_path / "run")
    assert done >= 5 and json.loads(log.read_text().splitlines()[-1])["step"] == done


def test_two_runs_do_not_share_a_folder(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    output.mkdir()
    with FileLock(output / ".lock"), pytest.raises(ValueError, match="another process is training there"):
        pretrain(config(), data=data, output=output, progress=False)
    assert (output / ".lock").exists()
    pretrain(config(), data=data, output=output, progress=False)


def test_a_run_that_cannot_begin_leaves_no_folder(data: Path, tmp_path: Path) -> None:
    wrong = config(sources=({"name": "cohort", "file": "nowhere.parquet"},))
    with pytest.raises(FileNotFoundError, match=r"nowhere\.parquet"):
        pretrain(wrong, data=data, output=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_config_that_cannot_be_is_refused_before_data_are_read(tmp_path: Path) -> None:
    for changes, message in (
        (
            {"network": {"encoder_dims": 24}},
            r"network.encoder_dims: no such field; did you mean 'encoder_dim'\?",
        ),
        ({"network": {"encoder_dim": 24, "encoder_heads": 5}}, "encoder_heads"),
        ({"stream": {"lanes": 8}}, r"batch_windows=6 leaves some of stream.lanes=8 without a window"),
        ({"step": 3}, r"step: no such field; did you mean 'steps'\?"),
        ({"masks": {"gapz": 1}}, r"masks.gapz: no such field; did you mean 'gaps'\?"),
        ({"channels": {"hart_rate": {}}}, "channels: 'hart_rate' is no registered channel"),
        (
            {"sources": [{"name": "cohort", "file": "a", "fil": "b"}]},
            r"sources.0.fil: no such field; did you mean 'file'\?$",
        ),
    ):
        raw = json.loads(config().model_dump_json()) | changes
        (tmp_path / "config.json").write_text(json.dumps(raw))
        with pytest.raises(ValueError, match=message):
            PretrainConfig.read(tmp_path / "config.json")


def test_the_documented_config_trains(shards: Path, tmp_path: Path) -> None:
    page = Path(__file__).parents[1] / "docs" / "pretraining.md"
    raw = json.loads(page.read_text().split("```json\n")[1].split("```")[0])
    raw |= {"steps": 2, "batch_windows": 4, "sources": [{"name": "cohort", "file": "*/*.parquet"}]}
    few = PretrainConfig.model_validate(raw | {"valid_windows": 4, "min_tokens": 1})
    assert lsm2.load_model(pretrain(few, data=shards, output=tmp_path, progress=False)).config.name == "mine"


def test_files_without_people_or_times_are_named(data: Path, tmp_path: Path) -> None:
    frame = pd.read_parquet(data / "cohort.parquet").rename(columns={"participant_id": "subject"})
    frame.to_parquet(tmp_path / "cohort.parquet")
    for stream in (None, STREAM):
        with pytest.raises(
            ValueError, match=r"'cohort': cohort.parquet has no column 'participant_id'; it has"
        ):
            gather(config(stream=stream), tmp_path)
    frame = pd.read_parquet(data / "cohort.parquet").set_index(["participant_id", "timestamp"])
    frame.to_parquet(tmp_path / "cohort.parquet")
    assert gather(config(), tmp_path).survey.counts[0, 0, 0] == 6


def test_two_processes_learn_what_one_does(data: Path, tmp_path: Path) -> None:
    settings = config(network=NETWORK | {"dropout": 0.0})
    alone = pretrain(settings, data=data, output=tmp_path / "alone", progress=False)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    process = start(launcher, tmp_path, settings, data)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors.decode()[-2000:]
    together = weights(tmp_path / "run" / "checkpoint")
    for name, tensor in weights(alone).items():
        torch.testing.assert_close(tensor.float(), together[name].float(), rtol=1e-2, atol=1e-3, msg=name)


STREAM = {"part_days": 4, "held_parts": 2, "lanes": 3, "uses": 0.5}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sources of two files each; a participant of the second goes on in its other file."""
    folder = tmp_path_factory.mktemp("shards")
    frame = lsm2.simulate(participants=16, days=2, seed=5).reset_index()
    frame = frame[["participant_id", "timestamp", "heart_rate", "steps", "sleep_asleep"]]
    people = frame["participant_id"].unique()
    for name, chosen in (("large", people[:12]), ("small", people[12:])):
        (folder / name).mkdir()
        rows = frame[frame["participant_id"].isin(chosen)].reset_index(drop=True)
        half = len(rows) // 2 + (720 if name == "small" else 0)
        rows.iloc[:half].to_parquet(folder / name / "a.parquet")
        rows.iloc[half:].to_parquet(folder / name / "b.parquet")
    return folder


def streaming(**changes: Any) -> PretrainConfig:
    sources = ({"name": "large", "file": "large/*.parquet"}, {"name": "small", "file": "small"})
    fields = {"sources": sources, "network": NETWORK | {"dropout": 0.0}, "batch_windows": 6, "stream": STREAM}
    return config(**(fields | changes))


def test_files_are_surveyed_in_parts_as_in_one(shards: Path) -> None:
    whole, parts = (gather(streaming(stream=stream), shards) for stream in (None, STREAM))
    assert (whole.survey.counts == parts.survey.counts).all()
    assert whole.survey.counts[:, 0, 0].tolist() == [9, 3]
    assert whole.survey.normalisation(streaming()) == parts.survey.normalisation(streaming())
    np.testing.assert_allclose(whole.survey.moments, parts.survey.moments, rtol=1e-9)
    assert whole.survey.facts(streaming())["days"] == 24
    assert whole.valid is not None and parts.valid is not None
    np.testing.assert_array_equal(whole.valid.values, parts.valid.values)
    assert len(set(whole.valid.person)) == 4


def test_streaming_learns_as_days_in_memory_do(shards: Path, tmp_path: Path) -> None:
    steps = {"steps": 60, "valid_every": 60, "batch_windows": 8, "learning_rate": 5e-3, "ema": 0.9}
    ratios = []
    for name, stream in (("memory", None), ("stream", STREAM)):
        pretrain(streaming(stream=stream, **steps), data=shards, output=tmp_path / name, progress=False)
        line = json.loads((tmp_path / name / "log.jsonl").read_text().splitlines()[-1])
        ratios.append(line["valid"]["gaps_60/steps/mse_ratio"])
    assert max(ratios) < 0.95 and abs(ratios[0] - ratios[1]) < 0.1, ratios


def test_a_stream_goes_through_all_days_and_holds_few(shards: Path) -> None:
    settings = streaming()
    materials = gather(settings, shards)
    network = settings.aim(materials.survey.normalisation(settings))
    with closing(materials.feed(network)) as feed:
        assert isinstance(feed, StreamFeed) and feed.every == 1
        seen, most = set(), 0
        for step in range(60):
            (first, second, third) = feed.draw(step)
            assert len(first.batch.values) == len(second.batch.values) == len(third.batch.values) == 2
            seen |= {float(values.sum()) for one in (first, second, third) for values in one.batch.values}
            most = max(most, len(feed._held))
        assert most <= 3 * (2 + 1) and len(feed.pieces) == 5 + 2
        assert {feed.pieces[p].source for p in feed._picked} == {0, 1}
        assert set(feed._picked) == set(range(7))
    assert len(seen) > 24


def test_a_stopped_stream_goes_on_to_the_same_weights(shards: Path, tmp_path: Path) -> None:
    whole = pretrain(streaming(), data=shards, output=tmp_path / "whole", progress=False)
    parts = pretrain_in_stops(streaming(), shards, tmp_path / "parts")
    assert same(whole, parts)
    assert not same(whole, pretrain(streaming(seed=1), data=shards, output=tmp_path / "c", progress=False))


def test_a_stream_goes_on_with_another_number_of_processes(shards: Path, tmp_path: Path) -> None:
    settings = streaming(steps=8, valid_every=8, checkpoint_seconds=0.001)
    alone = pretrain(settings, data=shards, output=tmp_path / "alone", progress=False)
    run = tmp_path / "run"
    pretrain(settings, data=shards, output=run, progress=False, seconds=0)
    done = steps_done(run)
    assert 0 < done < 8
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    process = start(launcher, tmp_path, settings, shards)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors.decode()[-2000:]
    together = weights(run / "checkpoint")
    for name, tensor in weights(alone).items():
        torch.testing.assert_close(tensor.float(), together[name].float(), rtol=1e-2, atol=1e-3, msg=name)


def test_a_stream_of_other_files_is_refused(shards: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(shards, data)
    settings = streaming()
    pretrain(settings, data=data, output=tmp_path / "run", progress=False, seconds=0)
    pd.read_parquet(data / "large" / "a.parquet").iloc[:2880].to_parquet(data / "large" / "a.parquet")
    with pytest.raises(ValueError, match=r"of other recordings \(large/a.parquet differs\)"):
        pretrain(settings, data=data, output=tmp_path / "run", progress=False)
    pretrain(settings, data=data, output=tmp_path / "run", progress=False, resume=False)


def test_more_processes_than_lanes_are_refused(shards: Path) -> None:
    settings = streaming()
    materials = gather(settings, shards)
    pieces = find_pieces(settings, StreamConfig(**STREAM), shards, "train")
    network = settings.aim(materials.survey.normalisation(settings))
    with pytest.raises(ValueError, match=r"4 processes share 3 lanes; set stream.lanes to a multiple of 4"):
        StreamFeed(settings, pieces, [4] * len(pieces), network, rank=0, world=4)
    with pytest.raises(ValueError, match="leave stream out"):
        streaming(contrastive={})


CONTRASTIVE = {"contrastive": {}, "network": NETWORK | {"dropout": 0.0}}


def test_contrastive_pretraining_learns_to_recognise_windows(data: Path, tmp_path: Path) -> None:
    longer = config(steps=60, batch_windows=12, valid_every=10, learning_rate=3e-3, **CONTRASTIVE)
    checkpoint = pretrain(longer, data=data, output=tmp_path / "run", progress=False)
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["valid_loss"] < lines[0]["valid_loss"] and "found" in lines[-1]["valid"]
    model = lsm2.load_model(checkpoint)
    assert model.config.training["objective"] == "contrastive"
    assert not any("head" in name for name in weights(checkpoint))
    assert np.isfinite(model.embed(lsm2.simulate(participants=1, days=1))).all(axis=None)


def test_contrastive_pretraining_is_the_same_in_parts_and_after_a_stop(data: Path, tmp_path: Path) -> None:
    def run(name: str, **changes: Any) -> Path:
        settings = config(**(CONTRASTIVE | changes))
        return pretrain(settings, data=data, output=tmp_path / name, progress=False)

    whole = run("whole")
    stopped = config(**CONTRASTIVE)
    pretrain(stopped, data=data, output=tmp_path / "stopped", seconds=0.0, progress=False)
    assert same(whole, run("stopped"))
    parts = weights(run("parts", micro_windows=2))
    for name, tensor in weights(whole).items():
        torch.testing.assert_close(parts[name], tensor, atol=2e-3, rtol=2e-3)
    with pytest.raises(ValueError, match=r"network\.dropout=0"):
        config(contrastive={})


def test_views_move_in_time_and_hide_but_invent_nothing(data: Path) -> None:
    settings = config(**CONTRASTIVE, masks={"tokens": 0, "slots": 0, "channels": 1})
    windows = windows_of(settings, load_recordings(settings, data, "train"))
    batch = windows.draw(torch.Generator().manual_seed(0), settings.batch_windows)
    model = AIM(windows.network)
    groups = torch.arange(3)
    view = draw_view(batch, model, settings, groups, torch.Generator().manual_seed(1))
    assert (view.visible.sum((1, 2)) < batch.observed.sum((1, 2))).all()
    for window in range(len(batch.values)):
        seen = [c for c in range(3) if view.visible[window, c].any()]
        turns = [
            turn
            for turn in range(-60, 61)
            if all(
                torch.equal(batch.observed[window, c].roll(-turn, 0), view.visible[window, c]) for c in seen
            )
        ]
        assert turns
        turned = batch.values[window].roll(-turns[0], -1)
        asleep = view.visible[window, 2]
        assert torch.equal(view.values[window, 2][asleep], turned[2][asleep])
        rate = view.visible[window, 0]
        if rate.any() and len(turns) == 1:
            assert 0 < (view.values[window, 0] - turned[0])[rate].abs().mean() < 5  # beats/min


def test_contrast_of_unlike_views_is_the_logarithm_of_the_rest() -> None:
    loss, found = contrast(torch.ones(8, 3), torch.ones(8, 3), 0.1)
    assert float(loss) == pytest.approx(np.log(15), abs=1e-4)
    assert float(found) < 0.5


def test_a_run_of_another_config_is_not_mixed_up(data: Path, tmp_path: Path) -> None:
    pretrain(config(), data=data, output=tmp_path, progress=False, seconds=0)
    with pytest.raises(ValueError, match=r"another config.*--fresh"):
        pretrain(config(steps=9), data=data, output=tmp_path, progress=False)
    assert pretrain(config(steps=3), data=data, output=tmp_path, resume=False, progress=False).exists()


def test_learning_rate_warms_up_and_falls() -> None:
    settings = config(steps=100, warmup_steps=10)
    rates = [learning_rate(settings, step) for step in range(100)]
    assert (
        rates[0] == pytest.approx(1e-4)
        and max(rates) == pytest.approx(1e-3)
        and rates.index(max(rates)) in (9, 10)
    )
    assert all(a >= b for a, b in itertools.pairwise(rates[10:])) and rates[-1] < 2e-5


# ---------------------------------------------------------------------- data


def test_normalisation_comes_from_the_train_people_only(data: Path) -> None:
    settings = config()
    train = load_recordings(settings, data, "train")
    constants = Survey.of(settings, train).normalisation(settings)
    frame = pd.read_parquet(data / "cohort.parquet")
    people = draw_split(frame["participant_id"].unique().tolist(), 0, 0.25)["train"]
    rates = frame.loc[frame["participant_id"].isin(people), "heart_rate"].dropna()
    assert len(people) == 6
    assert constants[0].mean == pytest.approx(rates.mean(), rel=1e-5)
    assert constants[0].scale == pytest.approx(rates.std(ddof=0), rel=1e-4)
    assert constants[2].output == "binary"


def windows_of(settings: PretrainConfig, recordings: Recordings) -> Windows:
    return Windows(
        settings, recordings, settings.aim(Survey.of(settings, recordings).normalisation(settings))
    )


def test_unworn_zeros_are_never_a_target(tmp_path: Path) -> None:
    index = pd.date_range("2024-01-01", periods=2880, freq="min")
    frame = pd.DataFrame({"participant_id": "a", "timestamp": index, "steps": 5.0})
    frame.loc[600:900, "steps"] = 0.0
    other = frame.assign(participant_id="b")
    pd.concat([frame, other]).to_parquet(tmp_path / "cohort.parquet")
    settings = config(channels={"steps": {"transform": "log1p"}}, valid_fraction=0.5)
    windows = windows_of(settings, load_recordings(settings, tmp_path, "train"))
    rows = np.array([0, 0])
    batch = windows.windows(rows, np.array([0, 30]), np.array([True, False]))
    assert batch.observed[0].all() and not batch.target[0, 0, 600:901].any()
    assert torch.equal(batch.observed[1], batch.target[1]) and batch.target[1, 0, 601:].all()
    assert batch.start.tolist() == [0, 30]


def test_windows_reach_into_the_next_day(data: Path) -> None:
    settings = config()
    recordings = load_recordings(settings, data, "train")
    windows = windows_of(settings, recordings)
    row = int(np.flatnonzero(recordings.next_day >= 0)[0])
    batch = windows.windows(np.array([row]), np.array([72]), np.array([True]))
    joined = np.concatenate([recordings.values[row, :, 720:], recordings.values[row + 1, :, :720]], axis=1)
    assert np.array_equal(batch.values[0].numpy(), np.nan_to_num(joined))


def test_native_samples_undo_linear_interpolation() -> None:
    rng = np.random.default_rng(0)
    minutes = np.arange(3 * 1440)
    knots = np.arange(7, 3 * 1440, 15)
    values = np.interp(minutes, knots, rng.normal(120, 30, len(knots)))
    index = pd.date_range("2024-01-01", periods=len(minutes), freq="min")
    frame = pd.DataFrame({"participant_id": "a", "timestamp": index, "glucose": values})
    kept = native_samples(frame, "glucose", 15)
    assert kept.notna().to_numpy().nonzero()[0].tolist() == [m for m in minutes if m % 15 == 7]
    assert (kept.dropna() == frame["glucose"][kept.notna()]).all()


def test_sleep_log_becomes_asleep_and_awake(tmp_path: Path) -> None:
    index = pd.date_range("2024-01-01 12:00", periods=3 * 1440, freq="min")
    frame = pd.DataFrame({"participant_id": "a", "timestamp": index, "stage": np.nan, "steps": 1.0})
    frame.loc[700:1100, "stage"] = 1.0
    frame.loc[800:810, "stage"] = 2.0
    frame.to_parquet(tmp_path / "x.parquet")
    log = SleepLog(column="stage", asleep=(1,), awake_outside=True)
    asleep = load_source(Source(name="x", file="x.parquet", sleep_log=log), tmp_path)["sleep_asleep"]
    assert asleep[750] == 1 and asleep[805] == 0 and asleep[100] == 0 and asleep[1200] == 0
    assert asleep[1440:].isna().all()  # nights without a log say nothing
    inside = load_source(
        Source(name="x", file="x.parquet", sleep_log=SleepLog(column="stage", asleep=(1,))), tmp_path
    )
    assert inside["sleep_asleep"].notna().sum() == 401


def test_missing_files_and_columns_are_named(data: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"'cohort'.*nothing\.parquet"):
        pretrain(
            config(sources=[{"name": "cohort", "file": "nothing.parquet"}]), data=data, output=data / "o"
        )
    with pytest.raises(FileNotFoundError, match=r"none\.json: no such file of splits.*directory"):
        pretrain(config(splits="none.json"), data=data, output=data / "o")
    with pytest.raises(ValueError, match=r"'cohort'.*no column \['bpm2'\]"):
        pretrain(
            config(sources=[{"name": "cohort", "file": "cohort.parquet", "columns": {"bpm2": "heart_rate"}}]),
            data=data,
            output=data / "o",
        )
    with pytest.raises(ValueError, match="no minute of 'skin_temperature' is observed"):
        pretrain(config(channels={"heart_rate": {}, "skin_temperature": {}}), data=data, output=data / "o")


def test_config_refuses_unknown_fields(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="learning_rat"):
        config(learning_rat=1)
    with pytest.raises(ValueError, match="normalisation is computed"):
        config(network={"normalisation": []})
    path = tmp_path / "config.json"
    with pytest.raises(FileNotFoundError, match=r"config\.json: no such pretraining config"):
        PretrainConfig.read(path)
    path.write_text('{"name": "x", "stepz": 3}')
    with pytest.raises(
        ValueError, match=r"config\.json is not.*licence: Field required.*stepz: no such field"
    ):
        PretrainConfig.read(path)


def test_a_participant_in_two_splits_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    path.write_text(json.dumps({"x": {"train": ["a", "b"], "valid": ["b"], "test": []}}))
    with pytest.raises(ValueError, match=r"\['b'\] of 'x' stand in two splits"):
        read_splits(path)


def test_the_shipped_config_reads_real_recordings_and_no_test_people(shared: Path) -> None:
    settings = PretrainConfig.read(SHIPPED)
    splits = read_splits(shared / "data" / "splits.json")
    few = settings.model_copy(
        update={
            "sources": tuple(
                s for s in settings.sources if s.name in ("sleep_accel", "exam_stress", "uc_ht_t1dm")
            )
        }
    )
    for split in ("train", "valid"):
        recordings = load_recordings(few, shared / "data", split)  # type: ignore[arg-type]
        expected = sum(len(splits[s.name][split]) for s in few.sources)  # type: ignore[index]
        assert len(set(recordings.person)) == expected
        observed = recordings.observed()
        names = list(settings.channels)
        for name in ("heart_rate", "glucose", "sleep_asleep", "watch_acceleration"):
            assert observed[:, names.index(name)].any(), name
