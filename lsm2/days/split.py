"""A recording as a Series of recordings, one for each participant or day."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from lsm2.arguments import one_of
from lsm2.days.clock import DAY, from_minutes
from lsm2.days.keys import PARTICIPANT, TIMESTAMP, read_keys

By = Literal["participant", "day"]


def split(
    data: pd.DataFrame,
    by: By = "participant",
    *,
    tz: Any = None,
    participant: str = PARTICIPANT,
    timestamp: str = TIMESTAMP,
) -> pd.Series:
    """Split a recording into one frame for each participant, or each participant and day.

    Args:
        data: As for :func:`lsm2.embed`.
        by: ``"participant"`` or ``"day"``.
        tz, participant, timestamp: See :func:`lsm2.embed`.

    Returns:
        A Series of frames, rows in the order of ``data``; index ``participant_id`` in order of first
        appearance, or (``participant_id``, ``date``), or ``date`` where ``data`` names no participants.

    Raises:
        TypeError: ``data`` is no frame.
        ValueError: It has no time, a row without a participant, or ``by`` is not known.

    Example:
        >>> import lsm2
        >>> from lsm2.sklearn import split
        >>> recording = lsm2.simulate(participants=2, days=3)
        >>> split(recording).index.tolist(), len(split(recording, by="day"))
        (['simulated-1', 'simulated-2'], 6)
    """
    if not isinstance(data, pd.DataFrame):
        raise TypeError(f"data must be a pandas DataFrame, not {type(data).__name__}")
    one_of("by", by, get_args(By))
    keys = read_keys(data, tz=tz, participant=participant, timestamp=timestamp)
    date = keys.wall // DAY if by == "day" else np.zeros_like(keys.wall)
    order = np.lexsort((date, keys.person))
    new = np.diff(keys.person[order], prepend=-1) != 0
    new[1:] |= np.diff(date[order]) != 0
    first = np.flatnonzero(new)
    frames = [data.iloc[np.sort(rows)] for rows in np.split(order, first[1:])] if len(order) else []
    samples = pd.Series(frames, dtype=object)
    people = keys.participants[keys.person[order[first]]]
    if by == "participant":
        return samples.set_axis(people)
    zoned = isinstance(keys.dtype, pd.DatetimeTZDtype)
    naive = np.dtype(f"M8[{keys.dtype.unit}]") if zoned else keys.dtype
    dates = from_minutes(date[order[first]] * DAY, naive).rename("date")
    return samples.set_axis(pd.MultiIndex.from_arrays([people, dates]) if keys.keyed else dates)
