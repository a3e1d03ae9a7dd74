"""Embeddings of intervals of time, as a user sees them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lsm2
from lsm2 import Model
from lsm2.cli import main
from tests.conftest import tiny_model


def minutes(start: str, count: int, **columns: object) -> pd.DataFrame:
    index = pd.date_range(start, periods=count, freq="min", name="timestamp")
    return pd.DataFrame({name: np.broadcast_to(v, count) for name, v in columns.items()}, index=index).astype(
        float
    )


def events(*rows: tuple[object, ...]) -> pd.DataFrame:
    names = ["participant_id", "start", "end"][-len(rows[0]) :]
    return pd.DataFrame(list(rows), columns=names)


@pytest.fixture(scope="module")
def night() -> pd.DataFrame:
    """Two channels from 21:00 to 03:00, with holes: tokens of unlike shares on both sides of midnight."""
    frame = minutes("2024-03-04 21:00", 360, heart_rate=np.linspace(60, 90, 360), steps=np.arange(360) % 30)
    frame.iloc[33:38, 0] = np.nan
    frame.iloc[182:189, 1] = np.nan
    return frame


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    return lsm2.simulate(participants=3, days=1, seed=2)[["heart_rate", "steps"]]


def by_hand(model: Model, frame: pd.DataFrame, start: str, end: str) -> np.ndarray:
    """Mean of the rows of level="token", weighted by minutes of overlap times observed share."""
    tokens = model.embed(frame, level="token")
    first, last = pd.Timestamp(start), pd.Timestamp(end)
    total, mass = np.zeros(tokens.shape[1]), 0.0
    for (time, channel), row in tokens.iterrows():
        overlap = min(last, time + pd.Timedelta("10min")) - max(first, time)
        share = frame.loc[time : time + pd.Timedelta("9min"), channel].notna().sum() / 10
        weight = max(overlap.total_seconds(), 0) / 60 * share
        total, mass = total + weight * row.to_numpy(np.float64), mass + weight
    return total / mass


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-03-04 21:30", "2024-03-04 21:40"),  # one slot
        ("2024-03-04 21:34", "2024-03-04 21:57:30"),  # parts of slots, half a minute
        ("2024-03-04 23:05", "2024-03-05 00:25"),  # across midnight
        ("2024-03-01", "2024-03-20"),  # more than was recorded
    ],
)
def test_an_event_is_the_weighted_mean_of_its_tokens(
    model: Model, night: pd.DataFrame, start: str, end: str
) -> None:
    row = model.embed(night, level="window", events=events((start, end))).iloc[0]
    np.testing.assert_allclose(row, by_hand(model, night, start, end), rtol=1e-4, atol=1e-5)


def test_a_whole_day_is_the_days_embedding(model: Model, night: pd.DataFrame) -> None:
    day = model.embed(night).iloc[1]
    window = model.embed(night, level="window", events=events(("2024-03-05", "2024-03-06"))).iloc[0]
    np.testing.assert_allclose(window, day, rtol=1e-4, atol=1e-5)


def test_networks_that_do_not_weigh_by_share_weigh_by_overlap_alone(night: pd.DataFrame) -> None:
    model = tiny_model(observed_share_pooling=False)
    frame = night[["heart_rate"]].iloc[30:50]  # tokens of 5 and 10 observed minutes
    tokens = model.embed(frame, level="token").to_numpy(np.float64)
    row = model.embed(frame, level="window", events=events(("2024-03-04 21:35", "2024-03-04 21:50"))).iloc[0]
    np.testing.assert_allclose(row, (tokens[0] * 5 + tokens[1] * 10) / 15, rtol=1e-4, atol=1e-5)


def test_weeks_are_cut_into_events_too(night: pd.DataFrame) -> None:
    model = tiny_model(window_minutes=7 * 1440, patch_minutes=60)
    hours = model.embed(night, level="hour")
    spans = events(("2024-03-05 01:00", "2024-03-05 02:00"), ("2024-03-04 22:00", "2024-03-04 23:00"))
    table = model.embed(night, level="window", events=spans)
    expected = hours.loc[[pd.Timestamp("2024-03-05 01:00"), pd.Timestamp("2024-03-04 22:00")]]
    np.testing.assert_allclose(table, expected, rtol=1e-4, atol=1e-5)


def test_rows_come_in_the_order_of_the_events(model: Model, people: pd.DataFrame) -> None:
    spans = events(
        ("simulated-3", "2024-03-04 20:00", "2024-03-04 21:00"),
        ("simulated-1", "2024-03-04 10:00", "2024-03-04 11:00"),
        ("simulated-3", "2024-03-04 08:00", "2024-03-04 09:00"),
    )
    spans["label"] = "walk"
    before = spans.copy()
    table = model.embed(people, level="window", events=spans)
    pd.testing.assert_frame_equal(spans, before)
    assert list(table.index.names) == ["participant_id", "start", "end"]
    assert table.index.get_level_values(0).tolist() == spans["participant_id"].tolist()
    assert table.index.get_level_values("start").tolist() == pd.to_datetime(spans["start"]).tolist()
    assert list(table.columns) == [f"e{i}" for i in range(24)] and (table.dtypes == np.float32).all()
    assert table.attrs["level"] == "window" and table.attrs["checkpoint"] == model.hash
    alone = model.embed(people.loc[["simulated-3"]], level="window", events=spans.iloc[[2]])
    np.testing.assert_allclose(alone, table.iloc[[2]], rtol=1e-5, atol=1e-5)
    backwards = model.embed(people[::-1], level="window", events=spans[::-1], batch_size=1)
    np.testing.assert_allclose(backwards[::-1], table, rtol=1e-5, atol=1e-5)


def test_events_may_stand_in_the_index_and_under_the_participants_own_name(
    model: Model, people: pd.DataFrame
) -> None:
    spans = events(("simulated-1", "2024-03-04 10:00", "2024-03-04 11:00"))
    expected = model.embed(people, level="window", events=spans)
    indexed = spans.set_index(["participant_id", "start", "end"])
    np.testing.assert_array_equal(model.embed(people, level="window", events=indexed), expected)
    renamed = people.rename_axis(["who", "timestamp"]).reset_index()
    mine = spans.rename(columns={"participant_id": "who"})
    table = model.embed(renamed, level="window", events=mine, participant="who")
    np.testing.assert_allclose(table, expected, rtol=1e-5)


def test_one_participant_needs_no_ids(model: Model, people: pd.DataFrame) -> None:
    spans = events(("2024-03-04 10:00", "2024-03-04 11:00"))
    keyed = model.embed(people.loc[["simulated-2"]], level="window", events=spans)
    assert keyed.index[0][0] == "simulated-2"
    plain = model.embed(people.loc["simulated-2"], level="window", events=spans)
    assert list(plain.index.names) == ["start", "end"]
    np.testing.assert_allclose(keyed, plain, rtol=1e-6)


@pytest.mark.parametrize("kind", ["int64", "category", "string[pyarrow]", "object"])
def test_ids_match_whatever_their_type(model: Model, people: pd.DataFrame, kind: str) -> None:
    frame = people.reset_index()
    frame["participant_id"] = frame["participant_id"].str[-1].astype(int).astype(kind)
    one = 2 if kind in ("int64", "category", "object") else "2"
    table = model.embed(frame, level="window", events=events((one, "2024-03-04 10:00", "2024-03-04 11:00")))
    expected = model.embed(
        people, level="window", events=events(("simulated-2", "2024-03-04 10:00", "2024-03-04 11:00"))
    )
    np.testing.assert_allclose(table, expected, rtol=1e-5, atol=1e-6)


def test_an_instant_is_the_minute_that_it_lies_in(model: Model, night: pd.DataFrame) -> None:
    token = model.embed(night[["heart_rate"]], level="token").loc[pd.Timestamp("2024-03-04 22:10")].iloc[0]
    meal = events(("2024-03-04 22:15:20", "2024-03-04 22:15:20"))
    row = model.embed(night[["heart_rate"]], level="window", events=meal).iloc[0]
    np.testing.assert_allclose(row, token, rtol=1e-5, atol=1e-6)


def test_nothing_observed_gives_nan_and_one_warning(model: Model, people: pd.DataFrame) -> None:
    spans = events(
        ("simulated-1", "2024-03-04 10:00", "2024-03-04 11:00"),
        ("simulated-1", "2020-01-01", "2020-01-02"),
        ("a stranger", "2024-03-04 10:00", "2024-03-04 11:00"),
    )
    with pytest.warns(UserWarning, match=r"2 of 3 events \(1 of participants .* lacks\)") as caught:
        table = model.embed(people, level="window", events=spans)
    assert len(caught) == 1
    assert table.isna().all(axis=1).tolist() == [False, True, True]


def test_no_events_give_no_rows(model: Model, people: pd.DataFrame) -> None:
    none = pd.DataFrame({"participant_id": pd.Series([], dtype=str), "start": [], "end": []})
    assert model.embed(people, level="window", events=none).shape == (0, 24)


def test_min_observed_leaves_out_tokens_of_poor_days(model: Model, night: pd.DataFrame) -> None:
    span = events(("2024-03-04 23:00", "2024-03-05 01:00"))
    first = night.loc[:"2024-03-05 00:29"]  # of the second day 30 minutes are left
    table = model.embed(first, level="window", events=span, min_observed=0.05)
    expected = model.embed(first, level="window", events=events(("2024-03-04 23:00", "2024-03-05")))
    np.testing.assert_allclose(table, expected, rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------------- zones


def test_times_with_a_zone_mean_the_same_moment(model: Model) -> None:
    frame = minutes("2024-03-04 21:00", 600, heart_rate=np.linspace(60, 90, 600)).tz_localize("Europe/Berlin")
    naive = events(("2024-03-04 23:00", "2024-03-05 02:00"))
    utc = events((pd.Timestamp("2024-03-04 22:00Z"), pd.Timestamp("2024-03-05 01:00Z")))
    expected = model.embed(frame, level="window", events=naive)
    table = model.embed(frame, level="window", events=utc)
    np.testing.assert_array_equal(table, expected)
    assert str(table.index.get_level_values("start").tz) == "UTC"  # as it was given


def test_each_participants_zone_counts(model: Model) -> None:
    one = minutes("2024-03-04 00:00", 1440, heart_rate=np.linspace(60, 90, 1440)).tz_localize("UTC")
    both = pd.concat({"a": one, "b": one}, names=["participant_id", "timestamp"])
    zones = {"a": "Asia/Tokyo", "b": "America/New_York"}
    span = (pd.Timestamp("2024-03-04 10:00Z"), pd.Timestamp("2024-03-04 11:30Z"))
    table = model.embed(both, level="window", events=events(("b", *span), ("a", *span)), tz=zones)
    wall = events(
        ("b", "2024-03-04 05:00", "2024-03-04 06:30"), ("a", "2024-03-04 19:00", "2024-03-04 20:30")
    )
    np.testing.assert_array_equal(table, model.embed(both, level="window", events=wall, tz=zones))
    assert not np.allclose(table.iloc[0], table.iloc[1])


def test_an_event_may_span_the_hour_that_clocks_are_set_back(model: Model) -> None:
    frame = minutes("2024-10-27 00:00", 300, heart_rate=np.linspace(60, 90, 300))
    frame = frame.tz_localize("UTC").tz_convert("Europe/Berlin")
    span = events((pd.Timestamp("2024-10-27 00:50Z"), pd.Timestamp("2024-10-27 01:10Z")))  # 02:50 to 02:10
    assert model.embed(frame, level="window", events=span).notna().all(axis=None)


# ---------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        (
            events(("simulated-1", "2024-03-04 11:00", "2024-03-04 10:00")),
            "1 of 1 events end before.*row 0.*'s",
        ),
        (events(("simulated-1", "2024-03-04 11:00", "noon")), "'noon' in row 0.*no ISO 8601"),
        (events(("simulated-1", "2024-03-04 11:00", None)), "1 of 1 rows have no timestamp in column 'end'"),
        (events((None, "2024-03-04 11:00", "2024-03-04 12:00")), "row 0 of the events names no participant"),
        (events(("2024-03-04 11:00", "2024-03-04 12:00")), "no column 'participant_id'.* 3 participants"),
        (
            events((1, "2024-03-04 11:00", "2024-03-04 12:00")),
            r"none .* events name 1 \(int64\).*'simulated-1'",
        ),
        (pd.DataFrame({"participant_id": ["simulated-1"], "begin": ["2024-03-04"]}), "no column 'start'"),
        (
            events(("simulated-1", pd.Timestamp("2024-03-04 11:00Z"), pd.Timestamp("2024-03-04 12:00Z"))),
            "zone UTC, and the recording's timestamps have none",
        ),
        (
            pd.DataFrame(
                {
                    "participant_id": ["simulated-1"],
                    "start": [pd.Timestamp("2024-03-04")],
                    "end": [pd.Timestamp("2024-03-05 00:00Z")],
                }
            ),
            "one of start and end only",
        ),
    ],
)
def test_events_that_cannot_be_read(
    model: Model, people: pd.DataFrame, spans: pd.DataFrame, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        model.embed(people, level="window", events=spans)


def test_events_of_several_need_a_recording_of_several(model: Model, people: pd.DataFrame) -> None:
    spans = events(("a", "2024-03-04", "2024-03-05"), ("b", "2024-03-04", "2024-03-05"))
    with pytest.raises(ValueError, match="events name 2 participants, the recording none"):
        model.embed(people.loc["simulated-1"], level="window", events=spans)


def test_events_and_level_go_together(model: Model, people: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="level='window' needs events="):
        model.embed(people, level="window")
    with pytest.raises(ValueError, match="events= is for level='window', not level='day'"):
        model.embed(people, events=events(("simulated-1", "2024-03-04", "2024-03-05")))
    with pytest.raises(TypeError, match=r"events must be a DataFrame.*not list"):
        model.embed(people, level="window", events=[("2024-03-04", "2024-03-05")])  # type: ignore[arg-type]


# ---------------------------------------------------------------------- command line


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_command_embeds_events(
    tmp_path: Path, people: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_model().save(tmp_path / "tiny")
    frame = people.reset_index()
    frame["participant_id"] = frame["participant_id"].str[-1].astype(int)  # a CSV of events holds text
    frame.to_parquet("recording.parquet")
    spans = events((2, "2024-03-04 10:00", "2024-03-04 11:00"), (1, "2024-03-04 23:00", "2024-03-05 11:00"))
    spans.to_csv("events.csv", index=False)
    spans.to_parquet("events.parquet")
    words = f"embed recording.parquet --model tiny --level window --events events.{ending} -o out.parquet"
    assert main(words.split()) == 0
    found = pd.read_parquet("out.parquet")
    expected = lsm2.embed(frame, model="tiny", level="window", events=spans)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_index_type=False)


def test_the_command_says_what_is_missing(
    tmp_path: Path, people: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_model().save(tmp_path / "tiny")
    people.to_parquet(tmp_path / "recording.parquet")
    words = f"embed {tmp_path}/recording.parquet --model {tmp_path}/tiny --level window -o {tmp_path}/o.csv"
    assert main(words.split()) == 2
    said = capsys.readouterr().err
    assert "--level window needs --events, a table with columns participant_id, start and end" in said


def test_nothing_is_warned_of_where_all_is_well(model: Model, people: pd.DataFrame) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.embed(
            people, level="window", events=events(("simulated-1", "2024-03-04 10:00", "2024-03-04 11:00"))
        )


def test_the_command_takes_one_file_with_events(
    tmp_path: Path, people: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    people.to_parquet(tmp_path / "one.parquet")
    (tmp_path / "events.csv").write_text("participant_id,start,end\n")
    words = ["--level", "window", "--events", str(tmp_path / "events.csv"), "-o", str(tmp_path / "o.parquet")]
    for source in (tmp_path, tmp_path / "*.parquet"):
        assert main(["embed", str(source), *words]) == 2
        assert "with --events, give one file" in capsys.readouterr().err
