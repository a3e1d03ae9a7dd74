"""Times as exports write them: text to seconds since 1970 and the offset of the clock that was shown."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

import pandas as pd

from lsm2.days.clock import DAY

_FORM = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[ T]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?"
    r" ?(?:([+-])([0-9]{2}):?([0-9]{2})|(Z))"
)
_SECONDS = {f"{second:02d}": second for second in range(60)}
_EPOCH = date(1970, 1, 1).toordinal()
_YEARS = (1971, 2105)  # whole seconds of these fit 32 bits
_CACHED = 1 << 13  # minutes kept


class Timestamps:
    """Parses `2024-01-01 10:00:00 -0400`, each minute once: records of one minute follow each other.

    >>> Timestamps()("2024-01-01 10:00:30 -0400")
    (1704117630, -16)
    """

    def __init__(self) -> None:
        self._minutes: dict[str, tuple[int, int]] = {}

    def __call__(self, text: str) -> tuple[int, int]:
        """Return seconds since 1970 (UTC) and the written offset in quarters of an hour.

        Raises:
            ValueError: This is no time with an offset, or none that a record can have.
        """
        key = text[:17] + text[19:]
        found = self._minutes.get(key)
        second = _SECONDS.get(text[17:19])
        if found is None or second is None:
            found, second = self._parse(text)
            if len(text) == 25 and second is not None:
                if len(self._minutes) >= _CACHED:
                    self._minutes.clear()
                self._minutes[key] = found
        return found[0] + second, found[1]

    def _parse(self, text: str) -> tuple[tuple[int, int], int]:
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no time like '2024-01-01 10:00:00 -0400'")
        year, month, day, hour, minute, second = map(int, match.groups()[:6])
        if not _YEARS[0] <= year <= _YEARS[1]:
            raise ValueError(f"{text!r} lies outside the years {_YEARS[0]} to {_YEARS[1]}")
        offset = 0
        if match.group(7):
            offset = int(match.group(8)) * 60 + int(match.group(9))
            offset = -offset if match.group(7) == "-" else offset
        try:
            days = date(year, month, day).toordinal() - _EPOCH
        except ValueError as error:
            raise ValueError(f"{text!r} is no time ({error})") from None
        if hour > 23 or minute > 59 or second > 60 or offset % 15 or abs(offset) > 15 * 60:
            raise ValueError(f"{text!r} is no time of a clock on earth")
        return (((days * DAY + hour * 60 + minute - offset) * 60), offset // 15), min(second, 59)


def wall_minutes(start: Any, end: Any, zone: Any) -> tuple[int | None, int | None]:
    """Return the first wall-clock minute wanted and the one after the last, since 1970.

    Args:
        start: None, a date, a timestamp, or either as text.
        end: As `start`; a date includes its whole day, a timestamp is the first moment left out.
        zone: The zone whose wall clock counts, which timestamps with a zone are brought to; None: as shown.

    Raises:
        ValueError: One is no time, has a zone where none is wanted, or the end is not after the start.

    >>> wall_minutes("1970-01-02", "1970-01-02", None)
    (1440, 2880)
    """
    first, _ = _bound("start", start, zone)
    last, is_date = _bound("end", end, zone)
    if last is not None and is_date:
        last += DAY
    if first is not None and last is not None and last <= first:
        raise ValueError(f"end={end!r} is not after start={start!r}")
    return first, last


def _bound(name: str, given: Any, zone: Any) -> tuple[int | None, bool]:
    if given is None:
        return None, False
    is_date = isinstance(given, date) and not isinstance(given, datetime)
    try:
        if isinstance(given, str):
            is_date = re.fullmatch(r"\s*[0-9]{4}-[0-9]{2}-[0-9]{2}\s*", given) is not None
            if not re.match(r"\s*[0-9]{4}-[0-9]{2}-[0-9]{2}", given):
                raise ValueError("not in ISO form")
        if isinstance(given, (int, float)):
            raise ValueError("a number")
        stamp = pd.Timestamp(given)
        if stamp is pd.NaT:
            raise ValueError("nothing")
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(
            f"{name}={given!r} is no date or time; write '2024-03-31' or '2024-03-31 07:45'"
        ) from error
    if stamp.tzinfo is not None:
        if zone is None:
            raise ValueError(
                f"{name}={given!r} has a time zone, but without tz= the wall clock of the export counts; "
                "leave the zone out, or pass tz="
            )
        stamp = stamp.tz_convert(zone).tz_localize(None)
    return int((stamp - pd.Timestamp(0)) // pd.Timedelta(minutes=1)), is_date
