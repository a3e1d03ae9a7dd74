"""The usual day: what a fill knows of the person's other days, and what it must not know."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import lsm2
from lsm2 import Model
from lsm2.aim.context import build_context
from lsm2.aim.usual import usual_day, usual_sums, with_unseen_times
from lsm2.days import read_days
from lsm2.training import PretrainConfig
from lsm2.training.dataset import Windows, load_recordings
from lsm2.training.survey import Survey
from lsm2.usual import UsualDays
from tests.conftest import tiny_config, tiny_model, tiny_network


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model(query_channels=True, usual_day=True)


@pytest.fixture(scope="module")
def recording() -> pd.DataFrame:
    frame = lsm2.simulate(participants=2, days=5, seed=3)
    columns = [name for name in ("heart_rate", "steps", "calories") if name in frame]
    return frame[columns].astype("float32")


def of_day(frame: pd.DataFrame, participant: object, day: int) -> np.ndarray:
    """Which rows are of a participant's day, counted from the first."""
    who, when = frame.index.get_level_values(0), frame.index.get_level_values(1)
    return np.asarray(
        (who == participant) & (when.normalize() == when.min().normalize() + pd.Timedelta(days=day))
    )


def test_levels_are_the_means_over_other_days() -> None:
    network = tiny_network(usual_day=True)
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 120, (3, 5, 1440)).astype(np.float32)
    visible = rng.random(values.shape) < 0.7
    visible[:, 1, :600] = False  # no day has the morning
    visible[:, 2] = False
    sums = usual_sums(
        torch.from_numpy(np.where(visible, values, np.nan)),
        torch.from_numpy(visible),
        network.config,
        network.normaliser,
    ).sum(0, keepdim=True)
    found = usual_day(sums, network.config, network.normaliser)
    assert found.known[0, :, 0].tolist() == [True, True, False, True, True]
    seen = np.where(visible, values, np.nan)
    for slot in (0, 70, 143):
        minutes = (np.arange(-30, 40) + slot * 10) % 1440  # three patches on each side
        expected = np.nanmean(seen[:, 0, minutes])
        assert float(found.level[0, 0, slot]) == pytest.approx(expected, rel=1e-4)
    assert float(found.level[0, 1, 20]) == pytest.approx(np.nanmean(seen[:, 1]), rel=1e-4)
    logs = np.clip((np.log1p(seen[:, 1]) - 0.7) / 1.4, -6, 6)
    assert float(found.level_z[0, 1, 20]) == pytest.approx(np.nanmean(logs), rel=1e-3)
    assert not found.features[0, 2].any()


def test_a_channel_without_visible_minute_starts_from_the_usual_day() -> None:
    network = tiny_network(usual_day=True)
    values = torch.full((1, 5, 1440), 60.0)
    visible = torch.zeros(values.shape, dtype=torch.bool)
    visible[:, 1] = True
    sums = usual_sums(values + 10, torch.ones_like(visible), network.config, network.normaliser)
    context = build_context(values, visible, network.config, network.normaliser, sums)
    assert torch.allclose(context.base[0, 0], torch.tensor(70.0))
    assert torch.allclose(context.base[0, 1], torch.tensor(60.0))  # interpolation, where there is one
    alone = build_context(values, visible, network.config, network.normaliser)
    assert torch.allclose(alone.base[0, 0], torch.tensor(75.0))  # the train mean


def test_the_interpolation_falls_back_to_the_usual_level() -> None:
    network = tiny_network(usual_day=True)
    assert network.reversion is not None
    values = torch.full((2, 5, 1440), 60.0)
    visible = torch.ones(values.shape, dtype=torch.bool)
    visible[:, 0, 400:] = False
    visible[1, 0] = False
    sums = usual_sums(values + 30, torch.ones_like(visible), network.config, network.normaliser)
    minutes = network.reversion.exp().detach()
    context = build_context(values, visible, network.config, network.normaliser, sums, minutes)
    assert float(minutes[0]) == pytest.approx(180)
    assert float(context.base[0, 0, 399 + 180]) == pytest.approx(90 - 30 / np.e, rel=1e-4)
    assert float(context.base_z[0, 0, 399 + 180]) == pytest.approx((15 - 30 / np.e) / 15, rel=1e-3)
    assert torch.allclose(context.base[1, 0], torch.tensor(90.0))
    # A person without other days: towards the mean of what is visible.
    values[0, 0, :200] = 40.0
    context = build_context(values, visible, network.config, network.normaliser, None, minutes)
    assert float(context.base[0, 0, 399 + 180]) == pytest.approx(50 + 10 / np.e, rel=1e-4)
    assert torch.allclose(context.base[1, 0], torch.tensor(75.0))


def test_own_days_are_left_out(model: Model, recording: pd.DataFrame) -> None:
    days = read_days(recording, model.schema)
    usual = UsualDays(model._engine, days)
    network = model._engine.network

    def brute(rows: list[int], turn: int) -> np.ndarray:
        part = torch.from_numpy(days.values[rows])
        sums = usual_sums(part, ~part.isnan(), network.config, network.normaliser).sum(0)
        return np.roll(sums.numpy(), -turn, axis=1)

    assert np.allclose(usual.without(np.array([1, 7]))[0], brute([0, 2, 3, 4], 0), rtol=1e-4, atol=1e-2)
    assert np.allclose(usual.without(np.array([1, 7]))[1], brute([5, 6, 8, 9], 0), rtol=1e-4, atol=1e-2)
    pairs = usual.without(np.array([6]), np.array([7]), turn=72)
    assert np.allclose(pairs[0], brute([5, 8, 9], 72), rtol=1e-4, atol=1e-2)


def test_fills_see_the_persons_other_days_and_nobody_elses(model: Model, recording: pd.DataFrame) -> None:
    first, second = recording.index.levels[0][:2]
    day = of_day(recording, first, 2)
    given = recording.copy()
    given.loc[day, "heart_rate"] = np.nan
    filled = lsm2.reconstruct(given, model=model)
    others = given.copy()
    others.loc[of_day(given, first, 4), "heart_rate"] += 30
    assert not np.allclose(
        lsm2.reconstruct(others, model=model)["heart_rate"][day], filled["heart_rate"][day]
    )
    strangers = given.copy()
    strangers.loc[strangers.index.get_level_values(0) == second, "heart_rate"] += 30
    same = lsm2.reconstruct(strangers, model=model)
    assert same["heart_rate"][day].equals(filled["heart_rate"][day])


def test_history_is_read_but_not_filled(model: Model, recording: pd.DataFrame) -> None:
    first = recording.index.levels[0][0]
    day = of_day(recording, first, 2)
    given = recording.copy()
    given.loc[day, "heart_rate"] = np.nan
    whole = lsm2.reconstruct(given, model=model)
    part = lsm2.reconstruct(given[day], history=given[~day], model=model)
    assert part.index.equals(given.index[day])
    # Towards midnight a fill sees the neighbouring days, which history does not give.
    noon = slice(720, 721)
    assert np.allclose(part["heart_rate"][noon], whole["heart_rate"][day][noon], rtol=1e-4)
    alone = lsm2.reconstruct(given[day], model=model)
    assert not np.allclose(alone["heart_rate"][noon], part["heart_rate"][noon], rtol=1e-3)
    doubled = lsm2.reconstruct(given[day], history=recording, model=model)  # its own day is in there
    pd.testing.assert_frame_equal(doubled, part)


def test_other_models_ignore_history(recording: pd.DataFrame) -> None:
    plain = tiny_model()
    first = recording.index.levels[0][0]
    day = of_day(recording, first, 2)
    filled = lsm2.reconstruct(recording[day], history=recording[~day], model=plain)
    pd.testing.assert_frame_equal(filled, lsm2.reconstruct(recording[day], model=plain))


def test_it_needs_the_correction_and_windows_of_a_day() -> None:
    with pytest.raises(ValueError, match="usual_day=True needs correction=True"):
        tiny_config(usual_day=True, correction=False)
    with pytest.raises(ValueError, match="windows of one day"):
        tiny_config(usual_day=True, window_minutes=10080)


def test_more_days_than_in_training_count_as_so_many() -> None:
    network = tiny_network(usual_day=True)
    day = usual_sums(
        torch.full((1, 5, 1440), 60.0),
        torch.ones(1, 5, 1440, dtype=torch.bool),
        network.config,
        network.normaliser,
    )
    few, some, many = (usual_day(k * day, network.config, network.normaliser) for k in (2, 8, 400))
    assert torch.allclose(some.features, many.features, atol=1e-5)
    assert (few.features[..., [1, 3]] < some.features[..., [1, 3]]).all()
    assert torch.allclose(few.level, many.level)


def test_history_that_fits_nobody_is_told(model: Model, recording: pd.DataFrame) -> None:
    first = recording.index.levels[0][0]
    day = of_day(recording, first, 2)
    data, other = recording[day], recording[~day]
    strangers = other.rename(index={name: f"{name}x" for name in other.index.levels[0]}, level=0)
    with pytest.warns(UserWarning, match="no participant of history is in data"):
        filled = lsm2.reconstruct(data, history=strangers, model=model)
    pd.testing.assert_frame_equal(filled, lsm2.reconstruct(data, model=model))
    with pytest.raises(ValueError, match="only data names participants"):
        lsm2.reconstruct(data, history=other.loc[first], model=model)
    with pytest.raises(ValueError, match="history: "):
        lsm2.reconstruct(data, history=other.rename(columns=str.upper).add_suffix("?"), model=model)
    with pytest.raises(TypeError, match="history: "):
        lsm2.reconstruct(data, history=[1, 2], model=model)  # type: ignore[arg-type]
    zoned = other.reset_index().assign(timestamp=lambda x: x["timestamp"].dt.tz_localize("Asia/Tokyo"))
    with pytest.raises(ValueError, match="the timestamps of history have a zone, those of the other"):
        lsm2.reconstruct(data, history=zoned, model=model)
    empty = lsm2.reconstruct(data, history=other.iloc[:0], model=model)
    pd.testing.assert_frame_equal(empty, lsm2.reconstruct(data, model=model))


def test_training_windows_see_other_days_turned_like_themselves() -> None:
    rng = np.random.default_rng(0)
    index = pd.date_range("2024-01-01", periods=4 * 1440, freq="min")
    frame = pd.DataFrame(
        {"participant_id": "a", "timestamp": index, "steps": rng.integers(1, 90, len(index))}
    )
    other = frame.assign(participant_id="b", steps=7)
    with tempfile.TemporaryDirectory() as folder:
        pd.concat([frame, other]).to_parquet(Path(folder) / "cohort.parquet")
        settings = PretrainConfig(
            name="tiny",
            licence="MIT",
            channels={"steps": {"transform": "log1p"}},
            sources=[{"name": "cohort", "file": "cohort.parquet"}],
            network={"usual_day": True, "correction": True, "read_out": "mean_and_median"},
            valid_fraction=0.01,
            steps=1,
        )
        recordings = load_recordings(settings, Path(folder), "train")
    network = settings.aim(Survey.of(settings, recordings).normalisation(settings))
    windows = Windows(settings, recordings, network)
    row = int(np.flatnonzero(recordings.values[:, 0].std(1) > 1)[1])  # the second day of "a"
    (others,) = windows.other_days(np.array([row]))
    assert others.tolist() == [row - 1, row + 2]  # neither itself nor the day it may reach into
    sums = windows.usual([others], np.array([30]), np.array([True]), np.array([1.0]))
    assert sums.shape == (1, 1, 144, 3)
    seen = recordings.values[others, 0].reshape(2, 144, 10).sum((0, 2)) / network.normalisation[0].scale
    assert np.allclose(sums[0, 0, :, 2], np.roll(seen, -30), rtol=1e-4)
    drawn = [len(windows.other_days(np.array([row]), torch.Generator().manual_seed(i))[0]) for i in range(60)]
    assert set(drawn) == {0, 1, 2}
    batch = windows.draw(torch.Generator().manual_seed(0), settings.batch_windows)
    assert batch.usual is not None and batch.usual.shape == (64, 1, 144, 3)


@pytest.mark.parametrize("turn", [0, 72])
def test_times_never_seen_are_as_train_people_let_expect(turn: int) -> None:
    network = tiny_network(usual_day=True)
    config, normaliser = network.config, network.normaliser
    start = torch.tensor([turn])
    values = torch.full((1, 5, 1440), 85.0)
    clock = (torch.arange(1440) + turn * 10) % 1440
    visible = torch.zeros(values.shape, dtype=torch.bool)
    visible[0, :2] = (clock >= 480) & (clock < 1200)  # by day
    visible[0, 2] = True
    profile = torch.zeros(5, 144, 2)
    profile[0, :36] = -1.0  # low until six
    own = usual_sums(values, visible, config, normaliser)
    others = 2 * own
    with_times = with_unseen_times(others, own, profile, start, config, normaliser)
    found = usual_day(with_times, config, normaliser)
    night, day = (
        ((torch.arange(144) + turn) % 144 >= low) & ((torch.arange(144) + turn) % 144 < high)
        for low, high in ((3, 30), (48, 120))
    )
    scale, centre = 15.0, 75.0  # of channel 0
    above = (
        (85 - centre) / scale * 2160 / (2160 + 60)
    )  # a day and two more of 720 minutes, and an hour of doubt
    assert torch.allclose(found.level_z[0, 0, night], torch.tensor(above - 1), atol=1e-3)
    assert torch.allclose(found.level_z[0, 0, day], torch.tensor(10 / scale))
    assert torch.equal(with_times[0, 2:], others[0, 2:])  # seen all day, or never
    assert (found.level[0, 1] >= 0).all()


def test_who_wears_nothing_at_night_is_given_a_night() -> None:
    recording = lsm2.simulate(participants=2, days=4, seed=1)[["heart_rate", "steps"]]
    hour = recording.index.get_level_values(1).hour
    night = (hour < 6) & recording["heart_rate"].notna()
    given = recording.where(pd.Series((hour >= 9) & (hour < 21), recording.index), np.nan)
    filled = lsm2.reconstruct(given)
    error = (filled - recording)["heart_rate"][night].abs().mean()
    by_line = (given["heart_rate"].interpolate() - recording["heart_rate"])[night].abs().mean()
    assert error < 0.6 * by_line
    assert filled["steps"][night].mean() < 0.5 * given["steps"].mean()
