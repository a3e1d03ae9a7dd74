"""Any table: CSV or parquet, columns named by the caller, one row per time."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import numpy as np
import pandas as pd
import pyarrow as pa

from lsm2.channels import Channel, listing, plain_name
from lsm2.days.clock import as_zone, is_utc
from lsm2.days.doubts import READABLE_MINUTES
from lsm2.readers.assemble import assemble
from lsm2.readers.batches import PARQUET, Batch, columns_of, open_batches, open_parquet
from lsm2.readers.cells import Clock, Times, read_clock, read_epoch, read_iso, read_numbers
from lsm2.readers.columns import Plan, plan_columns, read_meaning, read_units
from lsm2.readers.export import Entry, open_export
from lsm2.readers.faults import by_channel
from lsm2.readers.request import OnError, Request
from lsm2.readers.store import Store
from lsm2.wording import counted

_TEXT = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt")
TABLES = _TEXT + PARQUET
_IDS = ("id", "pid", "person", "personid", "patient", "patientid", "user")  # may say whose a row is, or not
_TRUTH = {"true": 1, "false": 0}
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
# Seconds from row to row that tell of values which hold for as long, how many such steps there must be, and
# which share of them alike.
_COARSE, _FEW, _REGULAR = range(120, READABLE_MINUTES * 60 + 1, 60), 3, 0.9
# Seconds, milliseconds, microseconds or nanoseconds since 1970: what a number of this size can only mean.
_EPOCHS = ((1e8, 1e10, 1), (1e11, 1e13, 1_000), (1e14, 1e16, 1_000_000), (1e17, 1e19, 1_000_000_000))


@dataclass
class _Seen:
    """What is said of the tables when all are read."""

    unused: dict[str, None] = field(default_factory=dict)  # columns, in order
    repeats: Counter[str] = field(default_factory=Counter)  # amounts that repeat another, by channel
    steps: Counter[int] = field(default_factory=Counter)  # seconds between rows with amounts


def read_table(
    path: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    time_format: str | None = None,
    minutes: int | None = None,
    tz: Any = None,
    start: Any = None,
    end: Any = None,
    participant: Any = None,
    on_error: OnError = "raise",
) -> pd.DataFrame:
    """Read any table of a recording into minutes: CSV or parquet, one row per time, one column per channel.

    Rows may be finer than a minute, unsorted and doubled: rates are averaged, counts summed, states hold when
    any row says so; a row that is there twice counts once. Empty cells, NaN and NULL are missing, and nothing
    is made up between rows, unless `minutes` says how long each holds. A zero of a count, and energy, that
    was written while nobody wore the device is missing too: where the table has a heart rate within a day,
    minutes farther than seven minutes from any; else runs of 90 minutes without motion.

    Args:
        path: A .csv, .csv.gz, .tsv or .parquet file, or a zip or folder of them.
        columns: {column of the table: channel, "timestamp" or "participant_id"}. Columns that are called like
            a channel or one of its aliases need not be named.
        units: {channel, its alias or column: unit or device}, where it is not the canonical one:
            {"distance": "km"}.
        time_format: The form of the times, as `datetime.strptime` takes it. None: ISO, or a number since 1970
            whose size tells seconds, milli-, micro- or nanoseconds.
        minutes: How many minutes each row holds for, from its time on, where rows are coarser than a minute
            (up to 180): counts, distance and energy are spread evenly over them, rates and states hold
            throughout, and wear and valid ranges are judged on the minutes. None: a row is of the minute that
            it stands in.
        tz: Zone of the output's clock, which then is tz-aware; times without an offset are taken to be on it.
            None: the wall clock that the table shows, naive; UTC where it shows only that.
        start: First date or moment wanted, on the output's wall clock.
        end: Last date wanted, or the first moment left out.
        participant: An id for the output's index; of a table of several people, the one wanted.
        on_error: "raise", or "skip" to leave malformed rows out, with one warning that counts them.

    Returns:
        float32, one row for each minute of every calendar day on which a row lies, from `start` to `end`.
        Index "timestamp", or ("participant_id", "timestamp") where the table names participants.

    Raises:
        FileNotFoundError: There is no table at `path`.
        ValueError: No column holds a time or a channel, a row is malformed (the message names file, line and
            column), or an argument is not understood.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "watch.csv")
    ...     _ = file.write_text("when,pulse\\n2024-03-01 10:00:05,60\\n2024-03-01 10:00:35,64\\n")
    ...     frame = read_table(file, columns={"when": "timestamp"})
    >>> frame.loc["2024-03-01 10:00", "heart_rate"].item()
    62.0
    """
    request = Request.of(path, tz, start, end, participant, on_error)
    wanted = {column: read_meaning(column, name) for column, name in (columns or {}).items()}
    by_channel = read_units(units or {}, wanted)
    if minutes is not None and not (
        isinstance(minutes, (int, np.integer)) and 1 <= minutes <= READABLE_MINUTES
    ):
        raise ValueError(
            f"minutes={minutes!r} is no whole number of minutes from 1 to {READABLE_MINUTES}; values of "
            "longer say nothing of their minutes"
        )
    seen = _Seen()
    with open_export(request.path) as export:
        entries = [entry for entry in export.entries if entry.base.endswith(TABLES)]
        if len(export.entries) == 1 and not export.unread:
            entries = list(export.entries)
        if not entries:
            hint = export.unread or f"one is a {', '.join(TABLES)} file"
            raise FileNotFoundError(f"{path}: holds no table; {hint}")
        if request.zone is None:
            request = replace(request, zone=_own_zone(entries, wanted))
        store = Store(request)
        for entry in entries:
            _read(entry, store, wanted, by_channel, time_format, 60 * (minutes or 0), seen)
    return assemble(store, "table", told=True, notes=_notes(str(path), seen, minutes))


def _notes(path: str, seen: _Seen, minutes: int | None) -> list[str]:
    """Say what is odd about the tables at a path."""
    notes = []
    if seen.unused:
        note = f"{path}: columns that are no channel were not read: {listing(seen.unused)}."
        who = next((label for label in seen.unused if plain_name(label) in _IDS), None)
        if who is not None:
            note += (
                f" If {who!r} says whose a row is, give columns={{{who!r}: 'participant_id'}}, and for one "
                "person participant=; else several people become one recording."
            )
        notes.append(note)
    if seen.repeats:
        total = seen.repeats.total()
        repeat, count = ("repeats", "counts") if total == 1 else ("repeat", "count")
        notes.append(
            f"{path}: {counted(total, 'amount')} {repeat} the time and the value of another and {count} once "
            f"({by_channel(seen.repeats)}). If the seconds of the times were cut off, as Excel does, write "
            "them out."
        )
    if minutes is None and seen.steps:
        step, often = seen.steps.most_common(1)[0]
        total = seen.steps.total()
        if total >= _FEW and often >= _REGULAR * total and step in _COARSE:
            notes.append(
                f"{path}: rows with counts or energy are {step // 60} minutes apart, and each counts for the "
                f"one minute that it stands in. If it is of all {step // 60}, give minutes={step // 60}."
            )
    return notes


def _read(
    entry: Entry,
    store: Store,
    wanted: Mapping[str, str],
    units: Mapping[str, str],
    time_format: str | None,
    lasting: int,
    seen: _Seen,
) -> None:
    with open_batches(entry, store.faults) as (labels, batches, decimals):
        if not labels:
            store.faults.refuse(entry.where, "a table without a header", "the table is empty", whole=True)
            return
        plan = plan_columns(labels, wanted, entry.where)
        known = {plan.time, plan.date, plan.who, *plan.channels}
        seen.unused.update(dict.fromkeys(label for label in labels if label not in known))
        for batch in batches:
            stamps = _stamps(batch.cells, plan)
            times, clock = _times(stamps, time_format)
            store.refuse(
                times.bad,
                batch.place,
                "a time that is none",
                lambda row, stamps=stamps: (
                    f"column {plan.time!r}: {_shown(stamps[row])} is no time; write times as "
                    "2024-03-31T07:45, or pass time_format="
                ),
            )
            people = None if plan.who is None else batch.cells[plan.who]
            if people is not None:
                nobody = np.array([str(one).strip() in ("", "nan", "None", "<NA>") for one in people], bool)
                store.refuse(
                    nobody, batch.place, "no participant", lambda row: f"column {plan.who!r} is empty there"
                )
                times.bad[nobody] = True
            groups = _groups(people, len(times.bad))
            has_amount = np.zeros(len(times.bad), bool)
            for label, channel in plan.channels.items():
                value = _read_values(store, batch, label, channel, decimals)
                if channel.aggregation == "sum":
                    has_amount |= ~np.isnan(value) & ~times.bad
                unit = units.get(channel.name)
                _add(store, batch, channel, value, unit, times, clock, groups, lasting, seen)
            for _, rows in groups:
                seen.steps.update(np.diff(np.unique(times.seconds[rows & has_amount])).tolist())


def _read_values(store: Store, batch: Batch, label: str, channel: Channel, decimals: str) -> np.ndarray:
    cells = batch.cells[label]
    value, bad = _values(cells, channel, decimals)
    store.refuse(
        bad,
        batch.place,
        "a value that is no number",
        lambda row: f"column {label!r}: {_shown(cells[row])} is no number",
    )
    return value


def _add(
    store: Store,
    batch: Batch,
    channel: Channel,
    value: np.ndarray,
    unit: str | None,
    times: Times,
    clock: np.ndarray,
    groups: list[tuple[Any, np.ndarray]],
    lasting: int,
    seen: _Seen,
) -> None:
    for person, rows in groups:
        for name in get_args(Clock):
            some = np.flatnonzero(rows & (clock == name) & ~times.bad)
            if len(some):
                start, amount = times.seconds[some], value[some]
                if channel.aggregation == "sum":
                    seen.repeats += Counter({channel.name: _repeats(times, some[amount > 0], value)})
                if times.finer is not None:
                    some, start, amount = _by_second(some, start, times.finer[some], amount, channel)
                store.add(
                    channel.name,
                    start,
                    amount,
                    place=_among(batch.place, some),
                    seconds=lasting,
                    unit=unit,
                    person=person,
                    clock=name,
                    offset=times.offset[some],
                    grid=times.finer is None,
                    zeros="written" if channel.kind == "count" or channel.family == "energy" else "absent",
                )


def _by_second(
    rows: np.ndarray, start: np.ndarray, finer: np.ndarray, value: np.ndarray, channel: Channel
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bring values of many moments of a second together by the channel's rule; exact repeats count once."""
    known = ~np.isnan(value)
    table = pd.DataFrame({"row": rows, "start": start, "finer": finer, "value": value})[known]
    table = table.drop_duplicates(["start", "finer", "value"])
    by_second = table.groupby("start", sort=False)
    value = by_second["value"].agg(channel.aggregation).to_numpy(np.float64)
    first = by_second["row"].first()
    return first.to_numpy(np.int64), first.index.to_numpy(np.int64), value


def _repeats(times: Times, rows: np.ndarray, value: np.ndarray) -> int:
    """Return how many rows repeat the time and the value of another."""
    start = times.seconds[rows]
    if np.all(start[1:] > start[:-1]):
        return 0
    finer = 0 if times.finer is None else times.finer[rows]
    table = pd.DataFrame({"start": start, "finer": finer, "value": value[rows]})
    return int(table.duplicated().sum())


def _among(place: Callable[[int], str], rows: np.ndarray) -> Callable[[int], str]:
    return lambda row: place(int(rows[row]))


def _stamps(cells: Mapping[str, Any], plan: Plan) -> Any:
    if plan.date is None:
        return cells[plan.time]
    return [f"{date} {time}" for date, time in zip(cells[plan.date], cells[plan.time], strict=True)]


def _groups(people: Any, count: int) -> list[tuple[Any, np.ndarray]]:
    """Return the people of so many rows, in order of first appearance, and which rows are theirs."""
    if people is None:
        return [(None, np.ones(count, bool))]
    codes, found = pd.factorize(np.asarray(people, dtype=object))
    return [(_plain(person), codes == code) for code, person in enumerate(found)]


def _plain(person: Any) -> Any:
    return person.item() if isinstance(person, np.generic) else person


def _values(cells: Any, channel: Channel, decimals: str) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(cells, pd.Series):
        if pd.api.types.is_numeric_dtype(cells) or pd.api.types.is_bool_dtype(cells):
            value = cells.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
            value[~np.isfinite(value)] = np.nan
            return value, np.zeros(len(value), bool)
        cells = [None if cell is pd.NA or cell is pd.NaT else cell for cell in cells]
    if channel.kind == "binary":
        cells = [_TRUTH.get(str(cell).strip().casefold(), cell) for cell in cells]
    if "," in decimals:
        # Where a point may mark decimals as well, a comma before three digits may part thousands: no guess.
        cells = [
            cell.replace(",", ".")
            if isinstance(cell, str) and not ("." in decimals and _THOUSANDS.fullmatch(cell.strip()))
            else cell
            for cell in cells
        ]
    numbers = read_numbers(cells)
    return numbers.value, numbers.bad


def _times(cells: Any, form: str | None) -> tuple[Times, np.ndarray]:
    """Return times, and the clock of each: "utc", "written" or "local"."""
    if isinstance(cells, pd.Series) and isinstance(cells.dtype, (np.dtype, pd.DatetimeTZDtype)):
        if cells.dtype.kind == "M":
            index = pd.DatetimeIndex(cells)
            aware = index.tz is not None
            fine = index.tz_convert("UTC").tz_localize(None) if aware else index
            naive = fine.as_unit("s")
            bad = np.asarray(index.isna())
            seconds = np.where(bad, 0, naive.asi8)
            none = np.zeros(len(index), bool)
            finer = np.where(bad, 0, (fine - naive) // pd.Timedelta(1, "ns")).astype(np.int64)
            times = Times(
                seconds,
                np.zeros(len(index), np.int64),
                none,
                ~bad & aware,
                bad,
                finer if finer.any() else None,
            )
            return times, np.full(len(index), "utc" if aware else "local", object)
        if cells.dtype.kind in "iuf":
            cells = cells.tolist()
    cells = list(cells)
    if form is not None:
        times = read_clock(cells, form)
    else:
        times = read_iso(cells)
        if len(cells) and times.bad.all():
            times = _since_1970(cells, times)
    clock = np.where(times.has_offset, "written", np.where(times.is_utc, "utc", "local")).astype(object)
    return times, clock


def _since_1970(cells: list[Any], other: Times) -> Times:
    numbers = read_numbers(cells)
    size = np.abs(numbers.value[~np.isnan(numbers.value)])
    for least, most, per_second in _EPOCHS:
        if len(size) and size.min() >= least and size.max() < most:
            return read_epoch(cells, per_second)
    return other


def _shown(cell: Any) -> str:
    return repr(cell)[:60]


def _own_zone(entries: list[Entry], wanted: Mapping[str, str]) -> Any:
    """Return the zone of a parquet file's times, where it is one and not UTC."""
    for entry in entries:
        if entry.base.endswith(PARQUET):
            with open_parquet(entry) as file:
                time = plan_columns(columns_of(file), wanted, entry.where).time
                if time not in file.schema_arrow.names:
                    continue
                kind = file.schema_arrow.field(time).type
                if pa.types.is_timestamp(kind) and kind.tz is not None and not is_utc(as_zone(kind.tz)):
                    return as_zone(kind.tz)
    return None
