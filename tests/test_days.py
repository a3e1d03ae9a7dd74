"""Frames to days and back: every rule of the contract on what goes in and what comes out, odd input first."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import subprocess
import sys
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lsm2.channels import CHANNELS, ChannelError, Schema
from lsm2.days import (
    Days,
    FrameError,
    coverage,
    crosses_midnight,
    mask_nonwear,
    read_days,
    run_lengths,
    to_frame,
    worn,
)

SCHEMA = Schema.from_names(["heart_rate", "steps", "skin_temperature", "sleep_asleep", "distance"])
HEART, STEPS, TEMPERATURE, ASLEEP, DISTANCE = range(5)


def minutes(start: str = "2024-03-01 10:00", periods: int = 4, **more: Any) -> pd.DatetimeIndex:
    return pd.date_range(start, periods=periods, freq="min", **more)


def heart(values: Any, index: Any = None) -> pd.DataFrame:
    return pd.DataFrame(
        {"heart_rate": values}, index=minutes(periods=len(values)) if index is None else index
    )


def back(days: Days, fill: float = 70.0, **more: Any) -> pd.DataFrame:
    return to_frame(days, np.full(days.values.shape, fill, np.float32), **more)


def observed(days: Days, channel: int = HEART) -> list[float]:
    values = days.values[:, channel].ravel()
    return [float(value) for value in values[~np.isnan(values)]]


# --- forms ----------------------------------------------------------------------------------------


def long_frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "participant_id": ["b", "b", "a", "a"],
            "timestamp": pd.to_datetime(
                ["2024-03-02 00:01", "2024-03-01 23:59", "2024-03-01 00:00", "2024-03-04 12:00"]
            ),
            "heart_rate": [60.0, 61.0, 62.0, 63.0],
        }
    )


FORMS = {
    "columns": lambda f: f,
    "columns of other names": lambda f: f.rename(columns={"participant_id": "who", "timestamp": "when"}),
    "columns in capitals": lambda f: f.rename(
        columns={"participant_id": "Participant ID", "timestamp": "Timestamp"}
    ),
    "multi-index": lambda f: f.set_index(["participant_id", "timestamp"]),
    "multi-index, time first": lambda f: f.set_index(["timestamp", "participant_id"]),
    "multi-index without names": lambda f: f.set_index(["participant_id", "timestamp"]).rename_axis(
        [None, None]
    ),
    "participant column, time index": lambda f: f.set_index("timestamp"),
    "participant column, unnamed time index": lambda f: f.set_index("timestamp").rename_axis(None),
    "time column, participant index": lambda f: f.set_index("participant_id"),
    "timestamps as text": lambda f: f.assign(timestamp=f.timestamp.astype(str)),
    "timestamps as objects": lambda f: f.assign(timestamp=list(f.timestamp)).astype({"timestamp": object}),
    "timestamps in seconds": lambda f: f.assign(timestamp=f.timestamp.astype("datetime64[s]")),
    "timestamps from Arrow": lambda f: f.assign(
        timestamp=f.timestamp.astype(pd.ArrowDtype(pa.timestamp("ms")))
    ),
    "periods": lambda f: f.assign(timestamp=f.timestamp.dt.to_period("min")),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_several_participants_gives_the_same_days(form: str) -> None:
    frame = FORMS[form](long_frame())
    names = {"participant": "who", "timestamp": "when"} if "other names" in form else {}
    before = frame.copy(deep=True)
    days = read_days(frame, SCHEMA, **names)
    pd.testing.assert_frame_equal(frame, before)
    assert list(days.participants) == ["b", "a"]
    assert days.person.tolist() == [0, 0, 1, 1]
    assert days.date.astype(str).tolist() == ["2024-03-01", "2024-03-02", "2024-03-01", "2024-03-04"]
    assert days.next_day.tolist() == [1, -1, -1, -1]
    assert days.values.dtype == np.float32 and days.values.shape == (4, 5, 1440)
    assert days.values.flags["C_CONTIGUOUS"]
    assert days.values[0, HEART, 1439] == 61 and days.values[1, HEART, 1] == 60
    assert days.values[2, HEART, 0] == 62 and days.values[3, HEART, 720] == 63
    assert days.observed.sum() == 4
    assert days.recorded == (True, False, False, False, False)
    index = days.index("day")
    assert list(index.names) == ["participant_id", "date"]
    assert index.tolist() == [
        (who, pd.Timestamp(date)) for who, date in zip("bbaa", days.date.tolist(), strict=True)
    ]


def test_one_participant_by_a_datetime_index_gives_single_level_output() -> None:
    days = read_days(heart([60, 61, 62, 63]), SCHEMA)
    assert isinstance(days.index("day"), pd.DatetimeIndex) and days.index("day").name == "date"
    out = back(days)
    assert isinstance(out.index, pd.DatetimeIndex) and out.index.name == "timestamp"


def test_a_timestamp_column_without_participants_gives_single_level_output() -> None:
    days = read_days(heart([60, 61]).reset_index(names="timestamp"), SCHEMA)
    assert isinstance(days.index("day"), pd.DatetimeIndex)
    assert observed(days) == [60, 61]


def test_one_named_participant_still_gives_a_multi_index() -> None:
    days = read_days(heart([60, 61]).assign(participant_id="only"), SCHEMA)
    assert back(days).index.tolist() == [("only", time) for time in minutes(periods=2)]


@pytest.mark.parametrize(
    "ids",
    [
        pd.Series([7, 7, 3], dtype="int64"),
        pd.Series([7, 7, 3], dtype="int16"),
        pd.Series([7, 7, 3], dtype="Int64"),
        pd.Series(["x", "x", "a"], dtype=pd.CategoricalDtype(["a", "m", "x"])),
        pd.Series(["x", "x", "a"], dtype="string"),
        pd.Series(["x", "x", "a"], dtype=object),
        pd.Series(["x", "x", "a"], dtype=pd.ArrowDtype(pa.string())),
        pd.Series([1, 1, "1"], dtype=object),
        pd.Series([1.5, 1.5, 0.5]),
        pd.Series([True, True, False]),
    ],
    ids=lambda ids: f"{ids.dtype}-{ids[0]}",
)
@pytest.mark.parametrize("as_index", [False, True])
def test_participants_keep_dtype_and_order_of_first_appearance(ids: pd.Series, as_index: bool) -> None:
    frame = pd.DataFrame(
        {"participant_id": ids, "timestamp": minutes(periods=3), "heart_rate": [60.0, 61, 62]}
    )
    expected = pd.Index(frame["participant_id"]).dtype
    if as_index:
        frame = frame.set_index(["participant_id", "timestamp"])
        expected = frame.index.levels[0].dtype
    days = read_days(frame, SCHEMA)
    assert list(days.participants) == [ids[0], ids[2]]
    assert days.participants.dtype == expected and days.participants.name == "participant_id"
    for index in (days.index("day"), back(days).index):
        who = index.get_level_values("participant_id")
        assert who.dtype == expected
        assert list(who.unique()) == [ids[0], ids[2]]


def test_pandas_knows_when_people_are_not_in_sorted_order() -> None:
    out = back(read_days(long_frame(), SCHEMA))
    with pytest.raises(pd.errors.UnsortedIndexError):  # where it does not, this slice is empty
        out.loc["a":"b"]
    assert len(out.sort_index().loc["a":"b"]) == len(out)


def test_results_do_not_depend_on_other_people_or_on_order() -> None:
    rng = np.random.default_rng(0)
    people = []
    for who in range(4):
        times = pd.Timestamp("2024-03-01") + pd.to_timedelta(rng.integers(0, 4 * 86400, 900), unit="s")
        people.append(
            pd.DataFrame({"heart_rate": rng.integers(0, 120, 900).astype(float)}, index=times).assign(
                participant_id=who, steps=rng.integers(0, 9, 900)
            )
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        together = read_days(pd.concat(people), SCHEMA)
        shuffled = read_days(pd.concat(people).sample(frac=1, random_state=1), SCHEMA)
        for who, person in enumerate(people):
            alone = read_days(person, SCHEMA)
            rows = np.asarray(together.participants[together.person] == who)
            np.testing.assert_array_equal(together.values[rows], alone.values)
            rows = np.asarray(shuffled.participants[shuffled.person] == who)
            np.testing.assert_allclose(shuffled.values[rows], alone.values, rtol=1e-6)


# --- rows -----------------------------------------------------------------------------------------


def test_finer_rows_are_aggregated_by_the_rule_of_each_channel() -> None:
    times = pd.to_datetime(["2024-03-01 10:00:50", "2024-03-01 10:00:10", "2024-03-01 10:01:00"])
    frame = pd.DataFrame(
        {"heart_rate": [60.0, 65, 70], "steps": [3, 4, 5], "sleep_asleep": [0, 1, 0]}, index=times
    )
    days = read_days(frame, SCHEMA)
    assert days.values[0, [HEART, STEPS, ASLEEP], 600].tolist() == [62.5, 7, 1]
    out = back(days)
    assert out.index.tolist() == [times[1].floor("min"), times[2]]
    assert out["heart_rate"].tolist() == [62.5, 70] and out["steps"].tolist() == [7, 5]


def test_missing_values_take_no_part_in_an_aggregate() -> None:
    times = pd.to_datetime(["2024-03-01 10:00:10", "2024-03-01 10:00:20", "2024-03-01 10:00:30"])
    with pytest.warns(UserWarning, match="1 value is outside"):
        days = read_days(
            pd.DataFrame({"heart_rate": [60.0, np.nan, 999], "steps": [np.nan] * 3}, index=times), SCHEMA
        )
    assert observed(days) == [60] and observed(days, STEPS) == []


def test_a_mean_of_values_in_range_is_in_range() -> None:
    times = pd.date_range("2024-03-01 10:00", periods=18, freq="s")
    ends = pd.DataFrame({"HR": 250 / 60}, index=times)  # 18 of them add up to more than 18 times one
    days = read_days(ends, SCHEMA, units={"heart_rate": "count/s"})
    assert back(days)["HR"].tolist() == [250 / 60] and observed(days) == [250]


def test_a_sum_that_leaves_the_range_is_missing_and_counted() -> None:
    times = pd.date_range("2024-03-01 10:00", periods=60, freq="s")
    with pytest.warns(UserWarning, match=r"'steps': 1 outside 0 to 400"):
        days = read_days(pd.DataFrame({"steps": 100.0}, index=times), SCHEMA)
    assert not days.observed.any() and len(days) == 1


def test_doubled_rows_count_once_and_are_counted_in_one_warning() -> None:
    frame = pd.DataFrame(
        {"heart_rate": [60.0, np.nan, 62], "steps": [5.0, 6, np.nan]}, index=minutes(periods=3)
    )
    with pytest.warns(UserWarning, match="3 rows are doubled") as caught:
        days = read_days(pd.concat([frame, frame]), SCHEMA)
    assert len(caught) == 1
    np.testing.assert_array_equal(days.values, read_days(frame, SCHEMA).values)


def test_rows_of_one_timestamp_with_other_values_are_aggregated() -> None:
    times = minutes(periods=1).repeat(2)
    frame = pd.DataFrame({"heart_rate": [60.0, 70], "steps": [5, 6]}, index=times)
    with pytest.warns(
        UserWarning, match=r"2 rows share their timestamp .* \(the first at 2024-03-01 10:00:00\)"
    ):
        days = read_days(frame, SCHEMA)
    assert observed(days) == [65] and observed(days, STEPS) == [11]


def test_rows_of_several_people_do_not_become_one() -> None:
    whose = {"heart_rate": [60.0, 70, 80], "subject": ["a", "b", "b"]}
    frame = pd.DataFrame(whose, index=pd.to_datetime(["2024-03-01 10:00"] * 2 + ["2024-03-01 10:01"]))
    with (
        pytest.warns(UserWarning, match="ignored: 'subject'"),
        pytest.raises(
            FrameError, match=r"names no participants\. Column 'subject' .* pass participant='subject'"
        ),
    ):
        read_days(frame, SCHEMA)
    assert observed(read_days(frame, SCHEMA, participant="subject")) == [60, 70, 80]
    for other in (frame.rename(columns={"subject": "device"}), frame.assign(subject="a")):
        with pytest.warns(UserWarning) as caught:
            days = read_days(other, SCHEMA)
        assert "2 rows share their timestamp" in str(caught[-1].message) and observed(days) == [65, 80]


def test_a_channel_in_rows_of_its_own_conflicts_with_none() -> None:
    times = minutes(periods=2)
    frame = pd.concat([heart([60.0, 61.0], index=times), pd.DataFrame({"steps": [5, 6]}, index=times)])
    assert observed(read_days(frame, SCHEMA)) == [60, 61]


def test_equal_rows_of_two_people_are_not_doubled() -> None:
    frame = heart([60.0, 60.0], index=minutes(periods=1).repeat(2)).assign(participant_id=["a", "b"])
    assert observed(read_days(frame, SCHEMA)) == [60, 60]


def test_a_day_with_rows_and_no_values_is_a_day() -> None:
    frame = heart([np.nan, 61], index=pd.to_datetime(["2024-03-01 10:00", "2024-03-05 10:00"]))
    days = read_days(frame, SCHEMA)
    assert days.date.astype(str).tolist() == ["2024-03-01", "2024-03-05"]
    assert days.observed.any(axis=(1, 2)).tolist() == [False, True]
    assert len(back(days)) == 601  # from midnight of the second day to its last row
    assert back(days).index[0] == pd.Timestamp("2024-03-05")


def test_an_empty_frame_gives_no_days() -> None:
    for frame in (
        heart([], index=pd.DatetimeIndex([])),
        pd.DataFrame({"participant_id": [], "timestamp": [], "heart_rate": []}),
        long_frame().iloc[:0].set_index(["participant_id", "timestamp"]),
        pd.DataFrame(
            {"heart_rate": pd.Series([], dtype=float)}, index=pd.DatetimeIndex([], tz="Europe/Berlin")
        ),
    ):
        days = read_days(frame, SCHEMA)
        assert len(days) == 0 and days.values.shape == (0, 5, 1440)
        for grid in ("days", "full"):
            out = back(days, grid=grid, max_gap="1h", return_filled=True)
            assert len(out) == 0 and list(out.columns) == ["heart_rate", "heart_rate.filled"]
        assert len(coverage(days)) == 0 and worn(days).shape == (0, 1440)
        assert crosses_midnight(days).shape == (0, 5, 1440)
        assert len(days.index("hour")) == len(days.index("token")) == len(days.index("participant")) == 0


def test_a_sparse_frame_over_years_stays_small() -> None:
    times = pd.to_datetime(["1999-01-01 10:00", "2024-03-01 10:00", "2024-03-02 10:00"])
    tracemalloc.start()
    out = back(read_days(heart([60.0, 61, 62], index=times), SCHEMA))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(out) == (1440 - 600) + 1440 + 601
    assert peak < 4e6  # a dense grid of these years takes over 100 MB


# --- dtypes ---------------------------------------------------------------------------------------

NUMBERS = [60, None, 62, 0]  # 0 is no heart rate


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (pd.Series([60, np.nan, 62, 0], dtype="float32"), "float32"),
        (pd.Series([60, np.nan, 62, 0], dtype="float64"), "float64"),
        (pd.Series([60, np.nan, 62, 0], dtype="float16"), "float64"),
        (pd.Series(NUMBERS, dtype="Float32"), "float64"),
        (pd.Series(NUMBERS, dtype="Float64"), "float64"),
        (pd.Series(NUMBERS, dtype="Int16"), "float64"),
        (pd.Series(NUMBERS, dtype="UInt8"), "float64"),
        (pd.Series(NUMBERS, dtype=pd.ArrowDtype(pa.int32())), "float64"),
        (pd.Series(NUMBERS, dtype=pd.ArrowDtype(pa.float32())), "float64"),
        (
            pd.Series(
                [decimal.Decimal(60), None, decimal.Decimal(62), decimal.Decimal(0)],
                dtype=pd.ArrowDtype(pa.decimal128(5, 2)),
            ),
            "float64",
        ),
        (pd.Series(NUMBERS, dtype=object), "float64"),
        (pd.Series([60, pd.NA, 62.0, np.float32(0)], dtype=object), "float64"),
        (pd.Series([decimal.Decimal(60), None, decimal.Decimal(62), np.inf], dtype=object), "float64"),
        (pd.Series([60, np.nan, 62, -np.inf]), "float64"),
        (pd.Series([60, np.nan, 62, 0], dtype=pd.SparseDtype("float32")), "float64"),
        (pd.Series([60, np.nan, 62, 0]).astype("category"), "float64"),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pd.Series) else value,
)
def test_dtypes(column: pd.Series, dtype: str) -> None:
    frame = pd.DataFrame({"heart_rate": column.to_numpy(object)}, index=minutes())
    frame["heart_rate"] = pd.Series(column.array, index=frame.index)
    before = frame.copy(deep=True)
    with pytest.warns(UserWarning, match="1 value is outside"):
        days = read_days(frame, SCHEMA)
    pd.testing.assert_frame_equal(frame, before)
    assert observed(days) == [60, 62]
    out = back(days)["heart_rate"]
    assert out.dtype == dtype and out.tolist() == [60, 70, 62, 70]


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "bool", "boolean", object])
def test_whole_numbers_and_flags_become_float64(dtype: Any) -> None:
    frame = pd.DataFrame(
        {"sleep_asleep": pd.Series([1, 0, 1, 1]).astype(bool).astype(dtype).to_numpy()}, index=minutes()
    )
    out = back(read_days(frame, SCHEMA), fill=0.4)
    assert out["sleep_asleep"].dtype == np.float64 and out["sleep_asleep"].tolist() == [1, 0, 1, 1]


def test_a_column_of_nothing_is_a_channel_without_values() -> None:
    for nothing in (
        [None] * 4,
        pd.array([None] * 4, dtype="Int64"),
        pd.array([None] * 4, dtype=pd.ArrowDtype(pa.null())),
    ):
        days = read_days(heart([60.0] * 4).assign(steps=nothing), SCHEMA)
        assert days.recorded[STEPS] and not days.observed[:, STEPS].any()


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        (["60", "61", "62", "63"], "'60' in row 0"),
        ([60, 61, "sixty", 63], "'sixty' in row 2"),
        ([60, 61, 62, 3j], "complex"),
        (pd.date_range("2024-01-01", periods=4), "Timestamp"),
        (pd.to_timedelta([1, 2, 3, 4], unit="s"), "Timedelta"),
        (pd.Categorical(["low", "low", "high", "low"]), "'low' in row 0"),
        ([60, [61], 62, 63], r"\[61\] in row 1"),
    ],
)
def test_a_column_that_is_not_numeric_is_named_with_its_first_bad_row(column: Any, shown: str) -> None:
    with pytest.raises(FrameError, match=rf"column 'heart_rate'.*{shown}"):
        read_days(
            heart(pd.Series(column).to_numpy() if isinstance(column, list) else column, index=minutes()),
            SCHEMA,
        )


# --- bit for bit ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shuffle", [False, True])
def test_observed_values_come_back_bit_for_bit(dtype: Any, shuffle: bool) -> None:
    rng = np.random.default_rng(1)
    times = minutes("2024-03-01 22:00", 3000)
    frame = pd.DataFrame(
        {
            "temp": rng.uniform(60, 100, 3000).astype(dtype),  # degF, whose factor is no power of two
            "heart_rate": rng.uniform(40, 180, 3000).astype(dtype),
            "walked": rng.uniform(0, 0.2, 3000).astype(dtype),
            "steps": np.where(rng.random(3000) < 0.5, dtype(-0.0), dtype(5)),
        },
        index=times,
    ).mask(rng.random((3000, 4)) < 0.4)
    given = frame.sample(frac=1, random_state=0) if shuffle else frame
    days = read_days(
        given, SCHEMA, columns={"walked": "distance"}, units={"skin_temperature": "degF", "distance": "km"}
    )
    out = back(days, fill=30)
    assert list(out.columns) == list(frame.columns)
    assert out.index.equals(times)
    for label in frame:
        there = frame[label].notna().to_numpy()
        assert out[label].dtype == dtype
        assert out[label].to_numpy()[there].tobytes() == frame[label].to_numpy()[there].tobytes()
    assert np.allclose(out["temp"][frame["temp"].isna()], 86)  # 30 degC
    assert np.allclose(out["walked"][frame["walked"].isna()], 0.03)  # 30 m
    np.testing.assert_allclose(days.values[:, DISTANCE].ravel()[1320:4320], frame["walked"] * 1000, rtol=1e-5)


def test_values_at_the_ends_of_the_range_are_kept_in_every_unit() -> None:
    for dtype in (np.float32, np.float64):
        ends = np.array([50, 113, 50, 113], dtype)  # 10 and 45 degC
        days = read_days(
            pd.DataFrame({"temp": ends}, index=minutes()), SCHEMA, units={"skin_temperature": "degF"}
        )
        assert observed(days, TEMPERATURE) == [10, 45, 10, 45]
        assert back(days)["temp"].tolist() == ends.tolist()


def test_fills_lie_in_the_valid_range_and_nan_is_no_fill() -> None:
    frame = pd.DataFrame({"HR": [60.0, np.nan, np.nan, np.nan]}, index=minutes()).astype(np.float32)
    days = read_days(frame, SCHEMA)
    fills = np.full(days.values.shape, np.nan, np.float32)
    fills[0, HEART, 601:603] = 1e9, -1e9
    out = to_frame(days, fills, return_filled=True)
    assert out["HR"].tolist()[:3] == [60, 250, 25] and np.isnan(out["HR"].iloc[3])
    assert out["HR.filled"].tolist() == [False, True, True, False] and out["HR.filled"].dtype == bool


@pytest.mark.parametrize("fill", [1e9, -1e9])
def test_fills_lie_in_the_valid_range_in_every_unit(fill: float) -> None:
    """Read again, in more digits, they are no values outside the range."""
    for name, channel in CHANNELS.items():
        schema = Schema.from_names([name])
        for unit in [channel.unit, *channel.scales]:
            middle = (channel.minimum + channel.maximum) / 2
            scale, offset = channel.conversion(unit)
            frame = pd.DataFrame({name: [(middle - offset) / scale, np.nan]}, index=minutes(periods=2))
            out = back(read_days(frame.astype(np.float32), schema, units={name: unit}), fill=fill)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                again = read_days(out.astype(np.float64), schema, units={name: unit})
            assert again.observed.sum() == 2


def test_out_of_range_values_are_replaced_and_counted_in_one_warning() -> None:
    frame = pd.DataFrame({"HR": [0.0, 60, 300, np.inf], "steps": [-1, 5, 401, 400]}, index=minutes())
    with pytest.warns(
        UserWarning, match=r"5 values .*'HR': 3 outside 25 to 250; 'steps': 2 outside"
    ) as caught:
        days = read_days(frame, SCHEMA)
    assert len(caught) == 1 and days.origin.out_of_range == 5
    assert back(days, fill=70)["HR"].tolist() == [70, 60, 70, 70]
    assert frame["HR"].tolist() == [0.0, 60, 300, np.inf]


# --- columns, units, channels ---------------------------------------------------------------------


def test_unknown_columns_are_listed_in_one_warning() -> None:
    frame = heart([60.0, 61]).assign(mood="fine", weather=3)
    with pytest.warns(UserWarning, match=r"2 columns .*'mood', 'weather'") as caught:
        days = read_days(frame, SCHEMA)
    assert len(caught) == 1
    assert list(back(days).columns) == ["heart_rate"]


def test_aliases_columns_and_their_order_come_back() -> None:
    frame = pd.DataFrame({"Step Count": [5.0, 6], "my pulse": [60.0, 61]}, index=minutes(periods=2))
    days = read_days(frame, SCHEMA, columns={"my pulse": "bpm"})
    assert list(back(days).columns) == ["Step Count", "my pulse"]
    assert observed(days, STEPS) == [5, 6] and observed(days) == [60, 61]


def test_channels_selects_and_adds_channels_without_a_column() -> None:
    days = read_days(pd.DataFrame({"HR": [60.0, 61], "Steps": [5.0, 6]}, index=minutes(periods=2)), SCHEMA)
    everything = back(days, fill=20, channels="all")
    assert list(everything.columns) == ["HR", "Steps", "skin_temperature", "sleep_asleep", "distance"]
    assert everything["skin_temperature"].tolist() == [20, 20] and everything["sleep_asleep"].tolist() == [
        1,
        1,
    ]
    assert list(back(days, channels=["distance", "Steps"]).columns) == ["distance", "Steps"]
    assert list(back(days, channels=["steps", "hr"]).columns) == ["Steps", "HR"]
    with pytest.raises(ChannelError, match="'glucose'"):
        back(days, channels=["glucose"])
    with pytest.raises(TypeError, match="channels=3 must be 'all' or a list"):
        back(days, channels=3)


def test_a_channel_without_a_column_may_not_take_the_name_of_another_column() -> None:
    days = read_days(
        pd.DataFrame({"steps": [60.0, 61]}, index=minutes(periods=2)), SCHEMA, columns={"steps": "heart_rate"}
    )
    assert list(back(days).columns) == ["steps"]
    with pytest.raises(FrameError, match="'steps' has no column"):
        back(days, channels="all")


def test_attributes_of_the_frame_come_back() -> None:
    frame = heart([60.0, np.nan])
    frame.attrs["simulated"] = True
    out = back(read_days(frame, SCHEMA))
    assert out.attrs == {"simulated": True}
    out.attrs["simulated"] = False
    assert frame.attrs["simulated"] is True


def test_labels_that_are_no_strings_come_back() -> None:
    frame = pd.DataFrame({0: [60.0, 61], ("a", 1): [5.0, 6]}, index=minutes(periods=2))
    days = read_days(frame, SCHEMA, columns={0: "heart_rate", ("a", 1): "steps"})
    assert list(back(days).columns) == [0, ("a", 1)]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"columns": ["heart_rate"]}, TypeError, "columns= must be a mapping"),
        ({"units": "km"}, TypeError, "units= must be a mapping"),
        ({"columns": {"hartrate": "heart_rate"}}, ChannelError, "'hartrate'.*did you mean 'heart_rate'"),
        ({"columns": {"heart_rate": "hart"}}, ChannelError, "no channel 'hart'"),
        ({"units": {"distance": "parsec"}}, ChannelError, "'parsec'.*'distance'.*km"),
        ({"units": {"distanse": "km"}}, ChannelError, "'distanse'.*did you mean 'distance'"),
        ({"participant": "who"}, FrameError, "'who'"),
        ({"timestamp": "when"}, FrameError, "no time information.*'when'"),
        ({"tz": "Europe/Berlim"}, ValueError, "did you mean 'Europe/Berlin'"),
        ({"tz": 3}, ValueError, "3 is no time zone"),
        ({"tz": {"a": "UTC"}}, FrameError, "names no participants"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read_days(heart([60.0, 61], index=minutes(periods=2, tz="Europe/Berlin")), SCHEMA, **arguments)


def test_bad_frames() -> None:
    with pytest.raises(TypeError, match=r"not Series.*to_frame"):
        read_days(heart([60.0])["heart_rate"], SCHEMA)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not dict"):
        read_days({"heart_rate": [60]}, SCHEMA)  # type: ignore[arg-type]
    with pytest.raises(FrameError, match="no time information"):
        read_days(pd.DataFrame({"heart_rate": [60.0]}), SCHEMA)
    with pytest.raises(FrameError, match=r"no time information.*timestamp='when'"):
        read_days(heart([60.0]).reset_index(names="when"), SCHEMA)
    with pytest.raises(ChannelError, match=r"hart rate.*nearest match: 'hart rate' might be 'heart_rate'"):
        read_days(pd.DataFrame({"hart rate": [60.0]}, index=minutes(periods=1)), SCHEMA)
    with pytest.raises(ChannelError, match="'HR' and 'bpm' both hold channel 'heart_rate'"):
        read_days(pd.DataFrame({"HR": [60.0], "bpm": [61.0]}, index=minutes(periods=1)), SCHEMA)
    with pytest.raises(ChannelError, match="'HR' and 'HR' both hold"):
        read_days(pd.DataFrame([[60.0, 61.0]], columns=["HR", "HR"], index=minutes(periods=1)), SCHEMA)
    with pytest.raises(FrameError, match="ambiguous"):
        read_days(long_frame().set_index("timestamp", drop=False), SCHEMA)
    with pytest.raises(FrameError, match="no plain ids"):
        read_days(long_frame().assign(participant_id=[["a"], ["a"], ["b"], ["b"]]), SCHEMA)
    with pytest.raises(FrameError, match="which index level"):
        read_days(
            long_frame()
            .drop(columns="participant_id")
            .assign(site=1, arm=2)
            .set_index(["site", "arm", "timestamp"]),
            SCHEMA,
        )


def test_rows_without_time_or_participant_are_named() -> None:
    frame = long_frame()
    with pytest.raises(
        FrameError, match="1 of 4 rows have no timestamp in column 'timestamp', the first is row 2"
    ):
        read_days(frame.assign(timestamp=frame.timestamp.mask(frame.index == 2)), SCHEMA)
    with pytest.raises(
        FrameError, match=r"1 of 4 rows have no participant in column 'participant_id'.*row 1"
    ):
        read_days(frame.assign(participant_id=["a", None, "b", "b"]), SCHEMA)
    indexed = frame.assign(participant_id=["a", None, "b", "b"]).set_index(["participant_id", "timestamp"])
    with pytest.raises(FrameError, match="no participant in the index"):
        read_days(indexed, SCHEMA)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([1, 2, 3, 4], "int64, not timestamps.*unit='s'"),
        (["2024-03-01 10:00", "yesterday", "2024-03-01", "2024-03-01"], "'yesterday' in row 1"),
        (
            ["2024-03-01 10:00+01:00", "2024-03-01 10:00+02:00", "2024-03-01 10:00Z", "2024-03-01 10:00Z"],
            "mixes time zones",
        ),
        ([True, False, True, False], "bool, not timestamps"),
    ],
)
def test_timestamps_that_are_none(times: Any, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        read_days(long_frame().assign(timestamp=times), SCHEMA)


def test_timestamps_too_far_off() -> None:
    with pytest.raises(FrameError, match="too far off"):
        read_days(heart([60.0], index=pd.DatetimeIndex(np.array(["50000-01-01"], "M8[s]"))), SCHEMA)


def test_the_first_and_last_timestamps_that_pandas_can_hold() -> None:
    days = read_days(heart([60.0, 61], index=pd.DatetimeIndex([pd.Timestamp.min, pd.Timestamp.max])), SCHEMA)
    assert days.date.astype(str).tolist() == ["1677-09-21", "2262-04-11"]
    assert days.index("day")[0] == np.datetime64("1677-09-21", "s")
    assert len(back(days)) > 0


# --- time zones -----------------------------------------------------------------------------------

BERLIN = "Europe/Berlin"


def test_utc_without_a_zone_warns_once_and_cuts_at_utc_midnight() -> None:
    frame = heart([60.0, 61], index=minutes("2024-03-01 23:59", 2, tz="UTC"))
    with pytest.warns(UserWarning, match="UTC and no tz=") as caught:
        days = read_days(frame, SCHEMA)
    assert len(caught) == 1 and len(days) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_days(frame, SCHEMA, tz="UTC")) == 2
        assert len(read_days(frame, SCHEMA, tz=BERLIN)) == 1


def test_aware_timestamps_use_their_own_zone() -> None:
    frame = heart([60.0], index=minutes("2024-07-01 22:30", 1, tz="UTC").tz_convert(BERLIN))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        days = read_days(frame, SCHEMA)
    assert days.date.astype(str).tolist() == ["2024-07-02"]
    assert np.flatnonzero(days.observed[0, HEART]).tolist() == [30]
    out = back(days)
    assert out.index.dtype == frame.index.dtype and out.index[0] == frame.index[0]
    assert days.index("day").tz is None and days.index("hour").tz is None


@pytest.mark.parametrize("zone", [BERLIN, dt.timezone(dt.timedelta(hours=2)), "zoneinfo", "Asia/Kolkata"])
def test_zones_by_name_and_by_object(zone: Any) -> None:
    if zone == "zoneinfo":
        import zoneinfo

        zone = zoneinfo.ZoneInfo(BERLIN)
    times = minutes("2024-07-01 18:00", 600, tz="UTC")
    days = read_days(heart(np.arange(600.0) % 100 + 50, index=times), SCHEMA, tz=zone)
    local = times.tz_convert(zone)
    expected = pd.DataFrame(
        {"v": np.arange(600) % 100 + 50, "d": local.date, "m": local.hour * 60 + local.minute}
    )
    for (date, group), values in zip(expected.groupby("d"), days.values[:, HEART], strict=True):
        assert str(date) in days.date.astype(str)
        np.testing.assert_array_equal(values[group["m"]], group["v"])
        assert np.isfinite(values).sum() == len(group)


def test_a_column_of_zones_and_a_mapping_give_each_person_their_own_days() -> None:
    frame = pd.DataFrame(
        {
            "participant_id": [1, 1, 2],
            "timestamp": minutes("2024-03-01 23:00", 3, tz="UTC"),
            "heart_rate": [60.0, 61, 62],
            "zone": [BERLIN, BERLIN, "America/New_York"],
        }
    )
    by_column = read_days(frame, SCHEMA, tz="zone")
    by_mapping = read_days(
        frame.drop(columns="zone"), SCHEMA, tz={1: BERLIN, 2: "America/New_York", 3: "UTC"}
    )
    for days in (by_column, by_mapping):
        assert days.date.astype(str).tolist() == ["2024-03-02", "2024-03-01"]
        assert np.argwhere(days.observed[:, HEART]).tolist() == [[0, 0], [0, 1], [1, 18 * 60 + 2]]
        assert back(days).index.get_level_values("timestamp").tolist() == frame["timestamp"].tolist()
    with pytest.raises(FrameError, match="no zone for participant 2"):
        read_days(frame.drop(columns="zone"), SCHEMA, tz={1: BERLIN})
    with pytest.raises(FrameError, match="zones is empty in row 1"):
        read_days(frame.assign(zone=[BERLIN, None, BERLIN]), SCHEMA, tz="zone")
    with pytest.raises(ValueError, match="'Atlantis' is no time zone"):
        read_days(frame.assign(zone="Atlantis"), SCHEMA, tz="zone")


def test_naive_timestamps_are_wall_clock_whatever_the_zone() -> None:
    frame = heart([60.0, 61])
    with pytest.warns(UserWarning, match="tz= changes nothing"):
        days = read_days(frame, SCHEMA, tz=BERLIN)
    np.testing.assert_array_equal(days.values, read_days(frame, SCHEMA).values)
    assert back(days).index.tz is None


def test_end_of_summer_time_means_both_passes_and_returns_each() -> None:
    times = pd.date_range(
        "2024-10-26 22:00", "2024-10-27 23:00", freq="min", tz="UTC", inclusive="left"
    )  # the 27th
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {"heart_rate": rng.uniform(50, 90, 1500), "steps": rng.integers(0, 99, 1500).astype("float32")},
        index=times,
    )
    assert len(frame) == 1500
    days = read_days(frame, SCHEMA, tz=BERLIN)
    assert days.date.astype(str).tolist() == ["2024-10-27"] and days.observed[0, HEART].all()
    for channel, label in ((HEART, "heart_rate"), (STEPS, "steps")):  # of sums, too, the mean
        first, second = frame[label].to_numpy()[120:180], frame[label].to_numpy()[180:240]
        expected = (first.astype(float) + second) / 2
        np.testing.assert_array_equal(days.values[0, channel, 120:180], expected.astype(np.float32))
        np.testing.assert_array_equal(
            days.values[0, channel, 180:], frame[label].to_numpy()[240:].astype(np.float32)
        )
    pd.testing.assert_frame_equal(back(days), frame, check_freq=False, check_names=False)


def test_a_minute_that_only_one_pass_recorded() -> None:
    times = pd.date_range("2024-10-26 22:00", "2024-10-27 23:00", freq="min", tz="UTC", inclusive="left")
    frame = heart(np.full(1500, 60.0), index=times)
    frame.iloc[120:140] = np.nan  # first pass, second there
    frame.iloc[205:210] = np.nan  # second pass, first there
    frame.iloc[[150, 210]] = np.nan  # both
    days = read_days(frame, SCHEMA, tz=BERLIN)
    assert np.flatnonzero(~days.observed[0, HEART]).tolist() == [150]
    out = back(days, fill=99, return_filled=True)
    assert out["heart_rate"].iloc[[150, 210]].tolist() == [99, 99]
    assert (out["heart_rate"].drop(times[[150, 210]]) == 60).all()
    assert out["heart_rate.filled"].to_numpy().tolist() == frame["heart_rate"].isna().tolist()


def test_start_of_summer_time_has_no_nonexistent_minutes() -> None:
    times = pd.date_range("2024-03-30 23:00", "2024-03-31 22:00", freq="min", tz="UTC", inclusive="left")
    frame = heart(np.linspace(50, 90, 1380), index=times)
    frame.iloc[100:130] = np.nan
    days = read_days(frame, SCHEMA, tz=BERLIN)
    assert len(days) == 1
    assert np.flatnonzero(~days.observed[0, HEART]).tolist() == [
        *range(100, 120),
        *range(120, 180),
        *range(180, 190),
    ]
    out = back(days, fill=70)
    assert out.index.equals(times)
    assert out["heart_rate"].iloc[100:130].eq(70).all()
    kept = frame["heart_rate"].notna().to_numpy()
    assert out["heart_rate"].to_numpy()[kept].tobytes() == frame["heart_rate"].to_numpy()[kept].tobytes()


@pytest.mark.parametrize(
    ("zone", "start", "stop"),
    [
        ("America/Sao_Paulo", "2018-02-16", "2018-02-20"),  # 00:00 goes back to 23:00
        ("America/Sao_Paulo", "2018-11-02", "2018-11-06"),  # 00:00 does not exist
        ("America/St_Johns", "2010-11-05", "2010-11-09"),  # 00:01 goes back to 23:01 of the day before
        ("America/Havana", "2023-11-03", "2023-11-07"),  # 01:00 goes back to 00:00
        ("Australia/Lord_Howe", "2024-04-05", "2024-04-09"),  # half an hour
        ("Pacific/Apia", "2011-12-28", "2012-01-02"),  # the 30th does not exist
        ("Africa/Casablanca", "2024-03-09", "2024-03-12"),
        ("Europe/Amsterdam", "1936-05-14", "1936-05-17"),  # an offset with seconds
        ("Europe/Dublin", "2024-10-26", "2024-10-29"),
    ],
)
@pytest.mark.parametrize("grid", ["days", "full"])
def test_each_recorded_minute_comes_back_once_whatever_the_clocks_do(
    zone: str, start: str, stop: str, grid: str
) -> None:
    times = pd.date_range(start, stop, freq="min", tz="UTC", inclusive="left")
    rng = np.random.default_rng(3)
    frame = heart(rng.uniform(50, 90, len(times)), index=times).mask(rng.random((len(times), 1)) < 0.3)
    out = back(read_days(frame, SCHEMA, tz=zone), grid=grid)
    assert out.index.equals(times)
    there = frame["heart_rate"].notna().to_numpy()
    assert out["heart_rate"].to_numpy()[there].tobytes() == frame["heart_rate"].to_numpy()[there].tobytes()
    assert out["heart_rate"].notna().all()


def test_a_journey_through_zones_returns_each_minute_once() -> None:
    times = pd.date_range("2024-03-09", "2024-03-13", freq="min", tz="UTC", inclusive="left")
    zones = np.repeat([BERLIN, "America/New_York", "Asia/Tokyo", BERLIN], len(times) // 4)
    frame = pd.DataFrame({"heart_rate": np.arange(len(times)) % 150 + 50.0, "zone": zones}, index=times)
    frame.loc[frame.index[::7], "heart_rate"] = np.nan
    frame = frame[(np.arange(len(times)) % 1440 < 1400)]  # whole stretches without rows
    days = read_days(frame, SCHEMA, tz="zone")
    out = back(days, grid="full")
    assert out.index.equals(times[: len(out)]) and len(out) == len(times) - 40
    kept = out["heart_rate"].loc[frame.index[frame["heart_rate"].notna()]]
    assert kept.to_numpy().tobytes() == frame["heart_rate"].dropna().to_numpy().tobytes()


def test_aware_objects_and_arrow_timestamps_keep_their_zone() -> None:
    times = minutes("2024-07-01 22:30", 3, tz=BERLIN)
    for column in (
        pd.Series(list(times), dtype=object),
        pd.Series(times).astype(pd.ArrowDtype(pa.timestamp("us", BERLIN))),
    ):
        frame = pd.DataFrame({"timestamp": column, "heart_rate": [60.0, 61, 62]})
        days = read_days(frame, SCHEMA)
        assert np.flatnonzero(days.observed[0, HEART]).tolist() == [1350, 1351, 1352]
        assert back(days).index.tolist() == times.tolist()


def test_the_unit_of_timestamps_is_kept() -> None:
    for unit in ("s", "ms", "us", "ns"):
        days = read_days(heart([60.0, 61, 62, 63], index=minutes().as_unit(unit)), SCHEMA)
        assert back(days).index.unit == unit and days.index("day").unit == unit


# --- the grid -------------------------------------------------------------------------------------


def gappy() -> pd.DataFrame:
    """Days 1, 2 (a row without value), 5 of one person; day 3 of another."""
    return pd.DataFrame(
        {
            "participant_id": ["a", "a", "a", "b"],
            "timestamp": pd.to_datetime(
                ["2024-03-01 22:00", "2024-03-02 12:00", "2024-03-05 01:00", "2024-03-03 12:00"]
            ),
            "heart_rate": [60.0, np.nan, 62, 63],
        }
    )


def test_grid_days_returns_days_with_a_token_cut_at_the_first_and_last_minute() -> None:
    out = back(read_days(gappy(), SCHEMA))
    expected = [
        *[("a", time) for time in minutes("2024-03-01 22:00", 120)],
        *[("a", time) for time in minutes("2024-03-05 00:00", 61)],
        ("b", pd.Timestamp("2024-03-03 12:00")),
    ]
    assert out.index.tolist() == expected
    assert out["heart_rate"].notna().all()
    assert list(out.index.names) == ["participant_id", "timestamp"]


def test_grid_full_adds_the_other_days_as_nan() -> None:
    days = read_days(gappy(), SCHEMA)
    out = back(days, grid="full", return_filled=True)
    assert len(out) == 120 + 3 * 1440 + 61 + 1
    person = out.loc["a"]
    assert person.index.equals(pd.date_range("2024-03-01 22:00", "2024-03-05 01:00", freq="min"))
    between = person.loc["2024-03-02":"2024-03-04"]
    assert between["heart_rate"].isna().all() and not between["heart_rate.filled"].any()
    assert person.drop(between.index)["heart_rate"].notna().all()


def test_a_day_without_token_is_never_filled_but_keeps_what_it_has() -> None:
    days = read_days(gappy(), SCHEMA)
    out = back(days, grid="full", has_token=np.array([False, False, True, True]))
    assert out.loc[("a", pd.Timestamp("2024-03-01 22:00")), "heart_rate"] == 60
    assert out.loc["a"].loc["2024-03-01":"2024-03-04", "heart_rate"].notna().sum() == 1
    short = back(days, has_token=np.array([False, False, True, True]))
    assert short.loc["a"].index[0] == pd.Timestamp("2024-03-05")


def test_unknown_grid_and_gap_are_named() -> None:
    days = read_days(heart([60.0]), SCHEMA)
    with pytest.raises(ValueError, match="grid='month'"):
        back(days, grid="month")
    for wrong in (60, "60", 1.5, "an hour", "-5min", pd.NaT, [1]):
        with pytest.raises(ValueError, match="max_gap="):
            back(days, max_gap=wrong)
    with pytest.raises(ValueError, match=r"shape \(1, 1440\)"):
        to_frame(days, np.zeros((1, 1440), np.float32))


@pytest.mark.parametrize(
    "limit", ["60min", "1h", pd.Timedelta(hours=1), dt.timedelta(hours=1), np.timedelta64(60, "m")]
)
def test_max_gap_fills_gaps_of_just_that_length(limit: Any) -> None:
    values = np.full(600, 60.0)
    values[100:160] = np.nan  # 60 minutes
    values[200:261] = np.nan  # 61
    values[540:] = np.nan  # 60, at the end of the recording
    times = minutes("2024-03-01 23:00", 600)  # the first gap is just after midnight
    out = back(read_days(heart(values, index=times), SCHEMA), max_gap=limit)["heart_rate"].to_numpy()
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(out)), np.arange(200, 261))


def test_max_gap_measures_across_midnight_and_absent_days() -> None:
    times = minutes("2024-03-01 00:00", 3 * 1440)
    values = pd.Series(60.0, index=times)
    values["2024-03-01 23:40":"2024-03-02 00:19"] = np.nan  # 40 minutes
    frame = values.to_frame("HR")
    filled = back(read_days(frame, SCHEMA), max_gap="39min")
    assert filled["HR"].isna().sum() == 40
    assert back(read_days(frame, SCHEMA), max_gap="40min")["HR"].notna().all()
    without = frame.drop(frame.loc["2024-03-02"].index)  # 23:40 of the 1st to the 3rd
    out = back(read_days(without, SCHEMA), max_gap="12h")
    assert out["HR"].isna().sum() == 20 and back(read_days(without, SCHEMA))["HR"].notna().all()


def test_max_gap_counts_time_not_rows_per_person() -> None:
    frame = pd.concat(
        [
            heart([60.0] * 5).assign(participant_id="a"),
            heart([np.nan, 60.0, np.nan, np.nan, 60]).assign(participant_id="b"),
        ]
    )
    out = back(read_days(frame, SCHEMA), max_gap="1min")
    assert out.loc["b", "heart_rate"].isna().tolist() == [False, False, True, True, False]


def test_a_channel_without_a_column_is_one_long_gap() -> None:
    days = read_days(heart([60.0] * 30), SCHEMA)
    assert back(days, channels=["steps"], max_gap="29min")["steps"].isna().all()
    assert back(days, channels=["steps"], max_gap="30min")["steps"].notna().all()


# --- tables beside --------------------------------------------------------------------------------


def test_indexes_of_hours_tokens_and_participants() -> None:
    days = read_days(gappy(), SCHEMA)
    assert list(days.participants) == ["a", "b"] and days.index("participant").name == "participant_id"
    hours = days.index("hour")
    assert list(hours.names) == ["participant_id", "timestamp"] and len(hours) == 4 * 24
    assert hours[25] == ("a", pd.Timestamp("2024-03-02 01:00"))
    tokens = days.index("token")
    assert list(tokens.names) == ["participant_id", "timestamp", "channel"] and len(tokens) == 4 * 5 * 144
    assert tokens[144 * 5 + 144 + 2] == ("a", pd.Timestamp("2024-03-02 00:20"), "steps")  # channel-major
    where = np.zeros((4, 5, 144), bool)
    where[3, 1, 143] = where[0, 0, 1] = True
    assert days.index("token", where).tolist() == [
        ("a", pd.Timestamp("2024-03-01 00:10"), "heart_rate"),
        ("b", pd.Timestamp("2024-03-03 23:50"), "steps"),
    ]
    assert len(days.index("token", patch_minutes=60)) == 4 * 5 * 24
    assert days.index("day", np.array([True, False, False, True])).tolist() == [
        ("a", pd.Timestamp("2024-03-01")),
        ("b", pd.Timestamp("2024-03-03")),
    ]
    with pytest.raises(ValueError, match="level='week'"):
        days.index("week")  # type: ignore[arg-type]


def test_tokens_of_one_participant_have_no_participant_level() -> None:
    tokens = read_days(heart([60.0]), SCHEMA).index("token")
    assert list(tokens.names) == ["timestamp", "channel"]
    assert tokens[0] == (pd.Timestamp("2024-03-01"), "heart_rate")


def test_days_say_what_they_hold_in_a_line() -> None:
    assert repr(read_days(gappy(), SCHEMA)) == "Days(4 days of 2 participants, heart_rate)"


def test_coverage_is_the_observed_share_of_the_day() -> None:
    table = coverage(read_days(gappy(), SCHEMA))
    assert list(table.columns) == list(SCHEMA.names)
    assert table["heart_rate"].tolist() == pytest.approx([1 / 1440, 0, 1 / 1440, 1 / 1440])
    assert (table.drop(columns="heart_rate") == 0).all(axis=None)


def test_gaps_that_touch_a_midnight_between_two_days() -> None:
    frame = pd.DataFrame({"HR": 60.0, "steps": 5.0}, index=minutes("2024-03-01 00:00", 3 * 1440))
    frame.loc["2024-03-01 23:50":"2024-03-02 00:04", "HR"] = np.nan  # across
    frame.loc["2024-03-03 00:00":"2024-03-03 00:09", "HR"] = np.nan  # begins at midnight
    frame.loc["2024-03-02 10:00":"2024-03-02 10:30", "HR"] = np.nan  # far from it
    frame.loc["2024-03-01 00:00":"2024-03-01 01:00", "steps"] = np.nan  # the day before is not there
    marks = crosses_midnight(read_days(frame, SCHEMA))
    assert np.flatnonzero(marks[0, HEART]).tolist() == list(range(1430, 1440))
    assert np.flatnonzero(marks[1, HEART]).tolist() == list(range(5))
    assert np.flatnonzero(marks[2, HEART]).tolist() == list(range(10))
    assert not marks[:, STEPS].any()
    assert marks[:, ASLEEP].all()


# --- worn -----------------------------------------------------------------------------------------


def test_worn_with_heart_rate_is_where_the_heart_rate_is() -> None:
    frame = pd.DataFrame({"HR": 60.0, "steps": 0.0}, index=minutes("2024-03-01 00:00", 1440))
    frame.loc["2024-03-01 10:00":"2024-03-01 10:04", "HR"] = np.nan
    flags = worn(read_days(frame, SCHEMA))
    assert np.flatnonzero(~flags[0]).tolist() == list(range(600, 605))


def test_worn_without_heart_rate_is_outside_long_runs_of_zeros() -> None:
    steps = pd.Series(1.0, index=minutes("2024-03-01 00:00", 2880))
    steps.iloc[100:189] = 0  # 89 minutes
    steps.iloc[300:390] = 0  # 90
    steps.iloc[1400:1490] = 0  # 90, across midnight
    steps.iloc[2000:2010] = np.nan
    flags = worn(read_days(steps.to_frame("steps"), SCHEMA)).ravel()
    expected = [*range(300, 390), *range(1400, 1490), *range(2000, 2010)]
    assert np.flatnonzero(~flags).tolist() == expected


def test_run_lengths() -> None:
    flags = np.zeros((3, 1440), bool)
    flags[0, -2:] = flags[1, :3] = flags[2, :4] = flags[1, 700] = flags[1, -1] = True
    lengths = run_lengths(flags, np.array([1, -1, -1]))
    assert lengths[0, -2:].tolist() == [5, 5] and lengths[1, :4].tolist() == [5, 5, 5, 0]
    assert lengths[1, 700] == 1 and lengths[1, -1] == 1 and lengths[2, :5].tolist() == [4, 4, 4, 4, 0]
    assert (lengths > 0).sum() == flags.sum()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "Int64", object])
def test_mask_nonwear_blanks_counts_and_energies_only(dtype: Any) -> None:
    frame = pd.DataFrame(
        {
            "HR": [60.0, np.nan, 62, 63],
            "Steps": [5, 0, 0, 7],
            "METs": [1.0, 1, 1, 3],
            "temp": [30.0] * 4,
            "note": list("abcd"),
        },
        index=minutes(),
    ).astype({"Steps": dtype})
    before = frame.copy(deep=True)
    masked = mask_nonwear(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert masked["Steps"].isna().tolist() == masked["METs"].isna().tolist() == [False, True, False, False]
    assert masked["Steps"].dropna().tolist() == [5, 0, 7]
    for label in ("HR", "temp", "note"):
        pd.testing.assert_series_equal(masked[label], frame[label])


def test_mask_nonwear_of_every_form_keeps_rows_and_index() -> None:
    rng = np.random.default_rng(4)
    times = pd.date_range("2024-10-26", periods=9000, freq="30s", tz=BERLIN)
    frame = pd.DataFrame({"heart_rate": rng.uniform(50, 90, 9000), "steps": 3.0}, index=times)
    frame.iloc[1000:1500, 0] = np.nan
    shuffled = pd.concat([frame.assign(participant_id=who) for who in "ba"]).sample(frac=1, random_state=0)
    masked = mask_nonwear(shuffled)
    assert masked.index.equals(shuffled.index) and masked["participant_id"].equals(shuffled["participant_id"])
    assert masked["steps"].isna().equals(shuffled["heart_rate"].isna())
    pd.testing.assert_frame_equal(mask_nonwear(heart([60.0, np.nan])), heart([60.0, np.nan]))


def test_the_benchmark_of_frames_runs() -> None:
    path = Path(__file__).parent.parent / "benchmarks" / "frames.py"
    command = [sys.executable, str(path), "--days", "10", "--repeats", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, *table = done.stdout.splitlines()
    results = json.loads(first)["results"]
    assert len(results) == 5 and results[0]["rows"] == 14_400 and "| columns |" in "".join(table)


def test_a_misspelt_column_is_told_what_it_might_be() -> None:
    frame = pd.DataFrame({"hart_rate": [60.0], "steps": [5], "steps_source": ["a"]}, index=minutes(periods=1))
    with pytest.warns(UserWarning, match=r"\(nearest match: 'hart_rate' might be 'heart_rate'\)"):
        read_days(frame, SCHEMA)
    with pytest.warns(UserWarning) as caught:
        read_days(frame.rename(columns={"hart_rate": "heart_rate"}), SCHEMA)
    assert "nearest match" not in str(caught[0].message)


def test_index_levels_that_are_ignored_are_told(recwarn: pytest.WarningsRecorder) -> None:
    times = pd.date_range("2024-03-01 10:00", periods=4, freq="min")
    schema = Schema.from_names(["heart_rate"])
    names = ["site", "participant_id", "timestamp"]

    def read(site: list[str]) -> None:
        index = pd.MultiIndex.from_arrays([site, ["p"] * 4, times], names=names)
        read_days(pd.DataFrame({"HR": 60.0}, index=index), schema)

    read(["north"] * 4)  # says nothing of its own
    assert not recwarn.list
    read(["north", "north", "south", "south"])
    assert "index level 'site' is neither participant nor time" in str(recwarn.pop(UserWarning).message)


def test_amounts_of_several_minutes_are_told(recwarn: pytest.WarningsRecorder) -> None:
    times = pd.date_range("2024-03-01 10:00", periods=40, freq="5min")
    frame = pd.DataFrame({"steps": 50.0, "heart_rate": 60.0}, index=times)
    read_days(frame, SCHEMA)
    said = str(recwarn.pop(UserWarning).message)
    assert "column 'steps' has a value every 5 minutes" in said and not recwarn.list
    remedy = said.split("for instance by ")[1].split(", or read")[0]
    spread = frame.assign(steps=0).resample("1min").ffill().assign(steps=eval(remedy))  # as it says
    days = read_days(spread, SCHEMA)
    assert np.nansum(days.values[:, STEPS]) == 50 * 39 + 10  # the last row stands for its own minute
    some = frame.drop(columns="steps").join(spread["steps"].drop(spread.index[7::9]), how="outer")
    read_days(some, SCHEMA)  # minutes with holes
    read_days(frame.iloc[:15], SCHEMA)  # too few to tell
    read_days(frame[["heart_rate"]], SCHEMA)
    assert not recwarn.list
    hourly = frame.set_axis(pd.date_range("2024-03-01", periods=40, freq="h")).assign(steps=500.0)
    read_days(hourly, SCHEMA)  # each of them more than a minute can hold
    told = [str(one.message) for one in recwarn.list]
    assert any("every 60 minutes" in one for one in told) and any("outside the valid" in one for one in told)
    recwarn.clear()
    read_days(
        frame.reindex(pd.date_range(times[0], times[-1], freq="min")), SCHEMA
    )  # rows of nothing between
    assert "every 5 minutes" in str(recwarn.pop(UserWarning).message)


def test_levels_that_another_unit_explains_are_told() -> None:
    schema = Schema.from_names(["watch_acceleration", "mets"])
    frame = pd.DataFrame({"watch_acceleration": 9.81, "mets": 1.2}, index=minutes(periods=400))
    with pytest.warns(UserWarning, match=r"'watch_acceleration' is 9.81 g .* 'm/s2'"):
        read_days(frame, schema)
    with pytest.warns(UserWarning, match=r"'mets' is 12 MET .* 'tenths'"):
        read_days(frame[["mets"]] * 10, schema)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_days(frame, schema, units={"watch_acceleration": "m/s2"})
        read_days(frame.iloc[:300], schema)  # five hours
        read_days(frame[["mets"]] + 8.3, schema)  # runs, and nothing else


@pytest.mark.parametrize("unit", [1, 1000])
def test_times_of_a_few_minutes_of_1970_are_refused(unit: int) -> None:
    seconds = minutes(periods=200).as_unit("s").asi8 * unit
    message = r"all 200 rows are of a few minutes of 1970.*unit='s'\), or unit='ms'"
    with pytest.raises(FrameError, match=message):
        read_days(heart([60.0] * 200, pd.to_datetime(seconds)), SCHEMA)
    for step in ("m", "s"):  # counted from the start of a study
        days = read_days(heart([60.0] * 200, pd.to_datetime(range(200), unit=step)), SCHEMA)
        assert len(observed(days)) == (200 if step == "m" else 4)


def test_columns_that_stand_in_one_are_told() -> None:
    frame = pd.DataFrame({"timestamp;heart_rate": ["2024-03-01 10:00;60"]})
    with pytest.raises(FrameError, match="columns stand in one: read the file with its own separator"):
        read_days(frame, SCHEMA)
    with pytest.raises(FrameError, match=r"'60,5' in row 0 .*decimal=','"):
        read_days(pd.DataFrame({"HR": ["60,5"]}, index=minutes(periods=1)), SCHEMA)
