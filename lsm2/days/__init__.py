"""Frames to days and back: ids, time zones, aggregation to minutes, range checks, the way back."""

from __future__ import annotations

from lsm2.days.clock import DAY
from lsm2.days.days import Column, Days, Level, Origin, coverage, crosses_midnight
from lsm2.days.events import Events, find_key, positions, read_events
from lsm2.days.gaps import describe
from lsm2.days.keys import PARTICIPANT, TIMESTAMP, FrameError, as_times, names_people, raw_keys
from lsm2.days.nonwear import mask_nonwear, run_lengths, worn
from lsm2.days.overlaps import Overlaps, overlaps
from lsm2.days.read import read_days
from lsm2.days.windows import Windows, make_windows
from lsm2.days.write import Layout, lay_out, round_counts, select_columns, to_frame

__all__ = [
    "DAY",
    "PARTICIPANT",
    "TIMESTAMP",
    "Column",
    "Days",
    "Events",
    "FrameError",
    "Layout",
    "Level",
    "Origin",
    "Overlaps",
    "Windows",
    "as_times",
    "coverage",
    "crosses_midnight",
    "describe",
    "find_key",
    "lay_out",
    "make_windows",
    "mask_nonwear",
    "names_people",
    "overlaps",
    "positions",
    "raw_keys",
    "read_days",
    "read_events",
    "round_counts",
    "run_lengths",
    "select_columns",
    "to_frame",
    "worn",
]
