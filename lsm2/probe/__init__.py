"""Probes: linear models on frozen embeddings, with honest scores, and the files that hold them."""

from __future__ import annotations

from lsm2.probe.api import fit_probe, predict
from lsm2.probe.apply import apply
from lsm2.probe.embeddings import Embeddings, is_embeddings, read_embeddings
from lsm2.probe.files import load_probe, save_probe
from lsm2.probe.probe import Probe, ProbeConfig

__all__ = [
    "Embeddings",
    "Probe",
    "ProbeConfig",
    "apply",
    "fit_probe",
    "is_embeddings",
    "load_probe",
    "predict",
    "read_embeddings",
    "save_probe",
]
