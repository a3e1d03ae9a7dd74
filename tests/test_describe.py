"""Summaries of recordings: gaps against a slow count, days that are absent, clocks, the command."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lsm2
from lsm2.cli import main
from lsm2.tables import write_table


def minutes(start: str, count: int, tz: str | None = None) -> pd.DatetimeIndex:
    return pd.date_range(start, periods=count, freq="min", tz=tz)


def one(values: Any, start: str = "2024-03-01 00:00", **options: Any) -> pd.Series:
    frame = pd.DataFrame({"HR": np.asarray(values, float)}, index=minutes(start, len(values)))
    return lsm2.describe(frame, **options).loc["heart_rate"]


def test_gaps_lie_between_observed_minutes() -> None:
    none = np.nan
    found = one([none, 60, none, none, 61, 62, none, 60, none])
    assert found[["gaps", "median_gap", "longest_gap", "observed_days", "days"]].tolist() == [2, 1.5, 2, 1, 1]
    assert found["observed"] == pytest.approx(4 / 1440)
    assert found["first"] == found["last"] == pd.Timestamp("2024-03-01")


def test_a_whole_recording_has_no_gap() -> None:
    found = one([60] * 2880)
    assert (found["gaps"], found["observed"], found["days"]) == (0, 1, 2)
    assert np.isnan(found["median_gap"]) and np.isnan(found["longest_gap"])


def test_values_out_of_range_are_gaps() -> None:
    with pytest.warns(UserWarning, match="valid range"):
        assert one([60, 0, 0, 61])["longest_gap"] == 2


def test_days_without_a_row_are_part_of_a_gap_but_no_days() -> None:
    frame = pd.DataFrame({"HR": 60.0}, index=minutes("2024-03-01", 1440).append(minutes("2024-03-05", 1440)))
    found = lsm2.describe(frame).loc["heart_rate"]
    assert found[["days", "gaps", "longest_gap", "observed"]].tolist() == [2, 1, 3 * 1440, 1]


def test_the_hour_that_a_clock_skips_is_no_gap() -> None:
    for night, hours in (("2024-03-31", 23), ("2024-10-27", 25)):
        frame = pd.DataFrame({"HR": 60.0}, index=minutes(night, hours * 60, "Europe/Berlin"))
        assert lsm2.describe(frame)["gaps"].tolist() == [0]
    assert lsm2.describe(frame.drop(frame.index[125:130]))["longest_gap"].tolist() == [5]  # in the first pass


@pytest.mark.parametrize("seed", range(5))
def test_as_a_slow_count_does(seed: int) -> None:
    random = np.random.default_rng(seed)
    frame = lsm2.simulate(participants=3, days=2, seed=seed)
    frame = frame.mask(random.random(frame.shape) < random.random(frame.shape[1]))
    found = lsm2.describe(frame.sample(frac=1, random_state=seed))
    assert list(found.index.names) == ["participant_id", "channel"]
    for (who, channel), row in found.iterrows():
        lengths, gap, seen = [], 0, False
        for missing in frame.loc[who, channel].sort_index().isna():
            if not missing and seen and gap:
                lengths.append(gap)
            gap = gap + 1 if missing else 0
            seen = seen or not missing
        assert row["gaps"] == len(lengths)
        assert row["longest_gap"] == max(lengths) and row["median_gap"] == np.median(lengths)
        assert row["observed"] == pytest.approx(frame.loc[who, channel].notna().sum() / 2880)


def test_a_channel_that_one_person_lacks() -> None:
    frame = lsm2.simulate(participants=2, days=1)[["heart_rate", "steps"]]
    frame.loc["simulated-2", "steps"] = np.nan
    row = lsm2.describe(frame).loc[("simulated-2", "steps")]
    assert row[["observed", "observed_days", "gaps"]].tolist() == [0, 0, 0] and np.isnan(row["longest_gap"])


def test_an_empty_frame_gives_an_empty_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keyed = lsm2.simulate(participants=1, days=1).iloc[:0]
    for frame in (keyed, keyed.droplevel("participant_id")):
        assert len(lsm2.describe(frame)) == 0
        write_table(frame.reset_index(), tmp_path / "empty.parquet")
        assert main(["coverage", str(tmp_path / "empty.parquet")]) == 0
        assert capsys.readouterr().out == "no days\n"


def test_a_channel_without_a_value() -> None:
    frame = lsm2.simulate(participants=1, days=1)[["steps"]] * np.nan
    assert lsm2.describe(frame)[["days", "observed", "gaps"]].to_numpy().tolist() == [[1, 0, 0]]


def test_a_year_of_twelve_channels_is_quick() -> None:
    index = minutes("2024-01-01", 366 * 1440)
    holes = np.random.default_rng(0).random((len(index), 12)) < 0.3
    frame = pd.DataFrame(np.where(holes, np.nan, 1.0), index=index, columns=list(lsm2.CHANNELS)[1:13])
    start = time.process_time()
    assert len(lsm2.describe(frame)) == 12
    assert time.process_time() - start < 2  # half a second on two quiet cores


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    frame = lsm2.simulate(participants=2, days=2)[["heart_rate"]].fillna(60.0)
    frame.iloc[100:230] = np.nan
    write_table(frame, "recording.parquet")
    expected = lsm2.describe(frame)
    assert main(["coverage", "recording.parquet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "simulated-1: 2 days, 2024-03-04 to 2024-03-05"
    assert lines[1].split("  ")[1] == "channel" and lines[2].split()[:2] == [
        "heart_rate",
        f"{expected['observed'].iloc[0]:.1%}",
    ]
    assert lines[2].endswith("2 h 10 min") and lines[4].startswith("simulated-2: 2 days")
    assert main(["coverage", "recording.parquet", "--json"]) == 0
    (first, _) = json.loads(capsys.readouterr().out)
    assert first["participant_id"] == "simulated-1" and first["longest_gap"] == 130
    assert main(["coverage", "recording.parquet", "-o", "out.parquet"]) == 0
    pd.testing.assert_frame_equal(pd.read_parquet("out.parquet"), expected)
    assert main(["coverage", "recording.parquet", "--days"]) == 0
    assert "2024-03-04" in capsys.readouterr().out
    assert main(["coverage", "recording.parquet", "--json", "-o", "out.csv"]) == 2
    assert "give one of them" in capsys.readouterr().err
    write_table(frame.loc["simulated-1"], "alone.parquet")
    assert main(["coverage", "alone.parquet"]) == 0
    assert capsys.readouterr().out.startswith("2 days, 2024-03-04 to 2024-03-05\n")
