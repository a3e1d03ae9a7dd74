"""Any frame: the contract holds, or a clear error says why not. Judge: a second reading in plain Python."""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lsm2 import Model
from lsm2.aim import Normalisation
from lsm2.channels import CHANNELS, Schema
from lsm2.checkpoint import CheckpointConfig
from lsm2.days import read_days, to_frame

from .conftest import tiny_network

NAMES = ("heart_rate", "steps", "skin_temperature", "sleep_asleep")
SCHEMA = Schema.from_names(NAMES)
LABELS = {
    "heart_rate": ["heart_rate", "HR", "Heart Rate"],
    "steps": ["steps", "Step_Count"],
    "skin_temperature": ["skin_temperature", "temp"],
    "sleep_asleep": ["sleep_asleep", "asleep"],
}
FLOATS = {
    "float32": "float32",
    "float64": "float64",
    "float16": "float16",
    "Float64": "Float64",
    "object": object,
    "arrow": pd.ArrowDtype(pa.float64()),
}
WHOLE = {"int64": "int64", "Int16": "Int16", "arrow": pd.ArrowDtype(pa.int32()), "object": object}
ZONES = [
    "Europe/Berlin",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "UTC",
]
STARTS = {  # in UTC, and where that is when
    "2024-03-30 22:30": "Europe/Berlin",  # summer time begins
    "2024-10-26 21:00": "Europe/Berlin",  # and ends
    "2024-10-27 00:00": "Europe/Berlin",  # the hour that is repeated
    "2010-11-07 01:31": "America/St_Johns",  # goes back across midnight
    "2018-11-03 22:00": "America/Sao_Paulo",  # skips midnight
    "2018-02-18 01:00": "America/Sao_Paulo",  # repeats the hour before
    "2024-04-06 14:30": "Australia/Lord_Howe",  # goes back by half an hour
    "2023-12-31 23:58": "UTC",
    "1969-12-31 23:50": "Asia/Kathmandu",
}
IDS: dict[str, list[Any]] = {
    "text": ["b", "a", "c"],
    "int": [7, 3, 5],
    "category": ["b", "a", "c"],
    "mixed": ["b", 3, "3"],
}
PERSON, EPOCH = 2**40, 2**39  # in `row_keys`: minutes between people, and added, so that none is negative
SPOILERS = ["text column", "no time", "no participant", "two columns", "bad zone", "bad unit", "no channel"]
FILL = {"heart_rate": 70.0, "steps": 3.0, "skin_temperature": 30.0, "sleep_asleep": 0.25}


@dataclass
class Case:
    """A frame, how to read it, and what it was made from."""

    frame: pd.DataFrame
    arguments: dict[str, Any]
    labels: dict[str, str]  # channel -> column
    rows: list[tuple[Any, pd.Timestamp, str | None, dict[str, float]]]  # person, time, zone, values
    keyed: bool
    aware: bool
    fahrenheit: bool
    spoilt: str | None = None
    dtypes: dict[str, Any] = field(default_factory=dict)


@st.composite
def cases(draw: st.DrawFn, spoil: bool = False) -> Case:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    form = draw(
        st.sampled_from(["index", "columns", "levels", "column and index", "time column"]), label="form"
    )
    keyed = form not in ("index", "time column")
    kind = draw(st.sampled_from(sorted(IDS)), label="ids")
    people = IDS[kind][: draw(st.integers(1, 3), label="people")] if keyed else [None]
    clock = draw(st.sampled_from(["naive", "own", "tz", "column", "mapping"]), label="clock")
    if clock == "mapping" and not keyed:
        clock = "tz"
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True), label="channels")
    labels = {name: draw(st.sampled_from(LABELS[name]), label=name) for name in names}
    fahrenheit = draw(st.booleans(), label="degF")
    finest = draw(st.sampled_from([60, 60, 20, 1]), label="step")
    spread = draw(st.sampled_from([300, 7200, 90_000, 300_000, 4_000_000]), label="spread")
    start = draw(st.sampled_from(sorted(STARTS)), label="start")
    common = draw(st.sampled_from([STARTS[start], STARTS[start], *ZONES]), label="zone")
    missing = draw(st.sampled_from([0.0, 0.2, 0.7]), label="missing")
    outside = draw(st.sampled_from([0.0, 0.1]), label="outside")
    doubled = draw(st.sampled_from([0.0, 0.1, 0.5]), label="doubled")
    unit = draw(st.sampled_from(["s", "ms", "us", "ns"]), label="unit")
    dtypes: dict[str, Any] = {}
    for name in names:
        pool = WHOLE if name in ("steps", "sleep_asleep") and missing == 0 else FLOATS
        dtypes[name] = pool[draw(st.sampled_from(sorted(pool)), label=f"dtype of {name}")]

    records: list[dict[str, Any]] = []
    travels = clock == "column" and draw(st.booleans(), label="travels")
    zone_of = {person: draw(st.sampled_from(ZONES), label="own zone") for person in people}
    for person in people:
        for _ in range(draw(st.integers(1, 40), label="rows")):
            offset = int(rng.integers(0, spread) // finest * finest)
            time = pd.Timestamp(start) + pd.Timedelta(seconds=offset)
            zone = ZONES[rng.integers(len(ZONES))] if travels and rng.random() < 0.2 else zone_of[person]
            record = {"participant_id": person, "timestamp": time, "zone": zone}
            for name in names:
                record[name] = _value(rng, name, dtypes[name], fahrenheit, missing, outside)
            records.append(record)
            if rng.random() < doubled:
                records.append(dict(record))
    order = rng.permutation(len(records)) if draw(st.booleans(), label="shuffled") else None
    if order is not None:
        records = [records[i] for i in order]
    if clock in ("naive", "own", "tz"):
        zone_of = dict.fromkeys(people, common)
    aware = clock != "naive"
    rows = []
    for record in records:
        time = record["timestamp"].tz_localize("UTC") if aware else record["timestamp"]
        zone = (record["zone"] if clock == "column" else zone_of[record["participant_id"]]) if aware else None
        rows.append((record["participant_id"], time, zone, {name: record[name] for name in names}))

    frame = pd.DataFrame({labels[name]: _column([r[name] for r in records], dtypes[name]) for name in names})
    times = pd.DatetimeIndex([record["timestamp"] for record in records]).as_unit(unit)
    if aware:
        times = times.tz_localize("UTC")
    if clock == "own":
        times = times.tz_convert(common)
    frame.insert(0, "timestamp", times)
    arguments: dict[str, Any] = {}
    if keyed:
        dtype = {"category": "category", "mixed": object}.get(kind)
        frame.insert(
            1, "participant_id", pd.Series([record["participant_id"] for record in records], dtype=dtype)
        )
    if clock == "tz":
        arguments["tz"] = common
    elif clock == "mapping":
        arguments["tz"] = zone_of
    elif clock == "column":
        frame["zone"] = [record["zone"] for record in records]
        arguments["tz"] = "zone"
    if fahrenheit and "skin_temperature" in names:
        arguments["units"] = {"skin_temperature": "degF"}
    spoilt = draw(st.sampled_from(SPOILERS), label="spoilt") if spoil else None
    if spoilt:
        frame, spoilt = _spoil(frame, spoilt, arguments, labels, int(rng.integers(len(frame))), keyed)
    if form == "index":
        frame = frame.set_index("timestamp").rename_axis(None)
    elif form == "levels":
        frame = frame.set_index(["participant_id", "timestamp"])
    elif form == "column and index":
        frame = frame.set_index("timestamp")
    return Case(frame, arguments, labels, rows, keyed, aware, fahrenheit, spoilt, dtypes)


def _value(
    rng: np.random.Generator, name: str, dtype: Any, fahrenheit: bool, missing: float, outside: float
) -> float:
    low, high = CHANNELS[name].minimum, CHANNELS[name].maximum
    if fahrenheit and name == "skin_temperature":
        low, high = low * 9 / 5 + 32, high * 9 / 5 + 32
    if name in ("steps", "sleep_asleep"):
        value = float(rng.integers(low, min(high, 90) + 1))
    else:
        value = float(rng.uniform(low + 0.5, high - 0.5))
        if dtype in ("float32", "float16"):
            value = float(np.dtype(dtype).type(value))
    if rng.random() < missing:
        return math.nan
    if rng.random() < outside:
        whole = dtype in WHOLE.values() and dtype is not object
        return float(rng.choice([-1.0, 9999.0] if whole else [-1.0, 9999.0, math.inf, -math.inf]))
    return value


def _column(values: list[float], dtype: Any) -> Any:
    if dtype is object:
        return pd.Series([None if math.isnan(value) else value for value in values], dtype=object)
    series = pd.Series(values, dtype="float64")
    if dtype in ("float32", "float64", "float16"):
        return series.astype(dtype)
    return pd.Series([pd.NA if math.isnan(value) else value for value in values], dtype=object).astype(dtype)


def _spoil(
    frame: pd.DataFrame, how: str, arguments: dict[str, Any], labels: dict[str, str], row: int, keyed: bool
) -> tuple[pd.DataFrame, str]:
    """Return the frame with one fault, and the word that the error must hold."""
    label = next(iter(labels.values()))
    if how == "no participant" and keyed:
        ids = frame["participant_id"].astype(object)
        ids.iloc[row] = None
        return frame.assign(participant_id=ids), "participant"
    if how == "no time":
        times = frame["timestamp"].copy()
        times.iloc[row] = pd.NaT
        return frame.assign(timestamp=times), "no timestamp"
    if how == "two columns":
        twin = next(iter(labels)).upper() + "."
        return frame.assign(**{twin: 60.0}), "both hold channel"
    if how == "bad zone":
        arguments["tz"] = "Mars/Olympus"
        return frame, "'Mars/Olympus' is no time zone"
    if how == "bad unit":
        arguments["units"] = {"heart_rate": "furlong"}
        return frame, "'furlong' is not known"
    if how == "no channel":
        frame = frame.rename(columns={label: f"thing {i}" for i, label in enumerate(labels.values())})
        return frame, "no column holds a channel"
    values = frame[label].astype(object)
    values.iloc[row] = "seventy"
    return frame.assign(**{label: values}), "'seventy' in row"


@dataclass
class Reading:
    """What a frame says, read row by row."""

    own: dict[
        tuple[Any, int], dict[str, list[float]]
    ]  # (person, absolute minute) -> in-range values, own unit
    wall: dict[tuple[Any, int], tuple[str, int]]  # (person, absolute minute) -> date and minute of the day
    people: list[Any]
    outside: int


def read_slowly(case: Case) -> Reading:
    own: dict[tuple[Any, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    wall: dict[tuple[Any, int], tuple[str, int]] = {}
    people: list[Any] = []
    seen = set()
    for person, time, zone, values in case.rows:
        if person not in people:
            people.append(person)
        seconds = int(time.timestamp()) if time.tz else int(time.tz_localize("UTC").timestamp())
        minute = seconds // 60
        at = datetime.fromtimestamp(minute * 60, timezone.utc)
        local = at.astimezone(ZoneInfo(zone)) if zone else at
        wall.setdefault((person, minute), (f"{local:%Y-%m-%d}", local.hour * 60 + local.minute))
        record = (person, seconds, *(repr(value) for value in values.values()))
        if record in seen:
            continue
        seen.add(record)
        here = own[person, minute]
        for name, value in values.items():
            low, high = CHANNELS[name].minimum, CHANNELS[name].maximum
            if case.fahrenheit and name == "skin_temperature":
                low, high = low * 9 / 5 + 32, high * 9 / 5 + 32
            if low <= value <= high:
                here[name].append(value)
    return Reading(own, wall, people, 0)


def merged(name: str, values: list[float]) -> float:
    """Return the value of a minute: mean, sum or largest; a sum outside the range is missing."""
    if not values:
        return math.nan
    if name == "steps":
        total = math.fsum(values)
        return total if total <= CHANNELS[name].maximum else math.nan
    return max(values) if name == "sleep_asleep" else math.fsum(values) / len(values)


def canonical(case: Case, name: str, value: Any) -> Any:
    return (value - 32) * 5 / 9 if case.fahrenheit and name == "skin_temperature" else value


def quietly(function: Any, *arguments: Any, **more: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for known in (
            "is in UTC|are in UTC",
            "outside the valid range",
            "doubled",
            "another of other values",
            "tz= changes nothing",
            "no channel of this model",
            "no observed token",
            "days has an observed token",
        ):
            warnings.filterwarnings("ignore", message=f".*({known})")
        return function(*arguments, **more)


def check_days(case: Case, reading: Reading, days: Any) -> None:
    found: dict[tuple[Any, str], dict[tuple[str, int], list[float]]] = defaultdict(lambda: defaultdict(list))
    for (person, minute), (date, clock) in reading.wall.items():
        cells = found[person, date]
        for name in case.labels:
            value = merged(name, reading.own[person, minute][name])
            if not math.isnan(value):
                cells[name, clock].append(canonical(case, name, value))
    order = sorted(found, key=lambda day: (reading.people.index(day[0]), day[1]))
    who = [days.participants[person] if case.keyed else None for person in days.person]
    assert list(zip(who, days.date.astype(str).tolist(), strict=True)) == order
    for row, day in enumerate(order):
        expected = np.full((len(SCHEMA), 1440), np.nan)
        for (name, clock), values in found[day].items():
            expected[SCHEMA.index(name), clock] = math.fsum(values) / len(values)
        np.testing.assert_allclose(days.values[row], expected, rtol=1e-6, atol=1e-5)
        tomorrow = (day[0], str(np.datetime64(day[1]) + 1))
        assert days.next_day[row] == (order.index(tomorrow) if tomorrow in order else -1)


def row_keys(case: Case, reading: Reading, index: pd.Index) -> np.ndarray:
    """Return a number for the person and minute of every row, ascending where rows are in order."""
    times = index.get_level_values(-1)
    naive = times.tz_convert("UTC").tz_localize(None) if case.aware else times
    seconds = naive.as_unit("s").asi8
    assert (seconds % 60 == 0).all()
    person = np.zeros(len(index), np.int64)
    if case.keyed:
        place = np.array([reading.people.index(who) for who in index.levels[0]], np.int64)
        person = place[index.codes[0]]
    return person * PERSON + seconds // 60 + EPOCH


def check_frame(
    case: Case, reading: Reading, out: pd.DataFrame, fill: dict[str, float] | None = None
) -> None:
    """Check a filled frame; `fill`: what every fill must be; without it only its range is checked."""
    assert list(out.columns) == [label for label in case.frame.columns if label in case.labels.values()]
    assert list(out.index.names) == (["participant_id", "timestamp"] if case.keyed else ["timestamp"])
    given = (
        case.frame.index.get_level_values(-1) if "timestamp" not in case.frame else case.frame["timestamp"]
    )
    times = out.index.get_level_values(-1)
    assert times.dtype == given.dtype
    keys = row_keys(case, reading, out.index)
    assert (np.diff(keys) > 0).all()  # people in order of first appearance, times ascending, none twice

    value_of = {
        key: {name: merged(name, cell[name]) for name in case.labels} for key, cell in reading.own.items()
    }
    with_token = {
        (key[0], reading.wall[key][0])
        for key, values in value_of.items()
        if not all(math.isnan(value) for value in values.values())
    }
    row_of = {}
    for (person, minute), (date, _) in reading.wall.items():
        key = reading.people.index(person) * PERSON + minute + EPOCH
        row = int(np.searchsorted(keys, key))
        there = row < len(keys) and keys[row] == key
        assert there == ((person, date) in with_token)
        if there:
            row_of[person, minute] = row
    expected = []
    for position, person in enumerate(reading.people):
        mine = [minute for who, minute in reading.wall if who == person]
        clock = keys[keys // PERSON == position] % PERSON - EPOCH
        assert not ((clock < min(mine)) | (clock > max(mine))).any()
        for date in sorted(date for who, date in with_token if who == person):
            midnight = int(np.datetime64(date, "m").astype(np.int64))
            whole = np.arange(max(midnight, min(mine)), min(midnight + 1440, max(mine) + 1))
            expected.append(position * PERSON + whole + EPOCH)
    if not case.aware:
        np.testing.assert_array_equal(keys, np.concatenate([*expected, np.zeros(0, np.int64)]))

    for name, label in case.labels.items():
        dtype = case.dtypes[name]
        assert out[label].dtype == (dtype if dtype in ("float32", "float64") else np.float64)
        column = out[label].to_numpy()
        assert not np.isnan(column).any()
        is_fill = np.ones(len(column), bool)
        for key, cell in reading.own.items():
            if key not in row_of or math.isnan(value_of[key][name]):
                continue
            here = column[row_of[key]]
            is_fill[row_of[key]] = False
            if len(cell[name]) == 1:  # bit for bit
                kept = np.dtype(column.dtype).type(cell[name][0])
                assert here.tobytes() == kept.tobytes()
            else:
                assert here == pytest.approx(value_of[key][name], rel=1e-6)
        proposals = canonical(case, name, column[is_fill].astype(np.float64))
        assert (proposals >= CHANNELS[name].minimum - 1e-4).all()
        assert (proposals <= CHANNELS[name].maximum + 1e-4).all()
        if fill is not None and not case.aware:
            np.testing.assert_allclose(proposals, fill[name], rtol=1e-5)


SLOW = settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))


@SLOW
@given(cases())
def test_any_frame_becomes_days_and_comes_back(case: Case) -> None:
    before = case.frame.copy(deep=True)
    days = quietly(read_days, case.frame, SCHEMA, **case.arguments)
    reading = read_slowly(case)
    check_days(case, reading, days)
    fills = np.broadcast_to(np.array([FILL[name] for name in NAMES], np.float32)[:, None], days.values.shape)
    out = quietly(to_frame, days, fills)
    check_frame(case, reading, out, FILL)
    full = quietly(to_frame, days, fills, grid="full", max_gap="2h", return_filled=True)
    same = np.isin(row_keys(case, reading, full.index), row_keys(case, reading, out.index))
    assert same.sum() == len(out)
    for label in out:
        kept = ~full[f"{label}.filled"].to_numpy()[same] & full[label].notna().to_numpy()[same]
        assert full[label].to_numpy()[same][kept].tobytes() == out[label].to_numpy()[kept].tobytes()
    pd.testing.assert_frame_equal(case.frame, before)


@pytest.fixture(scope="module")
def model() -> Model:
    network = tiny_network(
        encoder_depth=1,
        decoder_depth=1,
        normalisation=(
            Normalisation(mean=75, std=15, clip=6, scale=15, minimum=25, maximum=250),
            Normalisation(
                transform="log1p", mean=0.7, std=1.4, scale=22, output="count", minimum=0, maximum=400
            ),
            Normalisation(mean=32, std=2, clip=6, scale=2, minimum=10, maximum=45),
            Normalisation(mean=0.3, output="binary", minimum=0, maximum=1),
        ),
    )
    config = CheckpointConfig(name="tiny", licence="Apache-2.0", channels=SCHEMA, network=network.config)
    return Model(network, config, device="cpu")


@settings(SLOW, max_examples=100)
@given(case=cases())
def test_any_frame_goes_through_a_model(model: Model, case: Case) -> None:
    before = case.frame.copy(deep=True)
    reading = read_slowly(case)
    days = quietly(read_days, case.frame, SCHEMA, **case.arguments)
    check_frame(case, reading, quietly(model.reconstruct, case.frame, progress=False, **case.arguments))
    embedded = quietly(model.embed, case.frame, progress=False, **case.arguments)
    assert embedded.index.equals(days.index("day"))
    assert list(embedded.index.names) == (["participant_id", "date"] if case.keyed else ["date"])
    np.testing.assert_array_equal(embedded.isna().any(axis=1), ~days.observed.any(axis=(1, 2)))
    assert (embedded.dtypes == np.float32).all()
    pd.testing.assert_frame_equal(case.frame, before)


@settings(SLOW, max_examples=250)
@given(cases(spoil=True))
def test_a_fault_in_any_frame_is_a_clear_error(case: Case) -> None:
    before = case.frame.copy(deep=True)
    with pytest.raises((ValueError, TypeError)) as caught:
        quietly(read_days, case.frame, SCHEMA, **case.arguments)
    assert case.spoilt is not None and case.spoilt in str(caught.value)
    pd.testing.assert_frame_equal(case.frame, before)
