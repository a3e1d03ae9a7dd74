"""From what was recorded to the frame that is returned: rows, columns, index."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lsm2.channels import CHANNELS
from lsm2.days.clock import DAY
from lsm2.readers.minutes import Block
from lsm2.readers.recording import ASLEEP, AWAKE, INBED, WORKOUT, Minutes, Recording
from lsm2.readers.timeline import Timeline, index_of, lay_out, touched_days

_BLOCK = 32 * DAY  # minutes computed at once

Compute = Callable[[Minutes], np.ndarray]


def frame_of(
    recording: Recording,
    timeline: Timeline,
    compute: Mapping[str, Compute],
    first: int | None,
    stop: int | None,
) -> pd.DataFrame:
    """Return every minute of the calendar days on which a record lies, float32, NaN where unknown.

    Computes block by block, so that memory holds little besides the output.

    Args:
        recording: The samples.
        timeline: The clock of the output.
        compute: {column: what computes it}.
        first: The first wall-clock minute wanted, or None.
        stop: The one after the last wanted, or None.
    """
    days = touched_days(timeline, recording.all_samples)
    keys = lay_out(timeline, days, first, stop)
    columns = {name: np.full(len(keys), np.nan, np.float32) for name in compute}
    again = np.flatnonzero(timeline.repeated(keys))  # rows of repeated wall-clock minutes
    sums = {name: np.zeros((2, len(again))) for name in compute}  # of the passes, and their number
    for block in _blocks(days) if len(keys) else ():
        minutes = np.arange(block.first, block.stop)
        wanted = timeline.keys(minutes)
        row = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        there = keys[row] == wanted
        twice = there & np.isin(row, again)
        there &= ~twice
        values = Minutes(recording, block)
        for name, function in compute.items():
            answer = function(values)
            columns[name][row[there]] = answer[there]
            if twice.any():
                known = twice & ~np.isnan(answer)
                place = np.searchsorted(again, row[known])
                np.add.at(sums[name][0], place, answer[known])
                np.add.at(sums[name][1], place, 1)
    for name, (total, number) in sums.items():
        if len(again):
            with np.errstate(invalid="ignore"):
                columns[name][again] = total / number
    return pd.DataFrame(columns, index=index_of(timeline, keys), copy=False)


def _blocks(days: np.ndarray) -> list[Block]:
    """Return the blocks of absolute minutes in which calendar days can lie; no clock is 16 h from UTC."""
    ends = np.concatenate([days * DAY - 16 * 60, days * DAY + DAY + 16 * 60]) // _BLOCK
    return [Block(int(part) * _BLOCK, _BLOCK) for part in np.unique(ends)]


def canonical_columns(
    recording: Recording, names: tuple[str, ...], *, told: bool = False
) -> dict[str, Compute]:
    """Return what computes each canonical channel that was recorded, devices merged.

    Args:
        recording: The samples.
        names: Canonical channels, in the order of the output.
        told: Whether states come as 0 and 1 of each minute, not as stretches of time.
    """
    compute: dict[str, Compute] = {}
    for name in names:
        if told and CHANNELS[name].kind == "binary":
            if recording.has(name):
                compute[name] = _any(name)
        elif name in (ASLEEP, INBED):
            if recording.has(name) or (name == ASLEEP and recording.has(AWAKE)):
                compute[name] = Minutes.asleep if name == ASLEEP else Minutes.in_bed
        elif recording.has(name):
            compute[name] = column(name)
    return compute


def column(channel: str, device: str | None = None) -> Compute:
    """Return what computes a channel, of a class of devices or of all that recorded it."""
    if channel.startswith(WORKOUT):
        return lambda minutes: minutes.workout(channel)
    if CHANNELS[channel].aggregation != "sum":
        return lambda minutes: minutes.rate(channel, device)
    if device is None:
        return lambda minutes: minutes.merged_amount(channel)
    return lambda minutes: minutes.amount(channel, device)


def _any(channel: str) -> Compute:
    return lambda minutes: np.ceil(minutes.rate(channel))


def without_empty(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that hold anything."""
    return frame.loc[:, [not np.isnan(values.to_numpy()).all() for _, values in frame.items()]]


def name_participant(frame: pd.DataFrame, participant: Any) -> None:
    """Put a participant's id before the timestamps of a frame, in place."""
    levels: Any = [pd.Index([participant]), frame.index]
    codes: Any = [np.zeros(len(frame), np.int8), np.arange(len(frame))]
    names = ["participant_id", "timestamp"]
    frame.index = pd.MultiIndex(levels=levels, codes=codes, names=names, verify_integrity=False)
