"""Answers of Fitbit's Web API, saved as they came: intraday values on the local clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lsm2.readers.cells import read_iso, read_numbers
from lsm2.readers.store import Store

# Without a header Accept-Language the API gives kilometres.
_KINDS = {
    "activities-heart": ("heart_rate", None),
    "activities-steps": ("steps", None),
    "activities-calories": ("calories", None),
    "activities-distance": ("distance", "km"),
    "activities-floors": ("floors", None),
}
_NIGHT = {"rmssd": "hrv_rmssd"}


def is_web(found: Any) -> bool:
    """Say whether a document, or the first of several, is an answer that is read."""
    return isinstance(found, dict) and (
        any(f"{kind}-intraday" in found for kind in _KINDS)
        or isinstance(found.get("hrv"), list)
        or "minutes" in found
    )


def read_web(found: dict[str, Any], where: str, store: Store, person: Any) -> None:
    """Read one answer: the date stands beside the values, which have the time of day."""
    for kind, (channel, unit) in _KINDS.items():
        intraday = found.get(f"{kind}-intraday")
        if intraday is None:
            continue
        day = _date(found.get(kind))
        dataset = intraday.get("dataset") if isinstance(intraday, dict) else None
        if day is None or not isinstance(dataset, list):
            detail = (
                f"{kind}: no single date stands beside the values" if day is None else f"{kind}: no dataset"
            )
            store.faults.refuse(where, "a missing field", detail)
            continue
        lasting = _interval(intraday)
        _read_dataset(dataset, day, lasting, channel, unit, where, store, person)
    _read_nights(found, where, store, person)


def _read_dataset(
    dataset: list[Any],
    day: str,
    lasting: int,
    channel: str,
    unit: str | None,
    where: str,
    store: Store,
    person: Any,
) -> None:
    def place(row: int) -> str:
        return f"{where}, {channel}, item {row}"

    items = [item if isinstance(item, dict) else {} for item in dataset]
    stamps = [f"{day}T{item.get('time')}" for item in items]
    times = read_iso(stamps)
    store.check_times(times, stamps, place)
    fields: list[tuple[str, str, str | None]] = [(channel, "value", unit)]
    if channel == "calories":
        fields += [("mets", "mets", "tenths"), ("intensity", "level", None)]
    for name, key, of_value in fields:
        cells = [item.get(key) for item in items]
        numbers = read_numbers(cells)
        store.check_numbers(numbers.bad & ~times.bad, cells, place, key)
        dense = name != "heart_rate"
        store.add(
            name,
            times.seconds,
            numbers.value,
            place=place,
            seconds=lasting,
            bad=times.bad | numbers.bad,
            unit=of_value,
            source="web",
            person=person,
            clock="local",
            grid=dense,
            zeros="written" if dense else "absent",
        )


def _date(days: Any) -> str | None:
    """Return the one date that an answer is about."""
    if not isinstance(days, list) or len(days) != 1 or not isinstance(days[0], dict):
        return None
    day = days[0].get("dateTime")
    return day if isinstance(day, str) and len(day) == 10 else None


def _interval(intraday: dict[str, Any]) -> int:
    """Return how many seconds a value stands for, 0 for those of a minute or a moment."""
    count, kind = intraday.get("datasetInterval"), intraday.get("datasetType")
    if kind == "minute" and type(count) is int and 1 < count <= 60:
        return count * 60
    return 0


def _read_nights(found: dict[str, Any], where: str, store: Store, person: Any) -> None:
    """Read minutes of heart rate variability and of oxygen saturation."""
    for name, key, night in _nights(found):
        minutes = [one for one in night if isinstance(one, dict)]
        cells = [one.get("value") for one in minutes]
        if key:
            cells = [one.get(key) if isinstance(one, dict) else None for one in cells]
        stamps = [one.get("minute") for one in minutes]
        times, numbers = read_iso(stamps), read_numbers(cells)

        def place(row: int, name: str = name) -> str:
            return f"{where}, {name}, item {row}"

        store.check_times(times, stamps, place)
        store.check_numbers(numbers.bad & ~times.bad, cells, place)
        store.add(
            name,
            times.seconds,
            numbers.value,
            place=place,
            bad=times.bad | numbers.bad,
            source="web",
            person=person,
            clock="local",
        )


def _nights(found: dict[str, Any]) -> Iterator[tuple[str, str, list[Any]]]:
    nights = found.get("hrv")
    for night in nights if isinstance(nights, list) else ():
        if isinstance(night, dict) and isinstance(night.get("minutes"), list):
            for key, name in _NIGHT.items():
                yield name, key, night["minutes"]
    if isinstance(found.get("minutes"), list):
        yield "spo2", "", found["minutes"]
