"""Readers: one export format each, to minutes of the channels that `lsm2.channels` names, NaN for nothing."""

from __future__ import annotations

from lsm2.readers.actigraph import read_actigraph
from lsm2.readers.apple_health import read_apple_health
from lsm2.readers.empatica import read_empatica
from lsm2.readers.fitbit import read_fitbit
from lsm2.readers.garmin import read_garmin
from lsm2.readers.health_connect import read_health_connect
from lsm2.readers.oura import read_oura
from lsm2.readers.samsung import read_samsung
from lsm2.readers.table import read_table

__all__ = [
    "read_actigraph",
    "read_apple_health",
    "read_empatica",
    "read_fitbit",
    "read_garmin",
    "read_health_connect",
    "read_oura",
    "read_samsung",
    "read_table",
]
