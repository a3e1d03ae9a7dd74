"""A pretraining config that takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lsm2.training import PretrainConfig, pretrain

NETWORK = {
    "encoder_dim": 16,
    "encoder_depth": 1,
    "encoder_heads": 2,
    "decoder_dim": 16,
    "decoder_depth": 1,
    "decoder_heads": 2,
    "decoder": "cross",
    "positions": "learned",
    "clock": True,
    "minute_flags": True,
    "correction": True,
    "read_out": "mean_and_median",
    "dropout": 0.1,
}


def config(**changes: Any) -> PretrainConfig:
    """Three channels of ``cohort.parquet``, with fields changed."""
    fields: dict[str, Any] = {
        "name": "tiny",
        "licence": "Apache-2.0",
        "channels": {"heart_rate": {}, "steps": {"transform": "log1p"}, "sleep_asleep": {}},
        "sources": [{"name": "cohort", "file": "cohort.parquet"}],
        "network": NETWORK,
        "steps": 6,
        "batch_windows": 6,
        "micro_windows": 4,
        "warmup_steps": 2,
        "valid_every": 3,
        "valid_windows": 4,
        "checkpoint_seconds": 0.001,
        "precision": "float32",
        "valid_fraction": 0.25,
    }
    return PretrainConfig(**(fields | changes))


def usual_day_config(**changes: Any) -> PretrainConfig:
    """Two channels and the usual day, with fields changed."""
    network = NETWORK | {"usual_day": True} | changes.pop("network", {})
    channels = {"heart_rate": {}, "steps": {"transform": "log1p"}}
    return config(**{"channels": channels, "network": network, "batch_windows": 8} | changes)


def with_channel_regression(data: Path, output: Path) -> Path:
    """A checkpoint of :func:`usual_day_config` that has regressions on other channels alone."""
    settings = usual_day_config(network={"channel_regression": 8}, regression_steps=3)
    return pretrain(settings, data=data, output=output, progress=False)
