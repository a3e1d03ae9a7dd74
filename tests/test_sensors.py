"""Fills corrected by what the edges of gaps tell of a sensor."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lsm2
from lsm2.channels import Schema
from lsm2.days import DAY, read_days
from lsm2.sensors import correct

DAYS = 3
FILL = {"heart_rate": 60.0, "calories": 1.0, "steps": 0.0}


@pytest.fixture(scope="module")
def wave() -> np.ndarray:
    """Three days of a slowly changing signal about 0."""
    noise = np.random.default_rng(0).normal(size=DAYS * DAY)
    return np.asarray(pd.Series(noise).ewm(halflife=8).mean() * 5)


@pytest.fixture(scope="module")
def whole(wave: np.ndarray) -> pd.DataFrame:
    times = pd.date_range("2024-03-04", periods=len(wave), freq="min")
    heart, energy = 80 + 10 * wave, 2 + np.exp(wave / 2)
    return pd.DataFrame({"heart_rate": heart, "calories": energy, "steps": 10.0}, index=times)


def corrected(frame: pd.DataFrame, columns: tuple[str, ...] = tuple(FILL)) -> dict[str, np.ndarray]:
    """What becomes of fills that are one number for each channel; NaN where nothing was missing."""
    days = read_days(frame, Schema.from_names(list(FILL)))
    wanted = ~days.observed
    for position, name in enumerate(FILL):
        wanted[:, position] &= name in columns
    fill = np.where(wanted, np.array(list(FILL.values()))[:, None], np.nan).astype(np.float32)
    correct(days, wanted, [fill])
    assert (np.isnan(fill) == ~wanted).all()
    return {name: fill[:, position].reshape(-1) for position, name in enumerate(FILL)}


def untouched(frame: pd.DataFrame) -> bool:
    found = corrected(frame)
    return all((np.isnan(found[name]) | (found[name] == FILL[name])).all() for name in FILL)


def lost_when_high(whole: pd.DataFrame) -> pd.DataFrame:
    holes = whole.copy()
    high = holes["heart_rate"] > holes["heart_rate"].quantile(0.95)
    holes.loc[high, ["heart_rate", "calories", "steps"]] = np.nan
    return holes


def lost_at_random(whole: pd.DataFrame, gaps: int = 40) -> pd.DataFrame:
    holes = whole.copy()
    for start in np.random.default_rng(1).choice(len(holes) // 60, gaps, replace=False) * 60 + 20:
        holes.iloc[start : start + 15] = np.nan
    return holes


def test_where_heart_rate_fails_when_high_it_and_energy_are_lifted(whole: pd.DataFrame) -> None:
    holes = lost_when_high(whole)
    missing = holes["heart_rate"].isna().to_numpy()
    found, line = corrected(holes), holes.interpolate()
    for name in ("heart_rate", "calories"):
        filled, straight, truth = found[name][missing], line[name][missing], whole[name][missing]
        assert (filled > straight).mean() > 0.95  # but where gaps are not of the high ones
        assert ((filled - truth) ** 2).mean() < 0.6 * ((straight - truth) ** 2).mean()
        assert abs(filled.sum() / truth.sum() - 1) < abs(straight.sum() / truth.sum() - 1)
    assert (found["steps"][missing] == FILL["steps"]).all()


def test_fills_that_are_higher_already_stay(whole: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FILL, "heart_rate", 240.0)
    found = corrected(lost_when_high(whole))["heart_rate"]
    assert (found[~np.isnan(found)] == 240.0).all()


def test_gaps_at_random_are_left_to_the_network(whole: pd.DataFrame) -> None:
    assert untouched(lost_at_random(whole))


def test_a_watch_that_measures_seldom_by_day_has_not_failed(whole: pd.DataFrame) -> None:
    holes = whole.copy()
    day = (holes.index.hour >= 8) & (holes.index.hour < 16)
    holes.loc[day, "heart_rate"] += 60  # so that all by day is in the top third
    holes.loc[day & (holes.index.minute % 6 > 0)] = np.nan
    assert untouched(holes)


def test_few_gaps_tell_nothing(whole: pd.DataFrame) -> None:
    holes = lost_when_high(whole)
    missing = holes["heart_rate"].isna()
    number = (missing & ~missing.shift(fill_value=False)).cumsum()
    few = holes.where(~missing | (number <= 4), whole)
    assert few["heart_rate"].isna().any() and untouched(few)


def test_few_minutes_of_many_tell_nothing(whole: pd.DataFrame) -> None:
    holes = whole.copy()
    high = np.argsort(holes["heart_rate"].to_numpy())[-20:]
    holes.iloc[high] = np.nan  # 20 of 4,320
    assert untouched(holes)
    assert not untouched(lost_when_high(whole))


def test_long_gaps_and_ends_are_left_to_the_network(whole: pd.DataFrame) -> None:
    holes = lost_when_high(whole)
    holes.iloc[-60:] = np.nan
    holes.iloc[1000:1200] = np.nan
    found = corrected(holes)["heart_rate"]
    for part in (slice(-60, None), slice(1000, 1200)):
        assert (found[part] == FILL["heart_rate"]).all()
    assert np.nanmax(found) > FILL["heart_rate"]


def test_energy_missing_for_longer_is_left_to_the_network(whole: pd.DataFrame) -> None:
    holes = lost_when_high(whole)
    holes.loc[holes.index[DAY : 2 * DAY], "calories"] = np.nan
    found = corrected(holes)["calories"]
    assert (found[DAY : 2 * DAY] == FILL["calories"]).all()
    assert np.nanmax(found[:DAY]) > FILL["calories"]


def test_each_person_and_channel_is_judged_alone(whole: pd.DataFrame) -> None:
    people = {"fails": lost_when_high(whole), "random": lost_at_random(whole)}
    both = corrected(pd.concat(people, names=["participant_id"]))["heart_rate"].reshape(2, -1)
    for found, holes in zip(both, people.values(), strict=True):
        np.testing.assert_array_equal(found, corrected(holes)["heart_rate"])
    asked = corrected(people["fails"], columns=("calories",))  # heart rate is not filled, but tells
    np.testing.assert_array_equal(asked["calories"], corrected(people["fails"])["calories"])


def test_days_that_do_not_follow_are_not_joined(whole: pd.DataFrame) -> None:
    holes = lost_when_high(whole)
    holes.iloc[DAY - 30 : DAY + 30] = np.nan  # over midnight: an hour
    holes.loc[holes.index[[DAY - 31, DAY + 30]], "heart_rate"] = holes["heart_rate"].max()
    apart = holes.set_axis(holes.index.where(holes.index < "2024-03-05", holes.index + pd.Timedelta("7D")))
    together, alone = (corrected(frame)["heart_rate"][DAY - 30 : DAY + 30] for frame in (holes, apart))
    assert (alone == FILL["heart_rate"]).all() and (together > FILL["heart_rate"]).all()


def test_reconstruct_says_so(whole: pd.DataFrame) -> None:
    holes = lost_when_high(whole).drop(columns="steps")
    missing = holes["heart_rate"].isna()
    line = holes.interpolate()["heart_rate"]
    for point in ("mean", "median"):
        filled = lsm2.reconstruct(holes, point=point)["heart_rate"]  # type: ignore[arg-type]
        assert (filled[missing] > line[missing]).mean() > 0.9
        pd.testing.assert_series_equal(
            filled[~missing], whole["heart_rate"][~missing], check_freq=False, check_names=False
        )
    bounds = lsm2.reconstruct(holes, interval=0.9)
    assert (bounds["heart_rate.lower"] <= bounds["heart_rate"])[missing].all()
    assert (bounds["heart_rate.upper"] >= bounds["heart_rate"])[missing].all()
