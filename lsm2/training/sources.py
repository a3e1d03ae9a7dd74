"""Recordings to learn from: how each parquet file becomes a canonical frame, and which people belong to
which split.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lsm2.days import DAY, Days, worn

if TYPE_CHECKING:
    import pandas as pd

    from lsm2.training.config import PretrainConfig

Split = Literal["train", "valid", "test"]


class SleepLog(BaseModel):
    """A sleep channel from a column of stages, present only inside logged sleep."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    asleep: tuple[float, ...]
    """Codes that count as asleep; every other code is awake."""
    awake_outside: bool = False
    """Worn minutes outside the log count as awake, from noon to noon around a logged night."""


class Source(BaseModel):
    """Recordings in one or several parquet files: columns participant_id, timestamp (naive local time) and
    channels.

    >>> Source(name="cohort", file="cohort.parquet", columns={"hr": "heart_rate"}).columns
    {'hr': 'heart_rate'}
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    file: str
    """A file, a folder of files or a pattern such as ``cohort/*.parquet``, in the data directory."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Column of the file -> canonical channel. Columns that are neither named here nor known by name are not
    read.
    """
    drop: tuple[str, ...] = ()
    """Columns that would be known by name but are left out."""
    units: dict[str, str] = Field(default_factory=dict)
    """Canonical channel -> unit or device of the file."""
    native_minutes: dict[str, int] = Field(default_factory=dict)
    """Canonical channel -> true sampling interval, where the publisher interpolated to minutes: only native
    samples stay.
    """
    sleep_log: SleepLog | None = None
    clock: bool = True
    """False where the times of day are made up: the model must not learn from them."""
    nonwear: Literal["auto", "zero_runs", "none"] = "auto"
    """How unworn minutes are told: by missing heart rate where there is a heart-rate stream, else by zero
    runs; by zero
    runs always (heart rate from another device); or not at all."""
    weight: float = Field(default=1.0, gt=0)
    """Multiplies the square root of its days when recordings are sampled."""
    licence: str = ""


def read_splits(path: Path) -> dict[str, dict[Split, list[str]]]:
    """Read {source name: {train | valid | test: [participant ids]}}.

    Raises:
        FileNotFoundError: No such file.
        ValueError: A participant stands in two splits of a source.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file of splits, which the config names; give the directory that holds it and "
            "the recordings, or leave splits out of the config, to draw valid people at random"
        )
    splits: dict[str, dict[Split, list[str]]] = json.loads(path.read_text())
    for name, parts in splits.items():
        everyone = [person for part in parts.values() for person in part]
        if len(everyone) != len(set(everyone)):
            twice = sorted({person for person in everyone if everyone.count(person) > 1})
            raise ValueError(f"{path.name}: participants {twice[:5]} of {name!r} stand in two splits")
    return splits


def draw_split(participants: list[str], seed: int, valid_fraction: float) -> dict[Split, list[str]]:
    """Split people into train and valid at random, for data without a published split."""
    order = [participants[i] for i in np.random.default_rng(seed).permutation(len(participants))]
    valid = round(len(order) * valid_fraction)
    return {"valid": order[:valid], "test": [], "train": order[valid:]}


def split_people(source: Source, config: PretrainConfig, directory: Path, split: Split) -> list[str]:
    """Participants of one split of a source.

    Sources that read one file in two ways share its people: a source that the split file does not name goes
    by the name of its file.

    Raises:
        ValueError: The split file knows neither.
    """
    if not config.splits:
        everyone = _everyone(source_files(source, directory))
        return draw_split(everyone, config.seed, config.valid_fraction)[split]
    splits = read_splits(directory / config.splits)
    name = source.name if source.name in splits else Path(source.file).stem
    if name not in splits:
        raise ValueError(f"{config.splits} has no people for source {source.name!r}; it has {sorted(splits)}")
    return splits[name][split]


def worn_values(days: Days, nonwear: Literal["auto", "zero_runs", "none"]) -> tuple[np.ndarray, np.ndarray]:
    """Values (days, channels, 1440) and when the device was worn (days, 1440), by a source's ``nonwear``.

    A logged night counts as worn; awake minutes of a log are missing where nothing was worn.
    """
    names = days.schema.names
    values = days.values.copy()
    if nonwear == "none":
        on = np.ones((len(days), DAY), dtype=bool)
    elif nonwear == "zero_runs" and "heart_rate" in names:
        others = days.values.copy()
        others[:, names.index("heart_rate")] = np.nan  # of another device
        on = worn(replace(days, values=others))
    else:
        on = worn(days)
    if "sleep_asleep" in names:
        asleep = values[:, names.index("sleep_asleep")]  # (days, 1440), a view
        on = on | (asleep == 1)
        asleep[(asleep == 0) & ~on] = np.nan
    return values, on


def source_files(source: Source, directory: Path) -> list[Path]:
    """The files of a source.

    Raises:
        FileNotFoundError: There is none.
        ValueError: One names no participants or times.
    """
    from lsm2.scale.plan import find_files

    try:
        files = find_files(directory / source.file)
    except FileNotFoundError:
        raise FileNotFoundError(f"source {source.name!r}: no file {source.file} in {directory}") from None
    for path in files:
        _check_keys(source, path)
    return files


def _check_keys(source: Source, path: Path) -> None:
    import pyarrow.parquet as pq

    names = pq.read_schema(path).names
    absent = [name for name in ("participant_id", "timestamp") if name not in names]
    if absent:
        raise ValueError(
            f"source {source.name!r}: {path.name} has no column {' and '.join(map(repr, absent))}; it has "
            f"{names}. Rename those that say whose rows these are, and when, in the file."
        )


def _everyone(files: list[Path]) -> list[Any]:
    """Participants, in order of first appearance; holds no file's rows."""
    import pyarrow.parquet as pq

    found: dict[Any, None] = {}
    for path in files:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=["participant_id"]):
                found |= dict.fromkeys(batch.column(0).unique().to_pylist())
    return list(found)


def load_source(source: Source, directory: Path, participants: list[str] | None = None) -> pd.DataFrame:
    """Read one source as a canonical frame.

    Args:
        source: What to read and how.
        directory: The data directory.
        participants: Only these people; None for all.

    Returns:
        Columns participant_id, timestamp and canonical channels in the file's units, as the file's rows.

    Raises:
        FileNotFoundError: The file is not in the directory.
        ValueError: A column that the source names is not in the file.
    """
    import pandas as pd

    filters = [("participant_id", "in", list(participants))] if participants else None
    frames = [pd.read_parquet(path, filters=filters) for path in source_files(source, directory)]
    frame = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    if participants is not None and not len(participants):
        frame = frame.iloc[:0]
    return canonical_frame(frame, source)


def canonical_frame(frame: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Name and clean the columns of a source's rows, of whole participants.

    Raises:
        ValueError: A column that the source names is not there.
    """
    if "participant_id" not in frame.columns:
        frame = frame.reset_index()  # a table that was written with its index
    needed = [*source.columns, *([source.sleep_log.column] if source.sleep_log else [])]
    absent = [column for column in needed if column not in frame.columns]
    if absent:
        raise ValueError(
            f"source {source.name!r}: {source.file} has no column {absent}; it has {list(frame.columns)}"
        )
    stages = frame[source.sleep_log.column] if source.sleep_log else None
    frame = frame.drop(columns=list(source.drop)).rename(columns=source.columns)
    for channel, interval in source.native_minutes.items():
        frame[channel] = native_samples(frame, channel, interval)
    if source.sleep_log is not None and stages is not None:
        frame["sleep_asleep"] = _asleep(frame, stages, source.sleep_log)
    return frame


def native_samples(frame: pd.DataFrame, channel: str, interval: int) -> pd.Series:
    """Keep the minutes that a sensor really measured, of a channel that was interpolated linearly to minutes.

    A linear interpolation bends only at its knots. In each day of each person the knots' phase is the minute,
    modulo the sampling interval, at which most bends lie; values at that phase are kept, all others become
    NaN.

    Args:
        frame: participant_id, timestamp and the channel.
        channel: The column.
        interval: Minutes between native samples.
    """
    values = frame[channel]
    bend = (values - 2 * values.shift(1) + values.shift(2)).shift(-1).abs() > 1e-3
    consecutive = frame["timestamp"].diff(1).dt.total_seconds().eq(60)
    bend &= consecutive & consecutive.shift(-1, fill_value=False)
    minute = (frame["timestamp"] - frame["timestamp"].dt.normalize()).dt.total_seconds() // 60
    phase = (minute % interval).astype(int)
    day = [frame["participant_id"], frame["timestamp"].dt.normalize()]
    bends = bend.groupby([*day, phase.rename("phase")]).sum().unstack("phase", fill_value=0)
    best = bends.to_numpy().argmax(axis=1)
    code = frame.groupby([day[0], day[1].rename("day")], sort=True).ngroup().to_numpy()
    return values.where(phase.to_numpy() == bends.columns.to_numpy()[best][code])


def _asleep(frame: pd.DataFrame, stages: pd.Series, log: SleepLog) -> pd.Series:
    """1 asleep, 0 awake or (on noon-to-noon days with a log, where asked) outside the log; else NaN."""
    import pandas as pd

    logged = stages.notna()
    asleep = stages.isin(log.asleep).astype("float32").where(logged)
    if not log.awake_outside:
        return asleep
    night = (frame["timestamp"] + pd.Timedelta(hours=12)).dt.normalize()
    with_log = logged.groupby([frame["participant_id"], night]).transform("any")
    return asleep.mask(with_log & ~logged, 0.0)
