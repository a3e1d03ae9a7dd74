"""A day or a week of a recording, observed against filled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lsm2.channels import Channel, Schema
from lsm2.figures.frames import Filled, check_person, label, names, read_filled, shown, week_of, who

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Dark against light, so that the three stay apart in black and white and to colour-blind eyes.
_OBSERVED, _FILLED, _BAND, _MISSING = "#000000", "#d55e00", "#fdd9bd", "#e6e6e6"
_GAP = 15  # minutes; shorter ones are hard to see


def day(
    data: pd.DataFrame,
    filled: pd.DataFrame,
    *,
    person: Any = None,
    date: Any = None,
    channels: Iterable[str] | None = None,
    schema: Schema | None = None,
    columns: Mapping[Any, str] | None = None,
    units: Mapping[str, str] | None = None,
    tz: Any = None,
    participant: str = "participant_id",
    timestamp: str = "timestamp",
) -> Figure:
    """Draw one day of one person: a panel per channel, observed against filled, in canonical units.

    Args:
        data: The recording, in any form that `lsm2.reconstruct` takes.
        filled: What `lsm2.reconstruct` returned for it; with ``interval=``, its bounds are drawn too.
        person: The participant to draw. By default the one of the day that is drawn.
        date: The calendar day. By default the one with most to show: many gaps of a quarter of an hour in
            much that was observed.
        channels: Canonical names of the channels to draw. By default all that `filled` holds on that day.
        schema: The channels there are, a model's `schema`; by default the registry `lsm2.CHANNELS`.
        columns: As given to `lsm2.reconstruct`.
        units: As given to `lsm2.reconstruct`.
        tz: As given to `lsm2.reconstruct`.
        participant: As given to `lsm2.reconstruct`.
        timestamp: As given to `lsm2.reconstruct`.

    Returns:
        A matplotlib Figure, made without pyplot; write it with ``figure.savefig("day.png")``.

    Raises:
        ValueError: If there is no such person, day or channel.

    >>> times = pd.date_range("2024-03-01", periods=1440, freq="min")
    >>> whole = pd.DataFrame({"heart_rate": 60 + 10 * np.sin(np.arange(1440) / 200)}, index=times)
    >>> holed = whole.copy()
    >>> holed.loc["2024-03-01 09:00":"2024-03-01 11:59"] = np.nan
    >>> figure = day(holed, whole)
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['heart rate\\n(beats/min)']
    """
    how = {"columns": columns, "units": units, "tz": tz, "participant": participant, "timestamp": timestamp}
    read = read_filled(data, filled, schema, **how)
    before = read.before
    wanted = names(before)[[_choose(read, person, date)]]
    figure, panels = _panels(before.schema, channels, [values[0] for values in read.values(wanted)])
    panels[-1].set_xlim(0, 24)
    panels[-1].set_xticks(range(0, 25, 3))
    panels[-1].set_xlabel("hour of the day")
    _title(figure, panels, f"{who(before, wanted[0][0])}{wanted[0][1]:%Y-%m-%d}")
    return figure


def week(
    data: pd.DataFrame,
    filled: pd.DataFrame,
    *,
    person: Any = None,
    start: Any = None,
    channels: Iterable[str] | None = None,
    schema: Schema | None = None,
    columns: Mapping[Any, str] | None = None,
    units: Mapping[str, str] | None = None,
    tz: Any = None,
    participant: str = "participant_id",
    timestamp: str = "timestamp",
) -> Figure:
    """Draw seven days of one person: a panel per channel, observed against filled, in canonical units.

    Args:
        data: The recording, in any form that `lsm2.reconstruct` takes.
        filled: What `lsm2.reconstruct` returned for it; with ``interval=``, its bounds are drawn too.
        person: The participant to draw. By default the first.
        start: The first calendar day. By default the person's first.
        channels: Canonical names of the channels to draw. By default all that `filled` holds in that week.
        schema: The channels there are, a model's `schema`; by default the registry `lsm2.CHANNELS`.
        columns: As given to `lsm2.reconstruct`.
        units: As given to `lsm2.reconstruct`.
        tz: As given to `lsm2.reconstruct`.
        participant: As given to `lsm2.reconstruct`.
        timestamp: As given to `lsm2.reconstruct`.

    Returns:
        A matplotlib Figure, made without pyplot; write it with ``figure.savefig("week.png")``. Days that are
        not in the recording stay empty.

    Raises:
        ValueError: If there is no such person or channel, or no day of that week.

    >>> times = pd.date_range("2024-03-01", periods=4 * 1440, freq="min")
    >>> whole = pd.DataFrame({"heart_rate": 60 + 10 * np.sin(np.arange(len(times)) / 200)}, index=times)
    >>> figure = week(whole[times.hour > 5], whole)
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['heart rate\\n(beats/min)']
    """
    how = {"columns": columns, "units": units, "tz": tz, "participant": participant, "timestamp": timestamp}
    read = read_filled(data, filled, schema, **how)
    before = read.before
    one, dates = week_of(before, person, start)
    wanted = pd.MultiIndex.from_product([[one], dates])
    values = [_joined(days) for days in read.values(wanted)]
    if np.isnan(values[1]).all():
        raise ValueError(
            f"nothing to draw of participant {one!r} from {dates[0]} on: `filled` holds no day of that week"
        )
    figure, panels = _panels(before.schema, channels, values)
    panels[-1].set_xlim(0, 7 * 24)
    panels[-1].set_xticks(range(0, 7 * 24, 24))
    panels[-1].set_xticklabels([f"{pd.Timestamp(date):%a %d %b}" for date in dates], ha="left")
    for axes in panels:
        axes.grid(axis="x", color=_MISSING, lw=0.8)
    _title(figure, panels, f"{who(before, one)}week from {dates[0]}")
    return figure


def _joined(values: np.ndarray) -> np.ndarray:
    """Values (channels, days * 1440) of days (days, channels, 1440)."""
    return values.transpose(1, 0, 2).reshape(values.shape[1], -1)


def _panels(
    schema: Schema, channels: Iterable[str] | None, values: list[np.ndarray]
) -> tuple[Figure, list[Axes]]:
    """A panel for each channel shown, of observed, filled, lower and upper values (channels, minutes)."""
    observed, complete, *_ = values
    positions = shown(schema, channels, ~np.isnan(complete).all(axis=1), "`filled`")
    figure = Figure(figsize=(9.0, 1.0 + 1.35 * len(positions)), layout="constrained")
    panels = list(figure.subplots(len(positions), 1, sharex=True, squeeze=False)[:, 0])
    for axes, position in zip(panels, positions, strict=True):
        _panel(axes, schema.channels[position], *(each[position] for each in values))
    missing = (np.isnan(observed[positions]) & ~np.isnan(complete[positions])).mean()
    figure.suptitle(f"{missing:.0%} not recorded, filled by the model", fontsize=11)
    return figure, panels


def _title(figure: Figure, panels: list[Axes], what: str) -> None:
    figure.suptitle(f"{what}: {figure.get_suptitle()}", fontsize=11)
    handles = {
        text: line for axes in panels for line, text in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=4, frameon=False, fontsize=9
    )


def _choose(read: Filled, person: Any, date: Any) -> int:
    """Return the day asked for, or the one with most to show among those asked for."""
    before, after = read.before, read.after
    if person is not None:
        check_person(before, person)
    answer = names(after).get_indexer(names(before))  # (days,), -1 where `filled` lacks the day
    asked = answer >= 0
    if person is not None:
        asked &= before.person == before.participants.get_loc(person)
    if date is not None:
        asked &= before.date == np.datetime64(pd.Timestamp(date).date(), "D")
    rows = np.flatnonzero(asked)
    if not len(rows):
        raise ValueError(
            f"no day to draw (date={date}, person={person!r}): the recording and `filled` share "
            f"{(answer >= 0).sum()} days; `lsm2.reconstruct` returns those on which something was observed"
        )
    observed, complete = before.observed[rows], after.observed[answer[rows]]  # (days, channels, 1440)
    gaps = _count_runs(complete & ~observed, _GAP).sum(axis=1)
    return int(rows[np.argmax((gaps + 0.5) * observed.mean(axis=(1, 2)))])


def _count_runs(marks: np.ndarray, length: int) -> np.ndarray:
    """Count the runs of at least `length` True along the last axis."""
    total = np.pad(marks.cumsum(axis=-1, dtype=np.int32), ((0, 0), (0, 0), (1, 0)))
    inside = total[..., length:] - total[..., :-length] == length
    runs: np.ndarray = inside[..., :1].sum(axis=-1) + (inside[..., 1:] & ~inside[..., :-1]).sum(axis=-1)
    return runs


def _panel(
    axes: Axes,
    channel: Channel,
    observed: np.ndarray,
    complete: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
) -> None:
    hours = np.arange(len(observed)) / 60
    missing = np.isnan(observed)
    beside = missing.copy()  # a fill is drawn up to the recorded minutes beside it
    beside[1:] |= missing[:-1]
    beside[:-1] |= missing[1:]
    # A line needs a neighbour; the values of sparse sensors have none and become dots.
    alone = ~missing & np.r_[True, missing[:-1]] & np.r_[missing[1:], True]
    axes.fill_between(
        hours,
        0,
        1,
        where=beside,
        transform=axes.get_xaxis_transform(),
        color=_MISSING,
        lw=0,
        label="not recorded",
    )
    if not np.isnan(lower).all():
        axes.fill_between(
            hours,
            lower,
            upper,
            where=beside,
            facecolor=_BAND,
            edgecolor=_FILLED,
            lw=0.6,
            label="interval",
        )
    axes.plot(hours, observed, color=_OBSERVED, lw=0.8, label="recorded")
    axes.plot(hours[alone], observed[alone], color=_OBSERVED, ls="", marker=".", ms=2.5, zorder=3)
    axes.plot(hours, np.where(beside, complete, np.nan), color=_FILLED, lw=1.4, label="filled")
    axes.set_ylabel(label(channel), fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
