"""Channels: what a per-minute signal is called, in which unit it is, and which values it may take.

Nothing outside this package knows a channel's unit. A `Schema` is the ordered set of channels that one model
reads; it is written into the model's config: names, units and device constants travel with the weights.
"""

from __future__ import annotations

from lsm2.channels.channel import Aggregation, Channel, ChannelError, Kind
from lsm2.channels.names import listing, nearest, plain_name
from lsm2.channels.openmhc import OPENMHC
from lsm2.channels.registry import CHANNELS, WORKOUTS
from lsm2.channels.schema import Schema, ZeroRule

__all__ = [
    "CHANNELS",
    "OPENMHC",
    "WORKOUTS",
    "Aggregation",
    "Channel",
    "ChannelError",
    "Kind",
    "Schema",
    "ZeroRule",
    "listing",
    "nearest",
    "plain_name",
]
