"""Embeddings of tokens and windows as tables: by day (or week), participant, hour or token."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lsm2.aim import AIMConfig
from lsm2.days import DAY, Windows

_HOURS = 24


def rich_enough(windows: Windows, min_observed: float) -> tuple[np.ndarray, np.ndarray]:
    """Which windows are embedded, and the observed share of each.

    Args:
        windows: A recording.
        min_observed: Smallest share of observed minutes, over the channels that the recording has.

    Returns:
        bool (windows,) and float64 (windows,).
    """
    recorded = np.flatnonzero(windows.days.recorded)
    shares = windows.observed[:, recorded].mean(axis=(1, 2)) if len(windows) else np.zeros(0)
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
    tokens: Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]],
    level: str,
    config: AIMConfig,
) -> pd.DataFrame:
    """Encoder outputs as a table of observed tokens, or of their share-weighted mean in each hour."""
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
    for window, token, share, output in tokens:
        weight = share if config.observed_share_pooling else np.ones_like(share)
        slot = token % config.slots
        row = windows.day[window, slot // per_day] * _HOURS + slot % per_day * config.patch_minutes // 60
        np.add.at(total, row, output * weight[:, None])
        np.add.at(mass, row, weight)
    mass[mass == 0] = np.nan
    table = (total / mass[:, None]).astype(np.float32)
    return pd.DataFrame(table, index=days.index("hour"), columns=_names(width))


def _names(width: int) -> list[str]:
    return [f"e{i}" for i in range(width)]
