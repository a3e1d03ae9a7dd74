"""The evaluation of probes: same rows and folds for all, people apart, labels that say what they should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lsm2
from lsm2.cli import main
from lsm2.evaluation import probes as evaluation
from lsm2.evaluation.probe_report import draw_probes, probe_page
from lsm2.evaluation.probes import ProbeEvaluation, evaluate_probes, read_task
from lsm2.evaluation.probing import Features, Rows, by_number_of_people, fit, out_of_fold
from lsm2.evaluation.tasks import TASKS, Task, shift
from lsm2.probe.linear import Recipe
from lsm2.training import PretrainConfig
from tests.conftest import tiny_model

PEOPLE = [f"p{number:02d}" for number in range(16)]


def rows(people: int = 40, each: int = 3, classes: int = 2) -> Rows:
    y = np.repeat(np.arange(people) % (classes or 7), each)
    return Rows(y if classes else y.astype(float), np.repeat(np.arange(people), each), Recipe(classes))


def test_people_are_not_told_by_who_they_are() -> None:
    """A feature that names the person tells nothing of people held out."""
    some = rows()
    y = np.random.default_rng(0).permutation(np.arange(40) % 2)
    some = Rows(np.repeat(y, 3), some.people, some.recipe)
    x = np.random.default_rng(1).normal(size=(40, 30))[some.people]
    out = out_of_fold(Features(x), some, repeats=2)[""]
    assert abs((out.argmax(1) == some.y).mean() - 0.5) < 0.2
    known = out_of_fold(Features(np.column_stack([x, some.y])), some, repeats=2)[""]
    assert (known.argmax(1) == some.y).mean() > 0.9


def test_what_is_removed_changes_only_the_rows_held_out() -> None:
    some = rows()
    x = np.column_stack([some.y + 0.1, np.ones(len(some.y))]).astype(float)
    gone = np.full_like(x, np.nan)
    out = out_of_fold(Features(x, {"night": gone, "same": x}), some, repeats=1)
    assert np.array_equal(out["same"], out[""])
    assert (out[""].argmax(1) == some.y).mean() > 0.95
    assert len(np.unique(out["night"].round(6), axis=0)) <= 5  # one answer a fold


def test_unknown_numbers_are_filled_from_training_rows_alone() -> None:
    some = rows(people=10, each=1)
    x = np.array([[1.0, np.nan, 5]] * 5 + [[3.0, np.nan, np.nan]] * 5)
    model = fit(x, some, np.arange(5))
    assert model.kept.tolist() == [0, 2] and model.middle.tolist() == [1, 5]
    assert np.isfinite(model.predict(x)).all()


def test_few_people_are_drawn_from_all_classes() -> None:
    some = rows(people=30, each=2)
    x = some.y[:, None] + np.random.default_rng(0).normal(0, 0.3, (len(some.y), 3))
    found = by_number_of_people(Features(x), some, (4, 20), repeats=2)
    right = {size: (out.argmax(1) == some.y).mean() for size, out in found.items()}
    assert right[20] >= right[4] - 0.02 > 0.7


def test_shifts_belong_to_people() -> None:
    frame = pd.DataFrame({"participant_id": ["a", "a", "b"], "t": pd.to_datetime(["2024-01-01 22:00"] * 3)})
    moved = shift(frame, ("t",), 0)
    assert moved["t"][0] == moved["t"][1] != moved["t"][2]
    assert (moved["t"] - frame["t"]).abs().max() <= pd.Timedelta(hours=6)
    alone = shift(frame.iloc[2:], ("t",), 0)
    assert alone["t"].iloc[0] == moved["t"][2]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Recordings and labels of a made-up data set: those with label b have the higher heart rate."""
    frame = lsm2.simulate(participants=16, days=1, seed=1).reset_index()
    names = dict(zip(frame["participant_id"].unique(), PEOPLE, strict=True))
    frame["participant_id"] = frame["participant_id"].map(names)
    frame = frame[["participant_id", "timestamp", "heart_rate", "steps"]]
    frame["heart_rate"] += 25.0 * frame["participant_id"].isin(PEOPLE[::2])
    frame.to_parquet(tmp_path / "made.parquet")
    pd.DataFrame({"participant_id": PEOPLE, "kind": ["b", "a"] * 8}).to_csv(
        tmp_path / "made_participants.csv", index=False
    )
    return tmp_path


def config(**changes: object) -> PretrainConfig:
    fields = {
        "name": "made",
        "licence": "Apache-2.0",
        "channels": {"heart_rate": {}, "steps": {"transform": "log1p"}},
        "sources": [{"name": "made", "file": "made.parquet"}],
        "steps": 1,
    }
    return PretrainConfig.model_validate(fields | changes)


def read_made(directory: Path) -> pd.DataFrame:
    return pd.read_csv(directory / "made_participants.csv").rename(columns={"kind": "label"})


def read_hours(directory: Path) -> pd.DataFrame:
    people = read_made(directory)
    first = pd.read_parquet(directory / "made.parquet")["timestamp"].min().normalize()
    hours = [people.assign(start=first + pd.Timedelta(hours=hour)) for hour in (9, 15)]
    table = pd.concat(hours, ignore_index=True)
    return table.assign(end=table["start"] + pd.Timedelta(minutes=30))


@pytest.fixture
def made_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {
        "made": Task("made", "made", "participant", "classification", read_made),
        "made_hours": Task("made_hours", "made", "window", "classification", read_hours, shifted=True),
    }
    monkeypatch.setattr(evaluation, "TASKS", made)


def test_it_finds_a_planted_signal_and_writes_it_down(
    directory: Path, made_tasks: None, tmp_path: Path
) -> None:
    found = evaluate_probes(config(), directory, {"tiny": tiny_model()}, repeats=2, few=True)
    scores = found.scores
    whole = scores[scores["removed"].isna() & scores["labelled"].isna() & (scores["whose"] == "all")]
    auroc = whole[whole["score"] == "auroc"].set_index(["task", "method"])["value"]
    assert auroc["made", "hand-made"] > 0.9 and auroc["made", "dummy"] == 0.5
    assert auroc["made", "missingness"] < 0.9
    assert set(auroc["made_hours"].index) >= {"tiny", "tiny + hand-made", "time of day", "missingness"}
    removed = scores[scores["removed"].notna()]
    assert set(removed["removed"]) == {
        "night", "morning", "afternoon", "evening", "no heart", "no steps",
    }  # fmt: skip
    without = removed[(removed["removed"] == "no heart") & (removed["score"] == "auroc")]
    assert without.set_index(["task", "method"])["value"]["made", "hand-made"] < 0.9
    both = found.differences.set_index(["task", "method", "against", "score"])["value"]
    assert both["made", "tiny", "hand-made", "auroc"] == pytest.approx(
        auroc["made", "tiny"] - auroc["made", "hand-made"]
    )
    page = probe_page(found.facts, scores, found.differences)
    assert "| made | made | 16 / 16 | hand-made |" in page and "Few labelled people" in page
    assert set(draw_probes(scores)) == {"few-labels", "removed"}
    found.save(tmp_path / "out")
    assert len(pd.read_parquet(tmp_path / "out" / "scores.parquet")) == len(scores)
    assert (tmp_path / "out" / "few-labels.png").stat().st_size > 1000


def test_finished_predictions_are_kept(
    directory: Path, made_tasks: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"tasks": ["made"], "repeats": 1, "few": False, "out": tmp_path}
    first = evaluate_probes(config(), directory, {"tiny": tiny_model()}, finetune=True, **options)
    files = sorted((tmp_path / "parts").iterdir())
    made: list[str] = []

    def counted(name: str) -> Any:
        real = getattr(evaluation, name)

        def call(*args: Any, **more: Any) -> Any:
            made.append(name)
            return real(*args, **more)

        return call

    for name in ("out_of_fold", "tuned_out_of_fold"):
        monkeypatch.setattr(evaluation, name, counted(name))
    again = evaluate_probes(config(), directory, {"tiny": tiny_model()}, finetune=True, **options)
    assert made == [] and sorted((tmp_path / "parts").iterdir()) == files
    pd.testing.assert_frame_equal(again.scores, first.scores)
    files[0].write_bytes(b"cut")
    more = {"tiny": tiny_model(), "other": tiny_model(seed=1)}
    evaluate_probes(config(), directory, more, finetune=True, **options)
    assert len(made) == 3  # the damaged one, the other model, and that beside features made by hand
    evaluate_probes(config(), directory, {"tiny": tiny_model()}, finetune=True, **options | {"seed": 1})
    assert made.count("tuned_out_of_fold") >= 2


def test_networks_that_learn_from_labels_stand_in_the_same_table(directory: Path, made_tasks: None) -> None:
    found = evaluate_probes(
        config(), directory, {"tiny": tiny_model()}, tasks=["made"], repeats=1, few=False, finetune=True
    )
    scores = found.scores[found.scores["whose"] == "all"]
    auroc = scores[scores["score"] == "auroc"].set_index(["method", "removed"])["value"]
    for method in ("tiny, fine-tuned", "from scratch"):
        assert 0.5 < auroc[method, np.nan] <= 1
        assert auroc[method, "no heart"] != auroc[method, np.nan]
    assert {"tiny, fine-tuned", "from scratch"} <= set(found.differences["method"])
    page = probe_page(found.facts, found.scores, found.differences)
    many = [found.scores.assign(method=found.scores["method"] + f" {n}") for n in range(3)]
    assert set(draw_probes(pd.concat([found.scores, *many]))) == {"removed"}  # more methods than styles
    assert "| made | made | 16 / 16 | from scratch |" in page and "the other's | smaller by |" in page


def test_people_of_the_split_stand_apart(directory: Path, made_tasks: None) -> None:
    labelled = read_task(evaluation.TASKS["made"], config(), directory)
    assert set(labelled.split) == {"train", "valid"} and len(labelled.split) == 16
    night = labelled.without("night")
    assert night.loc[night["timestamp"].dt.hour < 6, ["heart_rate", "steps"]].isna().all(axis=None)
    assert labelled.without("no steps")["steps"].isna().all()


def test_no_channel_holds_the_label(shared: Path) -> None:
    path = Path(lsm2.__file__).parent / "training" / "lsm2-small.json"
    for name in ("sleep", "sleep_stage"):
        labelled = read_task(TASKS[name], PretrainConfig.read(path), shared / "data")
        assert labelled.channels == ["heart_rate"]


def test_the_number_of_days_does_not_tell_the_age(shared: Path) -> None:
    path = Path(lsm2.__file__).parent / "training" / "lsm2-small.json"
    for name in ("age", "sex", "bmi", "blood_pressure"):
        labelled = read_task(TASKS[name], PretrainConfig.read(path), shared / "data")
        dates = labelled.recordings.assign(date=labelled.recordings["timestamp"].dt.normalize())
        assert dates.groupby("participant_id")["date"].nunique().eq(1).all()
        assert len(labelled.labels) > 80


def test_a_task_that_is_not_known_is_named(directory: Path) -> None:
    with pytest.raises(ValueError, match="task 'made' is not known"):
        evaluate_probes(config(), directory, {}, tasks=["made"])


def test_the_tasks_of_the_open_recordings_have_labels(shared: Path) -> None:
    for task in TASKS.values():
        labels = task.read(shared / "data")
        assert labels["participant_id"].nunique() >= 20, task.name
        assert not labels["label"].isna().any()
        if task.kind == "classification":
            people = labels.groupby("label")["participant_id"].nunique()
            assert len(people) >= 2 and people.min() >= 10, task.name
        if task.level == "window":
            assert ((labels["end"] - labels["start"]) == pd.Timedelta(minutes=10)).all()
            assert not labels.duplicated(["participant_id", "start"]).any()


@pytest.mark.slow
def test_the_command_scores_a_real_task(shared: Path, tmp_path: Path) -> None:
    code = main(
        ["evaluate", "probes", "--data", str(shared / "data"), "--tasks", "diabetes", "--repeats", "1",
         "--no-removals", "--no-few", "--precision", "auto", "-o", str(tmp_path / "out")]
    )  # fmt: skip
    assert code == 0
    page = (tmp_path / "out" / "table.md").read_text()
    assert "diabetes" in page and str(shared) not in page


def test_a_table_without_few_labels_or_removals_has_no_such_chapters() -> None:
    found = ProbeEvaluation(
        pd.DataFrame(
            {
                "task": ["t"], "dataset": ["d"], "kind": ["regression"], "level": ["participant"],
                "people": [9], "rows": [9], "whose": ["all"], "method": ["m"], "removed": [None],
                "labelled": [None], "score": ["pearson_r"], "value": [0.5], "low": [0.1], "high": [0.8],
            }
        ),
        pd.DataFrame(columns=["task", "method", "against", "score", "value", "low", "high"]),
        {"date": "2024-01-01", "machine": "m", "seconds": 1, "checkpoints": {}, "repeats": 1},
    )  # fmt: skip
    assert draw_probes(found.scores) == {}
