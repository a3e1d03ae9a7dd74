"""Evaluation: baselines that learn from other people, and seams."""

from __future__ import annotations

import importlib.util
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsm2.evaluation import (
    BASELINES,
    Recordings,
    baseline_method,
    channel_scales,
    choose_protocols,
    hide_blocks,
    hide_family,
    kalman,
    learnt_method,
    ridge,
    same_minute,
    score_gaps,
    seam_ratios,
    seams,
    summarise,
)
from lsm2.evaluation.kalman import level_ratio, smoothed_level
from lsm2.evaluation.pypots import pypots_baseline
from lsm2.evaluation.tables import contests, markdown

from .evaluation_data import NAN, noise, recordings, sparse, with_gaps

HAS_PYPOTS = importlib.util.find_spec("pypots") is not None


class TestSameMinute:
    def test_the_persons_other_days_come_first_then_train_people_then_the_fallback(self) -> None:
        train = recordings(sparse({(0, 5): 50, (0, 6): 40, (1, 5): 70, (2, 6): 20}, days=3), person=[0, 0, 1])
        visible = recordings(sparse({(0, 5): 60, (1, 5): 80}, days=3))
        hidden = np.zeros((3, 1, 1440), dtype=bool)
        hidden[2, 0, [5, 6, 7]] = True
        fills = same_minute([train])(visible, hidden, np.array([7.0]))
        assert fills.tolist() == [70, 30, 7]  # people weigh alike: the mean of 40 and of 20

    def test_people_do_not_share_their_days(self) -> None:
        visible = recordings(sparse({(0, 5): 60}, days=2), person=[0, 1])
        hidden = np.zeros((2, 1, 1440), dtype=bool)
        hidden[1, 0, 5] = True
        assert same_minute([])(visible, hidden, np.array([7.0])).tolist() == [7]


def level_series(seed: int, days: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    level = np.cumsum(random.normal(0, 0.3, days * 1440))
    return (70 + level + random.normal(0, 1.0, len(level))).reshape(days, 1, 1440)


class TestKalman:
    @settings(max_examples=15, deadline=None)
    @given(seed=st.integers(0, 1000), ratio=st.sampled_from([1e-3, 0.1, 3.0]), share=st.floats(0.01, 0.9))
    def test_it_is_the_smoother_of_statsmodels(self, seed: int, ratio: float, share: float) -> None:
        from statsmodels.tsa.statespace.structural import UnobservedComponents

        random = np.random.default_rng(seed)
        series = level_series(seed)[0, 0, :300]
        series[random.random(300) < share] = NAN
        series[100:160] = NAN
        series[0] = 70  # the level is known from the start on
        expected = UnobservedComponents(series, "local level").smooth([1.0, ratio]).smoothed_state[0]
        seen = np.flatnonzero(~np.isnan(series))
        own = np.interp(np.arange(300), seen, smoothed_level(seen, series[seen], ratio))
        assert own == pytest.approx(expected, abs=1e-3)

    def test_the_variances_are_found(self) -> None:
        days = [level_series(seed)[0, 0] for seed in range(4)]
        assert level_ratio(days) == pytest.approx(0.09, rel=0.35)

    def test_it_fills_noisy_levels_better_than_a_line_and_a_mean(self) -> None:
        train = recordings(level_series(1, days=4), person=[0, 1, 2, 3])
        part = recordings(level_series(2, days=2))
        hidden = hide_blocks(part, np.ones(2, dtype=bool), minutes=10)
        truth = part.values[hidden]
        errors = {
            name: np.square(baseline(part.without(hidden), hidden, np.array([70.0])) - truth).mean()
            for name, baseline in {**BASELINES, "kalman": kalman([train])}.items()
        }
        assert errors["kalman"] < 0.8 * errors["linear"]
        assert errors["kalman"] < errors["day mean"]

    def test_an_unseen_channel_and_an_empty_person(self) -> None:
        train = recordings(level_series(1))
        visible = recordings(sparse({(0, 5): 60}), channels=("steps",))
        hidden = np.zeros((1, 1, 1440), dtype=bool)
        hidden[0, 0, [4, 9]] = True
        assert kalman([train])(visible, hidden, np.array([7.0])).tolist() == [60, 60]
        empty = recordings(sparse({}))
        assert kalman([train])(empty, hidden, np.array([7.0])).tolist() == [7, 7]


def coupled(days: int, seed: int, person: list[int]) -> Recordings:
    """Heart rate that follows steps three minutes later, at the person's own level."""
    random = np.random.default_rng(seed)
    values = np.empty((days, 2, 1440))
    for day in range(days):
        walking = np.repeat(random.random(144) < 0.3, 10)
        values[day, 1] = walking * random.poisson(80, 1440)
        heart = 60 + 5 * person[day] + 0.3 * np.roll(values[day, 1], 3)
        values[day, 0] = heart + random.normal(0, 2, 1440)
    return recordings(values, channels=("heart_rate", "steps"), person=person)


class TestRidge:
    train = coupled(8, 0, [0, 0, 1, 1, 2, 2, 3, 3])

    def test_it_tells_a_channel_from_another_and_the_persons_level(self) -> None:
        part = coupled(4, 1, [2, 2, 2, 2])
        hidden = hide_family(part, np.ones(4, dtype=bool), turn=0, half=0)
        fills = ridge([self.train])(part.without(hidden), hidden, np.array([0.0, 0.0]))
        truth = part.values[hidden]
        assert np.square(fills - truth).mean() < 0.35 * truth.var()
        assert abs((fills - truth).mean()) < 2  # the level is that of the person's other days

    def test_a_day_alone_does_not_tell_the_persons_level(self) -> None:
        part = coupled(4, 1, [3] * 4).people_taken(np.array([3]))  # 15 beats above the first person
        hidden = hide_family(part, np.ones(4, dtype=bool), turn=0, half=0)
        fallback = np.array([0.0, 0.0])
        truth = part.values[hidden]
        with_level = ridge([self.train])(part.without(hidden), hidden, fallback)
        alone = ridge([self.train], other_days=False)(part.without(hidden), hidden, fallback)
        assert abs((with_level - truth).mean()) < 2
        assert (alone - truth).mean() < -4
        assert np.corrcoef(alone, truth)[0, 1] > 0.9

    def test_without_another_channel_the_persons_other_days_tell(self) -> None:
        values = coupled(4, 1, [2] * 4).values.copy()
        values[0] = NAN
        part = recordings(values, channels=("heart_rate", "steps"))
        hidden = np.zeros(values.shape, dtype=bool)
        hidden[0, 0, 600:610] = True
        fills = ridge([self.train])(part, hidden, np.array([0.0, 0.0]))
        assert np.abs(fills - np.nanmean(values[1:, 0])).max() < 8

    def test_a_channel_that_no_train_person_has_gets_the_fallback(self) -> None:
        part = recordings(noise(1, 2), channels=("intensity", "steps"))
        hidden = hide_family(part, np.ones(1, dtype=bool), turn=0, half=0)
        fills = ridge([self.train])(part.without(hidden), hidden, np.array([1.5, 0.0]))
        assert set(fills.tolist()) == {1.5}

    def test_it_takes_part_only_where_sensors_fail(self) -> None:
        scales = channel_scales([self.train])
        methods = {
            "linear": baseline_method(BASELINES["linear"]),
            "ridge": learnt_method(ridge, [self.train], scales),
        }
        part = coupled(4, 1, [0, 0, 1, 1])
        results = score_gaps([part], methods, scales, protocols=choose_protocols(["60 min", "1 family"]))
        assert set(results.loc[results["method"] == "ridge", "protocol"]) == {"1 family"}
        by_method = (
            results[results["protocol"] == "1 family"].groupby("method")[["mse", "mae", "mse_z"]].mean()
        )
        assert (by_method.loc["ridge"] < 0.7 * by_method.loc["linear"]).all()

    def test_hidden_values_change_no_fill(self) -> None:
        part = coupled(4, 1, [0, 0, 1, 1])
        hidden = hide_family(part, np.ones(4, dtype=bool), turn=0, half=0)
        other = recordings(np.where(hidden, 99, part.values), channels=part.names, person=[0, 0, 1, 1])
        scales = channel_scales([self.train])
        for learn in (same_minute, kalman, ridge):
            method = learnt_method(learn, [self.train], scales)
            first = method(part.without(hidden), hidden, scales)
            second = method(other.without(hidden), hidden, scales)
            assert np.array_equal(first.mean, second.mean)
            assert np.array_equal(first.normalised, second.normalised)


class TestPyPOTS:
    @pytest.mark.skipif(HAS_PYPOTS, reason="PyPOTS is installed")
    @pytest.mark.parametrize("name", ["saits", "brits"])
    def test_what_to_install_is_said(self, name: str) -> None:
        with pytest.raises(ImportError, match=rf"{name} needs PyPOTS: pip install 'lsm2\[pypots\]'"):
            pypots_baseline([recordings(noise(1, 1))], name=name)  # type: ignore[arg-type]

    @pytest.mark.slow
    @pytest.mark.skipif(not HAS_PYPOTS, reason="PyPOTS, the extra [pypots], is not installed")
    @pytest.mark.parametrize("name", ["saits", "brits"])
    def test_it_learns_and_fills(self, name: str) -> None:
        train, part = coupled(4, 0, [0, 0, 1, 1]), coupled(2, 1, [0, 0])
        hidden = hide_blocks(part, np.ones(2, dtype=bool), minutes=30)
        baseline = partial(pypots_baseline, name=name, seconds=1)([train])  # type: ignore[call-arg]
        fills = baseline(part.without(hidden), hidden, np.array([0.0, 0.0]))
        assert np.isfinite(fills).all()
        assert fills.shape == (hidden.sum(),)


class TestSeams:
    def visible(self, fills: dict[int, float], values: dict[int, float]) -> pd.Series:
        part = recordings(
            sparse({(minute // 1440, minute % 1440): v for minute, v in values.items()}, days=2)
        )
        cells = np.zeros((2, 1, 1440), dtype=bool)
        for minute in fills:
            cells[minute // 1440, 0, minute % 1440] = True
        return seams(part, cells, np.array([fills[minute] for minute in sorted(fills)])).iloc[0]

    def test_jumps_by_hand(self) -> None:
        row = self.visible({2: 13.0, 3: 50.0, 4: 20.0}, {0: 10, 1: 12, 5: 21, 6: 25, 7: 25})
        assert (row["edges"], row["edge_jump"], row["edge_median"]) == (2, 2, 1)  # 12 to 13, 20 to 21
        assert (row["own_pairs"], row["own_jump"], row["own_median"]) == (3, 6, 2)  # 2, 4, 0
        assert seam_ratios(pd.DataFrame([row])).tolist() == [0.5]
        assert row["midnights"] == 0
        assert np.isnan(seam_ratios(pd.DataFrame([row]), midnight=True)).all()

    def test_midnight_between_fills_and_beside_one(self) -> None:
        across = self.visible({1438: 10.0, 1439: 11.0, 1440: 14.0}, {1436: 10, 1437: 10, 1441: 15})
        assert (across["midnights"], across["midnight_jump"]) == (1, 3)
        assert (across["edges"], across["edge_jump"]) == (2, 1)
        beside = self.visible({1439: 11.0}, {1437: 10, 1438: 10, 1440: 16})
        assert (beside["midnights"], beside["midnight_jump"]) == (1, 5)
        assert (beside["edges"], beside["edge_jump"]) == (2, 6)

    def test_days_apart_have_no_midnight_between_them(self) -> None:
        values = noise(2, 1)
        cells = np.zeros(values.shape, dtype=bool)
        cells[0, 0, 1439] = True
        part = recordings(values, dates=["2020-01-01", "2020-01-03"]).without(cells)
        row = seams(part, cells, np.array([60.0])).iloc[0]
        assert (row["midnights"], row["edges"]) == (0, 1)

    def test_the_truth_has_a_ratio_of_one_and_a_jump_more(self) -> None:
        part = recordings(with_gaps(8, 2, 0), channels=("heart_rate", "steps"), person=[0] * 4 + [1] * 4)
        hidden = hide_blocks(part, np.ones(8, dtype=bool), minutes=10)
        truth = part.values[hidden].astype(float)
        table = seams(part.without(hidden), hidden, truth)
        assert len(table) == 4
        assert seam_ratios(table) == pytest.approx(1, abs=0.15)
        assert (seam_ratios(seams(part.without(hidden), hidden, truth + 100)) > 3).all()

    def test_tables_show_seams(self) -> None:
        part = recordings(with_gaps(12, 1, 0), person=list(range(12)))
        scales = channel_scales([part])
        methods = {name: baseline_method(BASELINES[name]) for name in ("linear", "locf", "day mean")}
        results = score_gaps([part], methods, scales, protocols=choose_protocols(["60 min"]))
        summary = summarise(results)
        rows = summary.set_index("method")
        assert rows.loc["linear", "seam"] < rows.loc["day mean", "seam"]
        assert rows.loc["linear", "seam_people"] == 12
        assert "### Seams" in markdown(summary)
        found = contests(results, ["linear"]).set_index(["against", "error"])
        assert found.loc[("locf", "mse"), ["win", "tie", "loss", "few"]].tolist() == [1, 0, 0, 0]
        against = contests(results, ["locf"]).set_index(["against", "error"])
        assert against.loc[("linear", "mse"), "lost"] == "heart_rate 60 min"
