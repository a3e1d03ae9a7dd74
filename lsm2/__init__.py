"""Embeddings and filled days from minute-level wearable recordings with holes in them.

The public names load on first use, so that ``import lsm2`` stays light: it brings in neither torch, pandas,
scikit-learn nor matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsm2.api import calibrate, embed, reconstruct
    from lsm2.channels import CHANNELS, Channel, Schema
    from lsm2.contents import coverage, describe
    from lsm2.days import mask_nonwear
    from lsm2.loading import load_model
    from lsm2.model import Model
    from lsm2.probe import Probe, fit_probe, load_probe, predict
    from lsm2.readers import (
        read_actigraph,
        read_apple_health,
        read_empatica,
        read_fitbit,
        read_garmin,
        read_health_connect,
        read_oura,
        read_samsung,
        read_table,
    )
    from lsm2.report import write_report
    from lsm2.simulation import simulate
    from lsm2.training.finetune import finetune

__version__ = "0.1.0"

__all__ = [
    "CHANNELS",
    "Channel",
    "Model",
    "Probe",
    "Schema",
    "__version__",
    "calibrate",
    "coverage",
    "describe",
    "embed",
    "finetune",
    "fit_probe",
    "load_model",
    "load_probe",
    "mask_nonwear",
    "predict",
    "read_actigraph",
    "read_apple_health",
    "read_empatica",
    "read_fitbit",
    "read_garmin",
    "read_health_connect",
    "read_oura",
    "read_samsung",
    "read_table",
    "reconstruct",
    "simulate",
    "write_report",
]

_HOME = {
    "CHANNELS": "lsm2.channels",
    "Channel": "lsm2.channels",
    "Schema": "lsm2.channels",
    "mask_nonwear": "lsm2.days",
    "read_actigraph": "lsm2.readers",
    "read_apple_health": "lsm2.readers",
    "read_empatica": "lsm2.readers",
    "read_fitbit": "lsm2.readers",
    "read_garmin": "lsm2.readers",
    "read_health_connect": "lsm2.readers",
    "read_oura": "lsm2.readers",
    "read_samsung": "lsm2.readers",
    "read_table": "lsm2.readers",
    "simulate": "lsm2.simulation",
    "Model": "lsm2.model",
    "calibrate": "lsm2.api",
    "coverage": "lsm2.contents",
    "describe": "lsm2.contents",
    "embed": "lsm2.api",
    "load_model": "lsm2.loading",
    "finetune": "lsm2.training.finetune",
    "fit_probe": "lsm2.probe",
    "load_probe": "lsm2.probe",
    "predict": "lsm2.probe",
    "Probe": "lsm2.probe",
    "reconstruct": "lsm2.api",
    "write_report": "lsm2.report",
}


_MODULES = ("evaluation", "figures", "readers", "scale", "sklearn", "training")


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"lsm2.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'lsm2' has no attribute {name!r}; its names are {', '.join(__all__)}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
