"""Calibrated intervals of filled minutes and of their sums, and plausible completions."""

from __future__ import annotations

from lsm2.intervals.bounds import Calibrated
from lsm2.intervals.calibration import Calibration, CalibrationConfig, load_calibration
from lsm2.intervals.completions import complete
from lsm2.intervals.fit import fit
from lsm2.intervals.residuals import Residuals, collect, interpolation, join

__all__ = [
    "Calibrated",
    "Calibration",
    "CalibrationConfig",
    "Residuals",
    "collect",
    "complete",
    "fit",
    "interpolation",
    "join",
    "load_calibration",
]
