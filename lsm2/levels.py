"""Embeddings of tokens and days as tables: by day, participant, hour or token."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lsm2.aim import AIMConfig
from lsm2.days import Days

_HOURS = 24


def rich_enough(days: Days, min_observed: float) -> tuple[np.ndarray, np.ndarray]:
    """Which days are embedded, and the observed share of each day.

    Args:
        days: A recording.
        min_observed: Smallest share of observed minutes, over the channels that the recording has.

    Returns:
        bool (days,) and float64 (days,).
    """
    recorded = np.flatnonzero(days.recorded)
    shares = days.observed[:, recorded].mean(axis=(1, 2)) if len(days) else np.zeros(0)
    return shares >= min_observed, shares


def by_day(days: Days, embeddings: np.ndarray, level: str) -> pd.DataFrame:
    """Day embeddings (days, dim) as a table of days, or of their mean and standard deviation per
    participant.
    """
    width = embeddings.shape[1]
    if level == "day":
        return pd.DataFrame(embeddings, index=days.index("day"), columns=_names(width))
    people = len(days.participants)
    good = ~np.isnan(embeddings).any(axis=1)
    count = np.bincount(days.person[good], minlength=people)[:, None].astype(np.float64)
    count[count == 0] = np.nan

    def mean(x: np.ndarray) -> np.ndarray:
        total = np.zeros((people, width))
        np.add.at(total, days.person[good], x[good])
        return np.asarray(total / count)

    centre = mean(embeddings.astype(np.float64))
    spread = np.sqrt(mean((embeddings - centre[days.person]) ** 2))
    columns = [f"{name}_{what}" for what in ("mean", "std") for name in _names(width)]
    table = np.concatenate([centre, spread], axis=1).astype(np.float32)
    return pd.DataFrame(table, index=days.index("participant"), columns=columns)


def by_token(
    days: Days,
    tokens: Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]],
    level: str,
    config: AIMConfig,
) -> pd.DataFrame:
    """Encoder outputs as a table of observed tokens, or of their share-weighted mean in each hour."""
    width = config.encoder_dim
    if level == "token":
        parts = list(tokens)
        day, token = (
            np.concatenate([part[k] for part in parts]) if parts else np.zeros(0, dtype=np.int64)
            for k in (0, 1)
        )
        output = np.concatenate([part[3] for part in parts]) if parts else np.zeros((0, width), np.float32)
        place = day * config.tokens + token
        where = np.zeros(len(days) * config.tokens, dtype=bool)
        where[place] = True
        shape = (len(days), config.channels, config.slots)
        index = days.index("token", where.reshape(shape), config.patch_minutes)
        return pd.DataFrame(output[np.argsort(place)], index=index, columns=_names(width))
    total = np.zeros((len(days) * _HOURS, width))
    mass = np.zeros(len(days) * _HOURS)
    for day, token, share, output in tokens:
        weight = share if config.observed_share_pooling else np.ones_like(share)
        row = day * _HOURS + (token % config.slots) * config.patch_minutes // 60
        np.add.at(total, row, output * weight[:, None])
        np.add.at(mass, row, weight)
    mass[mass == 0] = np.nan
    table = (total / mass[:, None]).astype(np.float32)
    return pd.DataFrame(table, index=days.index("hour"), columns=_names(width))


def _names(width: int) -> list[str]:
    return [f"e{i}" for i in range(width)]
