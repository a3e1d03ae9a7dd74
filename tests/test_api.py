"""embed and reconstruct as a user sees them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lsm2
from lsm2 import Model
from tests.conftest import CHANNELS, tiny_model


@pytest.fixture(scope="module")
def recording() -> pd.DataFrame:
    return lsm2.simulate(participants=2, days=3, seed=1)


def one(recording: pd.DataFrame) -> pd.DataFrame:
    return recording.xs(recording.index.levels[0][0])


def minutes(start: str, count: int, **columns: Any) -> pd.DataFrame:
    index = pd.date_range(start, periods=count, freq="min")
    return pd.DataFrame(
        {name: np.broadcast_to(value, count) for name, value in columns.items()}, index=index
    ).astype(float)


# ---------------------------------------------------------------------- embed


def test_embed_gives_a_row_for_every_day(model: Model, recording: pd.DataFrame) -> None:
    table = model.embed(recording)
    assert table.shape == (6, 24) and list(table.columns[:2]) == ["e0", "e1"]
    assert list(table.index.names) == ["participant_id", "date"]
    assert (table.dtypes == np.float32).all() and table.notna().all().all()
    assert table.attrs["checkpoint"] == model.hash and len(table.attrs["observed"]) == 6
    assert table.attrs["simulated"] is True  # what the recording says of itself goes along


def test_a_plain_time_index_gives_a_plain_date_index(model: Model, recording: pd.DataFrame) -> None:
    table = model.embed(one(recording))
    assert table.index.name == "date" and table.index.nlevels == 1


def test_a_day_alone_or_among_others_gives_the_same_row(model: Model, recording: pd.DataFrame) -> None:
    together = model.embed(recording)
    shuffled = model.embed(recording.sample(frac=1, random_state=0), batch_size=1)
    np.testing.assert_allclose(shuffled.loc[together.index], together, rtol=1e-5, atol=1e-5)
    person = recording.index.levels[0][1]
    alone = recording.loc[[person]].iloc[1440:2880]
    expected = together.loc[person].iloc[[1]]
    np.testing.assert_allclose(model.embed(alone), expected, rtol=1e-5, atol=1e-5)


def test_a_day_without_data_is_nan_and_warned_of_once(model: Model) -> None:
    frame = pd.concat(
        [minutes("2024-01-01", 60, heart_rate=70), minutes("2024-01-02", 60, heart_rate=np.nan)]
    )
    with pytest.warns(UserWarning, match="1 of 2 days have no observed token") as caught:
        table = model.embed(frame)
    assert len(caught) == 1
    assert table.iloc[0].notna().all() and table.iloc[1].isna().all()
    assert table.attrs["observed"] == pytest.approx([60 / 1440, 0])


def test_min_observed_turns_poorer_days_to_nan(model: Model) -> None:
    frame = pd.concat([minutes("2024-01-01", 1000, heart_rate=70), minutes("2024-01-02", 60, heart_rate=80)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # these days have data: no warning
        table = model.embed(frame, min_observed=0.5)
    assert table.iloc[0].notna().all() and table.iloc[1].isna().all()


def test_the_observed_share_does_not_depend_on_who_else_is_there(model: Model) -> None:
    one = minutes("2024-01-01", 1000, heart_rate=70).assign(participant_id="a")
    other = minutes("2024-01-01", 1440, heart_rate=70, steps=3).assign(participant_id="b")
    together = model.embed(pd.concat([one, other]), min_observed=0.5)
    assert together.attrs["observed"] == pytest.approx([1000 / 1440, 1])
    assert together.notna().all(axis=None)
    with pytest.raises(ValueError, match=r"min_observed='a' must be a share"):
        model.embed(one, min_observed="a")  # type: ignore[arg-type]


def test_the_day_is_the_share_weighted_mean_of_its_tokens(model: Model) -> None:
    frame = minutes("2024-01-01 00:00", 15, heart_rate=np.linspace(60, 90, 15))  # tokens of 10 and 5 minutes
    tokens, day = model.embed(frame, level="token"), model.embed(frame)
    assert list(tokens.index.names) == ["timestamp", "channel"] and len(tokens) == 2
    np.testing.assert_allclose(
        (tokens.iloc[0] * 1.0 + tokens.iloc[1] * 0.5) / 1.5, day.iloc[0], rtol=1e-5, atol=1e-5
    )
    hours = model.embed(frame, level="hour")
    assert len(hours) == 24 and hours.iloc[1:].isna().all().all()
    np.testing.assert_allclose(hours.iloc[0], day.iloc[0], rtol=1e-5, atol=1e-5)


def test_hours_weigh_up_to_the_day(model: Model, recording: pd.DataFrame) -> None:
    frame = recording[["heart_rate"]].dropna()
    hours, day = model.embed(frame, level="hour"), model.embed(frame)
    share = (
        frame["heart_rate"]
        .groupby([frame.index.get_level_values(0), frame.index.get_level_values(1).floor("h")])
        .size()
    )
    share.index.names = hours.index.names
    weighted = hours.mul(share, axis=0).groupby(
        [hours.index.get_level_values(0), hours.index.get_level_values(1).normalize()]
    )
    means = weighted.sum().div(
        share.groupby([share.index.get_level_values(0), share.index.get_level_values(1).normalize()]).sum(),
        axis=0,
    )
    np.testing.assert_allclose(means, day, rtol=1e-4, atol=1e-5)


def test_participants_get_mean_and_deviation_over_days(model: Model, recording: pd.DataFrame) -> None:
    days, people = model.embed(recording), model.embed(recording, level="participant")
    assert people.shape == (2, 48) and people.index.name == "participant_id"
    grouped = days.groupby(level=0)
    np.testing.assert_allclose(people.filter(like="_mean"), grouped.mean(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(people.filter(like="_std"), grouped.std(ddof=0), rtol=1e-3, atol=1e-5)


def test_tokens_are_the_observed_ones(model: Model, recording: pd.DataFrame) -> None:
    tokens = model.embed(recording, level="token")
    by_patch = recording.notna().groupby(
        [recording.index.get_level_values(0), recording.index.get_level_values(1).floor("10min")]
    )
    known = [name for name in recording.columns if name in CHANNELS]
    assert len(tokens) == int(by_patch.any()[known].sum().sum())


def test_missing_channels_and_channels_of_nan_are_the_same(model: Model, recording: pd.DataFrame) -> None:
    bare = recording[["heart_rate"]]
    padded = bare.assign(steps=np.nan, calories=np.nan)
    pd.testing.assert_frame_equal(model.embed(bare), model.embed(padded))


# ---------------------------------------------------------------------- reconstruct


def test_observed_values_come_back_and_all_gaps_are_filled(model: Model, recording: pd.DataFrame) -> None:
    known = [name for name in recording.columns if name in CHANNELS]
    before = recording.copy()
    filled = model.reconstruct(recording[known])
    pd.testing.assert_frame_equal(recording, before)
    assert list(filled.columns) == known and filled.notna().all().all()
    for name in known:
        there = recording[name].dropna()
        assert (filled[name].loc[there.index] == there).all()


@pytest.mark.parametrize("point", ["mean", "median"])
def test_fills_lie_in_the_valid_range(point: str, recording: pd.DataFrame) -> None:
    model = tiny_model(seed=3)
    filled = model.reconstruct(recording, point=point, channels="all")  # type: ignore[arg-type]
    for channel in model.schema.channels:
        assert filled[channel.name].between(channel.minimum, channel.maximum).all(), channel.name


def test_medians_of_counts_are_whole_numbers_in_the_callers_unit(model: Model) -> None:
    frame = minutes("2024-01-01", 600, steps=7.0, heart_rate=70.3)
    frame.iloc[100:200] = np.nan
    median, mean = (model.reconstruct(frame, point=point) for point in ("median", "mean"))  # type: ignore[arg-type]
    assert (median["steps"] % 1 == 0).all() and (mean["steps"].iloc[100:200] % 1 != 0).any()
    assert (median["heart_rate"].iloc[100:200] % 1 != 0).any()


def test_medians_come_beside_the_means(model: Model, recording: pd.DataFrame) -> None:
    both = lsm2.reconstruct(recording, model=model, return_median=True, return_filled=True)
    means = lsm2.reconstruct(recording, model=model)
    medians = lsm2.reconstruct(recording, model=model, point="median")
    pd.testing.assert_frame_equal(both[list(means.columns)], means)
    for name in means:
        assert both[f"{name}.median"].equals(medians[name].rename(f"{name}.median"))
    assert list(both.columns[:2]) == [means.columns[0], f"{means.columns[0]}.median"]


def test_medians_beside_summaries_are_refused(model: Model, recording: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="return_median= is for minutes"):
        lsm2.reconstruct(recording, model=model, return_median=True, summary="day")


def test_filled_marks_and_max_gap(model: Model) -> None:
    frame = minutes("2024-01-01", 300, heart_rate=70.0)
    frame.iloc[10:20] = frame.iloc[100:200] = np.nan
    filled = model.reconstruct(frame, max_gap="30min", return_filled=True)
    assert filled["heart_rate"].isna().sum() == 100
    assert filled["heart_rate.filled"].sum() == 10 and filled["heart_rate.filled"].iloc[10:20].all()


def test_absent_channels_come_by_canonical_name(model: Model) -> None:
    frame = minutes("2024-01-01", 100, HR=70.0)
    assert list(model.reconstruct(frame, channels=["steps", "HR"]).columns) == ["steps", "HR"]
    assert list(model.reconstruct(frame, channels="all").columns) == [
        "HR",
        "steps",
        "calories",
        "mets",
        "sleep_asleep",
    ]


def test_a_day_without_data_is_never_filled(model: Model) -> None:
    parts = [minutes(f"2024-01-0{d}", 1440, heart_rate=70.0) for d in (1, 2, 3)]
    parts[1][:] = np.nan
    with pytest.warns(UserWarning, match="1 of 3 days have no observed token and are not returned"):
        filled = model.reconstruct(pd.concat(parts))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        full = model.reconstruct(pd.concat(parts), grid="full")
        model.reconstruct(pd.concat(parts), summary="day")
    assert len(filled) == 2 * 1440 and len(full) == 3 * 1440
    assert full["heart_rate"].loc["2024-01-02"].isna().all()


def test_results_do_not_depend_on_batch_or_order(model: Model, recording: pd.DataFrame) -> None:
    a = model.reconstruct(recording)
    b = model.reconstruct(recording.sample(frac=1, random_state=0), batch_size=1).loc[a.index]
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_a_gap_across_midnight_sees_both_sides_and_has_no_seam(model: Model) -> None:
    """With the interpolation as the answer, a line through midnight shows any seam exactly."""
    network = model._engine.network
    for parameter in network.decoder_pred.parameters():
        parameter.data.zero_()  # the answer is the interpolation of the window
    frame = minutes("2024-01-01", 2880, heart_rate=np.linspace(50, 150, 2880))
    gap = slice(1440 - 40, 1440 + 25)
    truth = frame["heart_rate"].copy()
    frame.iloc[gap] = np.nan
    filled = model.reconstruct(frame)["heart_rate"]
    # Weighted to the noon-to-noon window at midnight; each day alone would hold its edge, off by up to 1.4.
    assert (filled - truth).abs().max() < 0.08
    assert filled.diff().iloc[gap].between(0.02, 0.05).all()


def test_units_go_in_and_come_back(model: Model) -> None:
    kilojoules = minutes("2024-01-01", 600, calories=8.368)
    kilojoules.iloc[100:200] = np.nan
    filled = model.reconstruct(kilojoules, units={"calories": "kJ"})
    plain = model.reconstruct(kilojoules / 4.184)
    assert (filled["calories"].iloc[:100] == 8.368).all()
    np.testing.assert_allclose(filled["calories"], plain["calories"] * 4.184, rtol=1e-4)


def test_float32_columns_stay_float32(model: Model) -> None:
    frame = minutes("2024-01-01", 60, heart_rate=70.0).astype("float32")
    assert model.reconstruct(frame)["heart_rate"].dtype == np.float32
    assert model.reconstruct(frame.astype("Int64"))["heart_rate"].dtype == np.float64


# ---------------------------------------------------------------------- module functions and bad input


def test_functions_use_the_shipped_model_or_the_one_given(model: Model, recording: pd.DataFrame) -> None:
    assert lsm2.embed(recording).shape[1] == lsm2.load_model().config.network.encoder_dim
    pd.testing.assert_frame_equal(lsm2.embed(recording, model=model), model.embed(recording))
    pd.testing.assert_frame_equal(lsm2.reconstruct(recording, model=model), model.reconstruct(recording))


def test_coverage_is_the_observed_fraction(recording: pd.DataFrame) -> None:
    table = lsm2.coverage(recording)
    assert list(table.columns) == list(recording.columns)
    day = recording.notna().groupby(
        [recording.index.get_level_values(0), recording.index.get_level_values(1).normalize()]
    )
    np.testing.assert_allclose(table, day.sum() / 1440, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, f: m.embed(f, level="week"), "level='week'.*day, participant, hour, token"),
        (lambda m, f: m.embed(f, min_observed=2), "min_observed=2"),
        (lambda m, f: m.embed(f, batch_size=0), "batch_size=0"),
        (lambda m, f: m.reconstruct(f, point="mode"), "point='mode'.*mean, median"),
        (lambda m, f: m.reconstruct(f, grid="all"), "grid='all'"),
        (lambda m, f: m.reconstruct(f, max_gap="soon"), "max_gap='soon'"),
        (lambda m, f: m.reconstruct(f, channels=["stepz"]), "stepz.*steps"),
        (lambda m, f: m.embed(f.rename(columns={"heart_rate": "xyz"})), "xyz.*heart_rate"),
        (lambda m, f: m.embed(f.reset_index(drop=True)), "timestamp"),
        (lambda m, f: m.embed(f, units={"heart_rate": "km"}), "km.*heart_rate"),
        (lambda m, f: m.embed(f, tz="Mars/Base"), "Mars/Base"),
        (lambda m, f: lsm2.load_model(precision="float16"), "precision='float16'.*float32"),
        (lambda m, f: lsm2.load_model(device="abacus"), "device='abacus'"),
    ],
)
def test_bad_arguments_say_what_and_what_to_do(model: Model, call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(model, minutes("2024-01-01", 60, heart_rate=70.0))


def test_wrong_types(model: Model) -> None:
    with pytest.raises(TypeError, match="DataFrame"):
        model.embed([1, 2, 3])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="model"):
        lsm2.embed(minutes("2024-01-01", 60, heart_rate=70.0), model=3)  # type: ignore[arg-type]


def test_bfloat16_is_near_float32(recording: pd.DataFrame) -> None:
    exact, rough = (
        lsm2.embed(recording, model=lsm2.load_model(precision=p)) for p in ("float32", "bfloat16")
    )  # type: ignore[arg-type]
    cosine = (exact * rough).sum(axis=1) / np.sqrt((exact**2).sum(axis=1) * (rough**2).sum(axis=1))
    assert not exact.equals(rough) and (cosine > 0.999).all()


def test_progress_is_silent_by_default_off_a_terminal(
    model: Model, recording: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    model.embed(recording)
    assert capsys.readouterr().err == ""
    model.embed(recording, progress=True)
    assert "6/6" in capsys.readouterr().err


def test_info_tells_channels_units_and_normalisation(model: Model) -> None:
    info = model.info()
    assert info["checkpoint"] == model.hash and info["parameters"] > 1000
    assert info["channels"][0]["name"] == "heart_rate" and info["channels"][0]["unit"] == "beats/min"
    assert info["channels"][1]["normalisation"]["transform"] == "log1p"
    assert info["probes"] == []


def test_info_lists_the_probes_beside_the_weights_with_their_scores() -> None:
    probes = {probe["name"]: probe for probe in lsm2.load_model("lsm2-small").info()["probes"]}
    assert set(probes) == {"activity", "age", "sleep"}
    for name, probe in probes.items():
        score = "pearson_r" if name == "age" else "auroc"
        assert probe["value"] == lsm2.load_probe(f"lsm2-small/{name}").metrics_[score]["value"]
        assert (0 if name == "age" else 0.5) < probe["low"] < probe["value"] < probe["high"] < 1


def test_a_recording_without_a_value_gives_no_row_and_says_so(model: Model) -> None:
    times = pd.date_range("2024-03-01", periods=2880, freq="min")
    nothing = pd.DataFrame({"heart_rate": np.full(2880, np.nan)}, index=times)
    with pytest.warns(UserWarning, match="none of 2 days has an observed token"):
        assert len(model.reconstruct(nothing)) == 0


@pytest.mark.parametrize("point", ["mean", "median"])
def test_a_stuck_accelerometer_stays_stuck(point: str) -> None:
    rng = np.random.default_rng(0)
    frame = minutes("2024-03-04", 2880, watch_acceleration=1 + rng.normal(0, 0.01, 2880), heart_rate=60.0)
    still = slice(1200, 1700)  # over midnight
    frame.iloc[still, 0] = 1.0371
    gaps = {"inside": slice(1400, 1470), "long": slice(1480, 1661), "edge": slice(1690, 1720)}
    holes = frame.copy()
    for gap in gaps.values():
        holes.iloc[gap] = np.nan
    filled = lsm2.reconstruct(holes, point=point)  # type: ignore[arg-type]
    stuck = np.float32(1.0371)
    assert (filled.iloc[gaps["inside"], 0] == stuck).all()
    for name in ("long", "edge"):  # more than three hours, and no longer stuck afterwards
        assert (filled.iloc[gaps[name], 0] != stuck).any()
    assert filled["heart_rate"].iloc[gaps["inside"]].nunique() > 1  # other channels are the network's
