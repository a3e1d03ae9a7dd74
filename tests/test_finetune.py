"""Fine-tuning: what learns, what is held out, and what is saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import lsm2
from tests.conftest import tiny_model


def cohort(people: int = 12, days: int = 2, seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    """Recordings of which half swing every twenty minutes; means say nothing."""
    times = pd.date_range("2024-03-04 06:00", periods=600, freq="min")
    rng = np.random.default_rng(seed)
    frames, labels = [], {}
    for number in range(people):
        labels[f"p{number:02d}"] = "swings" if number % 2 else "flat"
        swing = 20.0 * np.sign(np.sin(np.arange(600) * np.pi / 20)) * (number % 2)
        for day in range(days):
            values = 75 + swing + rng.normal(0, 2, 600)
            frames.append(
                pd.DataFrame(
                    {
                        "participant_id": f"p{number:02d}",
                        "timestamp": times + pd.Timedelta(days=day),
                        "heart_rate": values,
                    }
                )
            )
    return pd.concat(frames, ignore_index=True), pd.Series(labels, name="kind")


def test_it_learns_and_leaves_the_model_as_it_was() -> None:
    data, labels = cohort()
    model = tiny_model()
    before = model.hash
    tuned = lsm2.finetune(
        model, data, labels, scratch=True, epochs=12, patience=12, learning_rate=3e-3, progress=False
    )
    assert model.hash == before and tuned.hash != before
    losses = tuned.head.config.settings["valid_losses"]
    assert min(losses) < 0.5 * losses[0]
    found = lsm2.predict(data, "head", model=tuned)
    assert found.index.name == "participant_id"
    assert (found["prediction"] == labels.reindex(found.index)).mean() > 0.9
    assert tuned.config.training["finetuning"]["finetuned_from"] == before
    with pytest.warns(
        UserWarning, match="fine-tuned for a task.*fill gaps with the weights that it came from"
    ):
        lsm2.reconstruct(data.iloc[:100], model=tuned)


def test_it_begins_with_the_probe_and_ends_no_worse_on_people_held_out() -> None:
    data, labels = cohort()
    model = tiny_model()
    head = lsm2.finetune(model, data, labels, layers=0, epochs=1, learning_rate=1e-9, progress=False).head
    train = head.config.settings["people"]
    assert 0 < train < 12 and head.metrics_["people"] == 12 - train and head.metrics_["held_out"]
    tuned = lsm2.finetune(model, data, labels, epochs=3, learning_rate=1e-3, progress=False).head
    losses = tuned.config.settings["valid_losses"]
    assert losses[tuned.config.settings["epochs"]] == min(losses)


def test_only_the_last_layers_move() -> None:
    data, labels = cohort(people=8)
    model = tiny_model()
    tuned = lsm2.finetune(
        model, data, labels, layers=1, epochs=2, patience=2, learning_rate=1e-2, seed=1, progress=False
    )
    old, new = model.network.state_dict(), tuned.network.state_dict()
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    assert moved <= {name for name in old if name.startswith(("encoder.blocks.1.", "encoder.norm."))}
    head = lsm2.finetune(model, data, labels, layers=0, epochs=2, learning_rate=1e-2, progress=False)
    assert all(torch.equal(old[name], tensor) for name, tensor in head.network.state_dict().items())


def test_numbers_by_day_come_back_in_their_unit() -> None:
    data, _ = cohort(people=10)
    days = lsm2.embed(data, model=tiny_model()).index
    ages = pd.Series(np.arange(len(days)) // 2 * 5.0 + 30, index=days)
    tuned = lsm2.finetune(
        tiny_model(), data, ages, task="regression", epochs=1, learning_rate=1e-3, progress=False
    )
    found = lsm2.predict(data, "head", model=tuned)
    assert found.index.equals(days) and found["prediction"].between(-100, 250).all()
    assert tuned.head.task == "regression" and tuned.head.level == "day"


def test_it_is_saved_and_loaded_with_its_head(tmp_path: Path) -> None:
    data, labels = cohort(people=8)
    tuned = lsm2.finetune(tiny_model(), data, labels, layers=1, epochs=1, progress=False)
    folder = tuned.save(tmp_path / "tuned")
    assert not list(folder.rglob("*.pkl")) and (folder / "probes" / "head" / "probe.json").is_file()
    again = lsm2.load_model(folder)
    pd.testing.assert_frame_equal(
        lsm2.predict(data, "head", model=again), lsm2.predict(data, "head", model=tuned)
    )
    with pytest.raises(ValueError, match="numbers mean something else"):
        lsm2.predict(data, tuned.head, model=tiny_model())


def test_same_seed_same_weights_in_any_order_of_rows() -> None:
    data, labels = cohort(people=8)
    first, second = (
        lsm2.finetune(tiny_model(), rows, some, layers=1, epochs=1, progress=False)
        for rows, some in ((data, labels), (data.sample(frac=1, random_state=0), labels[::-1]))
    )
    for name, tensor in first.network.state_dict().items():
        torch.testing.assert_close(second.network.state_dict()[name], tensor, atol=1e-4, rtol=1e-3)


def test_what_cannot_be_done_is_refused() -> None:
    data, labels = cohort(people=4)
    model = tiny_model()
    with pytest.raises(ValueError, match="number of the encoder's 2 blocks"):
        lsm2.finetune(model, data, labels, layers=3)
    with pytest.raises(ValueError, match="epochs=0 must be a whole number"):
        lsm2.finetune(model, data, labels, epochs=0)
    with pytest.raises(ValueError, match="valid_fraction"):
        lsm2.finetune(model, data, labels, valid_fraction=0.9)
    with pytest.raises(ValueError, match="holds people out"):
        lsm2.finetune(model, data, labels.iloc[:2])
    with pytest.raises(ValueError, match="level='hour' is not known"):
        lsm2.finetune(model, data, labels, level="hour")  # type: ignore[arg-type]


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.4, 0.5])
def test_a_rare_class_does_not_hold_out_half_of_the_people(fraction: float) -> None:
    data, _ = cohort(people=20, days=1)
    labels = pd.Series({f"p{number:02d}": "rare" if number < 2 else "common" for number in range(20)})
    tuned = lsm2.finetune(
        tiny_model(), data, labels, epochs=1, layers=0, valid_fraction=fraction, progress=False
    )
    held = tuned.head.metrics_["classes"]
    assert held["rare"]["people"] == 1
    assert held["common"]["people"] == max(20 * fraction, 2) - 1
