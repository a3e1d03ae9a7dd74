"""Intervals, totals of days and completions: coverage, order, edges, units, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lsm2
from lsm2 import Model
from lsm2.channels import CHANNELS
from lsm2.checkpoint import CheckpointError
from lsm2.cli import main
from lsm2.days import make_windows, read_days
from lsm2.intervals import Residuals, collect, interpolation, join
from lsm2.intervals.correlation import draw, stationary
from lsm2.intervals.fit import fit_channel
from lsm2.intervals.surroundings import surround
from lsm2.intervals.tables import LEVELS, Minutes
from tests.calibrated import HEART_RATE, STEPS, calibrate_with_known_errors, residuals
from tests.conftest import tiny_model
from tests.dense import write_release


@pytest.fixture(scope="module")
def model() -> Model:
    return calibrate_with_known_errors(tiny_model())


@pytest.fixture(scope="module")
def recording() -> pd.DataFrame:
    """Two days of one person: heart rate and steps, with a gap in each, one of them over midnight."""
    times = pd.date_range("2024-03-01", periods=2880, freq="min", name="timestamp")
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"HR": 70 + 10 * np.sin(np.arange(2880) / 90), "steps": random.poisson(3, 2880).astype(float)}, times
    )
    frame.iloc[300:420, 0] = np.nan
    frame.iloc[1400:1500] = np.nan
    frame.iloc[2000:2060, 1] = np.nan
    return frame


def fitted(known: Residuals, channel: int) -> Any:
    schema, network = tiny_model().schema, tiny_model().config.network
    return fit_channel(known, schema.channels[channel], network.normalisation[channel])


def where_of(table: Any, part: Residuals) -> Any:
    return table.where(Minutes.of(part.cells, part.mean, np.arange(len(part))))


# ---------------------------------------------------------------------- minutes


@pytest.mark.parametrize(("person_sd", "tolerance"), [(0.0, 0.02), (0.5, 0.05)])
def test_new_people_are_covered_as_the_level_says(person_sd: float, tolerance: float) -> None:
    known = residuals(people=40, gaps=10, person_sd=person_sd)
    fresh = residuals(people=200, gaps=4, person_sd=person_sd, seed=1)
    _, table, _ = fitted(known, HEART_RATE)
    where = where_of(table, fresh)
    for level in (0.5, 0.8, 0.9, 0.95):
        low, high = table.interval(level, where)
        covered = ((fresh.truth >= low) & (fresh.truth <= high)).mean()
        assert abs(covered - level) < tolerance, level


def test_widths_follow_the_known_errors() -> None:
    _, table, _ = fitted(residuals(people=40, gaps=10), HEART_RATE)
    fresh = residuals(people=1, gaps=1, seed=2)
    low, high = table.interval(0.9, where_of(table, fresh))
    expected = 2 * 1.645 * 2 * np.sqrt(fresh.cells.distance)
    assert np.abs((high - low) / expected - 1).max() < 0.35
    assert abs(np.mean((high - low) / expected) - 1) < 0.08


def test_levels_of_few_and_different_people_are_widened() -> None:
    _, table, _ = fitted(residuals(people=3, gaps=10, person_sd=0.7), HEART_RATE)
    low, high = np.interp([0.05, 0.95], LEVELS, table.corrected)
    assert low <= 0.05 and high >= 0.95 and high - low > 0.91


@pytest.mark.parametrize("channel", [HEART_RATE, STEPS])
def test_levels_are_nested_and_within_the_range(channel: int) -> None:
    _, table, _ = fitted(residuals(channel=channel, people=10, gaps=6), channel)
    where = where_of(table, residuals(channel=channel, people=5, gaps=4, seed=3))
    before: tuple[np.ndarray, np.ndarray] | None = None
    for level in (1e-6, 0.05, 0.1, 0.3, 0.3001, 0.5, 0.7, 0.7001, 0.9, 0.99, 0.9999, 1 - 1e-9):
        low, high = table.interval(level, where)
        assert (low <= high).all() and (low >= table.scale.minimum).all()
        assert (high <= table.scale.maximum).all()
        if before is not None:
            assert (low <= before[0] + 1e-9).all() and (high >= before[1] - 1e-9).all(), level
        before = low, high
    np.testing.assert_allclose(low, table.scale.minimum, atol=1e-3)
    np.testing.assert_allclose(high, table.scale.maximum, rtol=1e-3)


def test_zeros_of_counts_are_a_mass_and_leave_their_tail_to_the_upper_bound() -> None:
    _, table, _ = fitted(residuals(channel=STEPS, people=40, gaps=10), STEPS)
    fresh = residuals(channel=STEPS, people=100, gaps=4, seed=4)
    where = where_of(table, fresh)
    for level in (0.5, 0.8, 0.9):
        low, high = table.interval(level, where)
        assert (low == 0).all()
        assert ((fresh.truth <= high).mean()) == pytest.approx(max(level, 0.7), abs=0.03)
    assert (table.interval(0.5, where)[1] == 0).mean() > 0.9


def test_bounds_narrow_towards_the_edges_of_a_gap(model: Model, recording: pd.DataFrame) -> None:
    frame = model.reconstruct(recording, interval=0.9)
    width = (frame["HR.upper"] - frame["HR.lower"]).iloc[300:420].to_numpy()
    assert width[0] < 0.6 * width[60] and width[-1] < 0.6 * width[60]
    assert np.corrcoef(width, np.minimum(np.arange(120), np.arange(120)[::-1]))[0, 1] > 0.5


@pytest.mark.parametrize("point", ["mean", "median"])
@pytest.mark.parametrize("level", [0.2, 0.9])
def test_observed_minutes_are_untouched_and_fills_lie_inside(
    model: Model, recording: pd.DataFrame, point: Any, level: float
) -> None:
    plain = model.reconstruct(recording, point=point)
    frame = model.reconstruct(recording, point=point, interval=level, return_filled=True)
    assert list(frame.columns) == [
        "HR", "HR.lower", "HR.upper", "steps", "steps.lower", "steps.upper", "HR.filled", "steps.filled"
    ]  # fmt: skip
    pd.testing.assert_frame_equal(frame[["HR", "steps"]], plain)
    for name, channel in (("HR", CHANNELS["heart_rate"]), ("steps", CHANNELS["steps"])):
        value, low, high = (frame[name + suffix] for suffix in ("", ".lower", ".upper"))
        there = recording[name].notna()
        assert (value[there] == recording[name][there]).all()
        assert (low[there] == value[there]).all() and (high[there] == value[there]).all()
        assert (low <= value).all() and (value <= high).all()
        assert low.between(channel.minimum, channel.maximum).all()
        assert high.between(channel.minimum, channel.maximum).all()


def test_gaps_left_open_and_days_left_out_have_no_bounds(model: Model, recording: pd.DataFrame) -> None:
    later = recording.copy()
    later.index = later.index + pd.Timedelta(days=3)
    frame = model.reconstruct(pd.concat([recording, later]), interval=0.9, max_gap="80min", grid="full")
    empty = frame["HR"].isna()
    assert empty.sum() == 2 * (120 + 100) + 1440
    assert (frame["HR.lower"].isna() == empty).all() and (frame["HR.upper"].isna() == empty).all()


def test_units_scale_the_bounds(recording: pd.DataFrame) -> None:
    celsius = recording.rename(columns={"HR": "skin_temperature"})[["skin_temperature"]] / 2.5
    schema = lsm2.Schema.from_names(["skin_temperature", "steps"])
    base = tiny_model()
    config = base.config.model_copy(
        update={
            "channels": schema,
            "network": base.config.network.model_copy(
                update={"normalisation": base.config.network.normalisation[:2]}
            ),
        }
    )
    from lsm2.aim import AIM

    model = calibrate_with_known_errors(Model(AIM(config.network).eval(), config, device="cpu"))
    own = model.reconstruct(celsius, interval=0.8)
    fahrenheit = model.reconstruct(celsius * 1.8 + 32, interval=0.8, units={"skin_temperature": "degF"})
    np.testing.assert_allclose(fahrenheit, own * 1.8 + 32, rtol=1e-5)
    days = model.reconstruct(celsius, interval=0.8, summary="day")
    other = model.reconstruct(
        celsius * 1.8 + 32, interval=0.8, summary="day", units={"skin_temperature": "degF"}
    )
    np.testing.assert_allclose(other.iloc[:, :3], days.iloc[:, :3] * 1.8 + 32, rtol=1e-5)


def test_zones_and_participants_keep_their_index(model: Model, recording: pd.DataFrame) -> None:
    zoned = recording.tz_localize("Europe/Berlin")
    zoned.index = zoned.index + pd.Timedelta(days=29)  # the clock goes forward on the 31st
    people = pd.concat({"b": zoned, "a": zoned}, names=["participant_id"])
    frame = model.reconstruct(people, interval=0.9)
    assert frame.index.equals(model.reconstruct(people).index)
    alone = model.reconstruct(zoned, interval=0.9)
    np.testing.assert_allclose(frame.loc["a"], alone, rtol=1e-4, atol=1e-4)


def test_channels_without_data_or_calibration(model: Model, recording: pd.DataFrame) -> None:
    with pytest.warns(UserWarning, match=r"not calibrated for calories, mets, sleep_asleep") as caught:
        frame = model.reconstruct(recording[["HR"]], interval=0.9, channels="all")
    assert len([w for w in caught if "not calibrated" in str(w.message)]) == 1
    assert frame.attrs["predicted"] == ["steps", "calories", "mets", "sleep_asleep"]
    assert frame["calories.lower"].isna().all() and frame["calories"].notna().all()
    assert (frame["steps.lower"] <= frame["steps.upper"]).all()


def test_distances_run_over_midnight_and_days_that_are_not_there() -> None:
    times = pd.DatetimeIndex(["2024-03-01 23:50", "2024-03-02 00:20", "2024-03-04 00:00", "2024-03-09 12:00"])
    days = read_days(pd.DataFrame({"HR": 60.0}, index=times), lsm2.Schema.from_names(["heart_rate"]))
    wanted = np.zeros((4, 1, 1440), bool)
    wanted[1, 0, [0, 30]] = wanted[2, 0, 10] = wanted[3, 0, 730] = True
    cells = surround(make_windows(days, 1), wanted)
    assert cells.before.tolist() == [10, 10, 10, 10]
    assert cells.after.tolist() == [20, 2850, np.inf, np.inf]
    assert (surround(make_windows(days, 1), wanted).company == 0).all()


# ---------------------------------------------------------------------- totals and completions


def test_totals_are_sums_of_observed_and_filled(model: Model, recording: pd.DataFrame) -> None:
    days = model.reconstruct(recording, summary="day", interval=0.9, max_gap="90min")
    minutes = model.reconstruct(recording, max_gap="90min")
    by_date = minutes.groupby(minutes.index.normalize())
    np.testing.assert_allclose(days["steps"], by_date["steps"].sum(), rtol=1e-12)
    np.testing.assert_allclose(days["HR"], by_date["HR"].mean(), rtol=1e-12)
    observed = recording.notna().groupby(recording.index.normalize()).sum() / 1440
    np.testing.assert_allclose(days["steps.observed"], observed["steps"])
    np.testing.assert_allclose(days["steps.filled"], [0, 60 / 1440])
    assert days.index.equals(model.embed(recording).index)
    assert (days["steps.lower"] <= days["steps"]).all() and (days["steps"] <= days["steps.upper"]).all()
    assert days["steps.lower"].iloc[0] == days["steps.upper"].iloc[0] == days["steps"].iloc[0]
    assert days["steps.upper"].iloc[1] > days["steps"].iloc[1]


@pytest.mark.parametrize(
    ("date", "length"), [("2024-10-27", 1500), ("2024-03-31", 1380), ("2024-03-30", 1440)]
)
def test_shares_are_of_the_minutes_that_the_clock_showed(model: Model, date: str, length: int) -> None:
    begin = pd.Timestamp(date, tz="Europe/Berlin")
    times = pd.date_range(begin, begin + pd.Timedelta(length - 1, "min"), freq="min")
    frame = pd.DataFrame({"HR": 60.0, "steps": 1.0}, index=times)
    assert model.reconstruct(frame, summary="day")["HR.observed"].tolist() == [1.0]
    frame.loc[times[600:660]] = np.nan
    shares = model.reconstruct(frame, summary="day")
    assert shares["HR.observed"].item() == pytest.approx(1 - 60 / length)
    assert shares["HR.filled"].item() == pytest.approx(60 / length)


def test_totals_bounds_are_not_minute_bounds_added_up(model: Model, recording: pd.DataFrame) -> None:
    days = model.reconstruct(recording, summary="day", interval=0.9)
    minutes = model.reconstruct(recording, interval=0.9)
    added = (minutes["HR.upper"] - minutes["HR.lower"]).groupby(minutes.index.normalize()).mean()
    assert ((days["HR.upper"] - days["HR.lower"]) < added).all()


@pytest.mark.parametrize("channel", [HEART_RATE, STEPS])
def test_sums_of_new_people_are_covered_by_bounds_and_by_draws(channel: int) -> None:
    facts, table, totals = fitted(residuals(channel=channel, people=60, gaps=8), channel)
    fresh = residuals(channel=channel, people=150, gaps=3, seed=5)
    from scipy.special import ndtr

    from lsm2.intervals.correlation import spread_of_sum

    where, sums = where_of(table, fresh), int(fresh.gap.max()) + 1
    truth = np.bincount(fresh.gap, fresh.truth - fresh.mean)
    dense = np.zeros((sums, 1440))
    dense[fresh.gap, fresh.cells.minute] = where.mix(table.spread)
    expected = spread_of_sum(dense, facts.error_correlation)
    count = np.bincount(fresh.gap)
    low, high = (expected * totals.quantile(level, count) for level in (0.05, 0.95))
    assert ((truth >= low) & (truth <= high)).mean() == pytest.approx(0.9, abs=0.05)
    random, drawn = np.random.default_rng(0), []
    weights = np.sqrt(np.array(facts.rank_correlation))
    for _ in range(30):
        process = stationary(random.standard_normal((60, sums, len(weights)))) @ weights
        values = draw(table, ndtr(process[fresh.cells.minute, fresh.gap]), where, binary=False)
        drawn.append(np.bincount(fresh.gap, values - fresh.mean))
    assert np.std(drawn) == pytest.approx(np.std(truth), rel=0.15)
    assert ((np.array(drawn) < truth).mean(0) > 0.5).mean() == pytest.approx(0.5, abs=0.1)


def test_completions_keep_what_was_observed_and_depend_on_the_seed_only(
    model: Model, recording: pd.DataFrame
) -> None:
    drawn = model.reconstruct(recording, n_samples=3, seed=7)
    assert drawn.index.names == ["sample", "timestamp"] and len(drawn) == 3 * len(recording)
    there = recording["steps"].notna()
    for sample in range(3):
        one = drawn.loc[sample]
        assert (one["steps"][there] == recording["steps"][there]).all()
        assert one["steps"].between(0, 400).all() and (one["steps"] % 1 == 0).all()
    assert not np.allclose(drawn.loc[0, "HR"], drawn.loc[1, "HR"])
    keyed = pd.concat({0: recording, 9: recording}, names=["participant_id"])
    again = model.reconstruct(keyed.sample(frac=1, random_state=1), n_samples=1, seed=7, batch_size=1)
    np.testing.assert_allclose(again.loc[(0, 0), "HR"], drawn.loc[0, "HR"], rtol=1e-4)
    assert not np.allclose(model.reconstruct(recording, n_samples=1, seed=8)["HR"], drawn.loc[0, "HR"])
    second = model.reconstruct(recording.iloc[1440:], n_samples=1, seed=7)["HR"].iloc[700:]
    assert second.notna().all()


def test_completions_go_on_over_midnight_and_vary_as_minutes_do(
    model: Model, recording: pd.DataFrame
) -> None:
    means = model.reconstruct(recording)["HR"].to_numpy()[:, None]
    off = (model.reconstruct(recording, n_samples=20)["HR"].unstack("sample").to_numpy() - means)[1400:1500]
    steps = np.abs(np.diff(off, axis=0)).mean(axis=1)
    assert steps[39] < 1.5 * steps[20:60].mean()  # 23:59 to 00:00
    assert 5 < off[20:80].std() < 12  # the known errors': 2 * sqrt(distance)


def test_completions_of_days(model: Model, recording: pd.DataFrame) -> None:
    days = model.reconstruct(recording, n_samples=4, summary="day")
    minutes = model.reconstruct(recording, n_samples=4)
    sums = minutes["steps"].groupby(
        [minutes.index.get_level_values(0), minutes.index.get_level_values(1).normalize()]
    )
    np.testing.assert_allclose(days["steps"], sums.sum())
    assert days.index.names == ["sample", "date"]


# ---------------------------------------------------------------------- calibrating, files, errors


def test_the_shipped_calibration_is_of_the_shipped_weights() -> None:
    config = lsm2.load_model().calibrated().config  # raises where it was fitted on other weights
    assert {"heart_rate", "activity_counts"} <= {channel.name for channel in config.channels}


def test_the_page_on_filling_runs() -> None:
    page = (Path(__file__).parent.parent / "docs" / "filling.md").read_text()
    names: dict[str, object] = {}
    for code in re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL):
        exec(compile(code.replace("n_samples=20", "n_samples=2"), "filling.md", "exec"), names)


def simulated(people: int = 3) -> pd.DataFrame:
    return lsm2.simulate(participants=people, days=2)[["heart_rate", "steps"]]


def test_calibrate_save_and_load(tmp_path: Path) -> None:
    recording = simulated()
    with pytest.warns(UserWarning, match="bounds of .*'heart_rate'.* rest on fewer than 10 people"):
        model = lsm2.calibrate(tiny_model(), recording, description="simulated", provisional=True)
    folder = model.save(tmp_path / "model")
    again = lsm2.load_model(folder, device="cpu")
    assert again.calibration is not None and again.calibration.config == model.calibrated().config
    facts = json.loads((folder / "intervals.json").read_text())
    assert facts["provisional"] is True and facts["description"] == "simulated"
    assert facts["checkpoint"] == model.hash and facts["channels"][0]["people"] == 3
    pd.testing.assert_frame_equal(
        again.reconstruct(recording, interval=0.7), model.reconstruct(recording, interval=0.7), rtol=1e-3
    )


def test_folds_answer_for_their_own_people() -> None:
    recording = simulated()
    ids = list(recording.index.get_level_values(0).unique())
    one, other = tiny_model(), tiny_model(seed=1)
    model = lsm2.calibrate(one, recording, folds=[(one, ids[:1]), (other, ids[1:])])
    config = model.calibrated().config
    assert config.checkpoint == one.hash and config.data["folds"] == [one.hash, other.hash]
    assert config.channels[0].people == 3
    with pytest.raises(ValueError, match=r"'nobody'.*not in the recordings"):
        lsm2.calibrate(one, recording, folds=[(one, ["nobody"])])


def test_one_person_is_too_few() -> None:
    with pytest.raises(ValueError, match="two people or more"):
        lsm2.calibrate(tiny_model(), simulated(1))


def test_a_weekly_model(recording: pd.DataFrame) -> None:
    weekly = tiny_model(
        window_minutes=10_080, patch_minutes=60, clock=False, correction=False, decoder="self"
    )
    people = pd.concat(dict.fromkeys("abc", recording), names=["participant_id"])
    model = lsm2.calibrate(weekly, people)
    frame = model.reconstruct(recording, interval=0.9)
    assert (frame["HR.lower"] <= frame["HR"]).all() and (frame["HR"] <= frame["HR.upper"]).all()
    assert len(model.reconstruct(recording, summary="day", interval=0.5)) == 2


def test_an_openmhc_release_is_calibrated_into_a_copy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = tmp_path / "release"
    write_release(release)
    recording = lsm2.simulate(participants=2, days=1)[["heart_rate", "steps"]]
    frame = recording.rename(columns={"heart_rate": "watch_hr", "steps": "watch_steps"})
    with pytest.raises(ValueError, match=r"no calibration.*lsm2 calibrate --model"):
        lsm2.reconstruct(frame, model=release, interval=0.9)
    frame.reset_index().to_parquet(tmp_path / "data.parquet")
    copy = tmp_path / "copy"
    words = ["calibrate", str(tmp_path / "data.parquet"), "--model", str(release)]
    assert main([*words, "-o", str(copy)]) == 0
    assert "watch_hr" in capsys.readouterr().out and not (release / "intervals.json").exists()
    filled = lsm2.reconstruct(frame, model=copy, interval=0.9)
    assert (filled["watch_hr.lower"] <= filled["watch_hr.upper"]).all()
    assert main([*words, "--in-place"]) == 2 and "-o FOLDER" in capsys.readouterr().err


def test_where_a_calibration_may_be_written(
    model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lsm2.simulate(participants=2, days=1)[["heart_rate"]].reset_index().to_parquet(tmp_path / "data.parquet")
    data = str(tmp_path / "data.parquet")
    for words, message in (
        ([], "-o FOLDER"),
        (["--in-place"], "a checkpoint folder of your own"),
        (["--in-place", "-o", str(tmp_path / "x")], "either"),
        (["-o", data], "is a file"),
    ):
        assert main(["calibrate", data, *words]) == 2
        assert message in capsys.readouterr().err
    folder = model.with_calibration(None).save(tmp_path / "mine")
    assert not (folder / "intervals.json").exists()
    assert main(["calibrate", data, "--model", str(folder), "--in-place"]) == 0
    out = tmp_path / "filled.parquet"
    assert main(["reconstruct", data, "-o", str(out), "--model", str(folder), "--interval", "0.5"]) == 0
    assert "heart_rate.upper" in pd.read_parquet(out)
    days = [
        "reconstruct",
        data,
        "-o",
        str(out),
        "--model",
        str(folder),
        "--summary",
        "day",
        "--n-samples",
        "2",
    ]
    assert main(days) == 0 and len(pd.read_parquet(out)) == 4


def test_a_calibration_of_other_weights_is_refused(
    model: Model, recording: pd.DataFrame, tmp_path: Path
) -> None:
    folder = tiny_model(seed=5).save(tmp_path / "other")
    shutil.copy(model.save(tmp_path / "mine") / "intervals.json", folder)
    shutil.copy(tmp_path / "mine" / "intervals.safetensors", folder)
    stale = lsm2.load_model(folder, device="cpu")
    stale.reconstruct(recording)
    for options in ({"interval": 0.9}, {"n_samples": 1}):
        with pytest.raises(ValueError, match=r"fitted on other weights.*lsm2 calibrate"):
            stale.reconstruct(recording, **options)  # type: ignore[arg-type]


def test_damaged_files_say_what_to_do(model: Model, tmp_path: Path) -> None:
    folder = model.save(tmp_path / "model")
    facts, numbers = folder / "intervals.json", folder / "intervals.safetensors"
    whole = facts.read_text()
    for text, message in (
        ("{", "is no JSON"),
        ("{}", "checkpoint: Field required"),
        (whole.replace("0.0025", "0.0026"), "levels are not those of this release"),
        (whole.replace('"name": "steps"', '"name": "stairs"'), r"stairs\.centres"),
    ):
        facts.write_text(text)
        with pytest.raises(CheckpointError, match=f"{message}.*calibrate again"):
            lsm2.load_model(folder)
    facts.write_text(whole)
    numbers.write_bytes(b"cut")
    with pytest.raises(CheckpointError, match=r"intervals\.safetensors cannot be read"):
        lsm2.load_model(folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": 0}, "interval=0 must be a share"),
        ({"interval": 1.0}, "interval=1.0 must be a share"),
        ({"interval": 90}, "interval=90 must be a share.*such as 0.9"),
        ({"interval": "0.9"}, "interval='0.9' must be a share"),
        ({"interval": float("nan")}, "interval=nan"),
        ({"interval": True}, "interval=True"),
        ({"n_samples": 0}, "n_samples=0 must be a whole number, 1 or more"),
        ({"n_samples": 1.5}, "n_samples=1.5"),
        ({"n_samples": 2, "seed": -1}, "seed=-1 must be a whole number, 0 or more"),
        ({"n_samples": 2, "interval": 0.9}, "exclude each other"),
        ({"n_samples": 2, "point": "median"}, "leave out point='median'"),
        ({"summary": "week"}, "summary='week' is not known; it is one of day"),
    ],
)
def test_bad_arguments_are_refused(model: Model, recording: pd.DataFrame, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.reconstruct(recording, **options)


def test_hidden_gaps_are_scored_against_what_was_there() -> None:
    recording = simulated()
    days = read_days(recording, tiny_model().schema)
    known = collect(days, interpolation)
    assert len(np.unique(known.person)) == 3 and set(np.unique(known.cells.channel)) == {0, 1}
    assert (known.cells.before >= 1).all() and (known.cells.after >= 1).all()
    shuffled = collect(
        read_days(recording.sample(frac=1, random_state=0), tiny_model().schema), interpolation
    )
    assert sorted(shuffled.truth.tolist()) == sorted(known.truth.tolist())
    assert len(join([known, known])) == 2 * len(known)
    answers = partial(tiny_model().propose, point="mean", batch_size=None, progress=False)
    never = collect(days, answers)
    assert np.isinf(never.cells.distance).any()  # a family that was not recorded on any day


def test_nothing_is_said_where_nothing_is_wrong(model: Model, recording: pd.DataFrame) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.reconstruct(recording, interval=0.9)
        model.reconstruct(recording, n_samples=1, summary="day")
        model.reconstruct(recording.iloc[:0], interval=0.9)
