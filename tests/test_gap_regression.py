"""The regression on a channel's own surroundings: what it sees, where it has a say, and how it is learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import lsm2
from lsm2.aim.context import minutes_away
from lsm2.aim.gap_regression import Surroundings, near_weight, situations
from lsm2.checkpoint.native import load_checkpoint
from lsm2.training import pretrain
from lsm2.training.blending import fit_weights
from lsm2.training.dataset import load_recordings
from lsm2.training.trainer import family_groups
from tests.conftest import tiny_config, tiny_network
from tests.pretraining import usual_day_config as config
from tests.pretraining import with_channel_regression

WITH: dict[str, Any] = {"usual_day": True, "gap_regression": 8}


def answering_network(**changes: Any) -> Any:
    """A network whose regressions answer something."""
    network = tiny_network(**WITH | changes)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for regression in network.regressions.values():
            for parameter in regression.parameters():
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return network


def window() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Values, what is visible, the usual day's sums and the start of a window with one gap in channel 0."""
    random = np.random.default_rng(0)
    values = torch.from_numpy(random.uniform(40, 90, (1, 5, 1440)).astype(np.float32))
    visible = torch.ones(1, 5, 1440, dtype=torch.bool)
    visible[0, 0, 200:260] = False
    visible[0, 3:] = False
    return values, visible, torch.zeros(1, 5, 144, 3), torch.zeros(1, dtype=torch.long)


def test_it_sees_the_levels_on_both_sides() -> None:
    network = tiny_network(**WITH)
    values, visible, usual, start = window()
    visible[0, 0, 150:195] = False  # before the gap five visible minutes, and then another
    minute = torch.tensor([200, 230])
    day = torch.zeros(2, dtype=torch.long)

    def look(values: torch.Tensor) -> Any:
        around = Surroundings(values, visible, usual, start, network.config, network.normaliser)
        return around.at(day, 0, minute)

    features, base, base_z = look(values)
    z = network.normaliser.normalise(values)[0, 0]
    left, right = values[0, 0, 199], values[0, 0, 260]
    assert torch.allclose(base, torch.lerp(left, right, (minute - 199) / 61))
    for row in range(2):
        side = features[row, :18], features[row, 18:36]
        assert side[0][0] == side[1][0] == 1
        assert float(side[0][1]) == pytest.approx(np.log1p(int(minute[row]) - 199) / np.log(1440), abs=1e-6)
        assert float(side[1][1]) == pytest.approx(np.log1p(260 - int(minute[row])) / np.log(1440), abs=1e-6)
        for place, length in enumerate((1, 3, 10, 30, 90, 300)):
            before = [t for t in range(max(200 - length, 0), 200) if visible[0, 0, t]]
            for own, at in ((side[0], before), (side[1], list(range(260, 260 + length)))):
                expected = float(z[at].mean() - base_z[row])
                assert float(own[2 + place]) == pytest.approx(expected, abs=1e-4)
                assert float(own[8 + place]) == pytest.approx(len(at) / length, abs=1e-6)
    unread = look(torch.where(visible, values, torch.nan))
    assert all(torch.equal(one, other) for one, other in zip((features, base, base_z), unread, strict=True))


def test_a_gap_at_the_edge_of_the_window_has_one_side() -> None:
    network = tiny_network(**WITH)
    values, visible, usual, start = window()
    visible[0, 0, :100] = False
    around = Surroundings(values, visible, usual, start, network.config, network.normaliser)
    features, base, _ = around.at(torch.zeros(1, dtype=torch.long), 0, torch.tensor([50]))
    assert not features[0, :18].any() and features[0, 18] == 1
    assert float(base) == pytest.approx(float(values[0, 0, 100]))


def test_other_channels_are_never_read() -> None:
    network = answering_network()
    values, visible, usual, start = window()
    changed = values.clone()
    changed[:, 1:] += 7
    day, minute = torch.zeros(60, dtype=torch.long), torch.arange(200, 260)
    answers = [
        network.gap_regression(
            0,
            Surroundings(x, visible, usual, start, network.config, network.normaliser).at(day, 0, minute),
            network.normaliser,
        )
        for x in (values, changed)
    ]
    assert all(torch.equal(one, other) for one, other in zip(*answers, strict=True))


def test_it_begins_as_the_interpolation() -> None:
    network = tiny_network(**WITH)
    network.gap_regression.begin()
    values, visible, usual, start = window()
    values[:, 4] = 0.3  # a share of the minute
    visible[0, :, 200:260] = False
    visible[0, 3:, 300:] = True
    around = Surroundings(values, visible, usual, start, network.config, network.normaliser)
    day, minute = torch.zeros(60, dtype=torch.long), torch.arange(200, 260)
    with torch.inference_mode():
        for module in network.gap_regression.channels:
            module.out.bias.zero_()
        for channel in range(5):
            looked = around.at(day, channel, minute)
            mean, median_z = network.gap_regression(channel, looked, network.normaliser)
            assert torch.allclose(mean, looked[1], rtol=1e-4)
            assert torch.equal(median_z, looked[2])


def test_it_has_a_say_near_visible_minutes() -> None:
    values, visible, usual, start = window()
    visible[0, 1:3, 220:240] = False
    asked = torch.zeros(1, 5 * 144, dtype=torch.bool)
    asked[0, 19:27] = True  # visible minutes among them
    blended = answering_network()
    blended.gap_regression.share[0] = torch.tensor([0.9, 0.4, 0.0])
    blended.gap_regression.minutes[0] = torch.tensor([20.0, 10.0, 10.0])
    plain = tiny_network(usual_day=True)
    plain.load_state_dict(
        {k: v for k, v in blended.state_dict().items() if not k.startswith("gap_regression")}
    )
    day, minute = torch.zeros(80, dtype=torch.long), torch.arange(190, 270)
    with torch.inference_mode():
        own, both = (n.reconstruct(values, visible, start, asked, usual) for n in (plain, blended))
        around = Surroundings(values, visible, usual, start, blended.config, blended.normaliser)
        other, other_z = blended.gap_regression(0, around.at(day, 0, minute), blended.normaliser)
    away = torch.minimum(minute - 199, 260 - minute)
    alone = (minute >= 222) & (minute < 238)  # no other channel within two minutes
    share = torch.where(alone, 0.9 * torch.exp(-away / 20.0), 0.4 * torch.exp(-away / 10.0))
    share[(minute < 200) | (minute >= 260) | (share <= 0.01)] = 0
    assert share[5] == 0 and 0 < share[15] < 0.4 < 0.9 * np.exp(-23 / 20) + 0.2
    for before, after, answer in ((own.mean, both.mean, other), (own.median_z, both.median_z, other_z)):
        assert torch.allclose(after.flatten(), torch.lerp(before.flatten(), answer, share), atol=1e-4)
    assert torch.equal(both.mean.flatten()[:10], own.mean.flatten()[:10])


def test_situations() -> None:
    visible, heard = torch.zeros(1, 1, 8, dtype=torch.bool), torch.zeros(1, 1, 8, dtype=torch.bool)
    visible[..., [2, 5]], heard[..., [0, 4]] = True, True
    assert situations(visible, heard)[0, 0].tolist() == [2, 2, 0, 0, 1, 0, 2, 2]


def test_nothing_where_no_minute_is_visible() -> None:
    away = minutes_away(torch.zeros(1, 1, 10, dtype=torch.bool))
    assert not near_weight(away, torch.tensor(1.0), torch.tensor(640.0)).any()
    with pytest.raises(ValueError, match="gap_regression needs usual_day=True"):
        tiny_config(gap_regression=8)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight people whose heart rate keeps to a level for hours and is seen through much noise."""
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(5)
    frames = []
    for person in range(8):
        index = pd.date_range("2024-01-01", periods=2 * 1440, freq="min")
        level = np.repeat(random.normal(75, 8, len(index) // 240), 240)
        heart = level + random.normal(0, 6, len(index))
        steps = np.where(index.hour < 2, random.integers(0, 40, len(index)), np.nan)  # they tell nothing
        frames.append(
            pd.DataFrame(
                {"participant_id": f"p{person}", "timestamp": index, "heart_rate": heart, "steps": steps}
            )
        )
    pd.concat(frames).to_parquet(folder / "cohort.parquet")
    return folder


@pytest.fixture(scope="module")
def first(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that has regressions on other channels alone."""
    return with_channel_regression(data, tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def second(data: Path, first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network with regressions on the own surroundings learnt after it."""
    network = {"channel_regression": 8, "gap_regression": 16}
    settings = config(network=network, initial=str(first), steps=0, regression_steps=250)
    return pretrain(settings, data=data, output=tmp_path_factory.mktemp("second"), progress=False)


def test_a_stage_learns_what_the_checkpoint_lacks_and_leaves_the_rest(first: Path, second: Path) -> None:
    before, after = load_checkpoint(first)[0].state_dict(), load_checkpoint(second)[0].state_dict()
    kept = {name for name in before if name not in ("regression.share", "regression.minutes")}
    assert all(torch.equal(after[name], before[name]) for name in kept)
    added = set(after) - set(before)
    assert added and all(name.startswith("gap_regression.") for name in added)
    assert after["gap_regression.channels.0.line.weight"].any()


def test_it_learns_that_single_minutes_are_noise(data: Path, first: Path, second: Path) -> None:
    frame = pd.read_parquet(data / "cohort.parquet").query("participant_id == 'p0'")
    truth = frame["heart_rate"].to_numpy()
    minute = np.arange(len(truth))
    gap = (minute % 240 >= 100) & (minute % 240 < 105)
    holes = frame.assign(heart_rate=frame["heart_rate"].mask(gap))
    errors = []
    for path in (first, second):
        filled = lsm2.load_model(str(path)).reconstruct(holes)["heart_rate"].to_numpy()
        errors.append(np.mean((filled[gap] - truth[gap]) ** 2))
    assert errors[1] < 0.85 * errors[0]  # of which the noise itself is two thirds


def test_how_much_it_counts_is_found_on_valid_people(data: Path, second: Path) -> None:
    settings = config(network={"channel_regression": 8, "gap_regression": 16})
    network = load_checkpoint(second)[0]
    regression = network.gap_regression
    groups = family_groups(settings.schema_of_channels())
    valid = load_recordings(settings, data, "valid")
    assert len(set(valid.person)) < 3
    regression.share[:], regression.minutes[:] = 0.25, 77.0
    fit_weights(settings, network, valid, groups)  # two people tell nothing
    assert (regression.share == 0.25).all() and (regression.minutes == 77.0).all()
    train = load_recordings(settings, data, "train")
    fit_weights(settings, network, train, groups)
    assert regression.share[0, 0] >= 0.7  # no other channel is there
    with torch.no_grad():
        for parameter in regression.channels[0].parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    fit_weights(settings, network, train, groups)
    assert regression.share[0, 0] <= 0.25  # nonsense does not count
