"""Apple Health: from the phone's export to minutes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from tqdm import tqdm

from lsm2.channels import CHANNELS
from lsm2.days.clock import DAY, as_zone
from lsm2.readers.apple_records import AMOUNTS, DEVICES, RATES, AppleRecords
from lsm2.readers.archive import DamageError, Document, describe_size, open_document
from lsm2.readers.minutes import Block
from lsm2.readers.recording import ASLEEP, AWAKE, INBED, WORKOUT, Minutes, Recording
from lsm2.readers.samples import Offsets, Samples, sort_records
from lsm2.readers.timeline import Timeline, index_of, lay_out, touched_days
from lsm2.readers.timestamps import wall_minutes
from lsm2.readers.xml import Cut, Parser, ReadError

Layout = Literal["canonical", "openmhc"]
OnError = Literal["raise", "skip"]

_BLOCK = 32 * DAY  # minutes computed at once
_MARGIN = 3 * 86_400  # seconds around start and end that may matter: zones, and records that reach in

_WORKOUTS = tuple(name for name in CHANNELS if name.startswith(WORKOUT))
_CANONICAL = (
    *("heart_rate", *AMOUNTS.values(), ASLEEP, INBED),
    *("hrv_sdnn", "spo2", "respiration_rate", "skin_temperature", *_WORKOUTS),
)
# OpenMHC's channels of a device's own; the other twelve have their names in the registry.
_OPENMHC = {
    "iphone_steps": ("steps", "phone"),
    "iphone_distance": ("distance", "phone"),
    "iphone_flights": ("floors", "phone"),
    "watch_steps": ("steps", "watch"),
    "watch_distance": ("distance", "watch"),
    "watch_hr": ("heart_rate", "watch"),
    "watch_energy": ("active_calories", "watch"),
}


def read_apple_health(
    path: str | os.PathLike[str],
    *,
    tz: Any = None,
    start: Any = None,
    end: Any = None,
    participant: Any = None,
    layout: Layout = "canonical",
    on_error: OnError = "raise",
    progress: bool | None = None,
) -> pd.DataFrame:
    """Read an Apple Health export ("Export All Health Data" in the Health app) into minutes.

    The document is streamed: memory follows the records kept (17 bytes each) and the minutes returned, not
    the size of the file. Amounts (steps, distance, flights, energy) are spread over the minutes that they
    cover, rates are averaged, a sleep stage or workout holds for a minute of which it covers half. Exact
    repeats, such as records within a Correlation, count once.

    With layout "canonical" the devices are merged: per minute the watch goes before the phone, and the phone
    before other apps. A device answers for the quarter of an hour around each of its samples of a channel;
    beyond it the next one does. With layout "openmhc" watch and phone stay apart.

    A count, and a sleep or workout column, is 0 only where a device that records it was evidently worn: it
    has a sample of any kind in that minute or within seven minutes to either side. sleep_asleep is also 0
    where a source says awake, or in bed without asleep though it records both. All else that is not recorded
    is NaN.

    Args:
        path: export.zip, its folder, or the XML document.
        tz: Zone of the output's clock, which then is tz-aware. None: the wall clock that the export shows,
            naive; an offset holds from the first record that was written with it. Where that clock repeats
            (end of summer time, a flight west) both passes are merged by their mean.
        start: First date or moment wanted, on the output's wall clock.
        end: Last date wanted, or the first moment left out.
        participant: An id; the output then has it in its index.
        layout: "canonical": heart_rate (beats/min), steps, distance (m), floors, active_calories (kcal),
            sleep_asleep, sleep_inbed (0/1), hrv_sdnn (ms), spo2 (%), respiration_rate (breaths/min),
            skin_temperature (degC), workout_* (0/1), those that the export holds anything for. "openmhc": the
            19 channels of OpenMHC's models, in their order, all of them.
        on_error: "raise", or "skip" to leave malformed records out, and to keep what stands before the place
            where a document breaks off, with one warning that counts them. An archive whose check sum is
            wrong is refused either way: its values may be wrong too.
        progress: Whether to show a bar over bytes; None: on a terminal.

    Returns:
        float32, one row for each minute of every calendar day on which a record lies, from `start` to `end`.
        Index "timestamp", or ("participant_id", "timestamp"). `.attrs` holds plain facts on the export.

    Raises:
        FileNotFoundError: There is no export at `path`.
        ValueError: A record is malformed (the message names file, line and type), the document breaks off,
            the archive is damaged or suspicious, or an argument is not understood.

    >>> import tempfile
    >>> from lsm2.simulation import simulate_apple_health
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export = simulate_apple_health(Path(folder, "export.zip"), days=2)
    ...     frame = read_apple_health(export)
    >>> len(frame), list(frame.columns[:4]), frame.attrs["source"], frame.attrs["simulated"]
    (2880, ['heart_rate', 'steps', 'distance', 'floors'], 'apple_health', True)
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path={path!r} must be a path, not {type(path).__name__}")
    for name, given, known in (("layout", layout, Layout), ("on_error", on_error, OnError)):
        if given not in get_args(known):
            raise ValueError(
                f"{name}={given!r} is not known; it is {' or '.join(map(repr, get_args(known)))}"
            )
    zone = None if tz is None else as_zone(tz)
    first, stop = wall_minutes(start, end, zone)
    earliest = -np.inf if first is None else first * 60 - _MARGIN
    latest = np.inf if stop is None else stop * 60 + _MARGIN
    with open_document(Path(path), "HealthData") as document:
        records = AppleRecords(
            document.name, skip=on_error == "skip", earliest=float(earliest), latest=float(latest)
        )
        try:
            _parse(document, records, progress)
        except ReadError as error:
            _check_rest(document, error)
            raise
    streams: dict[str, list[Samples]] = {}
    written: list[Offsets] = []
    counts: dict[str, int] = {}
    doubled = 0
    for name, columns in records.streams.items():
        if len(columns):
            streams[name], offsets, repeats = sort_records(columns)
            written.append(offsets)
            doubled += repeats
            counts[name] = sum(map(len, streams[name]))
    recording = Recording(streams, records.devices, DEVICES, wearable=("watch",))
    timeline = Timeline(written, zone)
    frame = _frame(recording, timeline, layout, first, stop)
    if layout == "openmhc":
        _warn_unused(recording, document.name)
    _warn(records, document.name, empty=frame.empty)
    frame.attrs.update(_facts(records, layout, zone, timeline, counts, doubled))
    if participant is not None:
        _name_participant(frame, participant)
    return frame


def _parse(document: Document, records: AppleRecords, progress: bool | None) -> None:
    """Feed the document to `records`; where it breaks off, raise or count it as skipped."""
    parser = Parser(document.name, records.element)
    records.line = lambda: parser.line
    disable = None if progress is None else not progress
    fault = ""
    with tqdm(total=document.size, desc="reading", unit="B", unit_scale=True, disable=disable) as bar:
        try:
            for count in parser.feed(document.prolog, document.stream.read):
                bar.update(count)
        except Cut as error:
            fault = (
                f"{document.name}, line {error.line}: the document breaks off or is not well-formed "
                f"({error}), after {describe_size(parser.position)} of {describe_size(document.size)} and "
                f"{records.elements:,} records"
            )
            _check_rest(document, error)
    if fault:
        if not records.skip:
            raise ReadError(
                f"{fault}. Export or copy it again, or keep what stands before with on_error='skip'."
            )
        records.skipped["a document that breaks off"] += 1
        records.example = records.example or fault
    if parser.replaced:
        warnings.warn(
            f"{document.name}: {parser.replaced} characters that XML does not allow were replaced.",
            UserWarning,
            stacklevel=3,
        )


def _check_rest(document: Document, error: Exception) -> None:
    """Read on to where an archive's check sum stands: what a damaged one holds is not to be believed.

    Raises:
        DamageError: The archive is damaged, which explains what was wrong.
    """
    if isinstance(error, DamageError):
        return
    while document.stream.read(1 << 20):
        pass


def _frame(
    recording: Recording, timeline: Timeline, layout: Layout, first: int | None, stop: int | None
) -> pd.DataFrame:
    """Compute all channels block by block, so that memory holds little besides the output."""
    compute = _openmhc(recording) if layout == "openmhc" else _canonical(recording)
    days = touched_days(timeline, recording.all_samples)
    keys = lay_out(timeline, days, first, stop)
    columns = {name: np.full(len(keys), np.nan, np.float32) for name in compute}
    again = np.flatnonzero(timeline.repeated(keys))  # rows of repeated wall-clock minutes
    sums = {name: np.zeros((2, len(again))) for name in compute}  # of the passes, and their number
    for block in _blocks(days) if len(keys) else ():
        minutes = np.arange(block.first, block.stop)
        wanted = timeline.keys(minutes)
        row = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        there = keys[row] == wanted
        twice = there & np.isin(row, again)
        there &= ~twice
        values = Minutes(recording, block)
        for name, function in compute.items():
            answer = function(values)
            columns[name][row[there]] = answer[there]
            if twice.any():
                known = twice & ~np.isnan(answer)
                place = np.searchsorted(again, row[known])
                np.add.at(sums[name][0], place, answer[known])
                np.add.at(sums[name][1], place, 1)
    for name, (total, number) in sums.items():
        if len(again):
            with np.errstate(invalid="ignore"):
                columns[name][again] = total / number
    if layout == "canonical":
        columns = {name: column for name, column in columns.items() if not np.isnan(column).all()}
    return pd.DataFrame(columns, index=index_of(timeline, keys), copy=False)


def _blocks(days: np.ndarray) -> list[Block]:
    """Return the blocks of absolute minutes in which calendar days can lie; no clock is 16 h from UTC."""
    ends = np.concatenate([days * DAY - 16 * 60, days * DAY + DAY + 16 * 60]) // _BLOCK
    return [Block(int(part) * _BLOCK, _BLOCK) for part in np.unique(ends)]


def _canonical(recording: Recording) -> dict[str, Callable[[Minutes], np.ndarray]]:
    compute: dict[str, Callable[[Minutes], np.ndarray]] = {}
    for name in _CANONICAL:
        if name in (ASLEEP, INBED):
            if recording.has(name) or (name == ASLEEP and recording.has(AWAKE)):
                compute[name] = Minutes.asleep if name == ASLEEP else Minutes.in_bed
        elif recording.has(name):
            compute[name] = _function(name)
    return compute


def _openmhc(recording: Recording) -> dict[str, Callable[[Minutes], np.ndarray]]:
    compute: dict[str, Callable[[Minutes], np.ndarray]] = {
        name: _function(channel, device) for name, (channel, device) in _OPENMHC.items()
    }
    compute |= {ASLEEP: Minutes.asleep, INBED: Minutes.in_bed}
    return compute | {name: _function(name) for name in _WORKOUTS}


def _function(channel: str, device: str | None = None) -> Callable[[Minutes], np.ndarray]:
    if channel.startswith(WORKOUT):
        return lambda minutes: minutes.workout(channel)
    if channel in RATES.values():
        return lambda minutes: minutes.rate(channel, device)
    if device is None:
        return lambda minutes: minutes.merged_amount(channel)
    return lambda minutes: minutes.amount(channel, device)


def _warn_unused(recording: Recording, name: str) -> None:
    """Name what OpenMHC's channels have no room for: other devices, and flights of the watch."""
    wanted = set(_OPENMHC.values())
    lost = {
        f"{channel} of {'other apps and devices' if device == 'other' else f'the {device}'}": sum(
            map(len, recording.samples(channel, device))
        )
        for channel in dict.fromkeys(channel for channel, _ in wanted)
        for device in DEVICES
        if (channel, device) not in wanted and recording.has(channel, device)
    }
    if lost:
        counts = ", ".join(f"{what}: {count}" for what, count in lost.items())
        warnings.warn(
            f"{name}: OpenMHC's channels are those of an iPhone and an Apple Watch; samples left out: "
            f'{counts}. layout="canonical" keeps them.',
            UserWarning,
            stacklevel=3,
        )


def _warn(records: AppleRecords, name: str, *, empty: bool) -> None:
    if records.skipped:
        total = sum(records.skipped.values())
        reasons = ", ".join(f"{count} with {reason}" for reason, count in records.skipped.most_common())
        warnings.warn(
            f"{name}: {total} malformed records were left out ({reasons}); the first: {records.example}",
            UserWarning,
            stacklevel=3,
        )
    if records.outside:
        counts = ", ".join(f"{channel}: {count}" for channel, count in records.outside.most_common())
        warnings.warn(
            f"{name}: {sum(records.outside.values())} samples are outside their channel's valid range and "
            f"count as missing ({counts}).",
            UserWarning,
            stacklevel=3,
        )
    if empty:
        warnings.warn(
            f"{name}: nothing to return: of {records.elements:,} records none is of a known type within the "
            "time asked for.",
            UserWarning,
            stacklevel=3,
        )


def _facts(
    records: AppleRecords,
    layout: str,
    zone: Any,
    timeline: Timeline,
    counts: dict[str, int],
    doubled: int,
) -> dict[str, Any]:
    """Return what may stand beside the minutes: no names of people or of their devices."""
    return {
        "source": "apple_health",
        "layout": layout,
        "tz": None if zone is None else str(zone),
        "records": counts,
        "duplicates": doubled,
        "skipped": dict(records.skipped),
        "out_of_range": sum(records.outside.values()),
        "utc_offsets": timeline.written,
        "time_zones": sorted(records.zones),
        **records.facts,
    }


def _name_participant(frame: pd.DataFrame, participant: Any) -> None:
    levels: Any = [pd.Index([participant]), frame.index]
    codes: Any = [np.zeros(len(frame), np.int8), np.arange(len(frame))]
    names = ["participant_id", "timestamp"]
    frame.index = pd.MultiIndex(levels=levels, codes=codes, names=names, verify_integrity=False)
