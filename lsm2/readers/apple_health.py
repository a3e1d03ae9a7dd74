"""Apple Health: from the phone's export to minutes."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd

from lsm2.channels import CHANNELS, OPENMHC, Channel
from lsm2.progress import progress_bar
from lsm2.readers.apple_records import AMOUNTS, DEVICES, AppleRecords
from lsm2.readers.archive import DamageError, describe_size
from lsm2.readers.assemble import drop_impossible, drop_vague
from lsm2.readers.document import Document, open_document
from lsm2.readers.faults import nothing_read, outside_range, too_vague
from lsm2.readers.frame import Compute, canonical_columns, column, frame_of, name_participant, without_empty
from lsm2.readers.recording import ASLEEP, INBED, WORKOUT, Minutes, Recording
from lsm2.readers.request import OnError, Request, check_choice
from lsm2.readers.samples import Offsets, Samples, sort_records
from lsm2.readers.timeline import Timeline
from lsm2.readers.xml import Cut, Parser, ReadError
from lsm2.wording import counted

Layout = Literal["canonical", "openmhc"]

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
_RANGES: dict[Layout, Mapping[str, Channel]] = {
    "canonical": CHANNELS,
    "openmhc": {channel.name: channel for channel in OPENMHC.channels},
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
    cover, those of more than twelve hours are left out; rates are averaged, a sleep stage or workout holds
    for a minute of which it covers half. Exact repeats, such as records within a Correlation, count once.

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
        progress: Whether to show a bar over bytes; None: on a terminal, once it takes a few seconds.

    Returns:
        float32, one row for each minute of every calendar day on which a record lies, from `start` to `end`.
        Index "timestamp", or ("participant_id", "timestamp"). `.attrs` holds plain facts on the export.

    Raises:
        FileNotFoundError: There is no export at `path`.
        ValueError: A record is malformed (the message names file, line and type), the document breaks off,
            the archive is damaged or suspicious, or an argument is not understood.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from lsm2.simulation import simulate_apple_health
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export = simulate_apple_health(Path(folder, "export.zip"), days=2)
    ...     frame = read_apple_health(export)
    >>> len(frame), list(frame.columns[:4]), frame.attrs["source"], frame.attrs["simulated"]
    (2880, ['heart_rate', 'steps', 'distance', 'floors'], 'apple_health', True)
    """
    request = Request.of(path, tz, start, end, participant, on_error)
    check_choice("layout", layout, Layout)
    earliest, latest = request.reach
    with open_document(request.path, "HealthData") as document:
        records = AppleRecords(document.name, request.faults, earliest=earliest, latest=latest)
        try:
            _parse(document, records, progress)
        except ReadError as error:
            _check_rest(document, error)
            raise
    streams: dict[str, list[Samples]] = {}
    written: list[Offsets] = []
    counts: dict[str, int] = {}
    doubled = 0
    vague: Counter[str] = Counter()
    for name, columns in records.streams.items():
        if len(columns):
            found, offsets, repeats = sort_records(columns)
            written.append(offsets)
            doubled += repeats
            kept = [one for one in (drop_vague(one, name, vague) for one in found) if len(one)]
            if kept:
                streams[name] = kept
                counts[name] = sum(map(len, kept))
    recording = Recording(streams, records.devices, DEVICES, wearable=("watch",))
    timeline = Timeline(written, request.zone)
    compute = _openmhc(recording) if layout == "openmhc" else canonical_columns(recording, _CANONICAL)
    frame = frame_of(recording, timeline, compute, *request.bounds(request.zone))
    drop_impossible(frame, records.outside, _RANGES[layout])
    if layout == "canonical":
        frame = without_empty(frame)
    if layout == "openmhc":
        _warn_unused(recording, document.name)
    _warn(records, document.name, vague, empty=frame.empty)
    frame.attrs.update(_facts(records, layout, request.zone, timeline, counts, doubled))
    if participant is not None:
        name_participant(frame, participant)
    return frame


def _parse(document: Document, records: AppleRecords, progress: bool | None) -> None:
    """Feed the document to `records`; where it breaks off, raise or count it as skipped."""
    parser = Parser(document.name, records.element)
    records.line = lambda: parser.line
    with progress_bar(document.size, "reading", "B", progress, unit_scale=True) as bar:
        try:
            for count in parser.feed(document.prolog, document.stream.read):
                bar.update(count)
        except Cut as error:
            fault = (
                f"the document breaks off or is not well-formed ({error}), after "
                f"{describe_size(parser.position)} of {describe_size(document.size)} and "
                f"{records.elements:,} records"
            )
            where = f"{document.name}, line {error.line}"
            _check_rest(document, error)
            records.faults.refuse(where, "a document that breaks off", fault, whole=True)
    if parser.replaced:
        warnings.warn(
            f"{document.name}: replaced {counted(parser.replaced, 'character')} that XML does not allow.",
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


def _openmhc(recording: Recording) -> dict[str, Compute]:
    compute: dict[str, Compute] = {
        name: column(channel, device) for name, (channel, device) in _OPENMHC.items()
    }
    compute |= {ASLEEP: Minutes.asleep, INBED: Minutes.in_bed}
    return compute | {name: column(name) for name in _WORKOUTS}


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


def _warn(records: AppleRecords, name: str, vague: Counter[str], *, empty: bool) -> None:
    messages = [
        records.faults.summary(name),
        outside_range(name, records.outside),
        too_vague(name, vague),
    ]
    if empty:
        messages.append(nothing_read(name, records.elements))
    for message in filter(None, messages):
        warnings.warn(message, UserWarning, stacklevel=3)


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
        "skipped": dict(records.faults.skipped),
        "out_of_range": sum(records.outside.values()),
        "utc_offsets": timeline.written,
        "time_zones": sorted(records.zones),
        **records.facts,
    }
