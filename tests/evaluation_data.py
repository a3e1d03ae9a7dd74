"""Small made recordings for the tests of the evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from lsm2.channels import CHANNELS
from lsm2.evaluation import Recordings

NAN = np.nan


def recordings(
    values: np.ndarray,
    channels: tuple[str, ...] = ("heart_rate",),
    person: list[int] | None = None,
    dates: list[str] | None = None,
    dataset: str = "made",
) -> Recordings:
    """Recordings of ``values`` (days, channels, 1440): one person, consecutive days unless said otherwise."""
    days = len(values)
    person = [0] * days if person is None else person
    first = np.datetime64("2020-01-06", "D")
    date = first + np.arange(days) if dates is None else np.array(dates, dtype="datetime64[D]")
    participants = pd.Index([f"p{i}" for i in range(max(person) + 1)])
    return Recordings(
        dataset,
        tuple(CHANNELS[name] for name in channels),
        participants,
        np.array(person, dtype=np.int64),
        date,
        values.astype(np.float32),
    )


def noise(days: int, channels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(50, 90, (days, channels, 1440))


def with_gaps(days: int, channels: int, seed: int, share: float = 0.3) -> np.ndarray:
    """Values with inherited gaps: single minutes and whole stretches."""
    random = np.random.default_rng(seed)
    values = noise(days, channels, seed)
    values[random.random(values.shape) < share / 3] = NAN
    for day in range(days):
        for channel in range(channels):
            start = random.integers(0, 1200)
            values[day, channel, start : start + int(share * 720)] = NAN
    return values


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Start and stop of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def sparse(cells: dict[tuple[int, int], float], days: int = 1) -> np.ndarray:
    """Values (days, 1, 1440) that are NaN except at (day, minute)."""
    values = np.full((days, 1, 1440), NAN)
    for (day, minute), value in cells.items():
        values[day, 0, minute] = value
    return values


def write_cohort(directory: Path) -> Path:
    """Files of a made cohort, an hour a night unworn, and the configuration that reads them."""
    random = np.random.default_rng(0)
    parts = []
    for person in range(6):
        times = pd.date_range("2021-05-03", periods=3 * 1440, freq="min")
        minute = np.arange(len(times))
        beats = 65 + 15 * np.sin(minute / 1440 * 2 * np.pi) + random.normal(0, 3, len(times))
        steps = random.poisson(5, len(times)) * (minute % 1440 > 420)
        off = minute % 1440 < 60
        parts.append(
            pd.DataFrame(
                {
                    "participant_id": f"q{person}",
                    "timestamp": times,
                    "hr": np.where(off, NAN, beats.round()).astype("float32"),
                    "steps": np.where(off, 0, steps).astype("float32"),
                    "note": 1.0,
                }
            )
        )
    pd.concat(parts, ignore_index=True).to_parquet(directory / "cohort.parquet")
    splits = {"cohort": {"train": ["q0", "q1", "q2"], "valid": ["q3", "q4"], "test": ["q5"]}}
    (directory / "splits.json").write_text(json.dumps(splits))
    source = {"name": "cohort", "file": "cohort.parquet", "columns": {"hr": "heart_rate"}}
    config = {
        "name": "tiny",
        "licence": "made",
        "channels": {"heart_rate": {}, "steps": {"transform": "log1p"}, "glucose": {"transform": "log"}},
        "sources": [source, {**source, "name": "again"}],
        "splits": "splits.json",
        "steps": 1,
    }
    path = directory / "config.json"
    path.write_text(json.dumps(config))
    return path
