"""Fitabase: Fitbit's minutes of many people as CSV, a minute a row or an hour a row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lsm2.channels import plain_name
from lsm2.readers.cells import Times, read_clock, read_iso, read_numbers
from lsm2.readers.export import Entry
from lsm2.readers.recording import ASLEEP, AWAKE, INBED
from lsm2.readers.rows import Piece, Sheet, open_sheet
from lsm2.readers.store import Store

_CLOCKS = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M")
_VALUES = {
    "steps": ("steps", None),
    "calories": ("calories", None),
    "intensity": ("intensity", None),
    "mets": ("mets", "tenths"),
}
_WIDE = re.compile(r"([A-Za-z]+?)s?([0-5][0-9])")
_PERSON = re.compile(r"(.+?)_(?:minute|heartrate|hourly)", re.IGNORECASE)


@dataclass(frozen=True)
class _Layout:
    """Where a file holds what."""

    time: str
    who: str | None
    kind: str  # narrow, wide, sleep or heart
    values: dict[str, tuple[str, str | None, int]]  # by column: channel, unit, minutes after the time


def layout_of(header: tuple[str, ...]) -> _Layout | None:
    """Return what a file holds, by its header; None where it is no file of minutes."""
    names = {plain_name(label): label for label in header}
    who = names.get("id")
    if "activityminute" in names:
        found = {
            names[key]: (*value, 0)
            for key, value in {**_VALUES, "metabolicequivalents": _VALUES["mets"]}.items()
            if key in names
        }
        return _Layout(names["activityminute"], who, "narrow", found) if found else None
    if "activityhour" in names:
        found = {}
        for label in header:
            match = _WIDE.fullmatch(label)
            value = match and (
                _VALUES.get(match.group(1).lower()) or _VALUES.get(match.group(1).lower() + "s")
            )
            if match and value:
                found[label] = (*value, int(match.group(2)))
        return _Layout(names["activityhour"], who, "wide", found) if found else None
    if {"date", "value", "logid"} <= set(names):
        return _Layout(names["date"], who, "sleep", {})
    if {"time", "value"} == set(names) - {"id"}:
        return _Layout(names["time"], who, "heart", {names["value"]: ("heart_rate", None, 0)})
    return None


def read_fitabase(entry: Entry, store: Store) -> None:
    """Read a file whose header `layout_of` knows; times are local, with AM and PM."""
    with open_sheet(entry, store.faults) as sheet:
        layout = layout_of(sheet.header)
        if layout is None:
            return
        for piece in sheet.pieces():
            times = _moments(piece[layout.time])
            store.check_times(times, piece[layout.time], piece.place)
            if layout.kind == "sleep":
                _read_sleep(piece, layout, sheet, times, entry, store)
                continue
            for label, (channel, unit, after) in layout.values.items():
                numbers = read_numbers(piece[label])
                store.check_numbers(numbers.bad & ~times.bad, piece[label], piece.place, label)
                amounts = channel != "heart_rate"
                for person, rows in _people(piece, layout.who, entry):
                    store.add(
                        channel,
                        times.seconds + after * 60,
                        numbers.value,
                        place=piece.place,
                        bad=times.bad | numbers.bad | ~rows,
                        unit=unit,
                        source="fitabase",
                        person=person,
                        clock="local",
                        grid=amounts,
                        zeros="written" if amounts else "absent",
                    )


def _read_sleep(
    piece: Piece, layout: _Layout, sheet: Sheet, times: Times, entry: Entry, store: Store
) -> None:
    """Read minutes of sleep logs: 1 asleep, 2 restless, 3 awake; they may begin at second 30."""
    cells = piece[sheet.column("value") or ""]
    numbers = read_numbers(cells)
    unknown = ~np.isin(numbers.value, (1, 2, 3))
    store.refuse(
        unknown & ~times.bad,
        piece.place,
        "an unknown sleep stage",
        lambda row: f"value {cells[row]!r} is no sleep stage; 1 is asleep, 2 restless, 3 awake",
    )
    for person, rows in _people(piece, layout.who, entry):
        for kind, of_kind in (
            (ASLEEP, numbers.value == 1),
            (AWAKE, numbers.value != 1),
            (INBED, numbers.value > 0),
        ):
            store.add(
                kind,
                times.seconds // 60 * 60,
                np.ones(len(piece)),
                place=piece.place,
                seconds=60,
                bad=times.bad | unknown | ~of_kind | ~rows,
                source="fitabase",
                person=person,
                clock="local",
            )


def _moments(cells: Any) -> Times:
    times = read_clock(cells, *_CLOCKS)
    if times.bad.any():
        other = read_iso(cells)
        other_bad = other.bad | other.is_utc | other.has_offset
        seconds = np.where(times.bad & ~other_bad, other.seconds, times.seconds)
        return Times(seconds, times.offset, times.has_offset, times.is_utc, times.bad & other_bad)
    return times


def _people(piece: Piece, who: str | None, entry: Entry) -> Iterator[tuple[Any, np.ndarray]]:
    """Yield the ids of some rows, or that in the file's name, and which rows are whose."""
    if who is None:
        match = _PERSON.match(entry.name.rsplit("/", 1)[-1])
        yield (match.group(1) if match else None), np.ones(len(piece), bool)
        return
    codes, names = pd.factorize(np.array(piece[who], dtype=object))
    for code, name in enumerate(names):
        yield str(name).strip(), codes == code
