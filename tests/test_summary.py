"""What tokens say in embeddings: the layer itself, what it is taught, and that fills do not change."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

import lsm2
from lsm2.checkpoint.native import load_checkpoint
from lsm2.training import pretrain
from lsm2.training.feed import MemoryFeed
from lsm2.training.finetune import _Tuner
from lsm2.training.materials import gather
from lsm2.training.pooled import embed_padded
from lsm2.training.summary import _Stock, statistics
from lsm2.training.trainer import family_groups
from tests.conftest import tiny_network
from tests.pretraining import usual_day_config as config
from tests.pretraining import with_channel_regression

SUMMARY = {"summary": 24, "channel_regression": 8}


def windows() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Values, observed minutes and starts of three windows; channel 2 has one minute in 15."""
    random = np.random.default_rng(0)
    values = torch.from_numpy(random.uniform(40, 90, (3, 5, 1440)).astype(np.float32))
    observed = torch.from_numpy(random.random((3, 5, 1440)) < 0.9)
    observed[:, 2] = torch.arange(1440) % 15 == 0
    observed[1, 3:] = False
    return values, observed, torch.tensor([0, 0, 30])


def test_what_is_recorded_now_and_then_weighs_as_much_as_what_is_recorded_always() -> None:
    network = tiny_network(summary=8)
    values, observed, _ = windows()
    observed[:, 0] = True
    observed[0, 0, :5] = False
    tokens = network.tokenise(values, observed)
    assert torch.equal(tiny_network().weights(tokens), tokens.share)  # without a summary
    weight = network.weights(tokens).unflatten(1, (5, 144))
    sparse = observed[0, 2].unflatten(0, (144, 10)).any(-1)
    assert (weight[0, 2][sparse] == 1).all() and (weight[0, 2][~sparse] == 0).all()
    assert weight[0, 0, 0] == 0.5 and (weight[0, 0, 1:] == 1).all()
    assert (weight[1, 3:] == 0).all()


def test_it_reads_each_token_by_itself_and_knows_the_clock() -> None:
    network = tiny_network(summary=8)
    values, observed, start = windows()
    with torch.no_grad():
        tokens = network.tokenise(values, observed)
        plain = network.encode_tokens(tokens, start)
        said = network.encode(values, observed, start)
        assert torch.equal(said.token, plain.token) and not torch.allclose(said.output, plain.output)
        inputs = tokens.inputs[plain.day, plain.token]
        at = 7
        alone = network.summary(
            plain.output[at : at + 1], inputs[at : at + 1], plain.token[at : at + 1], start[:1]
        )
        torch.testing.assert_close(said.output[at : at + 1], alone)
        later = network.summary(plain.output[:1], inputs[:1], plain.token[:1], torch.tensor([6]))
        next_hour = network.summary(plain.output[:1], inputs[:1], plain.token[:1] + 6, torch.tensor([0]))
        torch.testing.assert_close(later, next_hour)
        assert not torch.allclose(later, said.output[:1])


def test_training_pools_as_use_does() -> None:
    network = tiny_network(summary=8)
    values, observed, start = windows()
    with torch.no_grad():
        pooled = network.pool(network.encode(values, observed, start), len(values))
        padded = embed_padded(network, values, observed, start)
    torch.testing.assert_close(pooled, padded, rtol=1e-5, atol=1e-5)


def test_statistics_are_those_of_the_minutes_that_are_there() -> None:
    random = np.random.default_rng(1)
    z = random.normal(size=(4, 60))
    z[0, 10:20] = np.nan
    z[1, ::2] = np.nan  # no two neighbours
    z[2, 1:] = np.nan
    z[3] = np.nan
    found = statistics(torch.from_numpy(z).float()).numpy()
    own = z[0][~np.isnan(z[0])]
    expected = [own.mean(), own.std(), np.nanmean(np.abs(np.diff(z[0])))]
    expected += list(np.quantile(own, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]))
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-5)
    assert np.isnan(found[1, 2]) and np.isfinite(np.delete(found[1], 2)).all()
    assert found[2, 1] == 0 and np.isnan(found[2, 2])
    assert np.isnan(found[3]).all()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve people whose heart rates peak at unlike hours."""
    folder = tmp_path_factory.mktemp("data")
    frames = []
    for number in range(12):
        random = np.random.default_rng(number)
        time = pd.date_range("2024-03-04", periods=3 * 1440, freq="min")
        minute = np.arange(len(time)) % 1440
        since_peak = minute / 1440 - number * 7 % 12 / 12
        rate = 70 + 8 * np.cos(2 * np.pi * since_peak) + random.normal(0, 2, len(time))
        steps = random.poisson(np.where((minute > 480) & (minute < 1200), 9, 0)).astype(float)
        table = pd.DataFrame({"participant_id": f"p{number}", "timestamp": time})
        frames.append(table.assign(heart_rate=rate, steps=steps))
    pd.concat(frames).to_parquet(folder / "cohort.parquet")
    return folder


@pytest.fixture(scope="module")
def first(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_channel_regression(data, tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def second(data: Path, first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = config(network=SUMMARY, initial=str(first), steps=0, summary_steps=200)
    return pretrain(settings, data=data, output=tmp_path_factory.mktemp("second"), progress=False)


def test_only_the_summary_is_learnt_and_fills_stay(data: Path, first: Path, second: Path) -> None:
    before, after = load_checkpoint(first)[0].state_dict(), load_checkpoint(second)[0].state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert set(after) - set(before) == {name for name in after if name.startswith("summary.")}
    holes = pd.read_parquet(data / "cohort.parquet").query("participant_id == 'p3'").reset_index(drop=True)
    holes.loc[300:900, "heart_rate"] = np.nan
    holes.loc[1440:2879, "steps"] = np.nan
    a, b = (lsm2.load_model(str(path)).reconstruct(holes) for path in (first, second))
    pd.testing.assert_frame_equal(a, b, check_exact=True)
    assert a[["heart_rate", "steps"]].notna().all(axis=None)
    facts = load_checkpoint(second)[1].training
    assert facts["summary_steps"] == 200 and "regression_steps" not in facts
    assert facts["initial"]["regression_steps"] == 3 and "summary_steps" not in facts["initial"]


def test_another_run_may_begin_with_the_weights_and_leave_it_out(
    data: Path, second: Path, tmp_path: Path
) -> None:
    settings = config(network={"channel_regression": 8}, initial=str(second), steps=1, regression_steps=1)
    network = load_checkpoint(pretrain(settings, data=data, output=tmp_path, progress=False))[0]
    assert network.summary is None and network.regression is not None


def test_embeddings_learn_to_tell_when(data: Path, first: Path, second: Path) -> None:
    frame = pd.read_parquet(data / "cohort.parquet")

    def told(path: Path) -> float:
        """What four directions of the embeddings, found without labels, tell of the hour of the peak."""
        table = lsm2.load_model(str(path)).embed(frame, progress=False)
        directions = np.linalg.svd((table - table.mean()) / table.std(), full_matrices=False)[0][:, :4]
        angle = 2 * np.pi * (table.index.get_level_values(0).str[1:].astype(int) * 7 % 12) / 12
        waves = np.column_stack([np.cos(angle), np.sin(angle)])  # (days, 2), mean 0
        return float(((directions.T @ waves) ** 2).sum() / (waves**2).sum())

    assert told(first) < 0.5 < 0.9 < told(second)


def test_hours_are_those_of_the_clock(data: Path) -> None:
    settings = config(network=SUMMARY, shift_probability=1.0, summary_steps=1)
    materials = gather(settings, data)
    torch.manual_seed(0)
    network = lsm2.aim.AIM(settings.aim(materials.survey.normalisation(settings))).eval()
    feed = materials.feed(network.config)
    assert isinstance(feed, MemoryFeed)
    stock = _Stock(network, settings, feed, family_groups(settings.schema_of_channels()))
    assert len(stock.start.unique()) > 100
    hourly = stock.of_windows(stock.usable[:200])[:, 1, 10:]  # steps, from 8:01 to 19:59
    walked = hourly.nanmean(0)
    assert (walked[9:19] > walked[:7].max() + 0.5).all() and (walked[9:19] > walked[21:].max() + 0.5).all()
    span = torch.zeros(3, dtype=torch.long)
    torch.testing.assert_close(
        stock.of_spans(stock.usable[:3], span, 144),
        stock.of_windows(stock.usable[:3])[..., :10],
        equal_nan=True,
    )


def test_fine_tuning_teaches_it_with_the_encoder(data: Path, second: Path) -> None:
    frame = pd.read_parquet(data / "cohort.parquet")
    labels = pd.Series({f"p{number}": "ab"[number % 2] for number in range(12)})
    model = lsm2.load_model(str(second))
    before = {name: tensor.clone() for name, tensor in model.network.summary.state_dict().items()}
    for layers, learns in ((0, False), (1, True), ("all", True)):
        asked = SimpleNamespace(layers=layers, scratch=False)
        parts = _Tuner._learning(SimpleNamespace(network=model.network, options=asked))  # type: ignore[arg-type]
        assert any(part is model.network.summary for part in parts) == learns
    for layers, same in ((0, True), (1, False)):
        tuned = lsm2.finetune(model, frame, labels, layers=layers, epochs=1, patience=1, learning_rate=0.01)
        kept = tuned.network.summary.state_dict()
        if tuned.head.config.settings["epochs"]:
            assert all(torch.equal(kept[name], before[name]) for name in before) == same
    assert all(torch.equal(model.network.summary.state_dict()[name], before[name]) for name in before)


@pytest.mark.parametrize("changes", [{"window_minutes": 2880}, {"missing": "impute"}])
def test_it_is_refused_where_it_cannot_be(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="summary needs"):
        tiny_network(summary=8, **changes)


def test_contrastive_pretraining_refuses_it() -> None:
    with pytest.raises(ValidationError, match="summary=0"):
        config(network={"summary": 8, "dropout": 0.0}, contrastive={})
