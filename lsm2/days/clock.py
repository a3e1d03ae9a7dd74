"""Absolute minutes and wall-clock minutes: every time-zone calculation of the package.

Both are int64 counts of minutes since 1970-01-01 00:00: absolute ones in UTC, wall-clock ones as the
participant's clock showed them. A naive timestamp is a wall-clock minute already, and its offset is 0.
"""

from __future__ import annotations

import difflib
import zoneinfo
from datetime import tzinfo
from typing import Any

import numpy as np
import pandas as pd

DAY = 1440  # minutes

_PER_MINUTE = {"s": 60, "ms": 60_000, "us": 60_000_000, "ns": 60_000_000_000}


def absolute_minutes(times: pd.DatetimeIndex) -> np.ndarray:
    """Return the absolute minute that each timestamp falls in, int64 (rows,)."""
    return np.asarray(times.asi8 // _PER_MINUTE[times.unit])


def from_minutes(minutes: np.ndarray, dtype: Any) -> pd.DatetimeIndex:
    """Return timestamps of the dtype given (naive or with a zone) at absolute minutes, int64 (rows,)."""
    unit = dtype.unit if isinstance(dtype, pd.DatetimeTZDtype) else np.datetime_data(dtype)[0]
    if len(minutes) and max(-int(minutes.min()), int(minutes.max())) >= 2**63 // _PER_MINUTE[unit]:
        unit = "s"  # midnight of the first day that the unit can hold lies before it
    naive = pd.DatetimeIndex((minutes * _PER_MINUTE[unit]).view(f"M8[{unit}]"))
    return naive.tz_localize("UTC").tz_convert(dtype.tz) if isinstance(dtype, pd.DatetimeTZDtype) else naive


def offsets(minutes: np.ndarray, zone: tzinfo | None) -> np.ndarray:
    """Return what to add to absolute minutes to get the wall clock of a zone, in minutes, int64 (rows,).

    Offsets are looked up once per UTC day, and per minute only on the days in which they change.
    """
    if zone is None or len(minutes) == 0:
        return np.zeros(len(minutes), np.int64)
    days = minutes // DAY
    first, last = int(days.min()), int(days.max())
    if last - first < 2 * len(minutes) + 400:
        known, row = np.arange(first, last + 1), days - first
    else:
        known, row = np.unique(days, return_inverse=True)
    start = _look_up(known * DAY, zone)
    changing = start != _look_up(known * DAY + DAY - 1, zone)
    result: np.ndarray = start[row]
    if changing.any():
        rows = np.flatnonzero(changing[row])
        result[rows] = _look_up(minutes[rows], zone)
    return result


def _look_up(minutes: np.ndarray, zone: tzinfo) -> np.ndarray:
    seconds = minutes * 60
    times = pd.DatetimeIndex(seconds.view("M8[s]")).tz_localize("UTC").tz_convert(zone).tz_localize(None)
    # Before 1972 some offsets held seconds; a day of whole minutes takes the nearest minute.
    return np.asarray(np.rint((times.asi8 - seconds) / 60), np.int64)


def as_zone(zone: Any) -> tzinfo:
    """Return a time zone from its name or a tzinfo.

    Raises:
        ValueError: There is no such zone.
    """
    if isinstance(zone, (str, tzinfo)):
        try:
            return pd.DatetimeTZDtype("ns", zone).tz
        except (KeyError, ValueError, TypeError, OSError):
            pass
    close = difflib.get_close_matches(str(zone), zoneinfo.available_timezones(), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ValueError(
        f"{zone!r} is no time zone{hint}. Give an IANA name such as 'Europe/Berlin', or a tzinfo."
    )


def is_utc(zone: tzinfo) -> bool:
    """Say whether a zone is UTC itself, which devices write for want of a zone."""
    return str(zone).upper() in {
        "UTC",
        "ETC/UTC",
        "UTC+00:00",
        "ZULU",
        "ETC/ZULU",
        "ETC/UCT",
        "UCT",
        "TZUTC()",
    }
