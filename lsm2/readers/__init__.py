"""Readers: one export format each, to minutes of the channels that `lsm2.channels` names, NaN for nothing."""

from __future__ import annotations

from lsm2.readers.apple_health import read_apple_health
from lsm2.readers.fitbit import read_fitbit
from lsm2.readers.table import read_table

__all__ = ["read_apple_health", "read_fitbit", "read_table"]
