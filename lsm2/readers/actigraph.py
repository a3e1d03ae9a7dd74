"""ActiGraph: epochs of counts, out of .agd databases and ActiLife's CSV files."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lsm2.channels import plain_name
from lsm2.readers.assemble import assemble
from lsm2.readers.cells import Times, read_clock, read_iso, read_numbers
from lsm2.readers.export import Entry, open_export
from lsm2.readers.request import OnError, Request
from lsm2.readers.rows import Piece, header_of, open_sheet
from lsm2.readers.sqlite import Database, is_database, open_database
from lsm2.readers.store import Store
from lsm2.readers.xml import ReadError

_CHANNELS = {"axis1": "activity_counts", "steps": "steps", "hr": "heart_rate"}
_UNITS = {"activity_counts": "actigraph"}
_TICKS = 10_000_000  # a second of .NET
_UNIX = 62_135_596_800  # seconds from 0001-01-01 to 1970
_LONGEST = 86_400  # seconds of an epoch
_OFF_AFTER = 600  # seconds for which a reading of the wear sensor holds
_PREAMBLE = re.compile(r"Data (?:Table )?(?:File )?Created By ActiGraph", re.IGNORECASE)
_RULE = re.compile(r"^-{5,}\s*[,;]*$")
_HALF = re.compile(r"\s*([AP])\.?\s?M\b\.?", re.IGNORECASE)  # of the day: AM, p. m.
# The columns of a table without a header, in their order, and the bit of the mode that stands for each.
_MODE = {"axis1": 0, "axis2": 4, "axis3": 8, "steps": 1, "hr": 2, "lux": 16}
_MODE |= {"inclinometer off": 32, "standing": 32, "sitting": 32, "lying": 32}


@dataclass(frozen=True)
class _Preamble:
    """The lines above the table of a CSV file."""

    lines: int
    epoch: int | None  # seconds
    start: int | None  # local seconds since 1970
    forms: tuple[str, ...]  # of dates
    mode: int | None  # which columns there are


def read_actigraph(
    path: str | os.PathLike[str],
    *,
    tz: Any = None,
    start: Any = None,
    end: Any = None,
    participant: Any = None,
    on_error: OnError = "raise",
) -> pd.DataFrame:
    """Read epochs of an ActiGraph into minutes: .agd files, and the CSV files of ActiLife.

    Counts are those of the first axis, brought to the canonical scale of activity_counts (ActiGraph's own
    counts times 0.82). Epochs shorter than a minute are added up, longer ones spread over their minutes.
    Where the wear sensor says that nobody wore the device, counts are missing; so are runs of 90 minutes or
    more without any motion, since the device writes zeros when it lies on a table.

    Args:
        path: An .agd or .csv file, or a zip or folder of them. Several files are several participants, called
            like the files, and like their paths where several files have one name.
        tz: Zone of the device's clock; the output then is tz-aware. None: that clock, naive.
        start: First date or moment wanted, on the output's wall clock.
        end: Last date wanted, or the first moment left out.
        participant: An id for the output's index; of several files, the one wanted.
        on_error: "raise", or "skip" to leave malformed epochs out, with one warning that counts them.

    Returns:
        float32, one row for each minute of every calendar day on which an epoch lies, from `start` to `end`:
        activity_counts (counts/min), steps, heart_rate (beats/min), those that the file holds.

    Raises:
        FileNotFoundError: There is nothing at `path`, or no file of ActiLife's.
        ValueError: An epoch is malformed, a file holds raw acceleration, an archive is damaged or hostile, or
            an argument is not understood.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "a.csv")
    ...     _ = file.write_text("date,time,axis1,steps\\n2024-03-31,07:45:00,100,12\\n")
    ...     frame = read_actigraph(file)
    >>> frame.loc["2024-03-31 07:45", "steps"].item()
    12.0
    """
    request = Request.of(path, tz, start, end, participant, on_error)
    with open_export(request.path) as export:
        found = [(entry, kind) for entry in export.entries if (kind := recognised(entry))]
        if not found and len(export.entries) == 1 and export.entries[0].base.endswith(".agd"):
            found = [(export.entries[0], "agd")]
        if not found:
            raise FileNotFoundError(
                f"{path}: holds no file of ActiLife's: an .agd database with the tables settings and data, "
                "or a CSV with a column Axis1"
            )
        store = Store(request)
        people = _people([entry.name for entry, _ in found])
        for (entry, kind), person in zip(found, people, strict=True):
            if kind == "agd":
                _read_agd(entry, store, person)
            else:
                _read_csv(entry, store, person)
    return assemble(store, "actigraph", facts={"files": len(found)})


def recognised(entry: Entry) -> str | None:
    """Return "agd" or "csv" for a file that is read."""
    if entry.base.endswith((".agd", ".db", ".sqlite")) and is_database(entry):
        return "agd" if entry.base.endswith(".agd") or _is_agd(entry) else None
    if entry.base.endswith((".csv", ".txt", ".dat")):
        names = set(map(plain_name, header_of(entry)))
        if _PREAMBLE.search(_head(entry)) or (
            "axis1" in names and not names.isdisjoint(("date", "time", "timestamp"))
        ):
            return "csv"
    return None


def _people(names: list[str]) -> list[str | None]:
    """Return what to call the participant of each file: as little of its path as tells it from the others."""
    if len(names) == 1:
        return [None]
    paths = [name.rsplit(".", 1)[0] for name in names]
    stems = [path.rsplit("/", 1)[-1] for path in paths]
    return [
        stem if stems.count(stem) == 1 else path if paths.count(path) == 1 else name
        for stem, path, name in zip(stems, paths, names, strict=True)
    ]


def _is_agd(entry: Entry) -> bool:
    with open_database(entry, Request.of("", None, None, None, None, "skip").faults) as database:
        return database.has("data", "dataTimestamp", "axis1")


def _read_agd(entry: Entry, store: Store, person: Any) -> None:
    with open_database(entry, store.faults) as database:
        if not database.has("data", "dataTimestamp", "axis1"):
            raise ReadError(
                f"{entry.where}: is no .agd file: it has no table data with dataTimestamp and axis1. Raw "
                "recordings (.gt3x) become .agd files in ActiLife."
            )
        settings: dict[str, Any] = {}
        if database.has("settings", "settingName", "settingValue"):
            for records in database.records("settings", ("settingName", "settingValue")):
                names = map(str, records["settingName"])
                settings.update(zip(map(str.lower, names), records["settingValue"], strict=True))
        moments, worn = _wear(database)
        epoch = _epoch(settings.get("epochlength"))
        for records in database.records("data", ("dataTimestamp", *_CHANNELS)):
            times = _ticks(records["dataTimestamp"])
            if epoch is None:
                epoch = _epoch(np.median(np.diff(times.seconds[~times.bad]))) if len(records) > 1 else 60
            if epoch is None:
                raise ReadError(f"{entry.where}: has no setting epochlength, and no epoch can be told.")
            off = _is_off(times.seconds, moments, worn)
            _add(store, records, times, epoch, off, person)


def _wear(database: Database) -> tuple[np.ndarray, np.ndarray]:
    """Return when the wear sensor was read, local seconds since 1970, and whether the device was worn."""
    for table, columns in database.columns.items():
        if plain_name(table) != "capsense":
            continue
        time = next(
            (columns[name] for name in ("timestamp", "datatimestamp", "time") if name in columns), None
        )
        state = next(
            (columns[name] for name in ("state", "worn", "iswear", "value") if name in columns), None
        )
        if time is None or state is None:
            continue
        parts = [
            (_ticks(records[time]), read_numbers(records[state]).value)
            for records in database.records(table, (time, state))
        ]
        if parts:
            seconds = np.concatenate([times.seconds for times, _ in parts])
            known = np.concatenate([~times.bad & ~np.isnan(value) for times, value in parts])
            worn = np.concatenate([value != 0 for _, value in parts])
            order = np.argsort(seconds[known], kind="stable")
            return seconds[known][order], worn[known][order]
    return np.zeros(0, np.int64), np.zeros(0, bool)


def _is_off(seconds: np.ndarray, moments: np.ndarray, worn: np.ndarray) -> np.ndarray:
    """Return the epochs in which the wear sensor, read shortly before, says that nobody wore the device."""
    if len(moments) == 0:
        return np.zeros(len(seconds), bool)
    last = np.searchsorted(moments, seconds, side="right") - 1
    recent = (last >= 0) & (seconds - moments[np.maximum(last, 0)] < _OFF_AFTER)
    return np.asarray(recent & ~worn[np.maximum(last, 0)])


def _ticks(cells: Sequence[Any]) -> Times:
    """Return local times given as .NET ticks: 100 ns since the year 1."""
    whole = [cell if type(cell) is int and 0 <= cell < 1 << 62 else None for cell in cells]
    whole = [
        int(cell) if one is None and _is_digits(cell) else one for cell, one in zip(cells, whole, strict=True)
    ]
    bad = np.array([one is None for one in whole], bool)
    ticks = np.array([one or 0 for one in whole], np.int64)
    none = np.zeros(len(bad), bool)
    seconds = np.where(bad, 0, ticks // _TICKS - _UNIX)
    return Times(seconds, np.zeros(len(bad), np.int64), none, none, bad)


def _is_digits(cell: Any) -> bool:
    return isinstance(cell, str) and cell.strip().isdecimal() and len(cell.strip()) < 19


def _epoch(given: Any) -> int | None:
    """Return the seconds of an epoch."""
    value = read_numbers([given if not isinstance(given, np.generic) else given.item()]).value[0]
    return int(value) if 1 <= value <= _LONGEST else None


def _add(store: Store, records: Any, times: Times, epoch: int, off: np.ndarray, person: Any) -> None:
    store.refuse(
        times.bad, records.place, "a time that is none", lambda row: "its time is neither a date nor ticks"
    )
    for column, channel in _CHANNELS.items():
        if column not in records.cells:
            continue
        cells = records[column]
        numbers = read_numbers(cells)
        store.refuse(
            numbers.bad & ~times.bad,
            records.place,
            "a value that is no number",
            lambda row, cells=cells, column=column: f"{column} {cells[row]!r} is no number",
        )
        value = np.where(off, np.nan, numbers.value)
        if channel == "heart_rate":
            value = np.where(value == 0, np.nan, value)  # no strap
        store.add(
            channel,
            times.seconds,
            value,
            place=records.place,
            seconds=0 if channel == "heart_rate" else epoch,
            bad=times.bad | numbers.bad,
            unit=_UNITS.get(channel),
            source="actigraph",
            person=person,
            clock="local",
            grid=channel != "heart_rate",
            zeros="absent" if channel == "heart_rate" else "written",
        )


def _read_csv(entry: Entry, store: Store, person: Any) -> None:
    preamble = _preamble(entry)
    header = header_of(entry, above=preamble.lines)
    if any(plain_name(name).startswith("accelerometer") for name in header) or preamble.epoch == 0:
        raise ReadError(
            f"{entry.where}: holds raw acceleration, not counts; let ActiLife write epochs, or an .agd file."
        )
    bare = bool(header) and not read_numbers([cell.replace(",", ".") for cell in header]).bad.any()
    with open_sheet(entry, store.faults, above=preamble.lines, bare=bare) as sheet:
        plain = _columns_of(preamble.mode, len(sheet.header)) if bare else map(plain_name, sheet.header)
        columns = dict(zip(sheet.header, plain, strict=False))
        if "axis1" not in columns.values():
            detail = f"has no column Axis1; it has {', '.join(sheet.header)}"
            store.faults.refuse(entry.where, "an unknown header", detail, whole=True)
            return
        rows, epoch = 0, preamble.epoch
        forms = preamble.forms
        for piece in sheet.pieces():
            cells = {columns.get(name, name): values for name, values in piece.cells.items()}
            for name in cells.keys() & _CHANNELS if "," in sheet.decimals else ():
                cells[name] = tuple(cell.replace(",", ".") for cell in cells[name])
            named = Piece(piece.where, piece.lines, cells)
            if not forms and "date" in cells:
                forms = _forms(cells["date"], entry)
            times = _moments(named, forms, preamble, epoch or 60, rows, entry)
            if epoch is None:
                steps = np.diff(times.seconds[~times.bad])
                epoch = (_epoch(np.median(steps)) if len(steps) else None) or 60
            rows += len(piece)
            _add(store, named, times, epoch, np.zeros(len(piece), bool), person)


def _columns_of(mode: int | None, width: int) -> tuple[str, ...]:
    """Return the columns of a table without a header: by the mode, where that has as many.

    One more may follow, the vector magnitude. Else only the first is known.
    """
    told = [name for name, bit in _MODE.items() if mode is not None and mode & bit == bit]
    return tuple(told) if width - len(told) in (0, 1) else ("axis1",)


def _head(entry: Entry) -> str:
    """Return the first lines of a file of text."""
    data = entry.head()
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if utf16 else "utf-8-sig", "replace")


def _preamble(entry: Entry) -> _Preamble:
    """Read the lines above a table; none where there are none."""
    head = _head(entry)
    lines = head.splitlines()[:40]
    if not _PREAMBLE.search(head):
        return _Preamble(0, None, None, (), None)
    rules = [place for place, line in enumerate(lines) if _RULE.match(line.strip().strip('"'))]
    if not rules:
        raise ReadError(
            f"{entry.where}: its first lines do not end in one of dashes, as ActiLife writes them."
        )
    text = "\n".join(lines[: rules[0]])
    epoch = re.search(r"(?:Epoch|Window) Period \(hh:mm:ss\)[\s,;]*([0-9]{1,2}):([0-9]{2}):([0-9]{2})", text)
    form = re.search(r"date format[\s,;]*([dMy]+([./-])[dMy]+[./-][dMy]+)", text)
    day = re.search(r"Start Date[\s,;]*([0-9./-]+)", text)
    clock = rf"[0-9]{{1,2}}:[0-9]{{2}}:[0-9]{{2}}(?:{_HALF.pattern})?"
    time = re.search(rf"Start Time[\s,;]*({clock})", text, re.IGNORECASE)
    mode = re.search(r"\bMode\s*=\s*([0-9]{1,3})\b", text)
    forms = (_form(form.group(1)),) if form else ()
    start = None
    if day and time and forms:
        found = _read_clock([f"{day.group(1)} {time.group(1)}"], forms)
        start = None if found.bad[0] else int(found.seconds[0])
    seconds = (
        sum(int(part) * scale for part, scale in zip(epoch.groups(), (3600, 60, 1), strict=True))
        if epoch
        else None
    )
    return _Preamble(rules[0] + 1, seconds, start, forms, int(mode.group(1)) if mode else None)


def _read_clock(stamps: Sequence[str], forms: tuple[str, ...]) -> Times:
    """Return times whose dates have one of some forms, by a clock of 24 hours or of twice 12."""
    spans = [f"{form} {time}" for form in forms for time in ("%H:%M:%S", "%H:%M", "%I:%M:%S %p")]
    return read_clock([_HALF.sub(r" \1M", stamp) for stamp in stamps], *spans)


def _form(text: str) -> str:
    """Return a form of dates such as d/MM/yyyy as `strptime` takes it."""
    text = re.sub(r"d+", "%d", re.sub(r"y{3,}", "%Y", text))
    return re.sub(r"y+", "%y", re.sub(r"M+", "%m", text))


def _forms(cells: Sequence[str], entry: Entry) -> tuple[str, ...]:
    """Return the one form that dates can have, where the file does not say it.

    Raises:
        ReadError: Day and month cannot be told apart.
    """
    days = pd.Series(cells).str.strip().unique().tolist()
    if not read_iso([f"{day} 00:00" for day in days]).bad.all():
        return ("%Y-%m-%d",)
    fitting = []
    for form in ("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m-%d-%Y", "%d-%m-%Y"):
        times = read_clock(days, form)
        steps = np.diff(times.seconds)
        if not times.bad.any() and (len(days) == 1 or (steps == 86_400).all()):
            fitting.append(form)
    if len(fitting) == 1:
        return (fitting[0],)
    what = "day and month cannot be told apart" if fitting else "they have no known form"
    raise ReadError(
        f"{entry.where}: of its dates such as {days[0]!r}, {what}. Read it with read_table and "
        "time_format='%d/%m/%Y', or export it with ISO dates."
    )


def _moments(
    piece: Piece, forms: tuple[str, ...], preamble: _Preamble, epoch: int, rows: int, entry: Entry
) -> Times:
    """Return when epochs began: by their columns, else counted on from the start."""
    if "date" in piece.cells and "time" in piece.cells:
        stamps = [
            f"{day.strip()} {time.strip()}" for day, time in zip(piece["date"], piece["time"], strict=True)
        ]
        return _read_clock(stamps, forms)
    if "timestamp" in piece.cells:
        times = read_iso(piece["timestamp"])
        return _read_clock(piece["timestamp"], forms) if times.bad.all() and forms else times
    if preamble.start is None:
        raise ReadError(
            f"{entry.where}: no column holds dates and times, and its first lines no start that can be read."
        )
    seconds = preamble.start + epoch * (rows + np.arange(len(piece), dtype=np.int64))
    none = np.zeros(len(piece), bool)
    return Times(seconds, np.zeros(len(piece), np.int64), none, none, none)
