"""Samsung Health: tables whose first line is no header, and the minutes that lie beside them as JSON."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lsm2.readers.assemble import assemble
from lsm2.readers.cells import Clock, Times, read_epoch, read_iso, read_numbers
from lsm2.readers.export import Entry, open_export
from lsm2.readers.faults import by_channel
from lsm2.readers.json import read_document
from lsm2.readers.recording import ASLEEP, AWAKE, INBED
from lsm2.readers.request import OnError, Request
from lsm2.readers.rows import Piece, Sheet, header_of, open_sheet
from lsm2.readers.samples import LONGEST
from lsm2.readers.store import Store
from lsm2.wording import counted

_NAME = re.compile(
    r"^com\.samsung\.s?health\.(?:tracker\.)?"
    r"(heart_rate|pedometer_step_count|step_count|oxygen_saturation|sleep_stage|sleep)\.\d+\.csv$"
)
_BINS = re.compile(r"(?:^|/)com\.samsung\.s?health\.tracker\.(?:heart_rate|oxygen_saturation)/.*\.json$")
_OFFSET = re.compile(r"UTC([+-])(\d{2}):?(\d{2})")
# Of each table: column, channel.
_VALUES = {
    "heart_rate": (("heart_rate", "heart_rate"),),
    "oxygen_saturation": (("spo2", "spo2"),),
    "pedometer_step_count": (("count", "steps"), ("distance", "distance"), ("calorie", "active_calories")),
}
_VALUES["step_count"] = _VALUES["pedometer_step_count"]
_AMOUNTS = ("steps", "distance", "active_calories")
_STAGES = {40001: AWAKE, 40002: ASLEEP, 40003: ASLEEP, 40004: ASLEEP}  # awake, light, deep, REM
_BRIEF = 90  # seconds of a rate that is of one minute
_LONG = 600  # seconds of a mean that says nothing of its minutes


@dataclass
class _Found:
    """What is known beside the records."""

    bins: dict[str, Entry] = field(default_factory=dict)  # by the name of the file
    staged: set[str] = field(default_factory=set)  # sleep that has stages
    broken: int = 0  # offsets that no clock has
    binless: Counter[str] = field(default_factory=Counter)  # means of long stretches without their minutes


def read_samsung(
    path: str | os.PathLike[str],
    *,
    tz: Any = None,
    start: Any = None,
    end: Any = None,
    participant: Any = None,
    on_error: OnError = "raise",
) -> pd.DataFrame:
    """Read an export of Samsung Health ("Download personal data") into minutes.

    Times are UTC beside an offset; where an offset is one that no clock has (UTC+28550), the time holds and
    the offset does not. Heart rates and SpO2 that are stored in finer bins (`binning_data`, `binning`) are
    read from there; the mean of more than ten minutes without its bins is left out. Steps of several devices
    are not added: a device with heart rate goes before one without. A count is 0 only within seven minutes of
    a sample.

    Args:
        path: The exported zip or its folder, with `jsons` in it, or one .csv file.
        tz: Zone of the output's clock, which then is tz-aware. None: the wall clock that the offsets tell,
            naive; UTC where none does.
        start: First date or moment wanted, on the output's wall clock.
        end: Last date wanted, or the first moment left out.
        participant: An id; the output then has it in its index.
        on_error: "raise", or "skip" to leave malformed rows out, with one warning that counts them.

    Returns:
        float32, one row for each minute of every calendar day on which a record lies, from `start` to `end`:
        heart_rate (beats/min), steps, distance (m), active_calories (kcal), spo2 (%), sleep_asleep,
        sleep_inbed (0/1), those that the export holds anything for.

    Raises:
        FileNotFoundError: There is nothing at `path`, or no table that is read.
        ValueError: A row is malformed (the message names file and line), an archive is damaged or hostile, or
            an argument is not understood.

    >>> read_samsung("nowhere.zip")
    Traceback (most recent call last):
    ...
    FileNotFoundError: nowhere.zip: no such file or folder; check the path
    """
    request = Request.of(path, tz, start, end, participant, on_error)
    store = Store(request)
    with open_export(request.path) as export:
        tables = [(kind, entry) for entry in export.entries if (kind := recognised(entry))]
        if not tables:
            raise FileNotFoundError(
                f"{path}: holds no table of Samsung Health's that is read, such as "
                "com.samsung.shealth.tracker.heart_rate.<stamp>.csv"
            )
        bins = {entry.base: entry for entry in export.entries if _BINS.search(entry.name)}
        found = _Found(bins=bins)
        for kind, entry in sorted(tables, key=lambda pair: pair[0] == "sleep"):  # stages before nights
            _read(kind, entry, store, found)
    return assemble(store, "samsung", notes=_notes(found, str(path)), facts={"files": len(tables)})


def recognised(entry: Entry) -> str | None:
    """Return the kind of a table that is read, by its name."""
    match = _NAME.match(entry.base)
    return match.group(1) if match else None


def _notes(found: _Found, path: str) -> list[str]:
    notes = []
    if found.broken:
        notes.append(
            f"{path}: {counted(found.broken, 'row has', 'rows have')} an offset that no clock has, such as "
            "UTC+28550; times beside such are UTC and hold, on the clock that the other rows tell."
        )
    if found.binless:
        notes.append(
            f"{path}: left out {counted(found.binless.total(), 'mean')} of more than ten minutes "
            f"({by_channel(found.binless)}), whose minutes are not in the export. Give the whole export, "
            "with its folder jsons."
        )
    return notes


def _read(kind: str, entry: Entry, store: Store, found: _Found) -> None:
    first = header_of(entry)
    above = int(bool(first) and first[0].startswith("com.samsung.") and _named(first, "start_time") is None)
    with open_sheet(entry, store.faults, above=above) as sheet:
        opens, closes = _named(sheet.header, "start_time"), _named(sheet.header, "end_time")
        if opens is None:
            if any(True for _ in sheet.pieces()):
                detail = "its header, in the second line, has no start_time"
                store.faults.refuse(entry.where, "an unknown header", detail, whole=True)
            return
        for piece in sheet.pieces():
            times = _moments(piece[opens])
            store.check_times(times, piece[opens], piece.place)
            ends = _moments(piece[closes]) if closes is not None else times
            blank = np.array([not cell.strip() for cell in piece[closes]]) if closes is not None else None
            no_end = np.zeros(len(piece), bool) if blank is None else blank
            store.check_times(ends, piece[closes or opens], piece.place, ~times.bad & ~no_end)
            bad = times.bad | (ends.bad & ~no_end)
            lasting = np.where(bad | no_end, 0, ends.seconds - times.seconds)
            rows = _Rows(piece, sheet, times.seconds, lasting, bad, *_offsets(piece, sheet, found))
            if kind in ("sleep", "sleep_stage"):
                _read_sleep(kind, rows, store, found)
            else:
                _read_values(kind, rows, store, found)


@dataclass(frozen=True)
class _Rows:
    """Some rows of a table, and when they were."""

    piece: Piece
    sheet: Sheet
    start: np.ndarray
    seconds: np.ndarray
    bad: np.ndarray
    offset: np.ndarray  # minutes
    told: np.ndarray  # the offset is known

    def cells(self, name: str) -> tuple[str, ...] | None:
        """Return the cells of a column, whatever stands before its name."""
        label = _named(self.sheet.header, name)
        return None if label is None else self.piece[label]

    def add(
        self, store: Store, channel: str, value: np.ndarray, bad: np.ndarray, seconds: Any = None
    ) -> None:
        """Add these rows to a channel, those of each device and clock apart."""
        devices = np.array(self.cells("deviceuuid") or [""] * len(value), dtype=object)
        for device in dict.fromkeys(devices[~bad].tolist()):
            for told in (True, False):
                rows = ~bad & (devices == device) & (self.told == told)
                clock: Clock = "written" if told else "utc"
                if rows.any():
                    store.add(
                        channel,
                        self.start,
                        value,
                        place=self.piece.place,
                        seconds=self.seconds if seconds is None else seconds,
                        bad=~rows,
                        source=f"device {device}",
                        clock=clock,
                        offset=self.offset,
                    )


def _named(header: tuple[str, ...], name: str) -> str | None:
    """Return the column of a name, alone or behind that of a data type."""
    for label in header:
        if label == name:
            return label
    return next((label for label in header if label.endswith("." + name)), None)


def _moments(cells: tuple[str, ...]) -> Times:
    """Return UTC times, written out or, in older exports, in milliseconds."""
    times = read_iso(cells)
    if times.bad.any():
        epoch = read_epoch(cells, 1000)
        seconds = np.where(times.bad, epoch.seconds, times.seconds)
        return Times(seconds, times.offset, times.has_offset, times.is_utc, times.bad & epoch.bad)
    return times


def _offsets(piece: Piece, sheet: Sheet, found: _Found) -> tuple[np.ndarray, np.ndarray]:
    """Return the offset of the clock in minutes, and which rows tell it."""
    label = _named(sheet.header, "time_offset")
    offset, told = np.zeros(len(piece), np.int64), np.zeros(len(piece), bool)
    for row, cell in enumerate(piece[label] if label is not None else ()):
        match = _OFFSET.fullmatch(cell.strip())
        minutes = int(match.group(2)) * 60 + int(match.group(3)) if match else 0
        if match and minutes <= 15 * 60 and minutes % 15 == 0:
            offset[row], told[row] = (-minutes if match.group(1) == "-" else minutes), True
        elif cell.strip():
            found.broken += 1
    return offset, told


def _read_values(kind: str, rows: _Rows, store: Store, found: _Found) -> None:
    for name, channel in _VALUES[kind]:
        cells = rows.cells(name)
        if cells is None:
            continue
        numbers = read_numbers(cells)
        store.check_numbers(numbers.bad & ~rows.bad, cells, rows.piece.place, name)
        bad = rows.bad | numbers.bad
        if channel in _AMOUNTS:
            rows.add(store, channel, numbers.value, bad)
            continue
        binned = _read_bins(name, channel, rows, store, found)
        long = ~binned & ~bad & (rows.seconds > _LONG) & (rows.seconds <= LONGEST)
        if long.any():
            found.binless[channel] += int(np.count_nonzero(long))
        rows.add(store, channel, numbers.value, bad | binned | long, _lasting(rows.seconds))


def _lasting(seconds: np.ndarray) -> np.ndarray:
    """Return how long rates hold: those of one minute for the minute that they begin in."""
    return np.where((seconds >= 0) & (seconds <= _BRIEF), 0, seconds)


def _read_bins(name: str, channel: str, rows: _Rows, store: Store, found: _Found) -> np.ndarray:
    """Read the bins of rates that have them; returns which rows do, bool (rows,)."""
    files = rows.cells("binning_data") or rows.cells("binning")
    binned = np.zeros(len(rows.piece), bool)
    devices = rows.cells("deviceuuid")
    for row, file in enumerate(files or ()):
        entry = found.bins.get(file.strip().lower())
        if entry is None or rows.bad[row]:
            continue
        binned[row] = True
        items = read_document(entry, store.faults)
        items = items if isinstance(items, list) else []
        known = [item if isinstance(item, dict) else {} for item in items]
        times = read_epoch([item.get("start_time") for item in known], 1000)
        ends = read_epoch([item.get("end_time") for item in known], 1000)
        cells = [item.get(name) for item in known]
        numbers = read_numbers(cells)

        def place(item: int, where: str = entry.where) -> str:
            return f"{where}, item {item}"

        store.check_times(times, [item.get("start_time") for item in known], place)
        store.check_numbers(numbers.bad & ~times.bad, cells, place, name)
        lasting = np.where(times.bad | ends.bad, 0, ends.seconds - times.seconds)
        store.add(
            channel,
            times.seconds,
            numbers.value,
            place=place,
            seconds=_lasting(lasting),
            bad=times.bad | numbers.bad,
            source=f"device {devices[row] if devices else ''}",
            clock="written" if rows.told[row] else "utc",
            offset=np.full(len(known), rows.offset[row]),
        )
    return binned


def _read_sleep(kind: str, rows: _Rows, store: Store, found: _Found) -> None:
    one = np.ones(len(rows.piece))
    if kind == "sleep":
        ids = rows.cells("datauuid") or ("",) * len(one)
        bare = np.array([name not in found.staged for name in ids], bool)
        rows.add(store, INBED, one, rows.bad)
        rows.add(store, ASLEEP, one, rows.bad | ~bare)
        return
    cells = rows.cells("stage") or ("",) * len(one)
    stages = read_numbers(cells).value
    unknown = ~np.isin(stages, list(_STAGES))
    store.refuse(
        unknown & ~rows.bad,
        rows.piece.place,
        "an unknown sleep stage",
        lambda row: f"stage {cells[row]!r} is no sleep stage",
    )
    found.staged.update(rows.cells("sleep_id") or ())
    for state in (ASLEEP, AWAKE):
        of_state = np.isin(stages, [stage for stage, meaning in _STAGES.items() if meaning == state])
        rows.add(store, state, one, rows.bad | ~of_state)
