"""The 19 HealthKit channels of OpenMHC's models, and what their pipeline takes for missing.

Names, order and rules are those of the OpenMHC project (github.com/AshleyLab/OpenMHC). Frames with general
names map onto them by aliases: a recording's steps, distance, heart rate and active energy are the watch's,
its floors the phone's. Valid ranges are wider than those of the registry: these weights saw every value.
"""

from __future__ import annotations

from typing import Any

from lsm2.channels.channel import Channel
from lsm2.channels.registry import CHANNELS, WORKOUTS
from lsm2.channels.schema import Schema, ZeroRule


def _like(name: str, general: str, family: str, maximum: float, **more: Any) -> Channel:
    """A channel of a device's own, with the unit and the rule of a registered one."""
    fields = CHANNELS[general].model_dump() | {
        "name": name,
        "family": family,
        "minimum": 0.0,
        "maximum": maximum,
        "integer": False,  # counts of intervals are spread over minutes
        "aliases": (),
    }
    return Channel(**(fields | more))


def _for(general: str) -> dict[str, Any]:
    """The names by which frames know a channel of the registry."""
    return {"aliases": (general, *CHANNELS[general].aliases)}


OPENMHC = Schema(
    channels=(
        _like("iphone_steps", "steps", "iphone_steps", 1_000),
        _like("iphone_distance", "distance", "iphone_steps", 10_000),
        _like("iphone_flights", "floors", "iphone_flights", 200, **_for("floors")),
        _like("watch_steps", "steps", "watch_steps", 1_000, **_for("steps")),
        _like("watch_distance", "distance", "watch_steps", 10_000, **_for("distance")),
        _like("watch_hr", "heart_rate", "heart", 300, minimum=1.0, **_for("heart_rate")),
        _like("watch_energy", "active_calories", "energy", 500, **_for("active_calories")),
        CHANNELS["sleep_asleep"],
        CHANNELS["sleep_inbed"],
        *(CHANNELS[f"workout_{kind}"] for kind in WORKOUTS),
    ),
    zero_rules=(
        ZeroRule(channels=("watch_hr",), below=None),
        ZeroRule(
            channels=("iphone_steps", "iphone_distance", "watch_steps", "watch_distance", "watch_energy")
        ),
        ZeroRule(channels=("sleep_asleep", "sleep_inbed"), below=180),
    ),
)
