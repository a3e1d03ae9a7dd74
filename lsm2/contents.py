"""What a recording holds, in tables that need no weights: shares of days, and a summary with gaps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lsm2.channels import CHANNELS, Schema
from lsm2.days import coverage as coverage_of_days
from lsm2.days import describe as describe_days
from lsm2.days import read_days

if TYPE_CHECKING:
    from lsm2.model import Model


def coverage(
    data: pd.DataFrame,
    *,
    model: Model | str | Path | None = None,
    columns: Mapping[Any, str] | None = None,
    units: Mapping[str, str] | None = None,
    tz: Any = None,
    participant: str = "participant_id",
    timestamp: str = "timestamp",
    keep_zeros: bool = False,
) -> pd.DataFrame:
    """Observed fraction of each day and channel; reads no weights unless a model is named.

    Args:
        data: As for :func:`lsm2.embed`.
        model: Only its channels; None for all channels that the package knows.
        columns, units, tz, participant, timestamp, keep_zeros: See :func:`lsm2.embed`.

    Returns:
        float32, one row for each day with a row in ``data``, one column for each channel that it records, 0
        to 1: the share of 1,440 minutes, also of days on which the clocks are changed.

    Raises:
        TypeError: ``data`` is no DataFrame.
        ValueError: As for :func:`lsm2.embed`.

    Example:
        >>> import lsm2
        >>> table = lsm2.coverage(lsm2.simulate(participants=1, days=1))
        >>> bool(table.iloc[0].between(0, 1).all())
        True
    """
    days = read_days(
        data,
        _schema(model),
        columns=columns,
        units=units,
        tz=tz,
        participant=participant,
        timestamp=timestamp,
        keep_zeros=keep_zeros,
    )
    return coverage_of_days(days).loc[:, list(days.recorded)]


def describe(
    data: pd.DataFrame,
    *,
    model: Model | str | Path | None = None,
    columns: Mapping[Any, str] | None = None,
    units: Mapping[str, str] | None = None,
    tz: Any = None,
    participant: str = "participant_id",
    timestamp: str = "timestamp",
    keep_zeros: bool = False,
) -> pd.DataFrame:
    """Summarise a recording: days, observed shares and gaps; reads no weights unless a model is named.

    Args:
        data: As for :func:`lsm2.embed`.
        model: Only its channels; None for all channels that the package knows.
        columns, units, tz, participant, timestamp, keep_zeros: See :func:`lsm2.embed`.

    Returns:
        One row for each channel that ``data`` records, index ``channel``, or (``participant_id``,
        ``channel``) where the input names participants. ``first``, ``last`` and ``days``: dates and number
        of the participant's calendar days with a row; ``observed_days``: those on which the channel was
        observed; ``observed``: share of the minutes of all ``days``, 0 to 1; ``gaps``: how often the channel
        is missing between two observed minutes, also over days without a row; ``median_gap`` and
        ``longest_gap``: minutes, NaN where there is none.

    Raises:
        TypeError: ``data`` is no DataFrame.
        ValueError: As for :func:`lsm2.embed`.

    Example:
        >>> import lsm2
        >>> table = lsm2.describe(lsm2.simulate(participants=1, days=2))
        >>> list(table.index.names), int(table["days"].iloc[0])
        (['participant_id', 'channel'], 2)
    """
    days = read_days(
        data,
        _schema(model),
        columns=columns,
        units=units,
        tz=tz,
        participant=participant,
        timestamp=timestamp,
        keep_zeros=keep_zeros,
    )
    return describe_days(days)


def _schema(model: Model | str | Path | None) -> Schema:
    """The channels of a model, or all."""
    if model is None:
        return Schema(channels=tuple(CHANNELS.values()))
    from lsm2.loading import resolve

    return resolve(model).schema
