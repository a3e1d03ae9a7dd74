"""Readers: one export format each, to minutes of the channels that `lsm2.channels` names, NaN for nothing."""

from __future__ import annotations

from lsm2.readers.actigraph import read_actigraph
from lsm2.readers.apple_health import read_apple_health
from lsm2.readers.empatica import read_empatica
from lsm2.readers.fitbit import read_fitbit
from lsm2.readers.oura import read_oura
from lsm2.readers.table import read_table

__all__ = ["read_actigraph", "read_apple_health", "read_empatica", "read_fitbit", "read_oura", "read_table"]
