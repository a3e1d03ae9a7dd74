"""A calibration: what travels with the weights so that fills come with intervals, totals and samples."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from lsm2.checkpoint.native import CheckpointError, problems_of
from lsm2.files import replacing
from lsm2.intervals.correlation import TIMES
from lsm2.intervals.scales import Scale
from lsm2.intervals.tables import DISTANCES, LEVELS, Table
from lsm2.intervals.totals import COUNTS, Totals

FACTS, NUMBERS = "intervals.json", "intervals.safetensors"


class ChannelCalibration(BaseModel):
    """What a channel was calibrated on, and how its errors hang together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    scale: Scale
    binary: bool = False
    people: int = Field(ge=2)
    minutes: int = Field(gt=0)
    restless: float = Field(ge=0)
    """Typical difference between neighbouring minutes; 0 where it plays no part."""
    error_correlation: tuple[float, ...]
    """Weights of `correlation_minutes` for errors in own units."""
    rank_correlation: tuple[float, ...]
    """... for the normal scores of samples."""


class CalibrationConfig(BaseModel):
    """``intervals.json``; the tables lie beside it in ``intervals.safetensors``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["lsm2-intervals"] = "lsm2-intervals"
    version: Literal[1] = 1
    checkpoint: str
    """Hash of the weights whose answers it is about."""
    provisional: bool = False
    description: str = ""
    data: dict[str, Any] = Field(default_factory=dict)
    """For people, not read by code."""
    channels: tuple[ChannelCalibration, ...] = Field(min_length=1)
    levels: tuple[float, ...] = tuple(LEVELS.tolist())
    distances: tuple[float, ...] = tuple(DISTANCES.tolist())
    correlation_minutes: tuple[float, ...] = TIMES

    @model_validator(mode="after")
    def _same_nodes(self) -> CalibrationConfig:
        for name, nodes in (("levels", LEVELS), ("distances", DISTANCES), ("correlation_minutes", TIMES)):
            if not np.array_equal(getattr(self, name), nodes):
                raise ValueError(f"{name} are not those of this release; calibrate again")
        for channel in self.channels:
            if {len(channel.error_correlation), len(channel.rank_correlation)} != {len(TIMES)}:
                raise ValueError(f"{channel.name} needs {len(TIMES)} weights of each correlation")
        return self


@dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """Error quantiles of a checkpoint's answers, made by :func:`lsm2.calibrate`."""

    config: CalibrationConfig
    tables: dict[str, Table]
    totals: dict[str, Totals]

    def __repr__(self) -> str:
        names = ", ".join(self.tables)
        return f"Calibration({self.config.checkpoint}, {names})"

    def summary(self) -> dict[str, Any]:
        """What it was made on: weights, whether provisional, and people per channel."""
        people = {channel.name: channel.people for channel in self.config.channels}
        return self.config.model_dump(include={"checkpoint", "provisional", "description"}) | {
            "people": people
        }

    def channel(self, name: str) -> ChannelCalibration:
        """What is known of a channel that is in ``tables``."""
        return next(channel for channel in self.config.channels if channel.name == name)

    def save(self, directory: str | Path) -> None:
        """Write ``intervals.json`` and ``intervals.safetensors`` into a checkpoint's folder."""
        directory = Path(directory)
        numbers = {}
        for name, table in self.tables.items():
            for part in ("centres", "floor", "errors", "spread", "corrected"):
                numbers[f"{name}.{part}"] = getattr(table, part)
            numbers[f"{name}.totals"] = self.totals[name].errors
            numbers[f"{name}.totals_corrected"] = self.totals[name].corrected
        with replacing(directory / NUMBERS) as temporary:
            save_file({k: np.ascontiguousarray(v, np.float32) for k, v in numbers.items()}, temporary)
        with replacing(directory / FACTS) as temporary:
            temporary.write_text(self.config.model_dump_json(indent=2) + "\n")


def load_calibration(directory: str | Path) -> Calibration | None:
    """Read the calibration in a checkpoint's folder; None where there is none.

    Raises:
        CheckpointError: A file is damaged or of another version, or the two do not fit together.
    """
    path = Path(directory) / FACTS
    if not path.is_file():
        return None
    again = "; calibrate again with lsm2 calibrate, or delete it"
    try:
        config = CalibrationConfig.model_validate(json.loads(path.read_text()))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path} is no JSON ({error}){again}") from None
    except ValidationError as error:
        raise CheckpointError(f"{path} is not a valid calibration: {problems_of(error)}{again}") from None
    numbers = Path(directory) / NUMBERS
    try:
        arrays = {name: array.astype(np.float64) for name, array in load_file(numbers).items()}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{numbers} cannot be read ({error}){again}") from None
    tables, totals = {}, {}
    for channel in config.channels:
        tables[channel.name], totals[channel.name] = _read(arrays, channel, f"{numbers} does not fit {FACTS}")
    return Calibration(config, tables, totals)


def _read(arrays: dict[str, np.ndarray], channel: ChannelCalibration, complaint: str) -> tuple[Table, Totals]:
    name = channel.name
    centres = arrays.get(f"{name}.centres", np.zeros(0))
    buckets = 3 * (len(DISTANCES) + 1) * len(centres)
    shapes = {
        "centres": (len(centres),),
        "floor": (buckets,),
        "errors": (buckets, len(LEVELS)),
        "spread": (buckets,),
        "corrected": (len(LEVELS),),
        "totals": (len(COUNTS), len(LEVELS)),
        "totals_corrected": (len(LEVELS),),
    }
    for part, shape in shapes.items():
        array = arrays.get(f"{name}.{part}")
        if array is None or array.shape != shape or not shape[0] or not np.isfinite(array).all():
            raise CheckpointError(
                f"{complaint}: {name}.{part} should be finite and of shape {shape}; calibrate again"
            )
    held = {key: arrays[f"{name}.{key}"] for key in shapes}
    table = Table(
        scale=channel.scale,
        restless=channel.restless,
        **{key: held[key] for key in ("centres", "floor", "errors", "spread", "corrected")},
    )
    return table, Totals(held["totals"], held["totals_corrected"])
