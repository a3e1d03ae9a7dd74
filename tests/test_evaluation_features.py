"""Features made by hand: known signals give known numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lsm2.channels import Schema
from lsm2.days import Days, read_days
from lsm2.evaluation.features import hand_made, hand_made_of_events, missingness

MINUTES = pd.date_range("2024-03-01", periods=4 * 1440, freq="min")
CLOCK = 2 * np.pi * (MINUTES.hour * 60 + MINUTES.minute).to_numpy() / 1440


def days_of(**people: np.ndarray) -> Days:
    frames = [
        pd.DataFrame({"participant_id": who, "timestamp": MINUTES, "heart_rate": values})
        for who, values in people.items()
    ]
    return read_days(pd.concat(frames), Schema.from_names(["heart_rate", "steps"]))


def test_a_daily_cosine_is_read_off() -> None:
    days = days_of(regular=80 - 12 * np.cos(CLOCK), flat=np.full(len(MINUTES), 70.0))
    table = hand_made(days, "participant")
    regular = table.loc["regular"]
    assert regular["heart_rate cosinor_mesor"] == pytest.approx(80, abs=1e-6)
    assert regular["heart_rate cosinor_amplitude"] == pytest.approx(12, rel=0.01)
    assert regular["heart_rate cosinor_cos"] == pytest.approx(-12, rel=0.01)
    assert regular["heart_rate interdaily_stability"] == pytest.approx(1)
    assert regular["heart_rate mean between days"] == pytest.approx(0, abs=1e-9)
    assert regular["heart_rate least_5h"] < 70 < 88 < regular["heart_rate most_10h"]
    assert table.loc["flat", "heart_rate sd"] == 0
    assert not any(name.startswith("steps") for name in table)


def test_noise_is_neither_stable_nor_smooth() -> None:
    noise = np.repeat(np.random.default_rng(0).normal(80, 10, len(MINUTES) // 60), 60)
    both = hand_made(days_of(noise=noise, regular=80 - 12 * np.cos(CLOCK)), "participant")
    stability, variability = (
        both[f"heart_rate {name}"] for name in ("interdaily_stability", "intradaily_variability")
    )
    assert stability["noise"] < 0.5 < stability["regular"]
    assert variability["noise"] == pytest.approx(2, abs=0.6)  # of independent hours
    assert variability["regular"] < 0.2


def test_people_and_days_do_not_mix_and_holes_are_left_out() -> None:
    one = 60 + 10 * np.sin(CLOCK) + np.random.default_rng(1).normal(0, 1, len(MINUTES))
    holes = one.copy()
    holes[1440:3000] = np.nan
    alone = hand_made(days_of(b=holes), "participant").loc["b"]
    together = hand_made(days_of(a=one + 30, b=holes, c=one), "participant")
    pd.testing.assert_series_equal(together.loc["b"], alone)
    assert alone["heart_rate missing"] == pytest.approx(1560 / (4 * 1440))
    assert alone["heart_rate mean"] == pytest.approx(np.nanmean(holes))
    daily = hand_made(days_of(b=holes), "day")
    assert len(daily) == 4 and daily["heart_rate mean"].isna().tolist() == [False, True, False, False]


def test_missingness_sees_no_value() -> None:
    holes = np.full(len(MINUTES), 70.0)
    holes[:90] = np.nan
    first, second = days_of(a=holes), days_of(a=holes * 1.5)
    table = missingness(first, "participant")
    pd.testing.assert_frame_equal(table, missingness(second, "participant"))
    assert table.loc["a", "heart_rate share 00h"] == pytest.approx(0.75)
    assert table.loc["a", "heart_rate share 01h"] == pytest.approx(1 - 0.5 / 4)
    assert table.loc["a", "days"] == 4


def test_events_are_described_across_midnight_and_in_their_order() -> None:
    values = np.arange(len(MINUTES)) % 200 + 30.0
    events = pd.DataFrame(
        {
            "participant_id": ["a", "a", "nobody", "a"],
            "start": pd.to_datetime(
                ["2024-03-02 23:50", "2024-03-01 00:00", "2024-03-01 00:00", "2025-01-01 00:00"]
            ),
            "end": pd.to_datetime(
                ["2024-03-03 00:10", "2024-03-01 00:05", "2024-03-02 00:00", "2025-01-02 00:00"]
            ),
        }
    )
    table = hand_made_of_events(days_of(a=values), events)
    assert table["heart_rate mean"][0] == pytest.approx(values[2 * 1440 - 10 : 2 * 1440 + 10].mean())
    assert table["heart_rate q50"][1] == 32
    assert table.iloc[2:].isna().all(axis=None)
