"""Empatica: sessions of the E4, and the minutes that the cloud makes of an EmbracePlus."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lsm2.channels import plain_name
from lsm2.readers.assemble import assemble
from lsm2.readers.cells import read_epoch, read_iso, read_numbers
from lsm2.readers.export import Entry, Export, open_export
from lsm2.readers.recording import ASLEEP, AWAKE
from lsm2.readers.request import OnError, Request
from lsm2.readers.rows import Piece, Sheet, header_of, open_sheet
from lsm2.readers.store import Store

_E4 = {
    "hr.csv": "heart_rate",
    "eda.csv": "eda",
    "temp.csv": "skin_temperature",
    "acc.csv": "watch_acceleration",
}
_G = 64.0  # counts of the E4's accelerometer in 1 g
_FASTEST = 1000.0  # samples a second
_WORN = 50.0  # percent of a minute, by the wear detection

_MINUTES = {
    "pulseratebpm": "heart_rate",
    "prvrmssdms": "hrv_rmssd",
    "respiratoryratebrpm": "respiration_rate",
    "edasclusiemens": "eda",
    "temperaturecelsius": "skin_temperature",
    "accelerometersstdg": "watch_acceleration_sd",
    "activitycounts": "activity_counts",
    "stepcounts": "steps",
    "stepcount": "steps",
    "met": "mets",
}
_AMOUNTS = ("activity_counts", "steps", "mets")
_WEAR, _STAGE = "wearingdetectionpercentage", "sleepdetectionstage"
_EMBRACE = {"participantfullid", "missingvaluereason"}  # what no other table has
_STAGES = {0.0: AWAKE, 101.0: ASLEEP, 102.0: ASLEEP}


@dataclass
class _Sums:
    """Running sums of a signal by minute."""

    first: int  # minute since 1970
    count: np.ndarray
    total: np.ndarray
    squares: np.ndarray

    def add(self, seconds: np.ndarray, value: np.ndarray) -> None:
        """Add samples, in order of time."""
        minute = (seconds // 60 - self.first).astype(np.int64)
        size = int(minute[-1]) + 1
        if size > len(self.count):
            more = np.zeros(size - len(self.count))
            self.count, self.total, self.squares = (
                np.concatenate([one, more]) for one in (self.count, self.total, self.squares)
            )
        known = ~np.isnan(value)
        minute, value = minute[known], value[known]
        for sums, weights in ((self.count, None), (self.total, value), (self.squares, value**2)):
            sums += np.bincount(minute, weights, len(sums))


def read_empatica(
    path: str | os.PathLike[str],
    *,
    tz: Any = None,
    start: Any = None,
    end: Any = None,
    participant: Any = None,
    on_error: OnError = "raise",
) -> pd.DataFrame:
    """Read Empatica's files into minutes: sessions of an E4, and an EmbracePlus' digital biomarkers.

    Of an E4 (HR.csv, EDA.csv, TEMP.csv, ACC.csv) minutes are means of the samples; EDA of exactly 0, which is
    a sensor without contact, is missing. Of an EmbracePlus (`..._pulse-rate.csv` and its like, one row a
    minute) a row with a missing_value_reason is missing; so are counts of a minute of which less than half
    was worn. Its timestamps are taken as they are.

    Args:
        path: A zip or folder, also of several sessions or days, or one file.
        tz: Zone of the output's clock. None: UTC, in which the files are written.
        start: First date or moment wanted, on the output's wall clock.
        end: Last date wanted, or the first moment left out.
        participant: An id for the output's index; of a study of several people, the one wanted.
        on_error: "raise", or "skip" to leave malformed rows out, with one warning that counts them.

    Returns:
        float32, one row for each minute of every calendar day on which a sample lies, from `start` to `end`:
        heart_rate (beats/min), hrv_rmssd (ms), steps, mets, activity_counts (EmbracePlus' own),
        watch_acceleration and watch_acceleration_sd (g), skin_temperature (degC), eda (uS), respiration_rate
        (breaths/min), sleep_asleep (0/1), those that the files hold. Index "timestamp", or ("participant_id",
        "timestamp") where the files name participants, as those of an EmbracePlus do.

    Raises:
        FileNotFoundError: There is nothing at `path`, or no file of Empatica's.
        ValueError: A row is malformed (the message names file and line), an archive is damaged or hostile, or
            an argument is not understood.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "HR.csv")
    ...     _ = file.write_text("1711867500.0\\n1.000000\\n60.0\\n62.0\\n")
    ...     frame = read_empatica(file, tz="Europe/Berlin")
    >>> frame.loc["2024-03-31 08:45", "heart_rate"].item()
    61.0
    """
    request = Request.of(path, tz, start, end, participant, on_error)
    with open_export(request.path) as export:
        found = recognised(export)
        if not found:
            raise FileNotFoundError(
                f"{path}: holds no file of Empatica's: neither HR.csv, EDA.csv, TEMP.csv or ACC.csv of an "
                "E4, nor digital biomarkers per minute of an EmbracePlus"
                + (f"; {export.unread}" if export.unread else "")
            )
        store = Store(request)
        spans: list[tuple[int, int, str]] = []
        for kind, entry in found:
            if kind == "e4":
                spans += _read_e4(entry, store)
            elif kind == "broken":
                store.faults.refuse(entry.where, "an unknown header", "its header is not known", whole=True)
        off = _off(export, found, store)
        for kind, entry in found:
            if kind == "minutes":
                _read_minutes(entry, store, off)
    facts = {"files": len(found), "formats": sorted({one for one, _ in found})}
    return assemble(store, "empatica", notes=_overlaps(str(path), spans), facts=facts)


def recognised(export: Export) -> list[tuple[str, Entry]]:
    """Return the files that are read, and of which kind each is."""
    found = []
    for entry in export.named(".csv"):
        header = header_of(entry)
        names = set(map(plain_name, header))
        if names & {"timestampunix", "timestampiso"} and names & _EMBRACE:
            if names & {*_MINUTES, _WEAR, _STAGE}:
                found.append(("minutes", entry))
        elif _is_e4(entry):
            found.append(("e4", entry))
        elif "digital_biomarkers" in entry.folders and any(
            entry.base.endswith(f"_{name}.csv")
            for name in ("pulse-rate", "eda", "temperature", "step-counts")
        ):
            found.append(("broken", entry))
    return found


def _is_e4(entry: Entry) -> bool:
    """Say whether a file is called like a signal, and is no table: that has a header, and several columns."""
    if entry.base not in _E4 or not entry.size:
        return False
    lines = header_of(entry), header_of(entry, above=1)
    return len(lines[0]) == 1 or not any(read_numbers(line).bad.any() for line in lines)


def _read_e4(entry: Entry, store: Store) -> list[tuple[int, int, str]]:
    """Read a signal, and return its first minute, its last, and its folder; none of a signal without samples.

    Its start (UTC) and rate stand in the first two rows.
    """
    channel = _E4[entry.base]
    folder = "/".join(entry.folders)
    sums, origin, rate, before = None, 0.0, 0.0, 0
    with open_sheet(entry, store.faults, bare=True) as sheet:
        columns = sheet.header[:3] if channel == "watch_acceleration" else sheet.header[:1]
        if channel == "watch_acceleration" and len(columns) < 3:
            store.faults.refuse(entry.where, "a table without a header", "has not three columns", whole=True)
            return []
        for piece in sheet.pieces():
            numbers = [read_numbers(piece[column]) for column in columns]
            skip = 0
            if sums is None:
                if len(piece) < 2:
                    return []
                origin, rate = float(numbers[0].value[0]), float(numbers[0].value[1])
                if not (0 < rate <= _FASTEST and 31_536_000 <= origin < 2_524_608_000):
                    detail = f"its first rows, {piece['0'][0]!r} and {piece['0'][1]!r}, are no start and rate"
                    store.faults.refuse(entry.where, "a time that is none", detail, whole=True)
                    return []
                sums = _Sums(int(origin) // 60, *(np.zeros(1) for _ in range(3)))
                skip = 2
            for column, one in zip(columns, numbers, strict=True):
                store.check_numbers(one.bad, piece[column], piece.place)
            value = _value(channel, [one.value[skip:] for one in numbers], store)
            if len(value):
                seconds = np.floor(origin + (before + np.arange(len(value))) / rate)
                sums.add(seconds, value)
                before += len(value)
    if sums is None or not before:
        return []
    _add_sums(sums, channel, entry, folder, store)
    return [(sums.first, sums.first + len(sums.count) - 1, folder)]


def _overlaps(path: str, spans: list[tuple[int, int, str]]) -> list[str]:
    """Say which sessions are of the same time, as those of several people are."""
    last: tuple[int, str] | None = None
    for first, end, folder in sorted(spans):
        if last is not None and folder != last[1] and first < last[0]:
            return [
                f"{path}: the sessions in {last[1] or 'it'!r} and {folder!r} are of the same time, and of "
                "minutes that are in both only one counts. If they are of several people, or of both wrists, "
                "read them one by one."
            ]
        if last is None or end >= last[0]:
            last = (end, folder)
    return []


def _value(channel: str, columns: list[np.ndarray], store: Store) -> np.ndarray:
    """Return samples, NaN those that are none: an electrode without contact, what lies outside the range."""
    if channel == "watch_acceleration":
        return np.asarray(np.sqrt(sum(column**2 for column in columns)) / _G)
    value = columns[0]
    if channel == "eda":
        value = np.where(value == 0, np.nan, value)
    return np.where(store.within(channel, value, ~np.isnan(value)), value, np.nan)


def _add_sums(sums: _Sums, channel: str, entry: Entry, folder: str, store: Store) -> None:
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums.total / sums.count
        spread = np.sqrt(np.maximum(sums.squares / sums.count - mean**2, 0))
    minutes = (sums.first + np.arange(len(mean), dtype=np.int64)) * 60
    signals = {channel: mean}
    if channel == "watch_acceleration":
        signals["watch_acceleration_sd"] = spread
    for name, value in signals.items():
        store.add(
            name, minutes, value, place=lambda row: f"{entry.where}, minute {row}", source=f"E4 {folder}"
        )


def _off(export: Export, found: list[tuple[str, Entry]], store: Store) -> dict[Any, np.ndarray]:
    """Return, by person, the seconds since 1970 of minutes that were hardly worn."""
    off: dict[Any, list[np.ndarray]] = {}
    for kind, entry in found:
        if kind == "minutes" and _WEAR in map(plain_name, header_of(entry)):
            with open_sheet(entry, store.faults) as sheet:
                for piece in sheet.pieces():
                    times = _moments(sheet, piece)
                    worn = read_numbers(piece[sheet.column(_WEAR) or ""]).value
                    for person, rows in _people(sheet, piece):
                        off.setdefault(person, []).append(times.seconds[(worn < _WORN) & ~times.bad & rows])
    return {person: np.concatenate(parts) for person, parts in off.items()}


def _read_minutes(entry: Entry, store: Store, off: dict[Any, np.ndarray]) -> None:
    with open_sheet(entry, store.faults) as sheet:
        reason = sheet.column("missing_value_reason")
        for piece in sheet.pieces():
            times = _moments(sheet, piece)
            store.check_times(
                times, piece[sheet.column("timestamp_unix", "timestamp_iso") or ""], piece.place
            )
            missing = np.zeros(len(piece), bool)
            if reason is not None:
                missing = np.array(
                    [bool(cell.strip()) and cell.strip().lower() != "nan" for cell in piece[reason]]
                )
            for label in sheet.header:
                name = plain_name(label)
                if name not in _MINUTES and name != _STAGE:
                    continue
                numbers = read_numbers(piece[label])
                store.check_numbers(numbers.bad & ~missing & ~times.bad, piece[label], piece.place, label)
                kept = ~times.bad & ~numbers.bad & ~missing
                for person, rows in _people(sheet, piece):
                    if name == _STAGE:
                        _add_stages(store, times.seconds, numbers.value, kept & rows, piece, person)
                        continue
                    channel = _MINUTES[name]
                    some = kept & rows
                    if channel in _AMOUNTS:
                        some = some & ~np.isin(times.seconds, off.get(person, ()))
                    store.add(
                        channel,
                        times.seconds,
                        numbers.value,
                        place=piece.place,
                        bad=~some,
                        source="EmbracePlus",
                        person=person,
                        grid=channel in _AMOUNTS,
                        zeros="believed" if channel in _AMOUNTS else "absent",
                    )


def _add_stages(
    store: Store, seconds: np.ndarray, value: np.ndarray, kept: np.ndarray, piece: Piece, person: Any
) -> None:
    for kind in (ASLEEP, AWAKE):
        stages = [stage for stage, meaning in _STAGES.items() if meaning == kind]
        store.add(
            kind,
            seconds,
            np.ones(len(piece)),
            place=piece.place,
            seconds=60,
            bad=~(kept & np.isin(value, stages)),
            source="EmbracePlus",
            person=person,
        )


def _moments(sheet: Sheet, piece: Piece) -> Any:
    unix = sheet.column("timestamp_unix")
    if unix is not None:
        return read_epoch(piece[unix], 1000)
    return read_iso(piece[sheet.column("timestamp_iso") or ""])


def _people(sheet: Sheet, piece: Piece) -> list[tuple[Any, np.ndarray]]:
    who = sheet.column("participant_full_id")
    if who is None:
        return [(None, np.ones(len(piece), bool))]
    codes, names = pd.factorize(np.array(piece[who], dtype=object))
    return [(str(name).strip(), codes == code) for code, name in enumerate(names)]
