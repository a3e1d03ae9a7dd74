"""The simulated recording looks like one, and says that it is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lsm2
from lsm2.channels import CHANNELS
from lsm2.simulation import simulate


@pytest.fixture(scope="module")
def cohort() -> pd.DataFrame:
    return simulate(participants=12, days=7, seed=3)


def test_it_is_labelled_as_simulated(cohort: pd.DataFrame) -> None:
    assert cohort.attrs["simulated"] is True
    assert cohort.index.levels[0].str.startswith("simulated-").all()
    assert "SIMULATED" in (simulate.__doc__ or "") and lsm2.simulate is simulate


def test_it_is_a_canonical_frame(cohort: pd.DataFrame) -> None:
    assert list(cohort.index.names) == ["participant_id", "timestamp"]
    assert len(cohort) == 12 * 7 * 1440 and cohort.index.is_unique
    for name, column in cohort.items():
        channel = CHANNELS[str(name)]
        assert column.min() >= channel.minimum and column.max() <= channel.maximum
        if channel.integer:
            assert (column.dropna() % 1 == 0).all()


def test_same_seed_same_recording_and_people_do_not_depend_on_their_number() -> None:
    pd.testing.assert_frame_equal(
        simulate(3, 2, seed=5).loc[["simulated-1"]], simulate(1, 2, seed=5), check_freq=False
    )
    assert not simulate(1, 2, seed=5).equals(simulate(1, 2, seed=6))


def test_days_have_a_rhythm(cohort: pd.DataFrame) -> None:
    hours = cohort.groupby(cohort.index.get_level_values("timestamp").hour).mean()
    night, day = hours.loc[2:4].mean(), hours.loc[11:18].mean()
    assert night["sleep_asleep"] > 0.8 and day["sleep_asleep"] < 0.05
    assert day["heart_rate"] > night["heart_rate"] + 8
    assert day["steps"] > 10 * night["steps"] and day["activity_counts"] > 5 * night["activity_counts"]


def test_totals_are_those_of_people(cohort: pd.DataFrame) -> None:
    daily = cohort.groupby(level=0).sum() / 7
    assert daily["steps"].between(2000, 25000).all() and 6000 < daily["steps"].mean() < 14000
    assert (cohort["calories"].groupby(level=0).mean() * 1440).between(1200, 4000).all()
    sleep = cohort["sleep_asleep"].groupby(level=0).sum() / 7 / 60
    assert sleep.between(2.5, 10).all() and 5 < sleep.mean() < 8


def test_the_heart_follows_the_steps_with_a_lag(cohort: pd.DataFrame) -> None:
    person = cohort.loc["simulated-1"]
    lags = [person["heart_rate"].corr(person["steps"].shift(lag)) for lag in range(-10, 16)]
    best = int(np.argmax(lags)) - 10
    assert 1 <= best <= 8 and max(lags) > 0.3
    assert person["calories"].corr(person["steps"]) > 0.8


def test_gaps_are_those_of_devices(cohort: pd.DataFrame) -> None:
    missing = cohort.isna()
    assert 0.03 < missing["steps"].mean() < 0.25
    off = missing["steps"]
    assert missing[off].all(axis=None)  # off the wrist nothing is recorded
    dropouts = missing["heart_rate"] & ~off
    assert 0.01 < dropouts.mean() < 0.15
    runs = off.groupby([cohort.index.get_level_values(0), (off != off.shift()).cumsum()]).sum()
    assert runs.max() > 200 and ((runs > 20) & (runs < 120)).sum() > 10


def test_the_smallest_recording() -> None:
    assert simulate(1, 1).shape == (1440, 5)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "2", None])
@pytest.mark.parametrize("name", ["participants", "days"])
def test_nonsense_is_refused(name: str, wrong: object) -> None:
    with pytest.raises(ValueError, match=rf"{name}=.*whole number above 0"):
        simulate(**{name: wrong})  # type: ignore[arg-type]
