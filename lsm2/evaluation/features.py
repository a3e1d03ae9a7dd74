"""Features made by hand, and what missingness alone tells: what embeddings are compared with.

Levels, spreads and quantiles of each channel, its course over the day, and the classical measures of rest and
activity: interdaily stability and intradaily variability (Witting et al. 1990, doi
10.1016/0006-3223(90)90523-5), relative amplitude (Van Someren et al. 1999, doi 10.3109/07420529908998724)
and the cosinor (Cornelissen 2014, doi 10.1186/1742-4682-11-16). Counts are read as log(1 + count).
"""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from lsm2.days import DAY, Days, make_windows, overlaps, read_events

HOURS = 24
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_LEAST_MINUTES = 10
"""Of an hour, for its mean to count."""

Float = npt.NDArray[np.float64]
Table = dict[str, Float]


def hand_made(days: Days, level: Literal["participant", "day"]) -> pd.DataFrame:
    """Describe recordings by numbers chosen by hand.

    Args:
        days: The recordings; unworn minutes are best made missing before.
        level: A row for each participant, or for each day.

    Returns:
        float64, NaN where a number cannot be told; the index of :meth:`Days.index`.

    >>> import lsm2
    >>> from lsm2.channels import Schema
    >>> from lsm2.days import read_days
    >>> recordings = lsm2.simulate(participants=2, days=3)[["heart_rate", "steps"]]
    >>> days = read_days(recordings, Schema.from_names(["heart_rate", "steps"]))
    >>> table = hand_made(days, "participant")
    >>> table.shape, bool(table["steps interdaily_stability"].between(0, 1).all())
    ((2, 88), True)
    """
    row = days.person if level == "participant" else np.arange(len(days))
    rows = len(days.participants) if level == "participant" else len(days)
    columns: Table = {}
    for position, channel in enumerate(days.schema.channels):
        if not days.recorded[position]:
            continue
        values = _readable(days, position)
        table = _levels(values, row, rows) | _rhythm(_hourly(values), row, rows)
        if level == "participant":
            table |= _between_days(values, row, rows)
        columns |= {f"{channel.name} {name}": column for name, column in table.items()}
    return pd.DataFrame(columns, index=days.index(level))


def missingness(days: Days, level: Literal["participant", "day"]) -> pd.DataFrame:
    """Describe what was recorded when, and no value: shares per channel and hour, and days.

    Args, Returns:
        See :func:`hand_made`.
    """
    row = days.person if level == "participant" else np.arange(len(days))
    rows = len(days.participants) if level == "participant" else len(days)
    count = np.bincount(row, minlength=rows).astype(np.float64)
    columns: Table = {"days": count} if level == "participant" else {}
    for position, channel in enumerate(days.schema.channels):
        if days.recorded[position]:
            there = ~np.isnan(days.values[:, position])
            hourly = there.reshape(len(days), HOURS, -1).mean(axis=2)
            shares = _sums(hourly, row, rows) / count[:, None]
            gaps = (np.diff(there.astype(np.int8), axis=1) == -1).sum(axis=1).astype(np.float64)
            columns[f"{channel.name} share"] = shares.mean(axis=1)
            columns[f"{channel.name} gaps"] = _sums(gaps[:, None], row, rows)[:, 0] / count
            columns |= {f"{channel.name} share {hour:02}h": shares[:, hour] for hour in range(HOURS)}
    return pd.DataFrame(columns, index=days.index(level))


def hand_made_of_events(days: Days, events: pd.DataFrame) -> pd.DataFrame:
    """Describe the minutes of intervals: level, spread, quantiles, jumps and observed share of each channel.

    Args:
        days: The recordings.
        events: As for :func:`lsm2.days.read_events`.

    Returns:
        float64, a row for each event, in their order; NaN where nothing was observed.
    """
    windows = make_windows(days, 1)
    held = overlaps(windows, read_events(events, days), 1).minutes.tocsr()  # (events, days * 1440)
    held.sort_indices()
    names = ["mean", "sd", "jump", "observed", *(f"q{q * 100:.0f}" for q in (0.0, *_QUANTILES, 1.0))]
    kept = [position for position, there in enumerate(days.recorded) if there]
    table = np.full((len(events), len(kept), len(names)), np.nan)
    readable = np.stack([_readable(days, position) for position in kept])  # (channels, days, 1440)
    flat = readable.reshape(len(kept), -1)
    for row in range(len(events)):
        minutes = held.indices[held.indptr[row] : held.indptr[row + 1]]
        if len(minutes):
            table[row] = _minutes(flat[:, minutes])
    channels = [days.schema.names[position] for position in kept]
    labels = [f"{channel} {name}" for channel in channels for name in names]
    return pd.DataFrame(table.reshape(len(events), -1), columns=labels)


def _readable(days: Days, position: int) -> Float:
    """Values of a channel (days, 1440), counts as logarithms."""
    values = days.values[:, position].astype(np.float64)
    return np.log1p(values) if days.schema.channels[position].kind == "count" else values


def _minutes(values: Float) -> Float:
    """Numbers of the minutes (channels, minutes) of an interval: (channels, numbers)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of channels without a value
        quantiles = np.nanquantile(values, (0.0, *_QUANTILES, 1.0), axis=1).T
        jump = (
            np.nanmean(np.abs(np.diff(values, axis=1)), axis=1)
            if values.shape[1] > 1
            else np.full(len(values), np.nan)
        )
        mean, spread = np.nanmean(values, axis=1), np.nanstd(values, axis=1)
    share = (~np.isnan(values)).mean(axis=1)
    return np.column_stack([mean, spread, jump, share, quantiles])


def _sums(values: Float, row: npt.NDArray[np.int64], rows: int) -> Float:
    """Sums of (days, n) over the days of each row, NaN counting as nothing: (rows, n)."""
    total = np.zeros((rows, values.shape[1]))
    np.add.at(total, row, np.nan_to_num(values))
    return total


def _means(values: Float, row: npt.NDArray[np.int64], rows: int) -> Float:
    """Means of (days, n) over the days of each row that have a value: (rows, n)."""
    count = _sums((~np.isnan(values)).astype(np.float64), row, rows)
    return np.asarray(_sums(values, row, rows) / np.where(count > 0, count, np.nan))


def _levels(values: Float, row: npt.NDArray[np.int64], rows: int) -> Table:
    """Over all minutes (days, 1440) of each row."""
    there = ~np.isnan(values)
    minutes = np.bincount(row, there.sum(axis=1), rows)
    some = np.where(minutes > 0, minutes, np.nan)
    mean = np.bincount(row, np.nansum(values, axis=1), rows) / some
    spread = np.bincount(row, np.nansum((values - mean[row, None]) ** 2, axis=1), rows) / some
    step = np.diff(values, axis=1)
    steps = np.bincount(row, (~np.isnan(step)).sum(axis=1), rows)
    jump = np.bincount(row, np.nansum(np.abs(step), axis=1), rows) / np.where(steps > 0, steps, np.nan)
    span = np.bincount(row, minlength=rows) * DAY
    table = {"mean": mean, "sd": np.sqrt(spread), "jump": jump, "missing": 1 - minutes / span}
    quantiles = np.full((rows, len(_QUANTILES)), np.nan)
    order = np.argsort(row, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(row[order])) + 1) if len(row) else []:
        own = values[part][there[part]]
        if own.size:
            quantiles[row[part[0]]] = np.quantile(own, _QUANTILES)
    return table | {f"q{100 * q:.0f}": quantiles[:, at] for at, q in enumerate(_QUANTILES)}


def _hourly(values: Float) -> Float:
    """Means of hours (days, 24) of minutes (days, 1440); NaN with too few."""
    parts = values.reshape(len(values), HOURS, -1)
    count = (~np.isnan(parts)).sum(axis=2)
    return np.asarray(np.nansum(parts, axis=2) / np.where(count >= _LEAST_MINUTES, count, np.nan))


def _rhythm(hourly: Float, row: npt.NDArray[np.int64], rows: int) -> Table:
    """Course over the day (rows, 24) and what is read off it, from hours (days, 24)."""
    profile = _means(hourly, row, rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of rows without a value
        mean = np.nanmean(profile, axis=1)
        twice = np.concatenate([profile, profile], axis=1)
        windows = {n: np.lib.stride_tricks.sliding_window_view(twice, n, axis=1)[:, :HOURS] for n in (5, 10)}
        lowest = np.nanmin(np.nanmean(windows[5], axis=2), axis=1)
        highest = np.nanmax(np.nanmean(windows[10], axis=2), axis=1)
    squares = (hourly - mean[row, None]) ** 2
    variance = _means(squares, row, rows)
    count = _sums((~np.isnan(hourly)).astype(np.float64), row, rows)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = np.nansum(variance * count, axis=1) / count.sum(axis=1)
        between = np.nansum(count * (profile - mean[:, None]) ** 2, axis=1) / count.sum(axis=1)
        step = _means(np.diff(hourly, axis=1) ** 2, row, rows)
        steps = _sums((~np.isnan(np.diff(hourly, axis=1))).astype(np.float64), row, rows)
        variability = np.nansum(step * steps, axis=1) / steps.sum(axis=1) / total
        relative = (highest - lowest) / (highest + lowest)
        stability = between / total
    table = {
        "interdaily_stability": stability,
        "intradaily_variability": variability,
        "relative_amplitude": np.where(np.isfinite(relative), relative, np.nan),
        "least_5h": lowest,
        "most_10h": highest,
        **_cosinor(profile),
    }
    return table | {f"mean {hour:02}h": profile[:, hour] for hour in range(HOURS)}


def _cosinor(profile: Float) -> Table:
    """Least-squares cosine of 24 hours through each course (rows, 24)."""
    angle = 2 * np.pi * (np.arange(HOURS) + 0.5) / HOURS
    design = np.column_stack([np.ones(HOURS), np.cos(angle), np.sin(angle)])
    fitted = np.full((len(profile), 3), np.nan)
    for at, course in enumerate(profile):
        there = ~np.isnan(course)
        if there.sum() >= HOURS // 2:
            fitted[at] = np.linalg.lstsq(design[there], course[there], rcond=None)[0]
    return {
        "cosinor_mesor": fitted[:, 0],
        "cosinor_amplitude": np.hypot(fitted[:, 1], fitted[:, 2]),
        "cosinor_cos": fitted[:, 1],
        "cosinor_sin": fitted[:, 2],
    }


def _between_days(values: Float, row: npt.NDArray[np.int64], rows: int) -> Table:
    """How much days (days, 1440) of a row differ."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of days without a value
        daily = {"mean": np.nanmean(values, axis=1)[:, None], "sd": np.nanstd(values, axis=1)[:, None]}
    table = {}
    for name, numbers in daily.items():
        centre = _means(numbers, row, rows)
        table[f"{name} between days"] = np.sqrt(_means((numbers - centre[row]) ** 2, row, rows))[:, 0]
    return table
