"""The transformer inside scikit-learn: pipelines, searches, clones, pickles."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import lsm2
from lsm2.sklearn import Embedder, split
from tests.conftest import tiny_model


@pytest.fixture(scope="module")
def recording() -> pd.DataFrame:
    return lsm2.simulate(participants=6, days=2, seed=4)[["heart_rate", "steps"]]


@pytest.fixture(scope="module")
def people(recording: pd.DataFrame) -> pd.Series:
    return split(recording)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model().save(tmp_path_factory.mktemp("tiny"))


def pipeline(folder: Path, **options: Any) -> Pipeline:
    return Pipeline(
        [
            ("embedder", Embedder(str(folder), **options)),
            ("impute", SimpleImputer()),
            ("scale", StandardScaler()),
            ("classify", LogisticRegression()),
        ]
    )


# ---------------------------------------------------------------------- split


def test_split_gives_a_frame_for_each_participant(recording: pd.DataFrame) -> None:
    shuffled = recording.sample(frac=1, random_state=0)
    samples = split(shuffled)
    order = shuffled.index.get_level_values(0).unique()
    assert samples.index.equals(order) and samples.index.name == "participant_id"
    for name, frame in samples.items():
        pd.testing.assert_frame_equal(frame, shuffled[shuffled.index.get_level_values(0) == name])


def test_split_by_day_follows_the_participants_clock(recording: pd.DataFrame) -> None:
    samples = split(recording, by="day")
    assert list(samples.index.names) == ["participant_id", "date"] and len(samples) == 12
    assert all(len(frame) == 1440 for frame in samples)
    one = recording.loc["simulated-1"].tz_localize("UTC")
    tokyo = split(one, by="day", tz="Asia/Tokyo")
    assert tokyo.index.astype(str).tolist() == ["2024-03-04", "2024-03-05", "2024-03-06"]
    assert [len(frame) for frame in tokyo] == [900, 1440, 540]


def test_split_takes_the_forms_that_embed_takes(recording: pd.DataFrame) -> None:
    plain = recording.reset_index().rename(columns={"participant_id": "who", "timestamp": "when"})
    samples = split(plain, participant="who", timestamp="when")
    assert samples.index.tolist() == [f"simulated-{i}" for i in range(1, 7)]
    assert list(samples.iloc[0].columns) == list(plain.columns)
    assert len(split(recording.loc["simulated-1"])) == 1
    assert len(split(recording.iloc[:0])) == 0
    with pytest.raises(ValueError, match="by='hour' is not known; it is one of participant, day"):
        split(recording, by="hour")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no time information"):
        split(recording.reset_index(drop=True))
    with pytest.raises(TypeError, match="data must be a pandas DataFrame, not Series"):
        split(recording["steps"])  # type: ignore[arg-type]


# ---------------------------------------------------------------------- transform


def test_samples_give_a_row_each_as_embed_does(
    recording: pd.DataFrame, people: pd.Series, folder: Path
) -> None:
    model = lsm2.load_model(folder)
    table = Embedder(folder).fit_transform(people)
    expected = model.embed(recording, level="participant")
    pd.testing.assert_frame_equal(table, expected, rtol=1e-5, atol=1e-6)
    days = Embedder(folder, level="day").fit_transform(split(recording, by="day"))
    pd.testing.assert_frame_equal(days, model.embed(recording), rtol=1e-5, atol=1e-6)
    pooled = Embedder(folder, level="day").fit_transform(people)
    means = model.embed(recording).groupby("participant_id").mean()
    np.testing.assert_allclose(pooled, means, rtol=1e-4, atol=1e-5)


def test_a_frame_gives_what_embed_gives(recording: pd.DataFrame, folder: Path) -> None:
    model = lsm2.load_model(folder)
    for level in ("participant", "day", "hour"):
        table = Embedder(folder, level=level).fit_transform(recording)
        pd.testing.assert_frame_equal(table, model.embed(recording, level=level))


def test_lists_and_arrays_of_frames_are_samples(people: pd.Series, folder: Path) -> None:
    expected = Embedder(folder).fit_transform(people)
    as_list = Embedder(folder).fit_transform(list(people))
    assert as_list.index.tolist() == list(range(6))
    column = people.to_numpy().reshape(-1, 1)
    for table in (as_list, Embedder(folder).fit_transform(column)):
        np.testing.assert_array_equal(table, expected)
    backwards = Embedder(folder).fit_transform(people[::-1])
    np.testing.assert_allclose(backwards.loc[expected.index], expected, rtol=1e-6)


def test_options_reach_the_model(recording: pd.DataFrame, folder: Path) -> None:
    renamed = recording.reset_index()
    renamed.columns = ["who", "when", "pulse", "steps"]
    renamed["pulse"] /= 60
    samples = split(renamed, participant="who", timestamp="when")
    embedder = Embedder(
        folder,
        level="day",
        columns={"pulse": "heart_rate"},
        units={"heart_rate": "Hz"},
        participant="who",
        timestamp="when",
    )
    expected = Embedder(folder, level="day").fit_transform(split(recording))
    np.testing.assert_allclose(embedder.fit_transform(samples), expected, rtol=1e-3, atol=1e-4)
    poor = Embedder(folder, min_observed=1.0).fit_transform(split(recording).iloc[:1])
    assert poor.isna().all(axis=None)


def test_samples_without_data_are_nan_and_warned_of_once(people: pd.Series, folder: Path) -> None:
    holed = people.copy()
    holed.iloc[1] = holed.iloc[1] * np.nan
    holed.iloc[4] = holed.iloc[4].iloc[:0]
    holed.iloc[5] = holed.iloc[5] * np.nan
    with pytest.warns(UserWarning, match=r"2 of 2 days have no observed.*\(2 of 6 samples\)") as caught:
        table = Embedder(folder).fit_transform(holed)
    assert len(caught) == 1
    assert table.isna().all(axis=1).tolist() == [False, True, False, False, True, True]
    assert table.notna().all(axis=1).tolist() == [True, False, True, True, False, False]


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (3, TypeError, r"not int; lsm2\.sklearn\.split\(frame\) makes a Series"),
        ([[1.0, 2.0]], TypeError, "sample 0 is no frame but of type list"),
        (np.zeros((3, 4)), TypeError, "sample 0 is no frame but of type ndarray"),
    ],
)
def test_what_is_no_recording_is_refused(folder: Path, X: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Embedder(folder).fit(X)


def test_mistakes_get_a_sentence(recording: pd.DataFrame, people: pd.Series, folder: Path) -> None:
    with pytest.raises(ValueError, match="sample 0 has 6 participants; a sample is a frame of one"):
        Embedder(folder).fit_transform([recording])
    with pytest.raises(ValueError, match="level='hour' is not known; it is one of participant, day"):
        Embedder(folder, level="hour").fit(people)
    with pytest.raises(ValueError, match="level='window' is not known"):
        Embedder(folder, level="window").fit(recording)
    with pytest.raises(NotFittedError):
        Embedder(folder).transform(people)
    with pytest.raises(FileNotFoundError, match="no checkpoint 'nowhere'"):
        Embedder("nowhere").fit(people)


# ---------------------------------------------------------------------- scikit-learn


def test_a_pipeline_learns_and_is_cross_validated(people: pd.Series, folder: Path) -> None:
    pace = pd.Series([frame["steps"].mean() for frame in people], people.index)
    y = (pace > pace.median()).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = cross_val_score(pipeline(folder), people, y, cv=3)
    assert scores.shape == (3,) and np.isfinite(scores).all()
    fitted = pipeline(folder).fit(people, y)
    assert fitted.predict(people).tolist() == y.tolist()
    assert fitted[:-1].get_feature_names_out()[[0, 24]].tolist() == ["e0_mean", "e0_std"]


def test_a_search_goes_over_levels(people: pd.Series, folder: Path) -> None:
    y = np.arange(6) % 2
    levels = {"embedder__level": ["participant", "day"]}
    search = GridSearchCV(pipeline(folder), levels, cv=2, error_score="raise").fit(people, y)
    assert search.best_params_["embedder__level"] in levels["embedder__level"]
    widths = [
        pipeline(folder, level=one)[:1].fit_transform(people).shape[1] for one in ("participant", "day")
    ]
    assert widths == [48, 24]
    with pytest.raises(ValueError, match="level='week' is not known"):
        GridSearchCV(pipeline(folder), {"embedder__level": ["week"]}, cv=2, error_score="raise").fit(
            people, y
        )


def test_clones_have_the_parameters_and_nothing_fitted(people: pd.Series, folder: Path) -> None:
    embedder = Embedder(folder, level="day", units={"distance": "km"}).fit(people)
    copy = clone(embedder)
    assert copy.get_params() == embedder.get_params() and not hasattr(copy, "checkpoint_")
    assert clone(Embedder(tiny_model())).fit(people).checkpoint_ == embedder.checkpoint_


def test_pickles_hold_the_name_not_the_weights(people: pd.Series, folder: Path, tmp_path: Path) -> None:
    embedder = Embedder(str(folder)).fit(people)
    expected = embedder.transform(people)
    assert len(pickle.dumps(embedder)) < 2000  # bytes
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(embedder)).transform(people), expected)
    joblib.dump(embedder, tmp_path / "embedder.joblib")
    pd.testing.assert_frame_equal(joblib.load(tmp_path / "embedder.joblib").transform(people), expected)
    whole = Embedder(tiny_model()).fit(people)
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(whole)).transform(people), expected)


def test_a_model_that_changed_since_is_refused(people: pd.Series, tmp_path: Path) -> None:
    tiny_model().save(tmp_path)
    embedder = Embedder(str(tmp_path)).fit(people)
    stored = pickle.dumps(embedder)
    tiny_model(seed=1).save(tmp_path)
    from lsm2 import sklearn

    sklearn._load.cache_clear()  # as in another process
    with pytest.raises(ValueError, match="when the Embedder was fitted; fit it again"):
        pickle.loads(stored).transform(people)


def test_outputs_can_be_set(people: pd.Series, folder: Path) -> None:
    steps = Pipeline([("embedder", Embedder(folder, level="day")), ("scale", StandardScaler())])
    table = steps.set_output(transform="pandas").fit_transform(people)
    assert list(table.columns) == [f"e{i}" for i in range(24)] and table.index.equals(people.index)
    np.testing.assert_allclose(table.mean(), 0, atol=1e-5)


def test_recordings_stand_beside_other_columns(people: pd.Series, folder: Path) -> None:
    frame = pd.DataFrame({"recording": people, "age": np.arange(6.0)})
    both = ColumnTransformer([("wear", Embedder(folder), "recording"), ("rest", "passthrough", ["age"])])
    assert both.fit_transform(frame).shape == (6, 49)
    assert both.get_feature_names_out()[[0, -1]].tolist() == ["wear__e0_mean", "rest__age"]


def test_the_default_is_the_shipped_model(recording: pd.DataFrame) -> None:
    embedder = Embedder(level="day").fit(recording)
    assert embedder.checkpoint_ == lsm2.load_model().hash
    assert repr(embedder) == "Embedder(level='day')"
