"""Evaluation: gaps, slices, sensors and what follows, and masks in files."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsm2.channels import CHANNELS, Schema
from lsm2.days import read_days
from lsm2.evaluation import (
    PROTOCOLS,
    SIMULATED,
    MaskStore,
    choose_protocols,
    from_days,
    hide_asleep,
    hide_families,
    hide_intense,
    hide_rest,
    hide_short_gaps,
    hide_slices,
    hide_tokens,
    hide_workouts,
)
from lsm2.simulation import simulate

from .evaluation_data import NAN, noise, recordings, runs, with_gaps

THREE = ("heart_rate", "steps", "activity_counts")
ALL = np.ones(1, dtype=bool)


class TestShortGaps:
    @pytest.mark.parametrize("one_channel", [True, False])
    def test_twelve_gaps_of_one_to_nine_minutes_an_hour_apart(self, one_channel: bool) -> None:
        part = recordings(noise(20, 3), channels=THREE)
        hidden = hide_short_gaps(part, np.ones(20, dtype=bool), one_channel=one_channel)
        lengths: set[int] = set()
        channels: set[int] = set()
        for day in hidden:
            found = runs(day.any(axis=0))
            assert len(found) == 12
            lengths |= {stop - start for start, stop in found}
            assert min(later[0] - earlier[1] for earlier, later in pairwise(found)) >= 60
            for start, stop in found:
                at = day[:, start:stop].any(axis=1)
                channels |= set(np.flatnonzero(at).tolist())
                assert at.sum() == (1 if one_channel else 3)
                assert np.array_equal(day[:, start:stop].all(axis=1), at)
        assert lengths == set(range(1, 10))
        assert channels == {0, 1, 2}

    @settings(max_examples=30, deadline=None)
    @given(seed=st.integers(0, 10_000), one_channel=st.booleans(), share=st.floats(0, 0.9))
    def test_a_gap_has_a_visible_minute_of_its_channel_on_both_sides(
        self, seed: int, one_channel: bool, share: float
    ) -> None:
        part = recordings(with_gaps(2, 3, seed, share), channels=THREE)
        hidden = hide_short_gaps(part, np.array([True, False]), one_channel=one_channel, seed=seed)
        assert not (hidden & ~part.observed).any()
        assert not hidden[1].any()
        visible = part.observed & ~hidden
        for channel in range(3):
            interval = int(np.ceil(np.median(np.diff(np.flatnonzero(part.observed[0, channel])))))
            for start, stop in runs(hidden[0, channel]):
                assert visible[0, channel, max(0, start - 9 - interval) : start].any()
                assert visible[0, channel, stop : stop + 9 + interval].any()

    def test_what_the_source_filled_is_hidden_and_not_scored(self) -> None:
        protocol = PROTOCOLS["short gaps, all channels"]
        for dataset, scored in (("fitbit_mobius", [False, True]), ("made", [True, True])):
            part = recordings(noise(1, 2), channels=("heart_rate", "steps"), dataset=dataset)
            hidden = protocol.rounds[0](part, ALL, seed=0)
            assert hidden.any(axis=2).all()
            cells = protocol.scored("short", part, hidden)["short"]
            assert cells.any(axis=2)[0].tolist() == scored


class TestExtrapolation:
    def test_everything_after_a_worn_daytime_minute_is_hidden_and_a_part_of_it_scored(self) -> None:
        values = noise(6, 2)
        values[:, :, :400] = NAN  # worn from 6:40 on: an hour is observed from 7:40 on
        part = recordings(values, channels=("heart_rate", "steps"), person=[0] * 4 + [1] * 2)
        protocol = PROTOCOLS["extrapolation"]
        days = np.array([True, False, True, True, True, True])
        hidden = protocol.rounds[1](part, days, seed=0)  # the second day chosen of each
        assert not hidden[:2].any()
        assert not hidden[4].any()
        for day, later in ((2, 3), (5, 6)):
            start, stop = runs(hidden[day, 0])[0]
            assert 8 * 60 < start <= 20 * 60
            assert stop == 1440
            assert np.array_equal(hidden[day, 0], hidden[day, 1])
            assert np.array_equal(hidden[day + 1 : later + 1], part.observed[day + 1 : later + 1])
            scored = protocol.scored("extrapolation", part, hidden)
            assert list(scored) == ["next 10 min", "next 30 min", "next 60 min", "next 180 min"]
            for minutes, cells in zip((10, 30, 60, 180), scored.values(), strict=True):
                assert runs(cells[day, 0]) == [(start, start + minutes)]
                assert cells.sum() == 2 * 2 * minutes

    def test_nothing_later_of_the_person_is_visible(self) -> None:
        part = recordings(with_gaps(6, 2, 3), channels=("heart_rate", "steps"), person=[0] * 3 + [1] * 3)
        for turn in range(3):
            hidden = hide_rest(part, np.ones(6, dtype=bool), turn=turn, seed=1)
            visible = part.observed & ~hidden
            for days in (slice(0, 3), slice(3, 6)):
                line = np.moveaxis(hidden[days], 1, 0).reshape(2, -1).any(axis=0)
                seen = np.moveaxis(visible[days], 1, 0).reshape(2, -1).any(axis=0)
                assert np.flatnonzero(line)[0] > np.flatnonzero(seen)[-1]

    def test_a_day_without_an_hour_before_or_without_daytime_is_left_whole(self) -> None:
        values = noise(2, 1)
        values[0, 0, : 20 * 60] = NAN  # worn from 20:00 on
        values[1, 0, 8 * 60 + 30 :] = NAN
        values[1, 0, : 8 * 60] = NAN  # for half an hour
        part = recordings(values)
        for turn in (0, 1, 2):
            assert not hide_rest(part, np.ones(2, dtype=bool), turn=turn).any()
        with pytest.raises(ValueError, match="turn must be 0 or more"):
            hide_rest(part, np.ones(2, dtype=bool), turn=-1)


class TestSlices:
    def test_a_quarter_of_the_minutes_in_blocks_of_half_an_hour_to_an_hour(self) -> None:
        part = recordings(noise(8, 2), channels=("heart_rate", "steps"))
        hidden = hide_slices(part, np.ones(8, dtype=bool))
        assert np.array_equal(hidden[:, 0], hidden[:, 1])
        share = hidden[:, 0].mean(axis=1)
        assert (share >= 0.25).all()
        assert (share < 0.25 + 61 / 1440).all()

    def test_what_was_not_worn_counts_for_nothing(self) -> None:
        values = noise(1, 1)
        values[0, 0, 400:] = NAN
        hidden = hide_slices(recordings(values), ALL)
        assert 100 <= hidden.sum() < 161
        with pytest.raises(ValueError, match="share must lie between"):
            hide_slices(recordings(values), ALL, share=0)


class TestSensors:
    def test_two_families_are_hidden_only_where_there_are_three(self) -> None:
        values = noise(6, 4)
        values[4:, 2] = NAN
        part = recordings(values, channels=("heart_rate", "calories", "steps", "mets"))
        hidden = [hide_families(part, np.ones(6, dtype=bool), count=2, half=half) for half in (0, 1)]
        whole = [each.all(axis=2) for each in hidden]
        assert np.array_equal(hidden[0].any(axis=2), whole[0])
        assert np.array_equal(whole[0][:, 1], whole[0][:, 3])  # calories and mets go together
        families = (whole[0] | whole[1])[:, [0, 1, 2]].sum(axis=1)
        assert families.tolist() == [2, 2, 2, 2, 0, 0]
        assert not (whole[0].any(axis=1) & whole[1].any(axis=1)).any()

    def test_half_is_rounded_down_and_one_of_two(self) -> None:
        part = recordings(noise(2, 2), channels=("heart_rate", "steps"))
        hidden = hide_families(part, np.ones(2, dtype=bool), count=None, half=0)
        assert hidden.all(axis=2).sum(axis=1).tolist() == [1, 0]
        five = recordings(noise(1, 5), channels=(*THREE, "intensity", "glucose"))
        assert hide_families(five, ALL, count=None, half=0).all(axis=2).sum() == 2
        one = recordings(noise(1, 1))
        assert not hide_families(one, ALL, count=None, half=0).any()
        with pytest.raises(ValueError, match="count must be 1 or more"):
            hide_families(part, np.ones(2, dtype=bool), count=0, half=0)

    def test_heart_rate_and_energy_fail_while_heart_rate_is_high(self) -> None:
        values = noise(2, 3)
        part = recordings(values, channels=("heart_rate", "calories", "steps"))
        hidden = hide_intense(part, np.array([True, False]))
        assert not hidden[1].any()
        assert not hidden[:, 2].any()
        assert np.array_equal(hidden[:, 0], hidden[:, 1])
        assert values[hidden[:, 0].nonzero()[0], 0, hidden[:, 0].nonzero()[1]].min() > 87
        assert 40 < hidden[0, 0].sum() < 110  # about 5 % of the minutes
        assert not hide_intense(recordings(noise(1, 1), channels=("steps",)), ALL).any()


class TestSimulated:
    """OpenMHC's gaps in sleep and workouts, which only simulated recordings can answer."""

    def test_all_but_sleep_is_hidden_during_simulated_sleep(self) -> None:
        frame = simulate(2, 3)
        part = from_days(read_days(frame, Schema.from_names(list(frame.columns))), "simulated")
        hidden = hide_asleep(part, np.ones(len(part), dtype=bool))
        sleep = part.names.index("sleep_asleep")
        asleep = part.values[:, sleep] == 1
        assert asleep.any()
        assert not hidden[:, sleep].any()
        for channel in range(len(part.names)):
            if channel != sleep:
                assert np.array_equal(hidden[:, channel], asleep & part.observed[:, channel])
        again = SIMULATED["sleep_gap"].rounds[0](part, np.ones(len(part), dtype=bool), seed=1)
        assert np.array_equal(again, hidden)

    def test_heart_rate_and_energy_are_hidden_during_a_workout(self) -> None:
        values = noise(1, 4)
        values[0, 3] = 0
        values[0, 3, 600:640] = 1
        values[0, 0, 610] = NAN
        part = recordings(values, channels=("heart_rate", "active_calories", "steps", "workout_running"))
        hidden = hide_workouts(part, ALL)
        assert runs(hidden[0, 1]) == [(600, 640)]
        assert runs(hidden[0, 0]) == [(600, 610), (611, 640)]
        assert not hidden[0, 2:].any()
        assert not hide_workouts(part, ~ALL).any()


class TestChoice:
    def test_groups_and_names_choose(self) -> None:
        assert list(choose_protocols()) == list(PROTOCOLS)
        assert list(choose_protocols(["extrapolation", "sleep_gap"])) == ["extrapolation", "sleep_gap"]
        assert list(choose_protocols(["blocks"])) == ["10 min", "30 min", "60 min", "180 min", "360 min"]
        with pytest.raises(ValueError, match="no protocol 'spline'; there are short gaps"):
            choose_protocols(["spline"])

    def test_names_of_results_are_unlike(self) -> None:
        names = [result for name, each in PROTOCOLS.items() for result in each.results(name)]
        assert len(set(names)) == len(names)

    def test_the_registry_knows_the_families_that_fail(self) -> None:
        families = {channel.family for channel in CHANNELS.values()}
        assert {"heart", "energy", "sleep", "workout"} <= families


class TestMasks:
    def rounds(self, store: MaskStore, seed: int = 0, values: np.ndarray | None = None) -> list[np.ndarray]:
        part = recordings(noise(4, 2) if values is None else values, channels=("heart_rate", "steps"))
        days = np.ones(4, dtype=bool)
        return store.rounds(part, days, "1 family", PROTOCOLS["1 family"], seed=seed)

    def test_what_is_read_is_what_was_drawn(self, tmp_path: Path) -> None:
        drawn = self.rounds(MaskStore())
        written = self.rounds(MaskStore(tmp_path / "masks"))
        read = self.rounds(MaskStore(tmp_path / "masks"))
        for first, second, third in zip(drawn, written, read, strict=True):
            assert np.array_equal(first, second)
            assert np.array_equal(first, third)
            assert third.dtype == bool
        files = [path.name for path in (tmp_path / "masks").iterdir()]
        assert files == ["made--1-family--seed0.npz"]
        assert (tmp_path / "masks" / files[0]).stat().st_size < 4000
        self.rounds(MaskStore(tmp_path / "masks"), seed=1)
        assert len(list((tmp_path / "masks").iterdir())) == 2

    def test_the_file_decides_and_not_the_code(self, tmp_path: Path) -> None:
        part = recordings(noise(2, 1))
        days = np.ones(2, dtype=bool)
        first = PROTOCOLS["random_noise"]
        store = MaskStore(tmp_path)
        drawn = store.rounds(part, days, "mine", first, seed=0)[0]
        assert not np.array_equal(drawn, hide_tokens(part, days, share=0.8))
        again = store.rounds(part, days, "mine", PROTOCOLS["random 80 %"], seed=0)[0]
        assert np.array_equal(again, drawn)

    def test_a_changed_recording_is_noticed(self, tmp_path: Path) -> None:
        self.rounds(MaskStore(tmp_path))
        changed = noise(4, 2)
        changed[2, 1, 77] += 1
        with pytest.raises(ValueError, match="was drawn for another recordings of made; choose another"):
            self.rounds(MaskStore(tmp_path), values=changed)

    def test_a_damaged_file_is_named(self, tmp_path: Path) -> None:
        self.rounds(MaskStore(tmp_path))
        path = next(tmp_path.iterdir())
        path.write_bytes(path.read_bytes()[:100])
        with pytest.raises(ValueError, match=r"made--1-family--seed0\.npz: is damaged"):
            self.rounds(MaskStore(tmp_path))
