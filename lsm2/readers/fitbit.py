"""Fitbit: Takeout old and new, answers of the Web API, Fitabase; whatever of them lies in a folder or zip."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pandas as pd

from lsm2.channels import plain_name
from lsm2.days.clock import as_zone
from lsm2.readers.assemble import assemble
from lsm2.readers.columns import is_table
from lsm2.readers.export import Entry, Export, open_export
from lsm2.readers.fitabase import layout_of, read_fitabase
from lsm2.readers.fitbit_sleep import LOGGED, read_sleep
from lsm2.readers.fitbit_takeout import (
    STREAMS,
    Covered,
    is_broken,
    is_minutes,
    is_stages,
    read_minutes,
    read_stages,
    read_stream,
)
from lsm2.readers.fitbit_web import is_web, read_web
from lsm2.readers.json import head_of, read_document, read_items
from lsm2.readers.request import OnError, Request
from lsm2.readers.rows import header_of, open_sheet
from lsm2.readers.store import Store
from lsm2.readers.xml import ReadError

_STEM = re.compile(r"^([a-z_]+?)(?:[-_ ](?:\d{4}[-_]\d{2}[-_]\d{2}|\d+).*)?\.json$")
_PMDATA = re.compile(r"(?:^|/)(p\d{2})/fitbit/")
_WEB = re.compile(r'"activities-[a-z]+-intraday"|"hrv"\s*:\s*\[|"minutes"\s*:\s*\[')
# Keys of what others write under the same names, and of Fitbit's own files.
_OTHERS = ('"timestamp"', '"bedtime_start"', '"day"', '"next_token"')
_OWN = ('"dateTime"', '"dateOfSleep"', '"logId"')
_ORDER = (
    "broken",
    "csv",
    "stages",
    "stream",
    "sleep",
    "web",
    "fitabase",
)  # new files before their classic twins


def read_fitbit(
    path: str | os.PathLike[str],
    *,
    tz: Any = None,
    start: Any = None,
    end: Any = None,
    participant: Any = None,
    on_error: OnError = "raise",
) -> pd.DataFrame:
    """Read what Fitbit or Google exports of a Fitbit into minutes.

    Recognised, in any mixture: Takeout's classic JSON files and its new CSV files, intraday answers of the
    Web API, Fitabase's narrow and wide CSV files, the PMData release. Where classic and new files hold the
    same day of a channel, the new ones count. Heart rates without any confidence are left out.

    Counts, energy and METs, which Fitbit goes on writing when nobody wears the device, are missing farther
    than seven minutes from a heart rate or a motion; where there is no heart rate within a day, in runs of 90
    minutes or more without motion. `sleep_asleep` is 1 in the stages light, deep, REM and asleep, 0 in wake,
    awake and restless and where the device was worn within a day of a log.

    Args:
        path: A zip, a folder (also of several zips), or one file.
        tz: Zone of the output's clock, which then is tz-aware. Takeout's values are in UTC but its sleep logs
            in local time: both together need it, unless the export's profile names a zone. None: the clock
            that the files show, naive where that is local, else UTC or that of the profile.
        start: First date or moment wanted, on the output's wall clock.
        end: Last date wanted, or the first moment left out.
        participant: An id for the output's index; of an export of several people, the one wanted.
        on_error: "raise", or "skip" to leave malformed records out, with one warning that counts them.

    Returns:
        float32, one row for each minute of every calendar day on which a record lies, from `start` to `end`:
        heart_rate (beats/min), hrv_rmssd and hrv_sdnn (ms), steps, distance (m), floors, calories (kcal),
        mets, intensity (0-3), skin_temperature (degC), spo2 (%), respiration_rate (breaths/min),
        sleep_asleep, sleep_inbed (0/1), those that the export holds anything for. Index "timestamp", or
        ("participant_id", "timestamp") where the export names people.

    Raises:
        FileNotFoundError: There is nothing at `path`, or no file of Fitbit's.
        ValueError: A record is malformed (the message names file and line or item), an archive is damaged or
            hostile, profiles are of several people, or an argument is not understood.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "minuteStepsNarrow_merged.csv")
    ...     _ = file.write_text("Id,ActivityMinute,Steps\\n7,4/12/2016 7:21:00 AM,12\\n")
    ...     frame = read_fitbit(file)
    >>> frame.loc[("7", "2016-04-12 07:21"), "steps"].item()
    12.0
    """
    request = Request.of(path, tz, start, end, participant, on_error)
    notes = []
    with open_export(request.path) as export:
        found = recognised(export)
        if not found:
            raise FileNotFoundError(
                f"{path}: holds no file of Fitbit's: neither Takeout's (heart_rate-2024-01-01.json, "
                "heart_rate_2024-01-01.csv, ...) nor intraday answers of the Web API, nor Fitabase's "
                "(minuteStepsNarrow_merged.csv, ...)"
            )
        _check_one_person(path, export)
        if request.zone is None:
            zone = _profile_zone(export)
            if zone is not None and any(kind not in ("fitabase", "web") for kind, _ in found):
                notes.append(
                    f"{path}: its times are UTC; the days returned are those of {zone}, the zone in its "
                    f"profile. Give tz= if the person lived elsewhere."
                )
                request = replace(request, zone=as_zone(zone))
        store = Store(request)
        facts = _read(found, store)
    return assemble(store, "fitbit", notes=notes, facts=facts)


def recognised(export: Export) -> list[tuple[str, Entry]]:
    """Return the files that are read, and of which kind each is, new ones before their classic twins.

    Calories come after steps, which tell their clock.
    """
    found = [(kind, entry) for entry in export.entries if (kind := _kind(entry))]
    return sorted(found, key=lambda pair: (_ORDER.index(pair[0]), pair[1].base.startswith("calories")))


def _kind(entry: Entry) -> str | None:
    if entry.base.endswith(".csv"):
        header = header_of(entry)
        if is_stages(header):
            return "stages"
        if is_minutes(entry, header):
            return "csv"
        if is_table(header):
            return None
        layout = layout_of(header)
        if layout is not None and (layout.who or layout.kind != "heart" or "heartrate" in entry.base):
            return "fitabase"
        return "broken" if is_broken(entry) else None
    if entry.base.endswith(".json"):
        head, stem = head_of(entry), _STEM.match(entry.base)
        name = stem.group(1) if stem else ""
        if _WEB.search(head):
            return "web"
        if '"dateOfSleep"' in head and ('"levels"' in head or '"minuteData"' in head):
            return "sleep"
        if '"bpm"' in head and '"confidence"' in head:
            return "stream"
        if any(key in head for key in _OTHERS) and not any(key in head for key in _OWN):
            return None
        if name == "sleep":
            return "sleep"
        if name in STREAMS:
            return "stream"
    return None


def _read(found: list[tuple[str, Entry]], store: Store) -> dict[str, Any]:
    covered: dict[Any, Covered] = {}
    unsure = 0
    for kind, entry in found:
        person = _person(entry)
        known = covered.setdefault(person, Covered())
        if kind == "broken":
            store.faults.refuse(entry.where, "an unknown header", "its header is not known", whole=True)
        elif kind == "csv":
            read_minutes(entry, store, known, person)
        elif kind == "stages":
            read_stages(entry, store, known, person)
        elif kind == "stream":
            stem = _STEM.match(entry.base)
            name = stem.group(1) if stem and stem.group(1) in STREAMS else "heart_rate"
            unsure += read_stream(entry, name, store, known, person)
        elif kind == "sleep":
            _read_logs(entry, store, known, person)
        elif kind == "web":
            _read_web(entry, store, known, person)
        else:
            read_fitabase(entry, store)
    twins: Counter[str] = sum((one.left_out for one in covered.values()), Counter())
    return {
        "formats": sorted({kind for kind, _ in found}),
        "files": len(found),
        "without_confidence": unsure,
        "twins": dict(twins),
    }


def _read_logs(entry: Entry, store: Store, covered: Covered, person: Any) -> None:
    if head_of(entry, 64).startswith("["):
        logs: Any = read_items(entry, store.faults)
    else:
        whole = read_document(entry, store.faults)
        logs = whole.get("sleep") if isinstance(whole, dict) else None
        if not isinstance(logs, list):
            logs = [whole] if isinstance(whole, dict) and not whole.keys().isdisjoint(LOGGED) else []
    left_out = read_sleep(logs, entry.where, store, person, covered.asleep)
    if left_out:
        covered.left_out["sleep logs"] += left_out


def _read_web(entry: Entry, store: Store, covered: Covered, person: Any) -> None:
    found = read_document(entry, store.faults)
    answers = found if isinstance(found, list) else [found]
    for number, answer in enumerate(answers):
        where = entry.where if answer is found else f"{entry.where}, answer {number}"
        if is_web(answer):
            read_web(answer, where, store, person)
        elif answer is not None:
            store.faults.refuse(where, "an unknown answer", "is no intraday answer of the Web API")


def _person(entry: Entry) -> str | None:
    """Return whose file of the PMData release it is."""
    match = _PMDATA.search(entry.name)
    return match.group(1) if match else None


def _check_one_person(path: Any, export: Export) -> None:
    """Refuse profiles of several people: nothing else in Takeout tells them apart."""
    owners = {cell for entry in export.named("profile.csv") if (cell := _profile(entry, "id"))}
    if len(owners) > 1:
        raise ReadError(
            f"{path}: holds the Takeouts of {len(owners)} people, and would make one recording of them; give "
            "one person's at a time."
        )


def _profile_zone(export: Export) -> str | None:
    """Return the time zone in Takeout's profile, if there is one."""
    for entry in export.named("profile.csv"):
        zone = _profile(entry, "timezone")
        if zone is None:
            continue
        try:
            return str(as_zone(zone)) if zone else None
        except ValueError:
            return None
    return None


def _profile(entry: Entry, column: str) -> str | None:
    """Return a cell of Takeout's profile, which has one row; None where there is no such column."""
    if column not in map(plain_name, header_of(entry)):
        return None
    try:
        with open_sheet(entry, Request.of("", None, None, None, None, "skip").faults) as sheet:
            for piece in sheet.pieces():
                return piece[sheet.column(column) or ""][0].strip()
    except ValueError:
        pass
    return None
