"""Evaluation: what is hidden, what the baselines fill, how fills are scored, on small examples."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsm2.evaluation import (
    BASELINES,
    PROTOCOLS,
    ChannelScale,
    Estimate,
    Fills,
    Recordings,
    baseline_method,
    bootstrap_mean,
    channel_scales,
    choose_protocols,
    error_ratios,
    hide_blocks,
    hide_family,
    hide_tokens,
    markdown,
    mean_source,
    model_method,
    person_scores,
    ratio_estimate,
    read_recordings,
    score_gaps,
    skill,
    summarise,
    total_bias,
    verdict,
)
from lsm2.evaluation.report import totals
from lsm2.training.config import PretrainConfig

from .evaluation_data import NAN, noise, recordings, runs, sparse, with_gaps, write_cohort

DRAWN_FROM_FEW = ("2 families", "half of families")
"""Protocols whose draws may agree by chance; "1 family" and "intensity_failure" draw nothing."""
FEW = choose_protocols(["10 min", "30 min", "60 min", "180 min", "random 80 %", "1 family"])


class TestRecordings:
    def test_a_wrong_shape_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"made have shape \(2, 1, 100\)"):
            recordings(np.zeros((2, 1, 100)))

    def test_at_most_eight_days_are_drawn_and_only_usable_ones(self) -> None:
        values = noise(12, 1)
        values[3, 0, 359:] = NAN  # 359 observed minutes: not usable
        values[4, 0, 360:] = NAN  # 360: usable
        part = recordings(values)
        assert part.usable().tolist() == [True] * 3 + [False] + [True] * 8
        drawn = part.draw_days(8, seed=0)
        assert drawn.sum() == 8
        assert not drawn[3]
        assert part.draw_days(11, seed=0).sum() == 11

    def test_the_draw_depends_on_the_seed_and_not_on_who_else_is_there(self) -> None:
        values = noise(24, 1)
        both = recordings(values, person=[0] * 12 + [1] * 12)
        alone = both.take(both.person == 1)
        assert np.array_equal(both.draw_days(seed=3)[12:], alone.draw_days(seed=3))
        assert not np.array_equal(both.draw_days(seed=3), both.draw_days(seed=4))

    def test_neighbours_are_calendar_days_of_the_same_person(self) -> None:
        dates = ["2020-01-01", "2020-01-02", "2020-01-04", "2020-01-05"]
        part = recordings(noise(4, 1), person=[0, 0, 0, 1], dates=dates)
        none, second = np.zeros(4, dtype=bool), np.array([False, True, False, False])
        third = np.array([False, False, True, False])
        assert part.neighbours(before=second, after=none).tolist() == [True, False, False, False]
        assert not part.neighbours(before=none, after=second).any()  # a day is missing
        assert not part.neighbours(before=third, after=third).any()  # a missing day, another person
        assert part.neighbours(before=none, after=~second).tolist() == [False, True, False, False]

    def test_the_frame_holds_every_minute_at_its_time(self) -> None:
        part = recordings(noise(3, 2), channels=("heart_rate", "steps"), person=[0, 0, 1])
        frame = part.frame()
        assert list(frame.columns) == ["heart_rate", "steps"]
        assert len(frame) == 3 * 1440
        assert frame.loc[("p0", pd.Timestamp("2020-01-07 00:05")), "steps"] == part.values[1, 1, 5]
        assert frame.loc[("p1", pd.Timestamp("2020-01-08 23:59")), "heart_rate"] == part.values[2, 0, 1439]


class TestProtocols:
    @pytest.mark.parametrize("name", list(PROTOCOLS))
    @pytest.mark.parametrize("seed", range(4))
    def test_only_observed_minutes_of_chosen_days_are_hidden(self, name: str, seed: int) -> None:
        part = recordings(
            with_gaps(6, 3, seed, share=0.1),
            channels=("heart_rate", "steps", "hrv_rmssd"),
            person=[0] * 4 + [1] * 2,
        )
        days = np.array([True, True, False, True, True, True])
        protocol = PROTOCOLS[name]
        rounds = [hide(part, days, seed=seed) for hide in protocol.rounds]
        assert np.any(rounds)
        for hidden in rounds:
            assert hidden.shape == part.values.shape
            assert hidden.dtype == bool
            assert not (hidden & ~part.observed).any()
            scored = protocol.scored(name, part, hidden)
            assert tuple(scored) == protocol.results(name)
            for cells in scored.values():
                assert not cells[~days].any()
                assert not (cells & ~hidden).any()

    @pytest.mark.parametrize("name", list(PROTOCOLS))
    def test_the_same_seed_hides_the_same_and_another_does_not(self, name: str) -> None:
        part = recordings(with_gaps(6, 3, 5), channels=("heart_rate", "steps", "hrv_rmssd"))
        days = np.ones(6, dtype=bool)
        for hide in PROTOCOLS[name].rounds:
            first = hide(part, days, seed=1)
            assert np.array_equal(first, hide(part, days, seed=1))
            if first.any() and name not in ("1 family", "intensity_failure", *DRAWN_FROM_FEW):
                assert not np.array_equal(first, hide(part, days, seed=2))

    @pytest.mark.parametrize("name", list(PROTOCOLS))
    def test_what_is_hidden_does_not_depend_on_other_people(self, name: str) -> None:
        part = recordings(with_gaps(8, 2, 2), channels=("heart_rate", "steps"), person=[0] * 4 + [1] * 4)
        alone = part.take(part.person == 1)
        for hide in PROTOCOLS[name].rounds:
            both = hide(part, np.ones(8, dtype=bool), seed=0)
            assert np.array_equal(both[4:], hide(alone, np.ones(4, dtype=bool), seed=0))

    @pytest.mark.parametrize("minutes", [10, 30, 60, 180])
    def test_blocks_have_the_length_distance_and_share_asked_for(self, minutes: int) -> None:
        part = recordings(noise(5, 1))
        hidden = hide_blocks(part, np.ones(5, dtype=bool), minutes=minutes, seed=0)[:, 0]
        found = runs(hidden.ravel())
        assert {stop - start for start, stop in found} == {minutes}
        assert min(later[0] - earlier[1] for earlier, later in pairwise(found)) >= 10
        assert hidden.sum(axis=1).max() <= 360
        assert hidden.sum() > 0.9 * 5 * (360 // minutes) * minutes - 5 * minutes  # nearly as much as allowed
        assert found[0][0] > 0
        assert found[-1][1] < 5 * 1440

    def test_some_blocks_cross_midnight_but_only_into_the_next_chosen_calendar_day(self) -> None:
        part = recordings(noise(16, 1))
        hidden = hide_blocks(part, np.ones(16, dtype=bool), minutes=180, seed=0)[:, 0]
        assert (hidden[:-1, -1] & hidden[1:, 0]).any()
        dates = [f"2020-01-{day:02d}" for day in range(1, 32, 2)]
        apart = recordings(noise(16, 1), dates=dates)
        hidden = hide_blocks(apart, np.ones(16, dtype=bool), minutes=180, seed=0)[:, 0]
        assert hidden.any()
        assert not hidden[:, 0].any()
        assert not hidden[:, -1].any()

    @settings(max_examples=40, deadline=None)
    @given(seed=st.integers(0, 10_000), minutes=st.sampled_from([10, 30, 60, 180]), share=st.floats(0, 0.6))
    def test_a_channel_hidden_in_a_block_is_seen_on_both_sides(
        self, seed: int, minutes: int, share: float
    ) -> None:
        part = recordings(with_gaps(3, 2, seed, share), channels=("heart_rate", "hrv_rmssd"))
        hidden = hide_blocks(part, np.ones(3, dtype=bool), minutes=minutes, seed=seed)
        in_block = hidden.any(axis=1).ravel()
        visible = np.moveaxis(part.observed & ~hidden, 1, 0).reshape(2, -1)
        by_channel = np.moveaxis(hidden, 1, 0).reshape(2, -1)
        assert hidden.any(axis=1).sum(axis=1).max() <= 360
        for channel in range(2):
            for minute in np.flatnonzero(by_channel[channel]):
                # a visible minute of its own channel lies within a block's length on both sides
                window = visible[channel, max(0, minute - minutes) : minute + minutes + 1]
                before, after = window[: min(minute, minutes)], window[min(minute, minutes) + 1 :]
                assert before.any()
                assert after.any()
        assert in_block.any() or share > 0

    def test_a_channel_sampled_less_often_is_seen_within_its_interval(self) -> None:
        values = noise(2, 2)
        values[:, 1] = NAN
        values[:, 1, 7::15] = 100
        part = recordings(values, channels=("heart_rate", "glucose"))
        hidden = hide_blocks(part, np.ones(2, dtype=bool), minutes=30, seed=0)
        assert hidden[:, 1].any()
        glucose_seen = (part.observed & ~hidden)[:, 1].ravel()
        for start, stop in runs(hidden[:, 0].ravel()):
            assert stop - start == 30
            assert glucose_seen[start - 15 : start].any()
            assert glucose_seen[stop : stop + 15].any()

    def test_a_day_keeps_half_of_what_was_observed(self) -> None:
        values = noise(1, 1)
        values[0, 0, 400:] = NAN
        hidden = hide_blocks(recordings(values), np.ones(1, dtype=bool), minutes=30, seed=0)
        assert 0 < hidden.sum() <= 200

    @pytest.mark.parametrize("seed", range(3))
    def test_whole_tokens_with_a_value_are_hidden_in_the_share_asked_for(self, seed: int) -> None:
        part = recordings(with_gaps(4, 2, seed), channels=("heart_rate", "steps"))
        hidden = hide_tokens(part, np.ones(4, dtype=bool), share=0.8, seed=seed)
        in_token = hidden.reshape(4, 2, 144, 10).any(axis=3)
        of_token = part.observed.reshape(4, 2, 144, 10)
        assert np.array_equal(hidden.reshape(4, 2, 144, 10), of_token & in_token[..., None])
        counts = of_token.any(axis=3).sum(axis=(1, 2))
        assert np.array_equal(in_token.sum(axis=(1, 2)), np.floor(0.8 * counts))

    def test_a_token_stays_visible_even_where_there_are_few(self) -> None:
        values = np.full((1, 1, 1440), NAN)
        values[0, 0, :20] = 60
        hidden = hide_tokens(recordings(values), np.ones(1, dtype=bool), share=0.8, seed=0)
        assert hidden.sum() == 10

    def test_every_family_is_hidden_once_on_every_day_with_the_next_day_left_whole(self) -> None:
        part = recordings(noise(7, 3), channels=("heart_rate", "calories", "mets"))
        days = np.ones(7, dtype=bool)
        times_hidden = np.zeros((7, 3), dtype=int)
        for turn in (0, 1):
            for half in (0, 1):
                hidden = hide_family(part, days, turn=turn, half=half)
                whole = hidden.all(axis=2)
                assert np.array_equal(hidden.any(axis=2), whole)  # the whole day
                assert np.array_equal(whole[:, 1], whole[:, 2])  # calories and mets go together
                assert whole.any(axis=1).tolist() == [day % 2 == half for day in range(7)]
                assert not whole.all(axis=1).any()
                times_hidden += whole
        assert (times_hidden == 1).all()
        assert not hide_family(part, days, turn=2, half=0).any()

    def test_families_of_a_day_are_those_recorded_on_it(self) -> None:
        values = noise(1, 3)
        values[0, 0] = NAN
        part = recordings(values, channels=("heart_rate", "steps", "intensity"))
        hidden = hide_family(part, np.ones(1, dtype=bool), turn=0, half=0)
        assert hidden[0].all(axis=1).tolist() == [False, True, False]

    def test_a_day_of_one_family_loses_none(self) -> None:
        part = recordings(noise(2, 2), channels=("calories", "mets"))
        assert not hide_family(part, np.ones(2, dtype=bool), turn=0, half=0).any()
        values = noise(1, 2)
        values[0, 1, 59:] = NAN  # 59 minutes of steps do not make a family of the day
        part = recordings(values, channels=("heart_rate", "steps"))
        assert not hide_family(part, np.ones(1, dtype=bool), turn=0, half=0).any()

    def test_senseless_arguments_are_refused(self) -> None:
        part, days = recordings(noise(1, 1)), np.ones(1, dtype=bool)
        with pytest.raises(ValueError, match="share must lie between 0 and 1"):
            hide_tokens(part, days, share=1.0)
        with pytest.raises(ValueError, match="patch_minutes must divide"):
            hide_tokens(part, days, share=0.5, patch_minutes=7)
        with pytest.raises(ValueError, match="0 minutes"):
            hide_blocks(part, days, minutes=0)
        with pytest.raises(ValueError, match="half 0 or 1, got 0 and 2"):
            hide_family(part, days, turn=0, half=2)


class TestBaselines:
    fallback = np.array([7.0])

    def fill(
        self, name: str, values: np.ndarray, asked: list[tuple[int, int]], **more: object
    ) -> list[float]:
        hidden = np.zeros(values.shape, dtype=bool)
        for day, minute in asked:
            hidden[day, 0, minute] = True
        return BASELINES[name](recordings(values, **more), hidden, self.fallback).tolist()  # type: ignore[arg-type]

    def test_linear_draws_a_line_and_holds_the_edges(self) -> None:
        values = sparse({(0, 10): 60, (0, 14): 80})
        assert self.fill("linear", values, [(0, 5), (0, 11), (0, 12), (0, 20)]) == [60, 65, 70, 80]

    def test_linear_goes_across_midnight_and_over_missing_days(self) -> None:
        values = sparse({(0, 1438): 60, (1, 2): 80}, days=2)
        assert self.fill("linear", values, [(0, 1439), (1, 0), (1, 1)]) == [65, 70, 75]
        apart = self.fill("linear", values, [(1, 0)], dates=["2020-01-01", "2020-01-03"])
        assert apart == pytest.approx([60 + 20 * 1442 / 1444])

    def test_linear_and_locf_keep_to_the_person(self) -> None:
        values = sparse({(0, 1439): 60, (1, 10): 80}, days=2)
        assert self.fill("linear", values, [(1, 0)], person=[0, 1]) == [80]
        assert self.fill("locf", values, [(1, 0)], person=[0, 1]) == [80]
        assert self.fill("locf", values, [(1, 0)]) == [60]

    def test_locf_carries_forward_and_holds_the_first(self) -> None:
        values = sparse({(0, 10): 60, (0, 14): 80})
        assert self.fill("locf", values, [(0, 5), (0, 11), (0, 13), (0, 20)]) == [60, 60, 60, 80]

    def test_without_any_value_the_train_mean_is_taken(self) -> None:
        for name in ("linear", "locf", "day mean"):
            assert self.fill(name, sparse({}), [(0, 5)]) == [7]

    def test_day_mean_is_of_the_day_else_of_the_persons_other_days(self) -> None:
        values = sparse({(0, 10): 60, (0, 14): 80, (1, 0): 100}, days=4)
        person = [0, 0, 0, 1]
        asked = [(0, 5), (1, 5), (2, 5), (3, 5)]
        assert self.fill("day mean", values, asked, person=person) == [70, 100, 80, 7]
        assert mean_source(recordings(values, person=person))[:, 0].tolist() == [
            "day",
            "day",
            "other days",
            "train",
        ]

    def test_zero_is_zero(self) -> None:
        assert self.fill("zero", sparse({(0, 1): 9}), [(0, 0)]) == [0]

    def test_fills_come_in_the_order_of_the_hidden_cells(self) -> None:
        values = with_gaps(4, 2, 0)
        part = recordings(values, channels=("heart_rate", "steps"), person=[0, 0, 1, 1])
        hidden = hide_tokens(part, np.ones(4, dtype=bool), share=0.3, seed=0)
        fills = BASELINES["linear"](part.without(hidden), hidden, np.zeros(2))
        series = pd.Series(np.where(hidden, NAN, values)[2:, 1].ravel()).interpolate(limit_direction="both")
        own = hidden[2:, 1].ravel()
        expected = series.to_numpy()[own]
        day, channel, _ = np.nonzero(hidden)
        assert fills[(day >= 2) & (channel == 1)] == pytest.approx(expected, rel=1e-6)


PLAIN = ChannelScale("identity", mean=0.0, variance=4.0, z_mean=0.0, z_std=2.0)


class TestScores:
    def test_errors_by_hand(self) -> None:
        values = sparse({(0, 0): 10, (0, 1): 20, (1, 0): 30, (2, 0): 40}, days=3)
        part = recordings(values, person=[0, 0, 1])
        fills = np.array([12.0, 20.0, 27.0, 40.0])
        table = person_scores(
            part, part.observed, {"heart_rate": PLAIN}, mean=fills, median=fills + 1, normalised=fills / 2
        )
        assert table["participant"].tolist() == ["p0", "p1"]
        assert table["cells"].tolist() == [3, 1]
        assert table["days"].tolist() == [2, 1]
        assert table["mse"].tolist() == pytest.approx([(4 + 0 + 9) / 3 / 4, 0])
        assert table["mae"].tolist() == pytest.approx([(3 + 1 + 2) / 3, 1])
        assert table["mse_z"].tolist() == pytest.approx([(1 + 0 + 2.25) / 3, 0])
        assert table["sum_true"].tolist() == [60, 40]
        assert table["sum_filled"].tolist() == [59, 40]

    def test_a_missing_fill_is_refused(self) -> None:
        part = recordings(sparse({(0, 0): 10, (0, 1): 10}))
        good, bad = np.array([1.0, 2.0]), np.array([1.0, NAN])
        with pytest.raises(ValueError, match="median has 1 fills that are not finite"):
            person_scores(part, part.observed, {"heart_rate": PLAIN}, mean=good, median=bad, normalised=good)
        with pytest.raises(ValueError, match=r"mean holds \(1,\) fills for 2"):
            person_scores(
                part, part.observed, {"heart_rate": PLAIN}, mean=good[:1], median=good, normalised=good
            )

    def test_scales_by_hand(self) -> None:
        first = recordings(sparse({(0, 0): 60, (0, 1): 80}))
        second = recordings(sparse({(0, 5): 100}))
        scale = channel_scales([first, second])["heart_rate"]
        assert (scale.transform, scale.mean) == ("identity", 80)
        assert scale.variance == pytest.approx(800 / 3)
        assert scale.normalise([80, 100]).tolist() == pytest.approx([0, 20 / np.sqrt(800 / 3)])
        steps = recordings(sparse({(0, 0): 0, (0, 1): np.e**2 - 1}), channels=("steps",))
        scale = channel_scales([steps])["steps"]
        assert scale.transform == "log1p"
        assert (scale.z_mean, scale.z_std) == pytest.approx((1, 1), rel=1e-6)
        assert scale.normalise([0.0]).tolist() == pytest.approx([-1], rel=1e-6)

    def test_a_channel_without_spread_is_refused(self) -> None:
        with pytest.raises(ValueError, match="heart_rate has no spread over 2 train minutes"):
            channel_scales([recordings(sparse({(0, 0): 60, (0, 1): 60}))])

    def test_bootstrap_interval(self) -> None:
        values = np.arange(100.0)
        estimate = bootstrap_mean(values, seed=1)
        assert estimate.value == 49.5
        half = 1.96 * values.std() / 10
        assert estimate.low == pytest.approx(49.5 - half, abs=1)
        assert estimate.high == pytest.approx(49.5 + half, abs=1)
        assert bootstrap_mean(values, seed=1) == estimate
        assert np.isnan(bootstrap_mean([]).value)

    def test_ratios_are_paired_and_floored(self) -> None:
        assert error_ratios([2, 1e-9, 0.5], [1, 0, 1e-9]).tolist() == pytest.approx([2, 1, 5000])
        estimate = ratio_estimate([0.5, 2.0])
        assert estimate.value == pytest.approx(1)
        assert (estimate.low, estimate.high) == pytest.approx((0.5, 2))

    @pytest.mark.parametrize(
        ("estimate", "people", "expected"),
        [
            (Estimate(0.8, 0.7, 0.99), 10, "win"),
            (Estimate(0.8, 0.7, 1.0), 10, "tie"),
            (Estimate(1.2, 1.01, 1.4), 10, "loss"),
            (Estimate(1.2, 1.0, 1.4), 10, "tie"),
            (Estimate(0.5, 0.4, 0.6), 9, "too few people"),
        ],
    )
    def test_verdicts(self, estimate: Estimate, people: int, expected: str) -> None:
        assert verdict(estimate, people) == expected

    def test_bias_of_totals(self) -> None:
        bias = total_bias([50.0, 330.0, 5.0], [100.0, 300.0, 0.0])
        assert bias.total == pytest.approx(385 / 400 - 1)
        assert bias.quartiles == pytest.approx((-0.35, -0.2, -0.05))  # of -0.5 and 0.1
        assert bias.interval[0] <= bias.total <= bias.interval[1]
        assert np.isnan(total_bias([1.0], [0.0]).total)


def both(mean: pd.DataFrame, median: pd.DataFrame) -> pd.DataFrame:
    return mean.join(median.add_suffix(".median"))


class Perfect:
    """A model that knows the truth."""

    def __init__(self, truth: pd.DataFrame) -> None:
        self.truth = truth

    def reconstruct(
        self, data: pd.DataFrame, *, history: pd.DataFrame | None = None, return_median: bool = False
    ) -> pd.DataFrame:
        filled = data.fillna(self.truth.loc[data.index])
        return both(filled, filled)


class Spy:
    """A model that keeps what it was given, and answers with a constant."""

    def __init__(self) -> None:
        self.seen: list[tuple[pd.DataFrame, pd.DataFrame | None]] = []

    def reconstruct(
        self, data: pd.DataFrame, *, history: pd.DataFrame | None = None, return_median: bool = False
    ) -> pd.DataFrame:
        self.seen.append((data.copy(), history))
        return both(data.fillna(60.0), data.fillna(61.0))


def many_people(people: int = 12, days: int = 3) -> Recordings:
    values = with_gaps(people * days, 2, 7)
    person = np.repeat(np.arange(people), days).tolist()
    dates = [f"2020-01-{day + 1:02d}" for day in range(days)] * people
    return recordings(values, channels=("heart_rate", "steps"), person=person, dates=dates)


METHODS = {name: baseline_method(baseline) for name, baseline in BASELINES.items()}


class TestGaps:
    def test_a_perfect_method_has_no_error_and_wins_everywhere(self) -> None:
        part = many_people()
        scales = channel_scales([part])
        results = score_gaps(
            [part], {**METHODS, "perfect": model_method(Perfect(part.frame()))}, scales, protocols=FEW
        )
        perfect = results[results["method"] == "perfect"]
        assert perfect[["mse", "mae", "mse_z"]].to_numpy() == pytest.approx(0, abs=1e-9)
        assert perfect["sum_filled"].to_numpy() == pytest.approx(perfect["sum_true"].to_numpy())
        summary = summarise(results)
        rows = summary[summary["method"] == "perfect"]
        assert len(rows) == 12  # two channels, six protocols
        assert set(rows["people"]) == {12}
        for error in ("mse", "mae", "mse_z"):
            assert set(rows[f"{error}_verdict"]) == {"win"}
        assert rows.loc[rows["channel"] == "steps", "bias"].to_numpy() == pytest.approx(0)
        assert skill(results, "perfect") > 0.99
        assert skill(results, "locf") == 0

    def test_target_values_never_reach_the_model(self) -> None:
        part = many_people(people=3)
        truth = part.frame()
        spy = Spy()
        hidden_at: list[pd.DataFrame] = []

        def also(visible: Recordings, hidden: np.ndarray, scales: dict[str, ChannelScale]) -> Fills:
            assert np.isnan(visible.values[hidden]).all()
            held = [
                name for name, value in vars(visible).items() if isinstance(value, (pd.DataFrame, Recordings))
            ]
            assert not held
            by_minute = np.moveaxis(hidden, 1, 2).reshape(-1, 2)
            hidden_at.append(pd.DataFrame(by_minute, index=truth.index, columns=truth.columns))
            return METHODS["zero"](visible, hidden, scales)

        score_gaps([part], {"watch": also, "spy": model_method(spy)}, channel_scales([part]), protocols=FEW)
        assert len(hidden_at) == 9  # six protocols, one of four rounds
        for hidden, (asked, history) in zip(hidden_at, spy.seen, strict=True):
            got = asked if history is None else pd.concat([asked, history]).sort_index()
            mask = hidden.loc[got.index]
            assert hidden.loc[asked.index].to_numpy().any()
            assert got.isna().to_numpy()[mask.to_numpy()].all()
            kept = got.notna().to_numpy()
            assert np.array_equal(got.to_numpy()[kept], truth.loc[got.index].to_numpy()[kept])

    def test_changing_hidden_values_changes_no_fill(self) -> None:
        part = many_people(people=2)
        days = np.ones(len(part), dtype=bool)
        hidden = hide_tokens(part, days, share=0.5, seed=0)
        other = recordings(
            np.where(hidden, 90.0, part.values),
            channels=part.names,
            person=part.person.tolist(),
            dates=part.date,
        )
        scales = channel_scales([part])
        for method in METHODS.values():
            first = method(part.without(hidden), hidden, scales)
            second = method(other.without(hidden), hidden, scales)
            assert np.array_equal(first.mean, second.mean)
            assert np.array_equal(first.normalised, second.normalised)

    def test_the_model_fills_the_days_beside_a_gap_that_reaches_midnight_and_reads_the_others(self) -> None:
        part = recordings(noise(5, 1))
        scales = channel_scales([part])
        for minutes, expected in ((slice(100, 110), ["08"]), (slice(0, 10), ["07", "08"])):
            hidden = np.zeros(part.values.shape, dtype=bool)
            hidden[2, 0, minutes] = True  # of 8 January
            spy = Spy()
            model_method(spy)(part.without(hidden), hidden, scales)
            asked, history = spy.seen[0]
            assert history is not None
            dates = asked.index.get_level_values("timestamp").strftime("%d").unique()
            others = history.index.get_level_values("timestamp").strftime("%d").unique()
            assert dates.tolist() == expected
            assert sorted([*dates, *others]) == ["06", "07", "08", "09", "10"]

    def test_mean_and_median_are_scored_each_by_its_own_error(self) -> None:
        part = recordings(np.full((1, 1, 1440), 60.0))
        scales = {"heart_rate": PLAIN}
        protocols = {"10 min": PROTOCOLS["10 min"]}
        results = score_gaps([part], {"spy": model_method(Spy())}, scales, protocols=protocols)
        row = results.iloc[0]
        assert (row["mse"], row["mae"], row["mse_z"]) == (0, 1, 0.25)

    def test_a_minute_left_empty_counts_as_the_train_mean_and_is_counted(self) -> None:
        class Empty:
            def reconstruct(
                self, data: pd.DataFrame, *, history: pd.DataFrame | None = None, return_median: bool = False
            ) -> pd.DataFrame:
                return both(data.iloc[:0], data.iloc[:0])

        part = recordings(np.full((1, 1, 1440), 60.0))
        scales = {"heart_rate": ChannelScale("identity", 64.0, 4.0, 64.0, 2.0)}
        protocols = {"60 min": PROTOCOLS["60 min"]}
        row = score_gaps([part], {"empty": model_method(Empty())}, scales, protocols=protocols).iloc[0]
        assert row["unfilled"] == row["cells"] == 360
        assert (row["mse"], row["mae"], row["mse_z"]) == (4, 4, 4)

    def test_wrong_columns_from_a_model_are_refused(self) -> None:
        class Wrong:
            def reconstruct(
                self, data: pd.DataFrame, *, history: pd.DataFrame | None = None, return_median: bool = False
            ) -> pd.DataFrame:
                return data.rename(columns={"heart_rate": "hr"})

        part = recordings(np.full((1, 1, 1440), 60.0))
        with pytest.raises(ValueError, match="returned columns"):
            score_gaps([part], {"wrong": model_method(Wrong())}, {"heart_rate": PLAIN})

    def test_all_methods_are_scored_on_the_same_cells(self) -> None:
        part = many_people(people=3)
        results = score_gaps([part], METHODS, channel_scales([part]), protocols=FEW)
        cells = results.pivot_table(
            index=["participant", "channel", "protocol"], columns="method", values=["cells", "sum_true"]
        )
        for column in ("cells", "sum_true"):
            assert (cells[column].nunique(axis=1) == 1).all()
        assert "heart_rate" not in set(results.loc[results["method"] == "zero", "channel"])
        of_mean = results[results["method"] == "day mean"]
        assert set(of_mean.loc[of_mean["protocol"] == "1 family", "mean_from"]) <= {"other days", "train"}
        assert set(of_mean.loc[of_mean["protocol"] == "10 min", "mean_from"]) == {"day"}

    def test_the_transformed_scale_is_interpolated_in_itself(self) -> None:
        values = sparse({(0, 0): 0, (0, 1): 5, (0, 2): np.e**2 - 1})
        part = recordings(values, channels=("steps",))
        hidden = np.zeros(values.shape, dtype=bool)
        hidden[0, 0, 1] = True
        scale = ChannelScale("log1p", 1.0, 1.0, 0.0, 1.0)
        fills = METHODS["linear"](part.without(hidden), hidden, {"steps": scale})
        assert fills.mean.tolist() == pytest.approx([(np.e**2 - 1) / 2], rel=1e-6)
        assert fills.normalised.tolist() == pytest.approx([1], rel=1e-6)
        zero = METHODS["zero"](part.without(hidden), hidden, {"steps": ChannelScale("log1p", 1, 1, 0.5, 2.0)})
        assert zero.normalised.tolist() == [-0.25]

    def test_rounds_are_scored_as_one(self) -> None:
        values = np.full((2, 2, 1440), 60.0)
        values[1] = 70.0
        part = recordings(values, channels=("heart_rate", "hrv_rmssd"))
        scales = {"heart_rate": PLAIN, "hrv_rmssd": PLAIN}
        family = {"1 family": PROTOCOLS["1 family"]}
        results = score_gaps([part], {"spy": model_method(Spy())}, scales, protocols=family)
        assert results["channel"].tolist() == ["heart_rate", "hrv_rmssd"]
        assert results["cells"].tolist() == [2 * 1440] * 2
        assert results["days"].tolist() == [2] * 2
        assert results["mse"].tolist() == [12.5] * 2  # of 0 on one day and 100 / 4 on the other

    def test_no_usable_day_is_said(self) -> None:
        part = recordings(sparse({(0, 0): 1}))
        with pytest.raises(ValueError, match="6 observed hours"):
            score_gaps([part], METHODS, {"heart_rate": PLAIN})


def results_of(errors: dict[str, list[float]], channel: str = "heart_rate") -> pd.DataFrame:
    """Results of one channel and protocol in which all errors of a method are as given, person by person."""
    return pd.DataFrame(
        [
            {
                "dataset": "made",
                "participant": f"p{person}",
                "channel": channel,
                "protocol": "10 min",
                "method": method,
                "days": 1,
                "cells": 10,
                "mse": error,
                "mae": error,
                "mse_z": error,
                "sum_true": 100.0,
                "sum_filled": 90.0,
                "unfilled": 0,
            }
            for method, values in errors.items()
            for person, error in enumerate(values)
        ]
    )


class TestTables:
    def test_errors_average_over_people_and_ratios_are_geometric(self) -> None:
        results = results_of({"linear": [1.0, 4.0] * 6, "model": [0.5, 2.0] * 6})
        summary = summarise(results).set_index("method")
        assert summary.loc["model", "mse"] == pytest.approx(1.25)
        assert summary.loc["model", "mse_ratio"] == pytest.approx(0.5)
        assert summary.loc["model", "mse_ratio_high"] == pytest.approx(0.5)
        assert summary.loc["model", "mae_verdict"] == "win"
        assert (summary.loc["model", "people"], summary.loc["model", "cells"]) == (12, 120)
        assert "bias" not in summary

    def test_few_people_are_printed_one_by_one(self) -> None:
        results = results_of({"linear": [1.0, 1.0], "model": [0.5, 2.0]})
        summary = summarise(results)
        text = markdown(summary, judged=["model"])
        assert "1.000 (each: 0.50, 2.00)" in text
        assert "win" not in text
        assert "loss" not in text

    def test_markdown_names_the_verdict_and_the_bias(self) -> None:
        results = results_of({"linear": [1.0] * 10, "model": [2.0] * 10}, channel="steps")
        text = markdown(summarise(results), judged=["model"])
        assert "| steps | 10 min | 10 | 10 | 1 | 2 | 2.000 [2.000, 2.000] loss |" in text
        bias = "-10.0 % [-10.0 %, -10.0 %] (-10.0 %, -10.0 %)"
        assert f"| steps | 10 min | 10 | 10 | {bias} | {bias} |" in text

    def test_totals_are_within_five_percent_beyond_or_not_known(self) -> None:
        results = results_of({name: [1.0] * 10 for name in ("linear", "near", "wide")}, channel="steps")
        results.loc[results["method"] == "near", "sum_filled"] = 96.0
        results.loc[results["method"] == "wide", "sum_filled"] = [40.0, 140.0] * 5
        text = totals(summarise(results))
        assert "| linear | 1 | 0 | 0 | 1 | steps 10 min |" in text
        assert "| near | 1 | 1 | 0 | 0 | - |" in text
        assert "| wide | 1 | 0 | 1 | 0 | - |" in text

    def test_an_unknown_baseline_is_refused(self) -> None:
        with pytest.raises(ValueError, match="against='spline' is no method"):
            summarise(results_of({"linear": [1.0]}), against="spline")

    def test_skill_pairs_by_person(self) -> None:
        results = results_of({"locf": [1.0, 4.0], "model": [0.5, 2.0]})
        assert skill(results, "model") == pytest.approx(0.5)


class TestReading:
    def test_people_of_a_split_without_unworn_minutes_and_each_file_once(self, tmp_path: Path) -> None:
        config = PretrainConfig.read(write_cohort(tmp_path))
        parts = list(read_recordings(config, tmp_path, "valid"))
        assert [part.dataset for part in parts] == ["cohort"]
        assert parts[0].participants.tolist() == ["q3", "q4"]
        assert parts[0].names == ("heart_rate", "steps")
        assert parts[0].values.shape == (6, 2, 1440)
        observed = parts[0].observed
        assert not observed[:, :, :60].any()  # steps of 0 without heart rate: not worn
        assert observed[:, :, 60:].all()

    def test_a_source_without_people_is_named(self, tmp_path: Path) -> None:
        config = PretrainConfig.read(write_cohort(tmp_path))
        (tmp_path / "splits.json").write_text("{}")
        with pytest.raises(ValueError, match=r"splits.json has no people for source 'cohort'"):
            list(read_recordings(config, tmp_path, "valid"))
