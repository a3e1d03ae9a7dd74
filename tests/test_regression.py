"""The minute-wise regression on other channels: what it sees, where it has a say, and how it is learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import lsm2
from lsm2.aim.context import minutes_away
from lsm2.aim.regression import Minutes, others_nearby
from lsm2.aim.usual import BETWEEN_Z, expected_day, usual_sums
from lsm2.checkpoint.native import load_checkpoint
from lsm2.training import pretrain
from lsm2.training.blending import fit_weights
from lsm2.training.dataset import load_recordings
from lsm2.training.initial import without_repeated
from lsm2.training.trainer import Trainer, family_groups
from tests.conftest import tiny_config, tiny_network
from tests.pretraining import usual_day_config as config

MIXED: dict[str, Any] = {"usual_day": True, "channel_regression": 8}


def windows() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Values, what is visible, and the usual day's sums of two windows of five channels."""
    random = np.random.default_rng(0)
    values = torch.from_numpy(random.uniform(40, 90, (2, 5, 1440)).astype(np.float32))
    visible = torch.from_numpy(random.random((2, 5, 1440)) < 0.8)
    visible[:, 3:] = False
    return values, visible, torch.zeros(2, 5, 144, 3)


def answering_network(**changes: Any) -> Any:
    """A network whose regression answers something."""
    network = tiny_network(**MIXED | changes)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.regression.parameters():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return network


def test_stretches_are_means_of_what_is_visible() -> None:
    network = tiny_network(**MIXED)
    values, visible, usual = windows()
    day, minute = torch.tensor([0, 1, 1]), torch.tensor([0, 700, 1439])
    start = torch.zeros(2, dtype=torch.long)

    def rows(values: torch.Tensor) -> Any:
        return Minutes(
            values, visible, usual, start, network.config, network.normaliser, network.regression.profile
        ).at(day, minute)

    found = rows(values)
    z = network.normaliser.normalise(values).numpy()
    for row, (d, t) in enumerate(zip(day.tolist(), minute.tolist(), strict=True)):
        for place, (before, after) in enumerate(
            [(0, 0), (2, 2), (7, 7), (30, 30), (120, 120), (5, -1), (-1, 5)]
        ):
            low, high = max(t - before, 0), min(t + after + 1, 1440)
            seen = visible[d, 1, low:high].numpy() if high > low else np.zeros(0, bool)
            expected = z[d, 1, low:high][seen].mean() if seen.any() else 0.0
            assert float(found.channels[row, 1, place]) == pytest.approx(expected, abs=1e-4)
        assert float(found.channels[row, 1, -1]) == pytest.approx(
            float(visible[d, 1].float().mean()), abs=1e-5
        )
    unread = rows(torch.where(visible, values, torch.nan))
    assert torch.equal(found.channels, unread.channels)


def test_of_the_own_channel_the_level_alone_is_read() -> None:
    network = answering_network()
    values, visible, usual = windows()
    start, day, minute = torch.zeros(2, dtype=torch.long), torch.tensor([0, 1]), torch.tensor([100, 900])

    def answers(values: torch.Tensor, **options: Any) -> list[torch.Tensor]:
        given = values, visible, usual, start, network.config, network.normaliser, network.regression.profile
        rows = Minutes(*given, **options).at(day, minute)
        return [network.regression(channel, rows, network.normaliser)[1] for channel in (0, 1)]

    raised, turned = values.clone(), values.clone()
    raised[:, 0] += 7
    first = torch.where(visible[:, :1], values[:, :1], torch.nan)
    for row, seen in zip(turned[:, 0], visible[:, 0], strict=True):
        row[seen] = row[seen].flip(0)
    assert not torch.equal(turned[:, :1].where(visible[:, :1], torch.nan), first)
    before, higher, other = (answers(x) for x in (values, raised, turned))
    assert (higher[0] > before[0]).all() and not torch.equal(before[1], higher[1])
    torch.testing.assert_close(before[0], other[0], rtol=1e-4, atol=1e-4)
    unread, unmoved = (answers(x, own_level=False) for x in (values, raised))
    assert torch.equal(unread[0], unmoved[0])


def test_a_level_is_judged_by_the_time_it_was_recorded_at() -> None:
    """A person of whom the evening alone is known, 10 above train people's, is expected 10 above by night."""
    network = tiny_network(**MIXED)
    config, normaliser = network.config, network.normaliser
    profile = torch.zeros(5, 144, 2)
    profile[0, :48, 0], profile[0, 48:, 0] = -1.0, 0.5  # network units
    values = torch.full((1, 5, 1440), torch.nan)
    values[:, 0, 1200:] = normaliser.denormalise(torch.tensor([[1.5]]), torch.tensor([0]))
    visible = ~values.isnan()
    evening = usual_sums(values.nan_to_num(), visible, config, normaliser)
    for turn in (0, 30):
        others = evening.roll(-turn, dims=2)
        nothing = torch.zeros_like(others)
        for sums in ((others, nothing), (nothing, others)):
            found = expected_day(*sums, profile, torch.tensor([turn]), config)[0, 0]
            night = (20 - turn) % 144
            assert float(found[night, 0]) == -1.0
            assert float(found[night, 1]) == pytest.approx(-1 + 240 / 300, abs=1e-4)  # an hour of doubt
            assert float(found[(130 - turn) % 144, 1]) == pytest.approx(0.5 + 240 / 300, abs=1e-4)
            assert float(found[night, 5]) == pytest.approx(np.log1p(240 / 1440), abs=1e-5)
        around = expected_day(others, nothing, profile, torch.tensor([turn]), config)[0, 0, :, BETWEEN_Z]
        assert float(around[(20 - turn) % 144]) == pytest.approx(-0.2, abs=1e-4)
        assert float(around[(130 - turn) % 144]) == pytest.approx(
            (1.3 + 1.5) / 2, abs=1e-4
        )  # as one more day


def test_train_peoples_day_is_drawn_from_days_with_a_clock(data: Path, tmp_path: Path) -> None:
    """Recordings whose clock is made up are learnt from, but tell nothing of the time of the day."""
    frame = pd.read_parquet(data / "cohort.parquet")
    frame["heart_rate"] = np.where(frame["timestamp"].dt.hour < 12, 50.0, 90.0)
    frame.to_parquet(tmp_path / "cohort.parquet")
    frame.assign(heart_rate=180.0).to_parquet(tmp_path / "other.parquet")
    sources = [
        {"name": "cohort", "file": "cohort.parquet"},
        {"name": "other", "file": "other.parquet", "clock": False},
    ]
    settings = config(sources=sources, network={"channel_regression": 8}, regression_steps=1)
    network = load_checkpoint(pretrain(settings, data=tmp_path, output=tmp_path / "run", progress=False))[0]
    day = network.normaliser.denormalise(network.regression.profile[0, :, 0], torch.tensor(0))
    # the mean of all times counts beside them a little
    assert torch.allclose(day[4:68], torch.tensor(50.0), atol=4.0)
    assert torch.allclose(day[76:140], torch.tensor(90.0), atol=4.0)


def test_minutes_away() -> None:
    visible = torch.tensor([[False, True, False, False, True, False], [False] * 6])
    away = minutes_away(visible)
    assert away[0].tolist() == [1, 0, 1, 1, 0, 1]
    assert away[1].isinf().all()


def test_it_has_a_say_away_from_the_own_channel_and_near_others() -> None:
    values, visible, usual = windows()
    visible[0, :2] = True
    visible[0, 0, 200:800] = False  # one channel is missing for ten hours
    visible[0, 1:3, 400:500] = False  # and the others with it for a while
    start, asked = torch.zeros(2, dtype=torch.long), torch.zeros(2, 5 * 144, dtype=torch.bool)
    asked[0, 20:80] = True
    mixed = answering_network()
    mixed.regression.share[0], mixed.regression.minutes[0] = 0.7, 30.0
    plain = tiny_network(usual_day=True)
    plain.load_state_dict({k: v for k, v in mixed.state_dict().items() if not k.startswith("regression")})
    with torch.inference_mode():
        usual = mixed._usual(values, visible, start, usual)  # at times never seen, as is expected
        own, both = (n.reconstruct(values, visible, start, asked, usual) for n in (plain, mixed))
        rows = Minutes(
            values, visible, usual, start, mixed.config, mixed.normaliser, mixed.regression.profile
        )
        minute = torch.arange(200, 800)
        regression, regression_z = mixed.regression(
            0, rows.at(torch.zeros(600, dtype=torch.long), minute), mixed.normaliser
        )
    away = torch.minimum(minute - 199, 800 - minute)
    share = 0.7 * (1 - torch.exp(-away / 30.0))
    share[(minute >= 402) & (minute < 498)] = 0  # no other channel within two minutes
    share[share < 0.01] = 0
    for before, after, other in (
        (own.mean, both.mean, regression),
        (own.median_z, both.median_z, regression_z),
    ):
        expected = torch.lerp(before.flatten(), other, share)
        assert torch.allclose(after.flatten(), expected, atol=1e-4)
    assert torch.equal(both.mean.flatten()[202:298], own.mean.flatten()[202:298])


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="channel_regression needs usual_day=True"):
        tiny_config(channel_regression=8)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight people whose heart rate follows their steps by the minute, each from a level of their own."""
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(5)
    frames = []
    for person in range(8):
        index = pd.date_range("2024-01-01", periods=3 * 1440, freq="min")
        bout = np.repeat(random.random(len(index) // 5) < 0.3, 5)
        steps = np.where(bout, random.integers(60, 120, len(index)), 0)
        heart = 60 + person + 0.3 * steps + random.normal(0, 1, len(index))
        frames.append(
            pd.DataFrame(
                {"participant_id": f"p{person}", "timestamp": index, "heart_rate": heart, "steps": steps}
            )
        )
    pd.concat(frames).to_parquet(folder / "cohort.parquet")
    return folder


@pytest.fixture(scope="module")
def first(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint without regression."""
    return pretrain(config(), data=data, output=tmp_path_factory.mktemp("first"), progress=False)


@pytest.fixture(scope="module")
def second(data: Path, first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network with a regression learnt after it."""
    settings = config(network={"channel_regression": 16}, initial=str(first), steps=0, regression_steps=250)
    return pretrain(settings, data=data, output=tmp_path_factory.mktemp("second"), progress=False)


def test_a_second_stage_leaves_the_network_as_it_is(first: Path, second: Path) -> None:
    before, after = load_checkpoint(first)[0].state_dict(), load_checkpoint(second)[0].state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert any(name.startswith("regression.") and after[name].any() for name in set(after) - set(before))
    begun = load_checkpoint(second)[1].training["initial"]
    assert begun["checkpoint"] == load_checkpoint(first)[1].fingerprint
    assert begun["steps"] == 6
    assert "people" not in begun  # as of the run that began with it
    frame = lsm2.simulate(participants=1, days=2, seed=1)[["heart_rate", "steps"]]
    embedded = [lsm2.load_model(str(path)).embed(frame).to_numpy() for path in (first, second)]
    assert np.array_equal(*embedded)


def test_it_learns_what_other_channels_tell(data: Path, first: Path, second: Path) -> None:
    frame = pd.read_parquet(data / "cohort.parquet").query("participant_id == 'p0'")
    truth = frame["heart_rate"].to_numpy()
    day = frame["timestamp"].dt.day.to_numpy() == 2
    holes = frame.assign(heart_rate=frame["heart_rate"].mask(day))
    errors = []
    for path in (first, second):
        filled = lsm2.load_model(str(path)).reconstruct(holes)["heart_rate"].to_numpy()
        errors.append(np.mean((filled[day] - truth[day]) ** 2))
    assert errors[1] < 0.5 * errors[0]


def test_both_stages_in_one_run_and_again(data: Path, tmp_path: Path) -> None:
    settings = config(network={"channel_regression": 8}, regression_steps=3)
    one = pretrain(settings, data=data, output=tmp_path / "one", progress=False)
    stopped = tmp_path / "two"
    pretrain(settings, data=data, output=stopped, progress=False, seconds=0)
    assert not (stopped / "checkpoint").exists()
    two = pretrain(settings, data=data, output=stopped, progress=False)
    assert load_checkpoint(one)[1].fingerprint == load_checkpoint(two)[1].fingerprint
    written = (two / "model.safetensors").stat().st_mtime_ns
    assert pretrain(settings, data=data, output=stopped, progress=False) == two
    assert (two / "model.safetensors").stat().st_mtime_ns == written  # it is done
    (two / "config.json").unlink()
    again = pretrain(settings, data=data, output=stopped, progress=False)
    assert load_checkpoint(again)[1].fingerprint == load_checkpoint(one)[1].fingerprint


def test_what_was_finished_before_a_fresh_start_is_not_taken_for_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load_checkpoint(pretrain(config(), data=data, output=tmp_path, progress=False))[1].fingerprint
    other = config(seed=1)
    with monkeypatch.context() as killed:
        killed.setattr(Trainer, "step", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pretrain(other, data=data, output=tmp_path, progress=False, resume=False)
    assert (tmp_path / "checkpoint").exists()
    after = pretrain(other, data=data, output=tmp_path, progress=False)
    assert load_checkpoint(after)[1].fingerprint != before


def test_what_weights_were_learnt_from_is_said_once() -> None:
    """Facts of the recordings are left out where they are those of the run that began with the checkpoint."""
    first = {"checkpoint": "a", "steps": 6, "people": 8, "days": 24}
    second = {"checkpoint": "b", "steps": 6, "people": 9, "days": 24, "initial": first}
    said = without_repeated({"initial": second}, {"people": 9, "days": 24})
    assert said["initial"].pop("initial") == {"checkpoint": "a", "steps": 6, "people": 8}
    assert said["initial"] == {"checkpoint": "b", "steps": 6}


def test_initial_of_another_kind(data: Path, first: Path, tmp_path: Path) -> None:
    wrong_channels = config(initial="lsm2-small")
    with pytest.raises(ValueError, match="initial: lsm2-small has the channels heart_rate, steps, intensity"):
        pretrain(wrong_channels, data=data, output=tmp_path / "channels", progress=False)
    wider = config(initial=str(first), network={"encoder_dim": 32})
    with pytest.raises(ValueError, match=r"is another network than the config.s .*.encoder_dim.: 16"):
        pretrain(wider, data=data, output=tmp_path / "wider", progress=False)
    with pytest.raises(FileNotFoundError, match=r"^initial: .*nowhere"):
        pretrain(config(initial=str(tmp_path / "nowhere")), data=data, output=tmp_path / "no", progress=False)
    with pytest.raises(ValueError, match="steps=0 learns nothing"):
        config(steps=0)


def test_how_much_it_counts_is_found_on_valid_people(data: Path, second: Path) -> None:
    settings = config(network={"channel_regression": 16})
    network = load_checkpoint(second)[0]
    groups = family_groups(settings.schema_of_channels())
    valid = load_recordings(settings, data, "valid")
    assert len(set(valid.person)) < 3
    network.regression.share[:], network.regression.minutes[:] = 0.25, 77.0
    fit_weights(settings, network, valid, groups)  # two people tell nothing
    assert network.regression.share.tolist() == [0.25] * 2
    assert network.regression.minutes.tolist() == [[77.0] * 2] * 2
    fit_weights(settings, network, load_recordings(settings, data, "train"), groups)
    assert network.regression.share[0] >= 0.85  # heart rate follows steps, and the network hardly knows
    with torch.no_grad():
        for parameter in network.regression.channels[0].parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    fit_weights(settings, network, load_recordings(settings, data, "train"), groups)
    assert network.regression.share[0] <= 0.25  # nonsense does not count


def test_what_nobody_could_teach_does_not_count(data: Path, tmp_path: Path) -> None:
    """Each person wears one of two sensors, so that nobody shows what one tells of the other."""
    frame = pd.read_parquet(data / "cohort.parquet")
    heart = frame["participant_id"].isin(sorted(frame["participant_id"].unique())[::2])
    frame["heart_rate"], frame["steps"] = frame["heart_rate"].where(heart), frame["steps"].mask(heart)
    frame.to_parquet(tmp_path / "cohort.parquet")
    both = {"channel_regression": 8, "gap_regression": 8}
    settings = config(network=both, regression_steps=30)
    network = load_checkpoint(pretrain(settings, data=tmp_path, output=tmp_path / "run", progress=False))[0]
    assert network.regression.share.tolist() == [0, 0]
    assert (network.gap_regression.share[:, 0] > 0).all()


def test_where_another_channel_is_visible_nearby() -> None:
    visible = torch.zeros(1, 3, 1440, dtype=torch.bool)
    visible[0, 0, 100], visible[0, 1, 300:400] = True, True
    nearby = others_nearby(minutes_away(visible))
    assert nearby[0, 1].nonzero()[:, 0].tolist() == [98, 99, 100, 101, 102]  # not by its own minutes
    assert nearby[0, 0].nonzero()[:, 0].tolist() == list(range(298, 402))
    assert int(nearby[0, 2].sum()) == 5 + 104


def test_another_channel_must_be_nearer_than_the_own_minutes() -> None:
    visible = torch.zeros(1, 2, 1440, dtype=torch.bool)
    visible[0, :, :100] = visible[0, :, 110:] = True  # a gap of both channels ...
    assert not others_nearby(minutes_away(visible)).any()
    visible[0, 1, 101] = True  # ... but for one minute of the second
    nearby = others_nearby(minutes_away(visible))
    assert nearby[0, 0].nonzero()[:, 0].tolist() == [101, 102, 103]  # 100 is as near to its own 99
    assert not nearby[0, 1].any()
