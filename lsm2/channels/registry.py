"""The registry: every channel that this package knows by name."""

from __future__ import annotations

from typing import Any

from lsm2.channels.channel import Channel

_LENGTHS = {"km": 1000.0, "mi": 1609.344, "miles": 1609.344, "yd": 0.9144, "ft": 0.3048, "cm": 0.01}
_ENERGIES = {"Cal": 1.0, "kJ": 1 / 4.184, "J": 1 / 4184, "cal": 0.001}
_ACCELERATIONS = {"mg": 0.001, "m/s^2": 1 / 9.80665, "m/s2": 1 / 9.80665}
_ROTATIONS = {"deg/s": 0.017453292519943295, "dps": 0.017453292519943295}
_SHARES = {"percent": 1.0, "fraction": 100.0}


def _channel(name: str, unit: str, family: str, low: float, high: float, **more: Any) -> Channel:
    more = {"kind": "continuous", "aggregation": "mean", **more}
    return Channel(name=name, unit=unit, family=family, minimum=low, maximum=high, **more)


def _count(name: str, unit: str, family: str, low: float, high: float, **more: Any) -> Channel:
    return _channel(name, unit, family, low, high, **{"kind": "count", "aggregation": "sum", **more})


def _binary(name: str, family: str, *aliases: str) -> Channel:
    return _channel(
        name, "0/1", family, 0, 1, kind="binary", aggregation="max", integer=True, aliases=aliases
    )


WORKOUTS = (
    "walking",
    "cycling",
    "running",
    "other",
    "mixed_cardio",
    "strength",
    "elliptical",
    "hiit",
    "functional",
    "yoga",
)


# Ranges hold what a body and a sensor can give in a minute, so that only artefacts (a heart rate of 0, 65535
# steps) fall out. Canonical activity_counts are those of the Actiwatch, the device of most recordings here.
CHANNELS: dict[str, Channel] = {
    channel.name: channel
    for channel in (
        _channel(
            "heart_rate",
            "beats/min",
            "heart",
            25,
            250,
            aliases=(
                "HR",
                "bpm",
                "heartrate",
                "heart_rate_bpm",
                "hr_bpm",
                "pulse",
                "pulse_rate",
                "pulse_rate_bpm",
                "beats per minute",
                "watch_heart_rate",
                "watch_hr",
            ),
            scales={"bpm": 1.0, "count/min": 1.0, "beats/s": 60.0, "count/s": 60.0, "Hz": 60.0},
        ),
        _channel(
            "hrv_rmssd",
            "ms",
            "hrv",
            0,
            500,
            aliases=("rmssd", "rmssd_ms", "hrv_rmssd_ms"),
            scales={"s": 1000.0},
        ),
        _channel(
            "hrv_sdnn", "ms", "hrv", 0, 500, aliases=("sdnn", "sdnn_ms", "hrv_sdnn_ms"), scales={"s": 1000.0}
        ),
        _count(
            "steps",
            "steps/min",
            "steps",
            0,
            400,
            integer=True,
            aliases=("step", "step_count", "steps_count", "stepcount", "StepTotal"),
            scales={"count": 1.0},
        ),
        _count(
            "distance",
            "m/min",
            "steps",
            0,
            2000,
            aliases=("distance_m", "dist", "distance_walking_running"),
            scales=_LENGTHS,
        ),
        _count(
            "floors",
            "floors/min",
            "floors",
            0,
            60,
            integer=True,
            aliases=("flights", "flights_climbed", "floors_climbed", "floor"),
            scales={"flights": 1.0, "count": 1.0},
        ),
        _count(
            "calories",
            "kcal/min",
            "energy",
            0,
            50,
            aliases=("calorie", "kcal", "total_calories", "energy_expenditure"),
            scales=_ENERGIES,
        ),
        _count(
            "active_calories",
            "kcal/min",
            "energy",
            0,
            50,
            aliases=("active_energy", "active_energy_burned", "active_kcal", "activity_calories"),
            scales=_ENERGIES,
        ),
        # Energy per time: a rate, so that finer rows are averaged. Fitbit stores tenths of a MET.
        _channel(
            "mets", "MET", "energy", 0, 30, aliases=("met", "METs"), scales={"METs": 1.0, "tenths": 0.1}
        ),
        # Fitbit's class of a minute, 0 sedentary to 3 very active: ordered, so a mean lies between classes.
        _channel(
            "intensity",
            "0-3",
            "intensity",
            0,
            3,
            kind="count",
            integer=True,
            aliases=("intensity_level", "activity_intensity", "intensities"),
        ),
        _count(
            "activity_counts",
            "counts/min",
            "activity",
            0,
            50_000,
            integer=True,
            aliases=("activity", "activity_count", "counts", "actigraphy", "axis1"),
            scales={"counts": 1.0, "actiwatch": 1.0, "actigraph": 0.82},
        ),
        _channel(
            "watch_acceleration",
            "g",
            "watch_motion",
            0,
            30,
            aliases=("acceleration", "acc", "wrist_acceleration"),
            scales=_ACCELERATIONS,
        ),
        _channel(
            "watch_acceleration_sd",
            "g",
            "watch_motion",
            0,
            30,
            aliases=(
                "acceleration_sd",
                "acc_sd",
                "acceleration_std",
                "watch_acceleration_std",
                "wrist_acceleration_sd",
            ),
            scales=_ACCELERATIONS,
        ),
        _channel("phone_acceleration", "g", "phone_motion", 0, 30, scales=_ACCELERATIONS),
        _channel(
            "phone_acceleration_sd",
            "g",
            "phone_motion",
            0,
            30,
            aliases=("phone_acceleration_std",),
            scales=_ACCELERATIONS,
        ),
        _channel(
            "phone_gyroscope",
            "rad/s",
            "phone_motion",
            0,
            100,
            aliases=("gyroscope", "gyro"),
            scales=_ROTATIONS,
        ),
        _channel(
            "phone_gyroscope_sd",
            "rad/s",
            "phone_motion",
            0,
            100,
            aliases=("gyroscope_sd", "gyro_sd", "gyroscope_std", "phone_gyroscope_std"),
            scales=_ROTATIONS,
        ),
        _channel(
            "skin_temperature",
            "degC",
            "temperature",
            10,
            45,
            aliases=(
                "skin_temp",
                "temperature",
                "temp",
                "temperature_celsius",
                "wrist_temperature",
                "device_temperature",
            ),
            scales={
                "C": 1.0,
                "celsius": 1.0,
                "°C": 1.0,
                "degF": 5 / 9,
                "F": 5 / 9,
                "fahrenheit": 5 / 9,
                "°F": 5 / 9,
                "K": 1.0,
            },
            offsets={"degF": -160 / 9, "F": -160 / 9, "fahrenheit": -160 / 9, "°F": -160 / 9, "K": -273.15},
        ),
        _channel(
            "eda",
            "uS",
            "eda",
            0,
            100,
            aliases=("gsr", "electrodermal_activity", "eda_scl_usiemens", "skin_conductance"),
            scales={"microsiemens": 1.0, "µS": 1.0, "nS": 0.001},
        ),
        _channel(
            "spo2",
            "%",
            "spo2",
            50,
            100,
            aliases=("oxygen_saturation", "oxygen_saturation_percentage", "blood_oxygen", "sp02"),
            scales=_SHARES,
        ),
        _channel(
            "respiration_rate",
            "breaths/min",
            "respiration",
            3,
            70,
            aliases=("respiratory_rate", "breathing_rate", "respiration", "resp_rate"),
            scales={"count/min": 1.0, "brpm": 1.0, "Hz": 60.0},
        ),
        _channel(
            "glucose",
            "mg/dL",
            "glucose",
            20,
            600,
            aliases=("blood_glucose", "cgm", "glucose_mg_dl", "sensor_glucose"),
            scales={"mmol/L": 18.0156, "g/L": 100.0},
        ),
        _binary("sleep_asleep", "sleep", "asleep", "is_asleep", "sleeping", "sleep"),
        _binary("sleep_inbed", "sleep", "inbed", "in_bed"),
        *(_binary(f"workout_{kind}", "workout") for kind in WORKOUTS),
    )
}
