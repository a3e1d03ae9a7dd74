"""Probes as a user sees them: what is matched, what is refused, how honest the scores are."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score, f1_score, mean_absolute_error, r2_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lsm2
from lsm2 import Model, Probe
from lsm2.checkpoint import CheckpointError, shipped
from lsm2.cli import main
from lsm2.probe import scores
from lsm2.tables import write_table
from tests.conftest import tiny_model

DIM = 6
SOURCE = {"checkpoint": "00112233aabbccdd", "model": "made-up", "channels": ["heart_rate"]}


def days(people: int = 20, each: int = 3, seed: int = 0, signal: float = 0.0) -> pd.DataFrame:
    """Made-up embeddings of days: every person has an offset; e2 carries the parity of the person."""
    rng = np.random.default_rng(seed)
    ids = [f"p{number:03d}" for number in range(people)]
    dates = pd.date_range("2024-03-04", periods=each)
    index = pd.MultiIndex.from_product([ids, dates], names=["participant_id", "date"])
    x = rng.normal(size=(people * each, DIM)) + np.repeat(2 * rng.normal(size=(people, DIM)), each, axis=0)
    x[:, 2] += signal * np.repeat(np.arange(people) % 2, each)
    table = pd.DataFrame(x.astype(np.float32), index=index, columns=[f"e{i}" for i in range(DIM)])
    table.attrs = {**SOURCE, "level": "day"}
    return table


def parity(table: pd.DataFrame, names: tuple[Any, Any] = ("even", "odd")) -> pd.Series:
    ids = table.index.get_level_values(0).unique()
    return pd.Series([names[i % 2] for i in range(len(ids))], index=ids, name="parity")


def quietly(*arguments: Any, **options: Any) -> Probe:
    """Fit, and let no warning pass."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return lsm2.fit_probe(*arguments, **options)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return days(signal=9)


@pytest.fixture(scope="module")
def probe(table: pd.DataFrame) -> Probe:
    return quietly(table, parity(table), cv=3)


# ---------------------------------------------------------------------- honest scores


def test_a_planted_signal_is_found(probe: Probe, table: pd.DataFrame) -> None:
    assert probe.metrics_["auroc"]["value"] > 0.95
    assert probe.metrics_["macro_f1"]["value"] > 0.85
    for name in ("auroc", "macro_f1", "balanced_accuracy"):
        score = probe.metrics_[name]
        assert score["low"] <= score["value"] <= score["high"]
        assert score["dummy"] < score["low"]
    assert probe.metrics_["auroc"]["dummy"] == probe.metrics_["balanced_accuracy"]["dummy"] == 0.5
    assert (probe.metrics_["rows"], probe.metrics_["people"], probe.metrics_["folds"]) == (60, 20, 3)
    assert probe.metrics_["classes"] == {c: {"rows": 30, "people": 10} for c in ("even", "odd")}
    assert (probe.metrics_["task"], probe.metrics_["level"]) == ("classification", "day")
    assert repr(probe).startswith("Probe('parity', classification by day, 20 people, auroc ")


def test_random_labels_of_people_score_like_chance() -> None:
    # Days of a person look alike: with days of one person on both sides, all of this would be found.
    areas = []
    for seed in range(5):
        data = days(people=40, each=4, seed=seed)
        ids = data.index.levels[0]
        labels = pd.Series(np.random.default_rng(100 + seed).permutation(np.arange(40) % 2), index=ids)
        areas.append(quietly(data, labels, level="day", cv=3).metrics_["auroc"]["value"])
    assert 0.38 < np.mean(areas) < 0.62
    leaking = data.reset_index(drop=True).set_axis(
        pd.MultiIndex.from_product([[f"x{i}" for i in range(160)], data.index.levels[1][:1]])
    )  # every day a person of its own
    repeated = pd.Series(np.repeat(labels.to_numpy(), 4), leaking.index.droplevel(1))
    leak = lsm2.fit_probe(leaking, repeated, cv=3)
    assert leak.metrics_["auroc"]["value"] > np.mean(areas) + 0.1  # the test above can fail


def test_no_person_is_on_both_sides(probe: Probe) -> None:
    folds = probe.oof_["fold"].groupby("participant_id").nunique()
    assert (folds == 1).all() and probe.oof_["fold"].nunique() == 3


def test_scores_are_those_of_the_out_of_fold_predictions() -> None:
    data = days(people=21, signal=1.5, seed=3)
    labels = pd.Series([("a", "b", "c")[i % 3] for i in range(21)], data.index.levels[0])
    found = quietly(data, labels, cv=3)
    oof, metrics = found.oof_, found.metrics_
    assert list(oof.columns) == ["label", "prediction", "p_a", "p_b", "p_c", "fold"]
    assert oof.index.equals(data.index)
    chances = oof[["p_a", "p_b", "p_c"]]
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    expected = roc_auc_score(oof["label"].astype(str), chances, multi_class="ovr")
    assert metrics["auroc"]["value"] == pytest.approx(expected)
    true, said = oof["label"].astype(str), oof["prediction"].astype(str)
    assert metrics["macro_f1"]["value"] == pytest.approx(f1_score(true, said, average="macro"))
    assert metrics["balanced_accuracy"]["value"] == pytest.approx(balanced_accuracy_score(true, said))


def test_numbers_are_scored_as_numbers() -> None:
    data = days(people=30, each=2, seed=4)
    labels = data["e1"].groupby("participant_id").mean() * 3 + 40
    found = quietly(data, labels.astype(float), cv=4)
    oof, metrics = found.oof_, found.metrics_
    assert metrics["task"] == "regression" and metrics["pearson_r"]["value"] > 0.8
    r = np.corrcoef(oof["label"], oof["prediction"])[0, 1]
    assert metrics["pearson_r"]["value"] == pytest.approx(r)
    assert metrics["mae"]["value"] == pytest.approx(mean_absolute_error(oof["label"], oof["prediction"]))
    assert metrics["r2"]["value"] == pytest.approx(r2_score(oof["label"], oof["prediction"]))
    assert metrics["pearson_r"]["dummy"] is None and metrics["r2"]["dummy"] == pytest.approx(0)
    assert metrics["mae"]["dummy"] > metrics["mae"]["high"]
    assert list(lsm2.predict(data, found).columns) == ["prediction"] and found.classes_ == ()


def test_the_bootstrap_draws_people_not_rows() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat(rng.integers(0, 2, 30), 20)
    said = np.clip(0.5 + 0.2 * (y - 0.5) + np.repeat(rng.normal(0, 0.2, 30), 20), 0.01, 0.99)
    chances = np.column_stack([1 - said, said])
    by_person = scores.classification(y, chances, np.repeat(np.arange(30), 20), 0)["auroc"]
    by_row = scores.classification(y, chances, np.arange(600), 0)["auroc"]
    assert by_person["value"] == by_row["value"] == pytest.approx(roc_auc_score(y, said))
    assert by_person["high"] - by_person["low"] > 2 * (by_row["high"] - by_row["low"])


def test_each_draw_is_scored_like_a_sample_with_those_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "DRAWS", 200)
    rng = np.random.default_rng(1)
    people, y = np.repeat(np.arange(8), 5), rng.integers(0, 2, 40)
    said = np.round(rng.random(40), 1)  # with ties
    truth, guess = rng.normal(size=40), rng.normal(size=40)
    drawn = np.random.default_rng(7).multinomial(8, np.full(8, 1 / 8), size=200)
    areas, errors = [], []
    for counts in drawn:
        rows = np.repeat(np.arange(40), counts[people])
        areas.append(roc_auc_score(y[rows], said[rows]))
        errors.append(r2_score(truth[rows], guess[rows]))
    found = scores.classification(y, np.column_stack([1 - said, said]), people, 7)["auroc"]
    np.testing.assert_allclose([found["low"], found["high"]], np.percentile(areas, [2.5, 97.5]))
    found = scores.regression(truth, guess, people, 7)["r2"]
    np.testing.assert_allclose([found["low"], found["high"]], np.percentile(errors, [2.5, 97.5]))


def test_the_probe_is_the_scikit_learn_model_of_all_rows(probe: Probe, table: pd.DataFrame) -> None:
    strength, y = probe.config.settings["strength"], np.repeat(np.arange(20) % 2, 3)
    model = make_pipeline(
        StandardScaler(),
        LogisticRegression(C=1 / (60 * strength), class_weight="balanced", tol=1e-8, max_iter=10_000),
    ).fit(table.to_numpy(np.float64), y)
    expected = model.predict_proba(table.to_numpy(np.float64))[:, 1]
    np.testing.assert_allclose(lsm2.predict(table, probe)["p_odd"], expected, atol=1e-3)
    ages = pd.Series(np.linspace(20, 70, 20), table.index.levels[0])
    found = quietly(table, ages)
    ridge = make_pipeline(StandardScaler(), Ridge(alpha=60 * found.config.settings["strength"]))
    ridge.fit(table.to_numpy(np.float64), np.repeat(ages.to_numpy(), 3))
    expected = ridge.predict(table.to_numpy(np.float64))
    np.testing.assert_allclose(lsm2.predict(table, found)["prediction"], expected, rtol=1e-6)


def test_principal_components_are_folded_in(table: pd.DataFrame) -> None:
    found = quietly(table, parity(table), components=3, cv=2)
    assert np.linalg.matrix_rank(found.linear.weights) == 1 and found.linear.weights.shape == (1, DIM)
    assert found.config.settings["components"] == 3
    with pytest.raises(ValueError, match="components=7 is more than the 6 columns"):
        lsm2.fit_probe(table, parity(table), components=7)


def test_rare_classes_weigh_alike(table: pd.DataFrame) -> None:
    rare = pd.Series(["rare" if i < 4 else "common" for i in range(20)], table.index.levels[0])
    noise = days(people=20, seed=8)
    balanced = lsm2.predict(noise, quietly(noise, rare, cv=2))["p_rare"].mean()
    plain = lsm2.predict(noise, quietly(noise, rare, cv=2, class_weight=None))["p_rare"].mean()
    assert plain < 0.35 < balanced


# ---------------------------------------------------------------------- matching


def test_rows_are_matched_by_keys_not_by_position(probe: Probe, table: pd.DataFrame) -> None:
    labels = parity(table)
    for data, y in (
        (table.sample(frac=1, random_state=1), labels.sample(frac=1, random_state=2)),
        (table, labels.to_dict()),
        (table, labels.reset_index()),
        (table.reset_index(), labels.rename_axis(None)),
        (table, labels.to_frame().assign(label=labels, age=3.5)),
        (table, labels.astype("category")),
        (table, labels.astype("string[pyarrow]")),
        (table.assign(label="other", note=1), labels),
    ):
        other = quietly(data, y, cv=3)
        np.testing.assert_array_equal(other.linear.weights, probe.linear.weights)
        np.testing.assert_array_equal(other.linear.bias, probe.linear.bias)
        assert other.metrics_ == probe.metrics_
    shuffled = table.sample(frac=1, random_state=1)
    found = quietly(shuffled, labels, cv=3).oof_
    assert found.index.equals(shuffled.index)
    pd.testing.assert_frame_equal(found.loc[table.index], probe.oof_)


@pytest.mark.parametrize("kind", ["int64", "Int64", "category", "float64"])
def test_ids_match_whatever_their_type(probe: Probe, table: pd.DataFrame, kind: str) -> None:
    numbered = table.reset_index()
    numbered["participant_id"] = pd.Series(numbered["participant_id"].str[1:].astype(int)).astype(kind)
    labels = pd.Series([("even", "odd")[i % 2] for i in range(20)], index=pd.RangeIndex(20, name="id"))
    found = quietly(numbered, labels, cv=2)
    assert found.metrics_["rows"] == 60 and found.metrics_["auroc"]["value"] > 0.8


def test_labels_by_day(table: pd.DataFrame) -> None:
    labels = (table["e4"] > table["e4"].median()).rename("active")
    assert labels.groupby("participant_id").nunique().max() == 2
    found = quietly(table, labels, cv=2)
    assert found.level == "day" and found.classes_ == (False, True)
    assert found.metrics_["auroc"]["value"] > 0.9
    as_columns = labels.reset_index().assign(date=lambda f: f["date"].dt.strftime("%Y-%m-%d"))
    assert quietly(table, as_columns, cv=2).metrics_ == found.metrics_
    unnamed = labels.rename_axis([None, None])
    assert quietly(table, unnamed, cv=2).metrics_ == found.metrics_
    predicted = lsm2.predict(table, found)
    assert predicted["prediction"].dtype == "boolean" and list(predicted.columns[1:]) == ["p_False", "p_True"]


def test_what_is_left_out_is_counted_in_one_warning(probe: Probe, table: pd.DataFrame) -> None:
    labels = parity(table)
    data = pd.concat([table, days(people=22).iloc[60:]])  # two people without a label
    data.iloc[0] = np.nan
    labels = pd.concat([labels, pd.Series({"q1": "odd", "q2": "odd", "q3": "even", "p019": None})])
    labels = labels[~labels.index.duplicated(keep="last")]
    with pytest.warns(UserWarning, match="left out") as caught:
        found = lsm2.fit_probe(data, labels, cv=2)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert str(caught[0].message) == (
        "left out: 1 missing label (NaN), 3 labels without data, 9 rows of data without a label, "
        "1 labelled row without an embedding (NaN)"
    )
    assert found.metrics_["rows"] == 56 and found.metrics_["people"] == 19


def test_labels_by_timestamp_need_a_level() -> None:
    times = pd.date_range("2024-03-04", periods=24, freq="h")
    index = pd.MultiIndex.from_product([list("abcdef"), times], names=["participant_id", "timestamp"])
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.normal(size=(len(index), 3)), index=index, columns=["e0", "e1", "e2"])
    asleep = pd.Series(index.get_level_values(1).hour < 7, index=index)
    data["e1"] += 4 * asleep
    data.attrs = {**SOURCE, "level": "hour"}
    found = quietly(data, asleep, cv=3)
    assert found.level == "hour" and found.metrics_["auroc"]["value"] > 0.9
    by_day = pd.Series(1.5 * np.arange(6), index=index.droplevel(1).unique())
    assert quietly(data, by_day, cv=3).metrics_["rows"] == 144
    frame = lsm2.simulate(participants=2, days=1)[["heart_rate"]]
    with pytest.raises(ValueError, match=r"by timestamp; say with level='hour' or level='token'"):
        lsm2.fit_probe(frame, pd.Series(True, frame.index[5::60]).rename("x"), model=tiny_model())


# ---------------------------------------------------------------------- tasks


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["a", "b"], "classification", ("a", "b")),
        ([True, False], "classification", (False, True)),
        ([0.0, 1.0], "classification", (0, 1)),
        ([3, 1, 2, 7], "classification", (1, 2, 3, 7)),
        ([0.5, 1.5], "classification", (0.5, 1.5)),
        (list(range(20, 40)), "regression", ()),
        ([1.1 * x for x in range(20)], "regression", ()),
    ],
)
def test_auto_tells_classes_from_numbers(
    table: pd.DataFrame, values: list[Any], task: str, classes: tuple[Any, ...]
) -> None:
    labels = pd.Series((values * 20)[:20], index=table.index.levels[0])
    found = quietly(table, labels, cv=2)
    assert (found.task, found.classes_, found.metrics_["task"]) == (task, classes, task)
    if classes:
        predicted = lsm2.predict(table, found)
        assert list(predicted.columns) == ["prediction", *(f"p_{c}" for c in classes)]
        assert set(predicted["prediction"]) <= set(classes)
        likeliest = predicted.drop(columns="prediction").to_numpy().argmax(axis=1)
        assert [classes[i] for i in likeliest] == predicted["prediction"].tolist()


def test_the_task_can_be_said(table: pd.DataFrame) -> None:
    labels = pd.Series(np.arange(20) % 2, table.index.levels[0])
    assert quietly(table, labels, task="regression", cv=2).metrics_["mae"]["value"] < 0.4
    grades = pd.Series(pd.Categorical(np.arange(20) % 4), table.index.levels[0])
    assert quietly(table, grades, cv=2).classes_ == (0, 1, 2, 3)


# ---------------------------------------------------------------------- mistakes


@pytest.mark.filterwarnings("ignore:left out")
@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda y: y.map({"odd": "x", "even": "x"}), {}, "all labels are of one class, 'x'"),
        (
            lambda y: y * np.nan if y.dtype != object else y.map(lambda _: None),
            {},
            "all 20 labels are missing",
        ),
        (lambda y: y.iloc[:0], {}, "there are no labels"),
        (lambda y: y.iloc[[2, 3]], {}, "cv=5 folds need 5 people .* there are 2; pass cv=2"),
        (lambda y: y.iloc[:1].map({"even": 2.5}), {}, "a regression needs different|one class"),
        (lambda y: y.where(y.index != "p000", "rare"), {}, "only one of the people has label 'rare'"),
        (lambda y: pd.concat([y, pd.Series({"p003": "even"})]), {}, "p003 is labelled 'odd' and 'even'"),
        (lambda y: y.set_axis(range(20)), {}, "labels say nothing of whom they are about"),
        (lambda y: y.set_axis(range(1, 21)), {}, r"no row .* participant_id 1 \(int64\), .* 'p000' \("),
        (lambda y: y, {"task": "regression"}, "labels are text, such as 'even'.*needs numbers"),
        (lambda y: y == "odd", {"task": "regression"}, "labels are bools"),
        (lambda y: y, {"task": "clustering"}, "task='clustering' is not known; it is one of auto"),
        (lambda y: y, {"level": "week"}, "level='week' is not known"),
        (lambda y: y, {"level": "hour"}, "the embeddings are by day, not by level='hour'"),
        (lambda y: y, {"cv": 1}, "cv=1 must be a whole number, 2 or more"),
        (lambda y: y, {"cv": 2.5}, "cv=2.5 must be a whole number"),
        (lambda y: y, {"cv": 21}, "cv=21 folds need 21 people .* there are 20"),
        (lambda y: y, {"class_weight": "even"}, "class_weight='even' is not known"),
        (lambda y: y.to_frame().assign(b=1), {}, "which column of the labels .* 'parity', 'b'"),
        (lambda y: y.to_frame(), {"label": "parities"}, "label='parities' is no column.*'parity'"),
        (lambda y: y.to_frame(), {"groups": "site"}, "groups='site' is no column of the labels"),
        (lambda y: y.where(y.index != "p001", 3), {}, "labels are mixed-integer values"),
        (lambda y: pd.Series(np.arange(20.0), y.index).replace(3, np.inf), {}, "1 label is infinite"),
        (lambda y: pd.Series(y.index, y.index), {}, "20 labels are of 20 classes"),
        (
            lambda y: pd.DataFrame(
                {"participant_id": y.index, "start": "2024-03-04", "end": "2024-03-05", "y": 1}
            ),
            {},
            r"labels are by 'participant_id', 'start', 'end'.*embed\(level='window'",
        ),
    ],
)
def test_mistakes_get_a_sentence(
    table: pd.DataFrame, change: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        lsm2.fit_probe(table, change(parity(table).astype(object)), **options)


def test_what_is_no_frame_is_refused(table: pd.DataFrame, probe: Probe) -> None:
    with pytest.raises(TypeError, match="data must be a frame of recordings or of embeddings, not ndarray"):
        lsm2.fit_probe(table.to_numpy(), parity(table))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="labels must be a Series, a frame or a mapping, not list"):
        lsm2.fit_probe(table, ["even"] * 20)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"data must be a frame .*, not ndarray"):
        lsm2.predict(table.to_numpy(), probe)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a probe is a Probe, a name or a folder, not 3"):
        lsm2.predict(table, 3)  # type: ignore[arg-type]


def test_folds_need_a_class_that_fills_them() -> None:
    data = days(people=6, each=1)
    with pytest.raises(
        ValueError, match=r"cv=5 folds need a class with 5 rows .* the largest has 3; pass cv=3"
    ):
        lsm2.fit_probe(data, parity(data))


# ---------------------------------------------------------------------- groups


def test_groups_stay_together(table: pd.DataFrame) -> None:
    frame = parity(table).to_frame()
    frame["site"] = [f"site {i // 4}" for i in range(20)]
    found = quietly(table, frame, label="parity", groups="site", cv=5)
    site = found.oof_.index.get_level_values(0).map(frame["site"])
    assert (found.oof_["fold"].groupby(site).nunique() == 1).all()
    assert found.metrics_["groups"] == 5 and found.metrics_["people"] == 20
    same = quietly(table, frame["parity"], groups=frame["site"].sample(frac=1, random_state=0), cv=5)
    assert same.metrics_ == found.metrics_
    with pytest.raises(ValueError, match="3 of 60 labelled rows have no group"):
        lsm2.fit_probe(table, frame["parity"], groups=frame["site"].iloc[1:])


def test_groups_that_split_people_are_warned_of(table: pd.DataFrame) -> None:
    labels = pd.Series(np.resize(["a", "b"], 60), table.index)
    dates = pd.Series(np.resize([1, 2, 3, 4], 60), table.index)
    with pytest.warns(UserWarning, match="several groups, .* not of people unseen"):
        found = lsm2.fit_probe(table, labels, groups=dates, cv=2)
    assert found.oof_["fold"].groupby(dates).nunique().max() == 1


def test_one_persons_days_split_by_groups() -> None:
    one = days(people=1, each=40).droplevel(0)
    labels = (one["e0"] > one["e0"].median()).rename("high")
    with pytest.raises(ValueError, match="there are 1; pass groups= to split one person's data"):
        lsm2.fit_probe(one, labels)
    weeks = pd.Series(np.arange(40) // 7, one.index)
    found = quietly(one, labels, groups=weeks, cv=3)
    assert found.metrics_["people"] == 1 and found.metrics_["auroc"]["value"] > 0.8
    assert found.metrics_["auroc"]["low"] < found.metrics_["auroc"]["high"]  # weeks are drawn
    assert lsm2.predict(one, found).index.equals(one.index)


# ---------------------------------------------------------------------- prediction


def test_predictions_have_the_index_of_the_embeddings(probe: Probe, table: pd.DataFrame) -> None:
    data = table.sample(frac=1, random_state=3)
    data.iloc[4] = np.nan
    found = lsm2.predict(data, probe)
    assert found.index.equals(data.index) and list(found.columns) == ["prediction", "p_even", "p_odd"]
    assert found["prediction"].dtype == "string" and found.iloc[4].isna().all()
    assert found.drop(index=data.index[4]).notna().all(axis=None)
    np.testing.assert_allclose(found.iloc[[7]]["p_odd"], lsm2.predict(data.iloc[[7]], probe)["p_odd"])
    assert lsm2.predict(data.iloc[:0], probe).shape == (0, 3)
    pd.testing.assert_frame_equal(lsm2.predict(data.reset_index(), probe), found, check_names=False)


def test_missing_numbers_are_nan(table: pd.DataFrame) -> None:
    found = quietly(table, pd.Series(np.linspace(20, 60, 20), table.index.levels[0]))
    data = table.copy()
    data.iloc[2, 1] = np.nan
    assert lsm2.predict(data, found)["prediction"].isna().tolist() == [i == 2 for i in range(60)]


def test_embeddings_of_another_checkpoint_are_refused(probe: Probe, table: pd.DataFrame) -> None:
    other = table.copy()
    other.attrs = {**table.attrs, "checkpoint": "ffff000011112222", "model": "other"}
    with pytest.raises(ValueError, match=r"fitted on embeddings of made-up \(0011.*not of other \(ffff"):
        lsm2.predict(other, probe)
    frame = lsm2.simulate(participants=1, days=1)[["heart_rate"]]
    with pytest.raises(ValueError, match=r"not of tiny \("):
        tiny_model().predict(frame, probe)


def test_where_attrs_are_lost_the_width_is_checked(probe: Probe, table: pd.DataFrame) -> None:
    bare = table.copy()
    bare.attrs = {}
    with pytest.warns(UserWarning, match="not known which checkpoint made these.*width, 6, was") as caught:
        found = lsm2.predict(bare, probe)
    assert len(caught) == 1
    pd.testing.assert_frame_equal(found, lsm2.predict(table, probe))
    with pytest.raises(ValueError, match="width 6, these have 7: they are of another model"):
        lsm2.predict(bare.assign(e6=0.0), probe)
    with pytest.raises(ValueError, match="width 6, these have 5"):
        lsm2.predict(bare.drop(columns="e5"), probe)
    blind = quietly(bare, parity(bare), cv=2)
    with pytest.warns(UserWarning, match="which checkpoint the probe was fitted on"):
        lsm2.predict(table, blind)


def test_embeddings_of_another_level_are_refused(probe: Probe, table: pd.DataFrame) -> None:
    people = table.groupby("participant_id").mean()
    people.attrs = table.attrs
    with pytest.raises(ValueError, match=r"reads embeddings by day, these are by participant.*level='day'"):
        lsm2.predict(people, probe)
    with pytest.raises(ValueError, match="events= is for recordings"):
        lsm2.predict(table, probe, events=pd.DataFrame({"start": [], "end": []}))


def test_row_numbers_are_nobodys_ids(probe: Probe, table: pd.DataFrame) -> None:
    bare = table.reset_index(drop=True)
    bare.attrs = table.attrs
    np.testing.assert_array_equal(lsm2.predict(bare, probe)["p_odd"], lsm2.predict(table, probe)["p_odd"])
    with pytest.raises(ValueError, match="labels name participants, and the data names none"):
        lsm2.fit_probe(bare, parity(table))


@pytest.mark.parametrize("name", ["subject", "Id", "user"])
def test_row_numbers_of_labels_are_nobodys_ids(name: str) -> None:
    table = days(signal=9)
    table.index = table.index.set_levels(range(20), level=0)  # ids are numbers, and rows are numbered
    labels = parity(table).rename("parity").rename_axis(name)
    shuffled = labels.sample(frac=1, random_state=0).reset_index()
    message = (
        f"labels say nothing of whom they are about: they have columns '{name}', 'parity' and row numbers"
    )
    with pytest.raises(ValueError, match=message):
        lsm2.fit_probe(table, shuffled, label="parity")
    with pytest.raises(ValueError, match="row numbers for an index"):
        lsm2.fit_probe(table, shuffled["parity"])
    with pytest.raises(ValueError, match="row numbers for an index"):
        lsm2.fit_probe(table, shuffled[shuffled.index > 2], label="parity")  # some of the rows
    for said in (labels, labels.to_dict(), shuffled.rename(columns={name: "participant_id"})):
        probe = quietly(table, said, label=None if isinstance(said, dict) else "parity")
        assert probe.metrics_["auroc"]["value"] > 0.95


def test_columns_that_speak_of_nobody_leave_the_index_alone() -> None:
    table = days(signal=9)
    table.index = table.index.set_levels(range(1, 21), level=0)
    labels = parity(table).rename("thyroid")
    for frame in (
        labels.to_frame(),
        labels.to_frame().assign(lipid=1.0),
        labels.to_frame().assign(family_id=range(20)),
    ):
        quietly(table, frame, label="thyroid", groups="family_id" if "family_id" in frame else None)
    by_day = pd.Series("odd", table.index).where(table.index.get_level_values(0) % 2 == 0, "even")
    assert quietly(table, by_day.to_dict()).metrics_["rows"] == 60  # a mapping by participant and date


def test_predictions_say_what_made_them(probe: Probe, table: pd.DataFrame) -> None:
    found = lsm2.predict(table, probe).attrs
    assert found == {"checkpoint": SOURCE["checkpoint"], "level": "day", "label": "parity"}


def test_other_channels_are_warned_of(probe: Probe, table: pd.DataFrame) -> None:
    other = table.copy()
    other.attrs = {**table.attrs, "channels": ["steps"]}
    with pytest.warns(
        UserWarning, match="fitted on recordings of heart_rate; these lack heart_rate and also hold"
    ):
        lsm2.predict(other, probe)


# ---------------------------------------------------------------------- files


def test_a_saved_probe_predicts_the_same(probe: Probe, table: pd.DataFrame, tmp_path: Path) -> None:
    folder = probe.save(tmp_path / "new" / "probe")
    assert {path.name for path in folder.iterdir()} == {"probe.json", "probe.safetensors"}  # and no pickle
    loaded = lsm2.load_probe(folder)
    pd.testing.assert_frame_equal(lsm2.predict(table, loaded), lsm2.predict(table, probe), check_exact=True)
    pd.testing.assert_frame_equal(lsm2.predict(table, str(folder)), lsm2.predict(table, probe))
    assert loaded.metrics_ == probe.metrics_ and loaded.classes_ == probe.classes_
    assert (loaded.level, loaded.task, loaded.checkpoint) == ("day", "classification", SOURCE["checkpoint"])
    assert loaded.oof_ is None and "p003" not in (folder / "probe.json").read_text()
    probe.save(folder)  # over itself


@pytest.mark.parametrize("values", [[True, False], [0, 1, 5], [0.5, 1.5], ["1", "2"], None])
def test_classes_keep_their_type(table: pd.DataFrame, tmp_path: Path, values: list[Any] | None) -> None:
    ids = table.index.levels[0]
    labels = pd.Series(np.linspace(1, 2, 20) if values is None else (values * 20)[:20], ids)
    found = quietly(table, labels, cv=2)
    loaded = lsm2.load_probe(found.save(tmp_path))
    assert loaded.classes_ == found.classes_
    assert [type(c) for c in loaded.classes_] == [type(c) for c in found.classes_]
    pd.testing.assert_frame_equal(lsm2.predict(table, loaded), lsm2.predict(table, found), check_exact=True)


def test_damaged_files_are_refused(probe: Probe, tmp_path: Path) -> None:
    folder = probe.save(tmp_path / "probe")
    facts, numbers = folder / "probe.json", folder / "probe.safetensors"
    good, weights = facts.read_text(), numbers.read_bytes()

    def refused(message: str, kind: type[Exception] = CheckpointError) -> None:
        with pytest.raises(kind, match=message):
            lsm2.load_probe(folder)
        facts.write_text(good)
        numbers.write_bytes(weights)

    facts.write_text(good[: len(good) // 2])
    refused("probe.json is no JSON")
    facts.write_text(json.dumps(json.loads(good) | {"version": 2}))
    refused("version 2, this release reads version 1; update")
    facts.write_text(json.dumps(json.loads(good) | {"code": "import os"}))
    refused("not a valid probe: code: Extra")
    facts.write_text(json.dumps(json.loads(good) | {"classes": ["even"]}))
    refused("two classes or more")
    facts.write_text(json.dumps(json.loads(good) | {"features": ["e0"]}))
    refused(r"weights should be finite and of shape \(1, 1\)")
    facts.write_text("[1, 2]")
    refused("not a valid probe")
    numbers.write_bytes(weights[:-9])
    refused("probe.safetensors is damaged or cut short")
    numbers.write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    refused("was altered or damaged")
    numbers.unlink()
    refused("no probe.safetensors in .*incomplete", FileNotFoundError)
    facts.unlink()
    refused("is no probe: it has no probe.json; it holds probe.safetensors", FileNotFoundError)


def test_a_failed_save_leaves_the_old_probe(
    probe: Probe, table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = probe.save(tmp_path / "probe")
    monkeypatch.setattr("lsm2.probe.files.save_file", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        quietly(table, parity(table), components=1).save(folder)
    assert {path.name for path in folder.iterdir()} == {"probe.json", "probe.safetensors"}
    pd.testing.assert_frame_equal(lsm2.predict(table, folder), lsm2.predict(table, probe))
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match="file is a file; name a folder"):
        probe.save(tmp_path / "file")


def test_names_are_those_of_shipped_probes(
    table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match=r"no probe 'mood'.*shipped: .*activity.*sleep"):
        lsm2.load_probe("mood")
    model = tiny_model()
    model.save(tmp_path / "weights" / "tiny")
    frame = lsm2.simulate(participants=4, days=1, seed=3)[["heart_rate", "steps"]]
    ids = frame.index.levels[0]
    found = lsm2.fit_probe(frame, pd.Series([20.5, 30, 40, 50], ids), level="day", cv=2, model=model)
    found.save(tmp_path / "weights" / "tiny" / "probes" / "age")
    monkeypatch.setattr(shipped, "_WEIGHTS", tmp_path / "weights")
    expected = lsm2.predict(frame, found, model=model)
    pd.testing.assert_frame_equal(lsm2.predict(frame, "age", model="tiny"), expected)
    pd.testing.assert_frame_equal(lsm2.predict(frame, "tiny/age", model=model), expected)
    assert lsm2.load_probe("age").level == "day"
    with pytest.raises(FileNotFoundError, match=r"no probe 'sex'.*shipped: age, tiny/age"):
        lsm2.load_probe("sex")
    monkeypatch.undo()  # a model of one's own brings its probes along, also where it is saved again
    copy = lsm2.load_model(lsm2.load_model(tmp_path / "weights" / "tiny").save(tmp_path / "copy"))
    pd.testing.assert_frame_equal(copy.predict(frame, "age"), expected)


# ---------------------------------------------------------------------- recordings


@pytest.fixture(scope="module")
def recording() -> pd.DataFrame:
    return lsm2.simulate(participants=4, days=2, seed=6)[["heart_rate", "steps"]]


@pytest.mark.parametrize("level", ["participant", "day"])
def test_recordings_are_embedded_at_the_level_of_the_labels(
    model: Model, recording: pd.DataFrame, level: str
) -> None:
    embeddings = model.embed(recording, level=level)  # type: ignore[arg-type]
    keys = embeddings.index
    labels = pd.Series(
        np.resize(["a", "b"] if level == "participant" else ["a", "b", "b", "a"], len(keys)), keys
    )
    shuffled = recording.sample(frac=1, random_state=0)
    found = quietly(shuffled, labels, cv=2, model=model)
    assert found.level == level and found.config.channels == ("heart_rate", "steps")
    direct = quietly(embeddings, labels, cv=2)
    np.testing.assert_allclose(found.linear.weights, direct.linear.weights, rtol=1e-2, atol=1e-5)
    predicted = model.predict(shuffled, found)
    assert predicted.index.equals(model.embed(shuffled, level=level).index)  # type: ignore[arg-type]
    expected = lsm2.predict(embeddings, found).loc[predicted.index]
    np.testing.assert_allclose(predicted["p_a"], expected["p_a"], atol=1e-5)
    alone = model.predict(recording.loc[["simulated-2"]], found)
    np.testing.assert_allclose(alone["p_a"], predicted.loc[alone.index, "p_a"], atol=1e-5)


def test_days_without_data_are_missing_in_predictions(model: Model, recording: pd.DataFrame) -> None:
    labels = pd.Series(["a", "b"] * 2, recording.index.levels[0])
    found = quietly(recording, labels, level="day", cv=2, model=model)
    holed = recording.copy()
    holed.iloc[:1440] = np.nan
    with pytest.warns(UserWarning, match="1 of 8 days have no observed token") as caught:
        predicted = model.predict(holed, found)
    assert len(caught) == 1
    assert predicted.isna().all(axis=1).tolist() == [True] + [False] * 7
    with pytest.warns(UserWarning, match=r"left out: 1 labelled row without an embedding \(NaN\)$") as caught:
        lsm2.fit_probe(holed, labels, level="day", cv=2, model=model)
    assert len(caught) == 1


def test_intervals_with_labels_are_windows(model: Model, recording: pd.DataFrame) -> None:
    rows = [
        (f"simulated-{person}", f"2024-03-0{day} {hour:02d}:15", f"2024-03-0{day} {hour:02d}:55", label)
        for person in (1, 2, 3, 4)
        for day in (4, 5)
        for hour, label in ((2, "night"), (11, "day"), (15, "day"))
    ]
    labels = pd.DataFrame(rows, columns=["participant_id", "start", "end", "label"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of these hours may be holes
        found = lsm2.fit_probe(recording, labels, cv=2, model=model)
        shuffled = lsm2.fit_probe(recording, labels.sample(frac=1, random_state=0), cv=2, model=model)
    assert found.level == "window" and found.metrics_["auroc"]["value"] > 0.8
    np.testing.assert_allclose(shuffled.linear.weights, found.linear.weights, rtol=1e-2, atol=1e-5)
    events = labels.drop(columns="label").iloc[[5, 0]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predicted = model.predict(recording, found, events=events)
        expected = model.embed(recording, level="window", events=events)
        assert lsm2.predict(expected, found).equals(predicted)
    assert predicted.index.equals(expected.index)
    with pytest.raises(ValueError, match="the probe predicts intervals: pass events="):
        model.predict(recording, found)
    with pytest.raises(ValueError, match="do not go with level='day'"):
        lsm2.fit_probe(recording, labels, level="day", model=model)
    day = quietly(
        recording, pd.Series([1.5, 2, 3, 4], recording.index.levels[0]), cv=2, level="day", model=model
    )
    with pytest.raises(ValueError, match="events= is for probes by window; this one predicts by day"):
        model.predict(recording, day, events=events)


def test_means_alone_can_be_fitted_on(model: Model, recording: pd.DataFrame) -> None:
    people = model.embed(recording, level="participant")
    means = people.filter(like="_mean")
    means.attrs = people.attrs
    found = quietly(means, pd.Series([1.5, 2, 3, 4], people.index), cv=2)
    assert found.config.features == tuple(f"e{i}_mean" for i in range(24))
    np.testing.assert_allclose(model.predict(recording, found), lsm2.predict(means, found), atol=1e-5)


def test_a_parquet_file_keeps_what_a_probe_needs(probe: Probe, table: pd.DataFrame, tmp_path: Path) -> None:
    write_table(table, tmp_path / "days.parquet")
    write_table(table, tmp_path / "days.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = lsm2.predict(pd.read_parquet(tmp_path / "days.parquet"), probe)
    pd.testing.assert_frame_equal(found, lsm2.predict(table, probe))
    with pytest.warns(UserWarning, match="frame.attrs was lost"):
        of_text = lsm2.predict(pd.read_csv(tmp_path / "days.csv"), probe)
    np.testing.assert_allclose(of_text["p_odd"], found["p_odd"], atol=1e-5)
    assert of_text.index.names == ["participant_id", "date"]
    assert of_text.index.get_level_values("date")[0] == pd.Timestamp("2024-03-04")


# ---------------------------------------------------------------------- command line


def run(words: str) -> int:
    return main(words.split())


def test_the_commands_fit_and_predict(
    recording: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    model = tiny_model()
    model.save("tiny")
    frame = recording.reset_index()
    frame["participant_id"] = frame["participant_id"].str[-1].astype(int)
    write_table(frame, "recording.parquet")
    labels = pd.DataFrame({"participant_id": [4, 1, 2, 3], "group": ["b", "a", "b", "a"]})
    labels.to_csv("labels.csv", index=False)  # where ids are text
    words = "fit-probe recording.parquet --labels labels.csv --level day --cv 2 --model tiny -o probe"
    assert run(words) == 0
    said = capsys.readouterr().out
    assert "classification by day: 8 rows of 4 people, 2 folds" in said
    assert all(word in said for word in ("auroc", "macro_f1", "dummy", "a: 4 rows of 2 people"))
    assert run("predict recording.parquet --probe probe --model tiny -o out.parquet") == 0
    assert "8 rows, one per participant_id and date; columns prediction, p_a, p_b" in capsys.readouterr().out
    found = pd.read_parquet("out.parquet")
    expected = lsm2.predict(frame, "probe", model="tiny")
    np.testing.assert_allclose(found["p_a"], expected["p_a"])
    assert run("embed recording.parquet --model tiny -o days.parquet") == 0
    assert run("predict days.parquet --probe probe -o again.csv") == 0
    np.testing.assert_allclose(pd.read_csv("again.csv")["p_a"], expected["p_a"], atol=1e-5)
    assert run("fit-probe days.parquet --labels labels.csv --cv 2 -o second") == 0
    assert lsm2.load_probe("second").checkpoint == model.hash
    capsys.readouterr()
    for words, message in (
        ("predict recording.parquet --probe nix -o o.csv", "no probe 'nix'"),
        ("predict recording.parquet --probe probe -o o.csv", "--model"),
        ("fit-probe recording.parquet --labels none.csv -o p", "none.csv: no such file"),
        ("fit-probe recording.parquet --labels labels.csv -o labels.csv", "is a file"),
        ("fit-probe recording.parquet --labels labels.csv --cv 5 -o p --model tiny", "there are 4"),
        (
            "fit-probe recording.parquet --labels labels.csv --label age -o p --model tiny",
            "--label 'age'|age",
        ),
    ):
        assert run(words) == 2, words
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and any(part in error for part in message.split("|")), error


@pytest.mark.filterwarnings("ignore:.*the probe was fitted on")
@pytest.mark.filterwarnings("ignore:.*no channel of this model")
def test_the_shipped_probe_of_sleep_tells_night_from_day() -> None:
    recording = lsm2.simulate(participants=1, days=2, seed=4)[["heart_rate", "steps"]]
    found = lsm2.predict(recording, "sleep")
    assert found.index.names == ["participant_id", "timestamp", "channel"]
    hour = found.index.get_level_values("timestamp").hour
    assert found["p_asleep"][hour == 3].mean() > found["p_asleep"][hour == 15].mean() + 0.3


def test_every_shipped_probe_has_a_card_and_goes_with_its_checkpoint() -> None:
    for name in shipped.names():
        model = lsm2.load_model(name)
        for probe, folder in shipped.probe_folders(shipped.find(name)).items():
            assert lsm2.load_probe(f"{name}/{probe}").checkpoint == model.hash
            card = (folder / "README.md").read_text()
            assert model.hash in card and "Limits" in card and "Missingness alone" in card


def test_out_of_fold_labels_can_be_scored_as_they_are() -> None:
    data = days(people=20, signal=1.5, seed=3)
    labels = pd.Series([bool(i % 2) for i in range(20)], data.index.levels[0])
    for kind, name in ((bool, "p_True"), (int, "p_1")):
        found = quietly(data, labels.astype(kind), cv=3)
        area = roc_auc_score(found.oof_["label"], found.oof_[name])
        assert found.metrics_["auroc"]["value"] == pytest.approx(area)


@pytest.mark.parametrize("option", [{"min_observed": 0.5}, {"tz": "Europe/Berlin"}, {"keep_zeros": True}])
def test_options_of_recordings_are_refused_beside_embeddings(probe: Probe, option: dict[str, Any]) -> None:
    data = days()
    labels = pd.Series([("a", "b")[i % 2] for i in range(len(data.index.levels[0]))], data.index.levels[0])
    message = f"{next(iter(option))}= is for recordings, and data are embeddings"
    with pytest.raises(ValueError, match=message):
        lsm2.fit_probe(data, labels, **option)
    with pytest.raises(ValueError, match=message):
        lsm2.predict(data, probe, **option)


def test_infinite_embeddings_are_refused(probe: Probe) -> None:
    data = days()
    data.iloc[2, 1] = np.inf
    labels = pd.Series([("a", "b")[i % 2] for i in range(len(data.index.levels[0]))], data.index.levels[0])
    for run in (lambda: lsm2.fit_probe(data, labels), lambda: lsm2.predict(data, probe)):
        with pytest.raises(ValueError, match="an infinite number in row 2, column 'e1'"):
            run()
