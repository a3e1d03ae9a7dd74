"""The numbers of a page as text inside it: one packed block per day, and what the whole page needs."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import numpy as np

from lsm2.figures.frames import label
from lsm2.report.contents import Contents

_DIGITS = 5  # significant ones of recorded values and of days
_STEPS = 1000  # fills and bounds are rounded to a power of ten below this part of what a day's values span


def pack_day(contents: Contents, day: int) -> str:
    """Return a day's minutes: base64 of gzip of JSON, {channel: {values, gaps, lower, upper}}.

    ``values`` holds 1,440 numbers or nulls, recorded and filled; ``gaps`` the [start, end) minutes that are
    filled; ``lower`` and ``upper`` the bounds of those minutes only, one after the other. Channels without a
    value are left out. Recorded numbers are rounded to 5 significant digits, filled ones to a thousandth of
    the day's range: less than a screen shows.
    """
    channels = {}
    for number, channel in enumerate(contents.channels):
        observed, values = contents.observed[day, number], contents.filled[day, number]
        recorded = ~np.isnan(observed)
        values = np.where(recorded, observed, values)
        if np.isnan(values).all():
            continue
        gap = ~recorded & ~np.isnan(values)
        bounds = [each[day, number][gap] for each in (contents.lower, contents.upper)]
        places = _places(np.concatenate([values, *bounds]))
        rounded = np.where(recorded, significant(values, _DIGITS), np.round(values.astype(float), places))
        edges = np.flatnonzero(np.diff(np.r_[False, gap, False]))
        parts: dict[str, Any] = {"values": _numbers(rounded), "gaps": edges.reshape(-1, 2).tolist()}
        for name, inside in zip(("lower", "upper"), bounds, strict=True):
            if not np.isnan(inside).all():
                parts[name] = _numbers(np.round(inside.astype(float), places))
        channels[channel.name] = parts
    text = json.dumps(channels, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def facts(contents: Contents, interval: float | None) -> dict[str, Any]:
    """Return what the page's script needs beside the days' minutes, ready for JSON."""
    coverage = contents.coverage
    return {
        "interval": interval,
        "channels": [
            {
                "name": channel.name,
                "title": label(channel, " "),
                "daily": daily_title(contents, number),
                "total": channel.is_total,
                "binary": channel.kind == "binary",
            }
            for number, channel in enumerate(contents.channels)
        ],
        "dates": contents.dates.astype(str).tolist(),
        "coverage": np.round(coverage, 3).tolist(),
        "daily": [[_numbers(significant(one, _DIGITS)) for one in day] for day in contents.daily],
        "points": None if contents.points is None else [_numbers(significant(p, 4)) for p in contents.points],
        "axes": list(contents.axes),
    }


def daily_title(contents: Contents, number: int) -> str:
    """What a channel's daily number is, with its unit.

    Totals are in the unit of a minute times minutes, such as steps; means in that of a minute.
    """
    channel = contents.channels[number]
    name = channel.name.replace("_", " ")
    if channel.is_total:
        return f"{name}, total ({channel.unit.removesuffix('/min')})"
    return f"{name}, share of the day" if channel.kind == "binary" else f"{name}, mean ({channel.unit})"


def _places(values: np.ndarray) -> int:
    span = float(np.nanmax(values) - np.nanmin(values))
    return int(np.ceil(-np.log10(span / _STEPS))) if span > 0 else 3


def significant(values: np.ndarray, digits: int) -> np.ndarray:
    """Round to so many significant digits.

    >>> significant(np.array([0.0, 12345.678, 0.0123456, np.nan]), 3).tolist()
    [0.0, 12300.0, 0.0123, nan]
    """
    values = np.asarray(values, np.float64)
    with np.errstate(divide="ignore"):
        magnitude = np.floor(np.log10(np.abs(values)))
    places = np.where(np.isfinite(magnitude), digits - 1 - magnitude, 0)
    scale = 10.0 ** np.abs(places)
    return np.where(places >= 0, np.round(values * scale) / scale, np.round(values / scale) * scale)


def _numbers(values: np.ndarray) -> list[float | int | None]:
    """Numbers for JSON, as short as they can be: whole ones without a point, NaN as null."""
    return [
        None if value != value else int(value) if value == int(value) else value
        for value in np.asarray(values, np.float64).tolist()
    ]
