"""Who and when: the participant and the minute of every row of a frame, in whatever form they come."""

from __future__ import annotations

import re
import warnings
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

import numpy as np
import pandas as pd

from lsm2.channels import listing, nearest, plain_name
from lsm2.days.clock import absolute_minutes, as_zone, is_utc, offsets

PARTICIPANT, TIMESTAMP = "participant_id", "timestamp"

_PEOPLE = re.compile("subject|participant|patient|person|user|people", re.IGNORECASE)
_ID = re.compile("(^|[^A-Za-z])(id|ID|Id|pid|PID)$|[a-z]I[dD]$")  # not "lipid"
_FARTHEST = 2**32  # minutes, about 8,000 years: keeps (person, minute) within 64 bits


class FrameError(ValueError):
    """A frame that cannot be read as a recording: what is wrong, where, and what to do."""


def names_people(label: Any) -> bool:
    """Whether the name of a column speaks of people, so that it may tell them apart."""
    return any(pattern.search(str(label)) for pattern in (_PEOPLE, _ID))


@dataclass(frozen=True)
class Keys:
    """Participant and time of each row."""

    participants: pd.Index  # in order of first appearance, with their own dtype
    person: np.ndarray  # int64 (rows,), position in participants
    minute: np.ndarray  # int64 (rows,), absolute minute
    wall: np.ndarray  # int64 (rows,), wall-clock minute
    exact: np.ndarray  # int64 (rows,), the timestamp in its own unit, to tell doubled rows from finer ones
    zones: tuple[tzinfo | None, ...]  # the zones that occur; (None,) for naive timestamps
    zone: np.ndarray | None  # int64 (rows,), position in zones; None where there is only one
    dtype: Any  # dtype of the timestamps
    keyed: bool  # whether the input names participants, which makes the output's index a MultiIndex
    columns: tuple[Any, ...]  # column labels that hold keys, not channels


@dataclass(frozen=True)
class _Key:
    level: int | None  # position of the index level, or
    column: Any = None  # label of the column

    def values(self, frame: pd.DataFrame) -> pd.Index:
        if self.level is not None:
            return frame.index.get_level_values(self.level)
        column = frame[self.column]
        return pd.Index(column, dtype=column.dtype)

    @property
    def where(self) -> str:
        return f"column {self.column!r}" if self.level is None else "the index"


def read_keys(frame: pd.DataFrame, *, tz: Any, participant: str, timestamp: str) -> Keys:
    """Return participant and time of every row of a frame.

    Args:
        frame: The recording; see `read_days` for its forms.
        tz: None, a zone, the name of a column of zones, or {participant: zone}.
        participant: Name of the column or index level of participants.
        timestamp: Name of the column or index level of timestamps.

    Raises:
        FrameError: There is no time, or a row without time or participant, or a zone is missing.
        ValueError: A zone is not known.
    """
    time_key = _time_key(frame, timestamp)
    person_key = _person_key(frame, participant, time_key)
    times = as_times(time_key.values(frame), time_key.where)
    if person_key is None:
        participants: pd.Index = pd.RangeIndex(min(len(frame), 1), name=PARTICIPANT)
        person = np.zeros(len(frame), np.int64)
    else:
        participants, person = _people(frame, person_key)
    minute = absolute_minutes(times)
    if len(minute) and max(-int(minute.min()), int(minute.max())) > _FARTHEST:
        row = int(np.abs(minute).argmax())
        raise FrameError(f"{time_key.where} holds {times[row]} in row {row}, too far off for a recording")
    zone_column = _find(frame, tz, loosely=False) if isinstance(tz, str) else None
    zones, zone = _zones(frame, tz, zone_column, times, participants, person, person_key)
    used = (time_key, person_key, zone_column)
    _warn_of_levels(frame, {key.level for key in used if key is not None}, person)
    return Keys(
        participants=participants,
        person=person,
        minute=minute,
        wall=_wall(minute, zones, zone),
        exact=times.asi8,
        zones=zones,
        zone=zone,
        dtype=times.dtype,
        keyed=person_key is not None,
        columns=tuple(key.column for key in used if key is not None and key.level is None),
    )


def _warn_of_levels(frame: pd.DataFrame, used: set[int | None], person: np.ndarray) -> None:
    """Warn of named index levels that are ignored though a person has several values of them."""
    for level, name in enumerate(frame.index.names):
        if level in used or name is None or not isinstance(frame.index, pd.MultiIndex):
            continue
        code = np.asarray(frame.index.codes[level])
        order = np.lexsort((code, person))
        mixed = (np.diff(person[order]) == 0) & (np.diff(code[order]) != 0)
        if mixed.any():
            warnings.warn(
                f"index level {name!r} is neither participant nor time, and is ignored: rows of one "
                "participant that differ in it are taken together. Go through it with groupby, or put it "
                "into the participant's id, if they are recordings of their own.",
                UserWarning,
                stacklevel=2,
            )


def raw_keys(
    frame: pd.DataFrame, *, participant: str = PARTICIPANT, timestamp: str = TIMESTAMP
) -> tuple[pd.Index | None, pd.Index]:
    """Return the participant (None where the frame names none) and the time of every row, unread.

    Raises:
        FrameError: There is no column or index level of times, or of participants by a name of your own.
    """
    time_key = _time_key(frame, timestamp)
    person_key = _person_key(frame, participant, time_key)
    return None if person_key is None else person_key.values(frame), time_key.values(frame)


def _find(frame: pd.DataFrame, name: Hashable, *, loosely: bool = True) -> _Key | None:
    """Return the index level or column of this name; `loosely`: whatever its capitals, spaces, `_`, `-`."""
    for form in (lambda label: label, plain_name)[: 1 + loosely]:
        columns = [label for label in frame.columns if form(label) == form(name)]
        levels = [
            i for i, label in enumerate(frame.index.names) if label is not None and form(label) == form(name)
        ]
        if len(columns) + len(levels) > 1:
            where = f"columns {listing(columns)}" + (" and the index" if levels else "")
            raise FrameError(f"{name!r} is ambiguous: {where} have that name. Drop or rename all but one.")
        if levels:
            return _Key(levels[0])
        if columns:
            return _Key(None, columns[0])
    return None


def _is_time(index: pd.Index) -> bool:
    return isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex)) or str(index.dtype).startswith("timestamp[")


def _time_key(frame: pd.DataFrame, timestamp: str) -> _Key:
    found = _find(frame, timestamp)
    if found is not None:
        return found
    if timestamp == TIMESTAMP:
        index = frame.index
        levels = index.levels if isinstance(index, pd.MultiIndex) else [index]
        timed = [position for position, level in enumerate(levels) if _is_time(level)]
        if len(timed) == 1:
            return _Key(timed[0])
        if len(timed) > 1:
            raise FrameError(
                "the index has several levels of timestamps; name the right one with timestamp='...'"
            )
    close = [label for label in frame.columns if _is_time(pd.Index(frame[[label]].iloc[:0, 0]))]
    hint = f" Column {close[0]!r} holds timestamps: pass timestamp={close[0]!r}." if close else ""
    if len(frame.columns) == 1 and any(mark in str(frame.columns[0]) for mark in ";\t|"):
        hint = " The columns stand in one: read the file with its own separator, or by lsm2.read_table."
    raise FrameError(
        "no time information: the frame has neither a DatetimeIndex nor a column or index level "
        f"{timestamp!r}{nearest(timestamp, frame.columns)}; it has columns {listing(frame.columns)} and an "
        f"index of {frame.index.dtype}.{hint or ' Set a DatetimeIndex, or name the column with timestamp=.'}"
    )


def _person_key(frame: pd.DataFrame, participant: str, time_key: _Key) -> _Key | None:
    found = _find(frame, participant)
    if found is not None:
        if found == time_key:
            raise FrameError(f"participant and timestamp both name {found.where}")
        return found
    if participant != PARTICIPANT:
        raise FrameError(
            f"no column or index level {participant!r} for "
            f"participants{nearest(participant, frame.columns)}; the frame has columns "
            f"{listing(frame.columns)}"
        )
    others = [level for level in range(frame.index.nlevels) if level != time_key.level]
    if frame.index.nlevels == 1 or not others:
        return None
    if len(others) > 1:
        names = listing([frame.index.names[level] for level in others])
        raise FrameError(f"which index level holds participants, of {names}? Name it with participant='...'.")
    return _Key(others[0])


def as_times(index: pd.Index, where: str) -> pd.DatetimeIndex:
    """Return timestamps from timestamps, periods, dates or ISO text.

    Raises:
        FrameError: A row holds none, or what cannot be read as one; says which, and where.
    """
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    if not isinstance(index, pd.DatetimeIndex):
        index = _parse(index, where)
    if index.hasnans:
        missing = np.flatnonzero(index.isna())
        raise FrameError(
            f"{len(missing)} of {len(index)} rows have no timestamp in {where}, the first is row "
            f"{missing[0]}. Drop them, for instance by frame.dropna(subset=[...])."
        )
    return index


def _parse(index: pd.Index, where: str) -> pd.DatetimeIndex:
    if len(index) == 0:
        return pd.DatetimeIndex([], dtype="M8[ns]")
    if _is_time(index):
        return pd.DatetimeIndex(index.astype(_naive_or_zone(index.dtype)))
    if pd.api.types.is_bool_dtype(index.dtype) or not (
        pd.api.types.is_object_dtype(index.dtype)
        or pd.api.types.is_string_dtype(index.dtype)
        or isinstance(index.dtype, pd.CategoricalDtype)
        or str(index.dtype).startswith("date")
    ):
        raise FrameError(
            f"{where} holds {index.dtype}, not timestamps. Convert it first, for instance by "
            "pd.to_datetime(values, unit='s') for seconds since 1970."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "error", FutureWarning
            )  # mixed offsets: pandas 2 warns where pandas 3 raises
            parsed = pd.to_datetime(index.astype(object), format="ISO8601")
    except (ValueError, TypeError, OverflowError, FutureWarning) as error:
        raise FrameError(_first_unparsable(index, where)) from error
    if not isinstance(parsed, pd.DatetimeIndex):
        raise FrameError(_first_unparsable(index, where))
    return parsed


def _naive_or_zone(dtype: Any) -> Any:
    arrow = dtype.pyarrow_dtype
    return pd.DatetimeTZDtype(arrow.unit, arrow.tz) if arrow.tz else np.dtype(f"M8[{arrow.unit}]")


def _first_unparsable(index: pd.Index, where: str) -> str:
    parsed = pd.to_datetime(index.astype(object), format="ISO8601", errors="coerce", utc=True)
    bad = np.flatnonzero(np.asarray(parsed.isna()) & np.asarray(index.notna()))
    if len(bad) == 0:
        return (
            f"{where} mixes time zones. Convert it first by pd.to_datetime(values, utc=True) and pass tz= "
            "for the participants' zones."
        )
    return (
        f"{where} holds {index[bad[0]]!r} in row {bad[0]}, which is no ISO 8601 timestamp. Convert the "
        "column first by pd.to_datetime(values, format='...')."
    )


def _people(frame: pd.DataFrame, key: _Key) -> tuple[pd.Index, np.ndarray]:
    if key.level is not None and isinstance(frame.index, pd.MultiIndex):
        codes = np.asarray(frame.index.codes[key.level])
        order, first = pd.factorize(codes)
        missing = codes < 0
        participants = frame.index.levels[key.level].take(first) if not missing.any() else pd.Index([])
        person = order
    else:
        try:
            person, participants = pd.factorize(key.values(frame))
        except TypeError as error:
            raise FrameError(f"{key.where} holds participants that are no plain ids ({error})") from error
        missing = person < 0
    if missing.any():
        rows = np.flatnonzero(missing)
        raise FrameError(
            f"{len(rows)} of {len(frame)} rows have no participant in {key.where}, the first is row "
            f"{rows[0]}. Drop them or fill in an id."
        )
    return participants.rename(PARTICIPANT), person.astype(np.int64)


def _zones(
    frame: pd.DataFrame,
    tz: Any,
    column: _Key | None,
    times: pd.DatetimeIndex,
    participants: pd.Index,
    person: np.ndarray,
    person_key: _Key | None,
) -> tuple[tuple[tzinfo | None, ...], np.ndarray | None]:
    """Return the zones that occur and, where there are several, the position of each row's zone."""
    names: list[Any]
    code: np.ndarray | None = None
    if tz is None:
        own = times.tz
        if own is not None and is_utc(own) and len(times):
            warnings.warn(
                "the timestamps are in UTC and no tz= is given: days are cut at midnight UTC (a CSV of "
                "several offsets becomes UTC). Pass tz='Europe/Berlin' "
                "(a zone, a column of zones, or {participant: zone}) for the participants' own days, or "
                "tz='UTC' to keep these and silence this.",
                UserWarning,
                stacklevel=2,
            )
        return (own,), None
    if column is not None:
        code, found = pd.factorize(column.values(frame))
        names = list(found)
        if (code < 0).any():
            row = int(np.flatnonzero(code < 0)[0])
            raise FrameError(
                f"{column.where} of time zones is empty in row {row} (participant "
                f"{participants[person[row]]!r}); give every row a zone"
            )
    elif isinstance(tz, Mapping):
        if person_key is None:
            raise FrameError(
                "tz= maps participants to zones, but the frame names no participants; pass one zone"
            )
        absent = [one for one in participants if one not in tz]
        if absent:
            raise FrameError(f"tz= gives no zone for participant {listing(absent)}; add them")
        of_person, names = pd.factorize(pd.Index([tz[one] for one in participants], dtype=object))
        names, code = list(names), of_person[person]
    else:
        names = [tz]
    zones: tuple[tzinfo | None, ...] = tuple(as_zone(name) for name in names)
    if times.tz is None:
        warnings.warn(
            "tz= changes nothing for timestamps without a zone: they are read as the participants' wall "
            "clock. If they are UTC, localise them first by .dt.tz_localize('UTC').",
            UserWarning,
            stacklevel=2,
        )
        return (None,), None
    return (zones or (times.tz,)), (code.astype(np.int64) if code is not None and len(zones) > 1 else None)


def _wall(minute: np.ndarray, zones: tuple[tzinfo | None, ...], zone: np.ndarray | None) -> np.ndarray:
    if zone is None:
        return minute if zones[0] is None else minute + offsets(minute, zones[0])
    wall = np.empty_like(minute)
    order = np.argsort(zone, kind="stable")
    bounds = np.searchsorted(zone[order], np.arange(len(zones) + 1))
    for position, one in enumerate(zones):
        rows = order[bounds[position] : bounds[position + 1]]
        wall[rows] = minute[rows] + offsets(minute[rows], one)
    return wall
