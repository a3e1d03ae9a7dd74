"""Embeddings of tokens and windows as tables: by day (or week), participant, hour, token or event."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lsm2.aim import AIMConfig
from lsm2.days import DAY, Events, Overlaps, Windows, overlaps
from lsm2.engine import Engine

_HOURS = 24
Tokens = Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]
"""Window numbers, token numbers, weights and outputs, a batch of windows at a time."""


def tabulate(
    engine: Engine,
    windows: Windows,
    level: str,
    *,
    events: Events | None,
    min_observed: float,
    batch_size: int | None,
    progress: bool | None,
) -> tuple[pd.DataFrame, str]:
    """Embed windows as a table of a level.

    Returns:
        The table, with ``.attrs["observed"]`` where its rows are days, and how many rows lack an observed
        token, in words ("" for none).
    """
    config = engine.network.config
    kept, shares = rich_enough(windows, min_observed)
    if events is not None:
        found = overlaps(windows, events, config.patch_minutes)
        tokens = engine.embed_tokens(
            windows.values, kept & found.touched, batch_size=batch_size, progress=progress
        )
        table = by_event(found, tokens, config)
        empty, strangers = int(table.isna().all(axis=1).sum()), int((events.person < 0).sum())
        note = f" ({strangers} of participants that the recording lacks)" if strangers else ""
        return table, f"{empty} of {len(table)} events{note}" if empty else ""
    if level in ("hour", "token"):
        tokens = engine.embed_tokens(windows.values, kept, batch_size=batch_size, progress=progress)
        table = by_token(windows, tokens, level, config)
    else:
        embeddings = engine.embed(windows.values, kept, batch_size=batch_size, progress=progress)
        table = by_window(windows, embeddings, level)
    if level == "day":
        table.attrs["observed"] = shares.tolist()
    empty = int((engine.token_counts(windows.observed) == 0).sum())
    what = "days" if windows.length == 1 else f"windows of {windows.length} days"
    return table, f"{empty} of {len(windows)} {what}" if empty else ""


def rich_enough(windows: Windows, min_observed: float) -> tuple[np.ndarray, np.ndarray]:
    """Which windows are embedded, and the observed share of each, over the channels that its person has.

    Args:
        windows: A recording.
        min_observed: Smallest share of observed minutes.

    Returns:
        bool (windows,) and float64 (windows,).
    """
    by_channel = windows.observed.mean(axis=2) if len(windows) else np.zeros((0, 1))
    has = np.zeros((len(windows.days.participants), by_channel.shape[1]), bool)
    np.logical_or.at(has, windows.person, by_channel > 0)
    own = has[windows.person]  # bool (windows, channels)
    shares = np.asarray((by_channel * own).sum(axis=1) / np.maximum(own.sum(axis=1), 1))
    return shares >= min_observed, shares


def by_window(windows: Windows, embeddings: np.ndarray, level: str) -> pd.DataFrame:
    """Embeddings (windows, dim) as a table of windows, or of their mean and standard deviation per
    participant.
    """
    width = embeddings.shape[1]
    if level == "day":
        return pd.DataFrame(embeddings, index=windows.index(), columns=_names(width))
    people = len(windows.days.participants)
    good = ~np.isnan(embeddings).any(axis=1)
    count = np.bincount(windows.person[good], minlength=people)[:, None].astype(np.float64)
    count[count == 0] = np.nan

    def mean(x: np.ndarray) -> np.ndarray:
        total = np.zeros((people, width))
        np.add.at(total, windows.person[good], x[good])
        return np.asarray(total / count)

    centre = mean(embeddings.astype(np.float64))
    spread = np.sqrt(mean((embeddings - centre[windows.person]) ** 2))
    columns = [f"{name}_{what}" for what in ("mean", "std") for name in _names(width)]
    table = np.concatenate([centre, spread], axis=1).astype(np.float32)
    return pd.DataFrame(table, index=windows.days.index("participant"), columns=columns)


def by_token(
    windows: Windows,
    tokens: Tokens,
    level: str,
    config: AIMConfig,
) -> pd.DataFrame:
    """Outputs as a table of observed tokens, or of their weighted mean in each hour."""
    width, days = config.encoder_dim, windows.days
    per_day = DAY // config.patch_minutes
    if level == "token":
        parts = list(tokens)
        window, token = (
            np.concatenate([part[k] for part in parts]) if parts else np.zeros(0, dtype=np.int64)
            for k in (0, 1)
        )
        output = np.concatenate([part[3] for part in parts]) if parts else np.zeros((0, width), np.float32)
        channel, slot = np.divmod(token, config.slots)
        day = windows.day[window, slot // per_day]
        place = (day * config.channels + channel) * per_day + slot % per_day
        where = np.zeros((len(days), config.channels, per_day), dtype=bool)
        where.reshape(-1)[place] = True
        index = days.index("token", where, config.patch_minutes)
        return pd.DataFrame(output[np.argsort(place)], index=index, columns=_names(width))
    total = np.zeros((len(days) * _HOURS, width))
    mass = np.zeros(len(days) * _HOURS)
    for window, token, weight, output in tokens:
        slot = token % config.slots
        row = windows.day[window, slot // per_day] * _HOURS + slot % per_day * config.patch_minutes // 60
        np.add.at(total, row, output * weight[:, None])
        np.add.at(mass, row, weight)
    mass[mass == 0] = np.nan
    table = (total / mass[:, None]).astype(np.float32)
    return pd.DataFrame(table, index=days.index("hour"), columns=_names(width))


def by_event(overlaps: Overlaps, tokens: Tokens, config: AIMConfig) -> pd.DataFrame:
    """Outputs as a table of their mean over each event, in the order of the events.

    Tokens weigh by the minutes of theirs that the event overlaps, times what they weigh in the mean of a day.
    """
    count, width = len(overlaps.events), config.encoder_dim
    total, mass = np.zeros((count, width)), np.zeros(count)
    for window, token, own, output in tokens:
        weight = own.astype(np.float64)
        columns, slot = np.unique(window * config.slots + token % config.slots, return_inverse=True)
        held = np.zeros((len(columns), width + 1))  # sums over channels of outputs, and of weights
        np.add.at(held, slot, np.column_stack([output * weight[:, None], weight]))
        part = overlaps.minutes[:, columns].tocsr()
        rows = np.flatnonzero(np.diff(part.indptr))
        sums = part[rows] @ held
        total[rows] += sums[:, :width]
        mass[rows] += sums[:, width]
    mass[mass == 0] = np.nan
    table = (total / mass[:, None]).astype(np.float32)
    return pd.DataFrame(table, index=overlaps.events.index, columns=_names(width))


def _names(width: int) -> list[str]:
    return [f"e{i}" for i in range(width)]
