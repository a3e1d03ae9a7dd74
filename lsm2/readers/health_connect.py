"""Health Connect: the SQLite database that Android exports, into which many apps write."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lsm2.readers.assemble import assemble
from lsm2.readers.cells import read_epoch, read_numbers
from lsm2.readers.export import Entry, open_export
from lsm2.readers.recording import ASLEEP, AWAKE, INBED
from lsm2.readers.request import OnError, Request
from lsm2.readers.sqlite import Database, Records, is_database, open_database
from lsm2.readers.store import Store
from lsm2.readers.xml import ReadError

# Health Connect's numbers: asleep, out of bed, light, deep, REM, awake in bed, awake.
_STAGES = {1: AWAKE, 2: ASLEEP, 3: AWAKE, 4: ASLEEP, 5: ASLEEP, 6: ASLEEP, 7: AWAKE}
# Energies of whole days, resting included, are 700 to 2,500 calories a minute; above, they are joules.
_JOULES, _WHOLE_DAYS = 3000.0, 6 * 60


@dataclass(frozen=True)
class _Kind:
    """A table of records."""

    table: str
    channel: str
    value: str
    unit: str | None = None
    lasts: bool = True  # from start_time to end_time, else at a time


_TOTAL = "total_calories_burned_record_table"
_KINDS = (
    _Kind("steps_record_table", "steps", "count"),
    _Kind("distance_record_table", "distance", "distance"),
    _Kind("floors_climbed_record_table", "floors", "floors"),
    _Kind(_TOTAL, "calories", "energy", "cal"),
    _Kind("active_calories_burned_record_table", "active_calories", "energy", "cal"),
    _Kind("oxygen_saturation_record_table", "spo2", "percentage", lasts=False),
    _Kind("respiratory_rate_record_table", "respiration_rate", "rate", lasts=False),
    _Kind(
        "heart_rate_variability_rmssd_record_table", "hrv_rmssd", "heart_rate_variability_millis", lasts=False
    ),
)
_HEART, _BEATS = "heart_rate_record_table", "heart_rate_record_series_table"
_SLEEP, _SLEEP_STAGES = "sleep_session_record_table", "sleep_stages_table"
_TABLES = (*(kind.table for kind in _KINDS), _HEART, _SLEEP)


@dataclass(frozen=True)
class _Owners:
    """Which app wrote each record, and the offset of the person's clock."""

    app: np.ndarray  # object (records,)
    offset: np.ndarray  # int64 (records,), minutes
    told: np.ndarray  # bool (records,): the offset is known

    @classmethod
    def of(cls, records: Records, zone: str) -> _Owners:
        """Return the owners of records that name app and offset themselves."""
        app = np.array([_app(cell) for cell in records["app_info_id"]], dtype=object)
        value = np.nan_to_num(read_numbers(records[zone]).value, nan=1.0)  # seconds
        told = (np.abs(value) <= 15 * 3600) & (value % 900 == 0)
        return cls(app, np.where(told, value // 60, 0).astype(np.int64), told)

    def take(self, rows: np.ndarray) -> _Owners:
        """Return the owners at some places."""
        return _Owners(self.app[rows], self.offset[rows], self.told[rows])


@dataclass(frozen=True)
class _Parents:
    """Records that others belong to, sorted by their key."""

    key: np.ndarray  # int64
    owners: _Owners

    @classmethod
    def of(cls, database: Database, table: str) -> _Parents:
        """Read the records of a table."""
        keys, owners = [np.zeros(0, np.int64)], []
        for records in database.records(table, ("row_id", "app_info_id", "start_zone_offset")):
            keys.append(np.nan_to_num(read_numbers(records["row_id"]).value, nan=-1).astype(np.int64))
            owners.append(_Owners.of(records, "start_zone_offset"))
        key = np.concatenate(keys)
        order = np.argsort(key, kind="stable")
        parts = [
            np.concatenate([np.zeros(0, kind), *(getattr(one, name) for one in owners)])
            for name, kind in (("app", object), ("offset", np.int64), ("told", bool))
        ]
        return cls(key[order], _Owners(*parts).take(order))

    def owners_of(self, records: Records, store: Store, bad: np.ndarray) -> tuple[_Owners, np.ndarray]:
        """Return the owners of records by their parents, and which records have none, which is refused."""
        wanted = np.nan_to_num(read_numbers(records["parent_key"]).value, nan=-2).astype(np.int64)
        if len(self.key) == 0:
            nobody = np.zeros(len(wanted), np.int64)
            owners = _Owners(np.full(len(wanted), "", object), nobody, nobody.astype(bool))
            lost = np.ones(len(wanted), bool)
        else:
            place = np.minimum(np.searchsorted(self.key, wanted), len(self.key) - 1)
            owners, lost = self.owners.take(place), self.key[place] != wanted
        store.refuse(
            lost & ~bad,
            records.place,
            "a missing parent",
            lambda row: f"parent_key {records['parent_key'][row]!r} is no record",
        )
        return owners, lost


def read_health_connect(
    path: str | os.PathLike[str],
    *,
    tz: Any = None,
    start: Any = None,
    end: Any = None,
    participant: Any = None,
    on_error: OnError = "raise",
) -> pd.DataFrame:
    """Read an export of Health Connect ("Backup and restore", *Export data* on Android) into minutes.

    Several apps write the same steps. Of each kind of record only those of one app are taken: the app that
    tells most minutes apart (by records of a quarter of an hour or less, of sleep by stages), where none
    tells a quarter of them the one that covers most, and another's only where it has nothing on that day, the
    day before and the day after. Amounts are spread over the minutes that they cover, those of more than
    twelve hours left out; a count is 0 only within seven minutes of a sample, of which heart rates are most,
    and total energy, which includes what rest burns, never where no record says so. Energy is in calories; of
    an app whose total energies of whole days can only be joules, all are taken to be that. A session of sleep
    is time in bed, and sleep where it has no stages.

    Args:
        path: The exported zip, its folder, or health_connect_export.db.
        tz: Zone of the output's clock, which then is tz-aware. None: the wall clock that the records tell,
            naive; UTC where they tell none.
        start: First date or moment wanted, on the output's wall clock.
        end: Last date wanted, or the first moment left out.
        participant: An id; the output then has it in its index.
        on_error: "raise", or "skip" to leave malformed records out, with one warning that counts them.

    Returns:
        float32, one row for each minute of every calendar day on which a record lies, from `start` to `end`:
        heart_rate (beats/min), hrv_rmssd (ms), steps, distance (m), floors, calories, active_calories (kcal),
        spo2 (%), respiration_rate (breaths/min), sleep_asleep, sleep_inbed (0/1), those that the export holds
        anything for.

    Raises:
        FileNotFoundError: There is nothing at `path`, or no database of Health Connect's.
        ValueError: A record is malformed (the message names table and row), the database or an archive is
            damaged or hostile, or an argument is not understood.

    >>> read_health_connect("nowhere.zip")
    Traceback (most recent call last):
    ...
    FileNotFoundError: nowhere.zip: no such file or folder; check the path
    """
    request = Request.of(path, tz, start, end, participant, on_error)
    store = Store(request)
    with open_export(request.path) as export:
        found = [entry for entry in export.entries if recognised(entry)]
        if not found:
            raise FileNotFoundError(
                f"{path}: holds no database of Health Connect's (health_connect_export.db); give the "
                "exported zip, or the database in it"
            )
        if len(found) > 1:
            names = ", ".join(entry.name for entry in found[:4])
            raise ReadError(f"{path}: holds {len(found)} databases of Health Connect's ({names}); name one.")
        with open_database(found[0], store.faults) as database:
            if not any(table in database.columns for table in _TABLES):
                raise ReadError(
                    f"{found[0].where}: is no database of Health Connect's: it has none of the tables "
                    f"{', '.join(_TABLES[:3])}, ..."
                )
            apps = _read(database, store)
    return assemble(store, "health_connect", best=True, facts={"apps": apps})


def recognised(entry: Entry) -> bool:
    """Say whether a file is a database of Health Connect's, by its name or its tables."""
    if not entry.base.endswith((".db", ".sqlite", ".sqlite3")):
        return False
    if entry.base.startswith("health_connect"):
        return True
    if not is_database(entry):
        return False
    with open_database(entry, Request.of("", None, None, None, None, "skip").faults) as database:
        return any(table in database.columns for table in _TABLES)


def _read(database: Database, store: Store) -> int:
    """Read all tables; returns how many apps wrote into them."""
    in_joules = _writers_of_joules(database)
    for kind in _KINDS:
        if database.has(kind.table, kind.value):
            _read_kind(database, kind, store, in_joules if kind.unit == "cal" else set())
    if _HEART in database.columns and database.has(_BEATS, "parent_key", "epoch_millis", "beats_per_minute"):
        _read_beats(database, store)
    if database.has(_SLEEP, "start_time", "end_time"):
        _read_sleep(database, store)
    return len(store.sources)


def _read_kind(database: Database, kind: _Kind, store: Store, in_joules: set[str]) -> None:
    times = ("start_time", "end_time", "start_zone_offset") if kind.lasts else ("time", "time", "zone_offset")
    for records in database.records(kind.table, (kind.value, "app_info_id", *dict.fromkeys(times))):
        start, seconds, bad = _span(records, times[0], times[1], store)
        numbers = read_numbers(records[kind.value])
        store.check_numbers(numbers.bad & ~bad, records[kind.value], records.place, kind.value)
        owners = _Owners.of(records, times[2])
        for joules in (False, True):
            rows = np.isin(owners.app, list(in_joules)) == joules
            unit = "J" if joules else kind.unit
            value, off = numbers.value, bad | numbers.bad | ~rows
            _add(store, kind.channel, records, start, value, owners, off, seconds, unit)


def _add(
    store: Store,
    channel: str,
    records: Records,
    start: np.ndarray,
    value: np.ndarray,
    owners: _Owners,
    bad: np.ndarray,
    seconds: np.ndarray | int = 0,
    unit: str | None = None,
) -> None:
    """Add records, those of each app and clock apart."""
    for app in dict.fromkeys(owners.app[~bad].tolist()):
        for told in (True, False):
            rows = ~bad & (owners.app == app) & (owners.told == told)
            if rows.any():
                store.add(
                    channel,
                    start,
                    value,
                    place=records.place,
                    seconds=seconds,
                    bad=~rows,
                    unit=unit,
                    source=app,
                    clock="written" if told else "utc",
                    offset=owners.offset,
                    zeros="believed" if channel == "calories" else "absent",  # never 0: resting is included
                )


def _span(records: Records, first: str, last: str, store: Store) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return start, seconds, and which records have no times, which is refused."""
    opens, closes = read_epoch(records[first], 1000), read_epoch(records[last], 1000)
    store.check_times(opens, records[first], records.place)
    store.check_times(closes, records[last], records.place, ~opens.bad)
    bad = opens.bad | closes.bad
    return opens.seconds, np.where(bad, 0, closes.seconds - opens.seconds), bad


def _app(cell: Any) -> str:
    return f"app {cell}" if isinstance(cell, (int, str)) else "app"


def _writers_of_joules(database: Database) -> set[str]:
    """Return the apps whose total energies of whole days are so large that they can only be joules."""
    if not database.has(_TOTAL, "energy"):
        return set()
    minutes: dict[str, list[np.ndarray]] = {}
    amounts: dict[str, list[np.ndarray]] = {}
    for records in database.records(_TOTAL, ("energy", "app_info_id", "start_time", "end_time")):
        value = read_numbers(records["energy"]).value
        lasting = (
            read_epoch(records["end_time"], 1000).seconds - read_epoch(records["start_time"], 1000).seconds
        ) / 60
        apps = np.array([_app(cell) for cell in records["app_info_id"]], dtype=object)
        known = ~np.isnan(value) & (value > 0) & (lasting > 0)
        for app in dict.fromkeys(apps[known].tolist()):
            minutes.setdefault(app, []).append(lasting[known & (apps == app)])
            amounts.setdefault(app, []).append(value[known & (apps == app)])
    found = set()
    for app in minutes:
        lasting, value = np.concatenate(minutes[app]), np.concatenate(amounts[app])
        rate = value / lasting
        order = np.argsort(rate)
        middle = rate[order][np.searchsorted(np.cumsum(lasting[order]), lasting.sum() / 2)]
        if lasting.sum() >= _WHOLE_DAYS and middle > _JOULES:
            found.add(app)
    return found


def _read_beats(database: Database, store: Store) -> None:
    parents = _Parents.of(database, _HEART)
    for records in database.records(_BEATS, ("parent_key", "epoch_millis", "beats_per_minute")):
        times = read_epoch(records["epoch_millis"], 1000)
        cells = records["beats_per_minute"]
        numbers = read_numbers(cells)
        store.check_times(times, records["epoch_millis"], records.place)
        store.check_numbers(numbers.bad & ~times.bad, cells, records.place, "beats_per_minute")
        bad = times.bad | numbers.bad
        owners, lost = parents.owners_of(records, store, bad)
        _add(store, "heart_rate", records, times.seconds, numbers.value, owners, bad | lost)


def _read_sleep(database: Database, store: Store) -> None:
    """Read sessions, which are time in bed, and their stages; a session without stages is all sleep."""
    staged: set[int] = set()
    if database.has(_SLEEP_STAGES, "parent_key", "stage_start_time", "stage_end_time", "stage_type"):
        parents = _Parents.of(database, _SLEEP)
        for records in database.records(
            _SLEEP_STAGES, ("parent_key", "stage_start_time", "stage_end_time", "stage_type")
        ):
            _read_stages(records, parents, store)
            keys = read_numbers(records["parent_key"]).value
            staged.update(keys[~np.isnan(keys)].astype(np.int64).tolist())
    columns = ("row_id", "app_info_id", "start_time", "end_time", "start_zone_offset")
    for records in database.records(_SLEEP, columns):
        start, seconds, bad = _span(records, "start_time", "end_time", store)
        bare = ~np.isin(read_numbers(records["row_id"]).value, list(staged))
        owners, one = _Owners.of(records, "start_zone_offset"), np.ones(len(records))
        _add(store, INBED, records, start, one, owners, bad, seconds)
        _add(store, ASLEEP, records, start, one, owners, bad | ~bare, seconds)


def _read_stages(records: Records, parents: _Parents, store: Store) -> None:
    start, seconds, bad = _span(records, "stage_start_time", "stage_end_time", store)
    kinds = read_numbers(records["stage_type"]).value
    unknown = ~np.isin(kinds, (0, *_STAGES))
    store.refuse(
        unknown & ~bad,
        records.place,
        "an unknown sleep stage",
        lambda row: f"stage_type {records['stage_type'][row]!r} is no sleep stage",
    )
    owners, lost = parents.owners_of(records, store, bad | unknown)
    for state in (ASLEEP, AWAKE):
        of_state = np.isin(kinds, [kind for kind, meaning in _STAGES.items() if meaning == state])
        _add(store, state, records, start, np.ones(len(records)), owners, bad | lost | ~of_state, seconds)
