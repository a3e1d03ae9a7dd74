"""Frames to days and back: ids, time zones, aggregation to minutes, range checks, the grid and the way back."""

from __future__ import annotations

from lsm2.days.clock import DAY
from lsm2.days.days import Column, Days, Level, Origin
from lsm2.days.keys import FrameError
from lsm2.days.nonwear import worn
from lsm2.days.read import read_days

__all__ = ["DAY", "Column", "Days", "FrameError", "Level", "Origin", "read_days", "worn"]
