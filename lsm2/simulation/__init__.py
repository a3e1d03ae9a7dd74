"""Simulated recordings and exports for demos, documentation, tests and benchmarks: nobody wore anything."""

from __future__ import annotations

from lsm2.simulation.apple_health import simulate_apple_health
from lsm2.simulation.recordings import simulate

__all__ = ["simulate", "simulate_apple_health"]
