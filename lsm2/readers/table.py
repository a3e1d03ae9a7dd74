"""Any table: CSV or parquet, columns named by the caller, one row per time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import pandas as pd
import pyarrow as pa

from lsm2.channels import CHANNELS, Channel, ChannelError, Schema, listing, nearest, plain_name
from lsm2.days.clock import as_zone, is_utc
from lsm2.readers.assemble import assemble
from lsm2.readers.batches import PARQUET, Batch, open_batches, open_parquet
from lsm2.readers.cells import Clock, Times, read_clock, read_epoch, read_iso, read_numbers
from lsm2.readers.export import Entry, open_export
from lsm2.readers.request import OnError, Request
from lsm2.readers.store import Store

_TEXT = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt")
TABLES = _TEXT + PARQUET
_TIME, _WHO = "timestamp", "participant_id"
_TIMES = (
    _TIME,
    "time",
    "datetime",
    "date_time",
    "date time",
    "recorded_time",
    "timestamp_iso",
    "start_time",
    "date",
)
_PEOPLE = (_WHO, "participant", "subject", "subject_id", "user_id")
# Seconds, milliseconds, microseconds or nanoseconds since 1970: what a number of this size can only mean.
_EPOCHS = ((1e8, 1e10, 1), (1e11, 1e13, 1_000), (1e14, 1e16, 1_000_000), (1e17, 1e19, 1_000_000_000))


@dataclass(frozen=True)
class _Plan:
    """Which column holds what."""

    time: str
    date: str | None  # where the time of day stands apart
    who: str | None
    channels: dict[str, Channel]  # by column


def read_table(
    path: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    time_format: str | None = None,
    tz: Any = None,
    start: Any = None,
    end: Any = None,
    participant: Any = None,
    on_error: OnError = "raise",
) -> pd.DataFrame:
    """Read any table of a recording into minutes: CSV or parquet, one row per time, one column per channel.

    Rows may be finer than a minute, unsorted and doubled: rates are averaged, counts summed, states hold when
    any row says so; a row that is there twice counts once. Empty cells, NaN and NULL are missing, and nothing
    is made up between rows. A zero of a count, and energy, that was written while nobody wore the device is
    missing too: where the table has a heart rate within a day, minutes farther than seven minutes from any;
    else runs of 90 minutes without motion.

    Args:
        path: A .csv, .csv.gz, .tsv or .parquet file, or a zip or folder of them.
        columns: {column of the table: channel, "timestamp" or "participant_id"}. Columns that are called like
            a channel or one of its aliases need not be named.
        units: {channel: unit or device}, where it is not the canonical one: {"distance": "km"}.
        time_format: The form of the times, as `datetime.strptime` takes it. None: ISO, or a number since 1970
            whose size tells seconds, milli-, micro- or nanoseconds.
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
    wanted = {column: _meaning(column, name) for column, name in (columns or {}).items()}
    Schema(channels=tuple(CHANNELS.values())).conversions(units)
    unused: dict[str, None] = {}
    with open_export(request.path) as export:
        entries = [entry for entry in export.entries if entry.base.endswith(TABLES)]
        if len(export.entries) == 1:
            entries = list(export.entries)
        if not entries:
            raise FileNotFoundError(f"{path}: holds no table; one is a {', '.join(TABLES)} file")
        if request.zone is None:
            request = replace(request, zone=_own_zone(entries, wanted))
        store = Store(request)
        for entry in entries:
            _read(entry, store, wanted, units or {}, time_format, unused)
    notes = []
    if unused:
        notes.append(f"{path}: columns that are no channel were not read: {listing(unused)}.")
    return assemble(store, "table", told=True, notes=notes)


def _meaning(column: str, name: str) -> str:
    if name in (_TIME, _WHO):
        return name
    schema = Schema(channels=tuple(CHANNELS.values()))
    position = schema.match(name)
    if position is None:
        known = [_TIME, _WHO, *CHANNELS]
        raise ChannelError(
            f"columns= says that {column!r} holds {name!r}, which is no channel{nearest(name, known)}; "
            f"known: {', '.join(known)}"
        )
    return schema.names[position]


def _plan(labels: list[str], wanted: Mapping[str, str], where: str) -> _Plan:
    """Say which column of a table holds what.

    Raises:
        ChannelError: No column holds a time, or none a channel; a column that was named is not there.
    """
    missing = [column for column in wanted if column not in labels]
    if missing:
        raise ChannelError(
            f"{where}: columns= names {missing[0]!r}, but the table has no such column"
            f"{nearest(missing[0], labels)}; it has {listing(labels)}"
        )
    time = _special(labels, wanted, _TIME, _TIMES)
    if time is None and labels and (labels[0] == "" or labels[0].startswith(("Unnamed: ", "__index_level_"))):
        time = labels[0]
    if time is None:
        raise ChannelError(
            f"{where}: no column holds times: it has {listing(labels)}. Name it with "
            "columns={'your column': 'timestamp'}."
        )
    date = None
    if plain_name(time) == "time" and time not in wanted:
        date = next((label for label in labels if plain_name(label) == "date" and label not in wanted), None)
    who = _special(labels, wanted, _WHO, _PEOPLE)
    rest = [label for label in labels if label not in (time, date, who)]
    schema = Schema(channels=tuple(CHANNELS.values()))
    named = {column: name for column, name in wanted.items() if column in rest}
    try:
        found, _ = schema.resolve(rest, named)
    except ChannelError as error:
        raise ChannelError(f"{where}: {error}") from error
    return _Plan(time, date, who, {label: schema.channels[place] for place, label in found.items()})


def _special(
    labels: list[str], wanted: Mapping[str, str], meaning: str, names: tuple[str, ...]
) -> str | None:
    given = [column for column, name in wanted.items() if name == meaning]
    if len(given) > 1:
        raise ChannelError(f"columns= gives {meaning} twice: {given[0]!r} and {given[1]!r}")
    if given:
        return given[0]
    for name in names:
        for label in labels:
            if plain_name(label) == plain_name(name) and label not in wanted:
                return label
    return None


def _read(
    entry: Entry,
    store: Store,
    wanted: Mapping[str, str],
    units: Mapping[str, str],
    time_format: str | None,
    unused: dict[str, None],
) -> None:
    with open_batches(entry, store.faults) as (labels, batches, decimal):
        if not labels:
            store.faults.refuse(entry.where, "a table without a header", "the table is empty", whole=True)
            return
        plan = _plan(labels, wanted, entry.where)
        known = {plan.time, plan.date, plan.who, *plan.channels}
        unused.update(dict.fromkeys(label for label in labels if label not in known))
        by_name = {plain_name(name): unit for name, unit in units.items()}
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
            for label, channel in plan.channels.items():
                unit = by_name.get(plain_name(channel.name))
                _add(store, batch, label, channel, unit, times, clock, people, decimal)


def _add(
    store: Store,
    batch: Batch,
    label: str,
    channel: Channel,
    unit: str | None,
    times: Times,
    clock: np.ndarray,
    people: Any,
    decimal: str,
) -> None:
    value, bad = _values(batch.cells[label], decimal)
    store.refuse(
        bad,
        batch.place,
        "a value that is no number",
        lambda row: f"column {label!r}: {_shown(batch.cells[label][row])} is no number",
    )
    groups = [(None, np.ones(len(value), bool))] if people is None else _groups(people)
    for person, rows in groups:
        for name in get_args(Clock):
            some = np.flatnonzero(rows & (clock == name) & ~times.bad)
            if len(some):
                start, amount = times.seconds[some], value[some]
                if times.finer is not None:
                    some, start, amount = _by_second(some, start, times.finer[some], amount, channel)
                store.add(
                    channel.name,
                    start,
                    amount,
                    place=_among(batch.place, some),
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


def _among(place: Callable[[int], str], rows: np.ndarray) -> Callable[[int], str]:
    return lambda row: place(int(rows[row]))


def _stamps(cells: Mapping[str, Any], plan: _Plan) -> Any:
    if plan.date is None:
        return cells[plan.time]
    return [f"{date} {time}" for date, time in zip(cells[plan.date], cells[plan.time], strict=True)]


def _groups(people: Any) -> list[tuple[Any, np.ndarray]]:
    """Return the people of some rows, in order of first appearance, and which rows are theirs."""
    codes, found = pd.factorize(np.asarray(people, dtype=object))
    return [(_plain(person), codes == code) for code, person in enumerate(found)]


def _plain(person: Any) -> Any:
    return person.item() if isinstance(person, np.generic) else person


def _values(cells: Any, decimal: str) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(cells, pd.Series):
        if pd.api.types.is_numeric_dtype(cells) or pd.api.types.is_bool_dtype(cells):
            value = cells.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
            value[~np.isfinite(value)] = np.nan
            return value, np.zeros(len(value), bool)
        cells = [None if cell is pd.NA or cell is pd.NaT else cell for cell in cells]
    if decimal == ",":
        cells = [cell.replace(",", ".") if isinstance(cell, str) else cell for cell in cells]
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
        times = _by_form(cells, form)
    else:
        times = read_iso(cells)
        if len(cells) and times.bad.all():
            times = _since_1970(cells, times)
    clock = np.where(times.has_offset, "written", np.where(times.is_utc, "utc", "local")).astype(object)
    return times, clock


def _by_form(cells: list[Any], form: str) -> Times:
    if "%z" not in form:
        return read_clock(cells, form)
    stamps = pd.to_datetime(pd.Series(cells, dtype=object), format=form, errors="coerce", utc=True)
    iso = stamps.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return read_iso([cell if isinstance(cell, str) else None for cell in iso])


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
                names = file.schema_arrow.names
                time = _plan(names, wanted, entry.where).time
                kind = file.schema_arrow.field(names.index(time)).type
                if pa.types.is_timestamp(kind) and kind.tz is not None and not is_utc(as_zone(kind.tz)):
                    return as_zone(kind.tz)
    return None
