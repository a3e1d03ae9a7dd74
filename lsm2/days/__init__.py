"""Frames to days and back: ids, time zones, aggregation to minutes, range checks, the way back."""

from __future__ import annotations

from lsm2.days.clock import DAY
from lsm2.days.days import Column, Days, Level, Origin, coverage, crosses_midnight
from lsm2.days.keys import FrameError
from lsm2.days.nonwear import mask_nonwear, run_lengths, worn
from lsm2.days.read import read_days
from lsm2.days.windows import Windows, make_windows
from lsm2.days.write import Layout, lay_out, round_counts, select_columns, to_frame

__all__ = [
    "DAY",
    "Column",
    "Days",
    "FrameError",
    "Layout",
    "Level",
    "Origin",
    "Windows",
    "coverage",
    "crosses_midnight",
    "lay_out",
    "make_windows",
    "mask_nonwear",
    "read_days",
    "round_counts",
    "run_lengths",
    "select_columns",
    "to_frame",
    "worn",
]
