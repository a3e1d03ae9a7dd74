"""Health Connect's database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

from tests.exports.databases import database


def ms(stamp: Any) -> Any:
    """A UTC time in milliseconds since 1970; other things as they are."""
    if not isinstance(stamp, str) or "-" not in stamp:
        return stamp
    return int(datetime.fromisoformat(stamp).replace(tzinfo=timezone.utc).timestamp() * 1000)


COMMON = "row_id INTEGER PRIMARY KEY, uuid BLOB, app_info_id INTEGER"
INTERVAL = (
    f"{COMMON}, start_time INTEGER, start_zone_offset INTEGER, end_time INTEGER, end_zone_offset INTEGER"
)
INSTANT = f"{COMMON}, time INTEGER, zone_offset INTEGER"
Rows = Iterable[Sequence[Any]]


def health_connect(
    beats: Rows = (),
    steps: Rows = (),
    stages: Rows = (),
    sessions: Rows = (),
    calories: Rows = (),
    active_calories: Rows = (),
    distance: Rows = (),
    spo2: Rows = (),
    zone: Any = 3600,
    extra: Sequence[str] = (),
) -> bytes:
    """(app, start, end, value); beats (app, time, value); stages (session, start, end, type)."""

    def intervals(rows: Rows, *, valued: bool = True) -> list[tuple[Any, ...]]:
        found = []
        for number, (app, first, last, *value) in enumerate(rows, 1):
            found.append(
                (number, b"\x01" * 16, app, ms(first), zone, ms(last), zone, *(value if valued else ()))
            )
        return found

    beats = list(beats)
    apps = list(dict.fromkeys(app for app, *_ in beats)) or [1]
    tables: dict[str, Any] = {
        "application_info_table": (
            "row_id INTEGER, package_name TEXT",
            [(1, "com.example.watch"), (2, "org.phone")],
        ),
        "heart_rate_record_table": (
            INTERVAL,
            [(10 + place, b"\x02" * 16, app, 0, zone, 0, zone) for place, app in enumerate(apps)],
        ),
        "heart_rate_record_series_table": (
            "parent_key INTEGER, beats_per_minute INTEGER, epoch_millis INTEGER",
            [(10 + apps.index(app), value, ms(at)) for app, at, value in beats],
        ),
        "steps_record_table": (f"{INTERVAL}, count INTEGER", intervals(steps)),
        "distance_record_table": (f"{INTERVAL}, distance REAL", intervals(distance)),
        "total_calories_burned_record_table": (f"{INTERVAL}, energy REAL", intervals(calories)),
        "active_calories_burned_record_table": (f"{INTERVAL}, energy REAL", intervals(active_calories)),
        "oxygen_saturation_record_table": (
            f"{INSTANT}, percentage REAL",
            [
                (number, b"\x03" * 16, app, ms(at), zone, value)
                for number, (app, at, value) in enumerate(spo2, 1)
            ],
        ),
        "sleep_session_record_table": (f"{INTERVAL}, title TEXT", intervals(sessions, valued=False)),
        "sleep_stages_table": (
            "parent_key INTEGER, stage_start_time INTEGER, stage_end_time INTEGER, stage_type INTEGER",
            [(session, ms(first), ms(last), kind) for session, first, last, kind in stages],
        ),
    }
    return database(tables, extra)
