"""Channels: what a per-minute signal is called, in which unit it is, and which values it may take.

Nothing outside this module knows a channel's unit. A `Schema` is the ordered set of channels that one model
reads; it is written into the model's config, so that names, units and device constants travel with the weights.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Kind = Literal["continuous", "count", "binary"]
Aggregation = Literal["mean", "sum", "max"]


class ChannelError(ValueError):
    """A channel, column or unit that is not known, or two columns that claim one channel."""


def plain_name(name: object) -> str:
    """Return `name` in lower case without spaces, `_`, `-` and `.`: the form in which names are compared.

    >>> plain_name("Heart Rate"), plain_name("HEART_RATE"), plain_name("heart-rate")
    ('heartrate', 'heartrate', 'heartrate')
    """
    return str(name).casefold().translate(_IGNORED)


_IGNORED = str.maketrans("", "", " _-.\t")


class Channel(BaseModel):
    """One per-minute signal.

    A value `x` in another unit becomes canonical as `x * scales[unit] + offsets.get(unit, 0)`.

    >>> temperature = CHANNELS["skin_temperature"]
    >>> temperature.unit, temperature.kind, temperature.minimum, temperature.maximum
    ('degC', 'continuous', 10.0, 45.0)
    >>> scale, offset = temperature.conversion("degF")
    >>> round(98.6 * scale + offset, 3)
    37.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)  # canonical name
    unit: str  # canonical unit, per minute for sums
    kind: Kind
    family: str  # channels that carry the same information
    aggregation: Aggregation  # how finer rows become one minute
    minimum: float  # valid range in the canonical unit, both ends valid
    maximum: float
    integer: bool = False  # whether devices write whole numbers
    aliases: tuple[str, ...] = ()  # other column names, compared by `plain_name`
    scales: dict[str, float] = Field(default_factory=dict)  # unit or device -> factor to the canonical unit
    offsets: dict[str, float] = Field(default_factory=dict)  # unit -> what to add after the factor

    @model_validator(mode="after")
    def _check(self) -> Channel:
        if not self.minimum < self.maximum:
            raise ValueError(f"channel {self.name!r}: minimum {self.minimum} >= maximum {self.maximum}")
        wrong = [unit for unit, scale in self.scales.items() if not scale > 0]
        if wrong:
            raise ValueError(f"channel {self.name!r}: the factor of {wrong} is not above 0")
        strays = sorted(set(self.offsets) - set(self.scales))
        if strays:
            raise ValueError(f"channel {self.name!r}: offsets for {strays}, which have no factor in scales")
        return self

    def conversion(self, unit: str | None) -> tuple[float, float]:
        """Return (factor, offset) that bring values in `unit` into the canonical unit.

        Args:
            unit: A unit or device of this channel, the canonical unit, or None (canonical). For sums `/min` may
                be left out. Capitals matter only where two units differ by them (`Cal`, `cal`).

        Raises:
            ChannelError: The unit is not known for this channel.

        >>> CHANNELS["distance"].conversion("km")
        (1000.0, 0.0)
        """
        if unit is None:
            return 1.0, 0.0
        known = {self.unit: 1.0, **self.scales}
        short = {self._short(name): name for name in known}
        wanted = self._short(str(unit).strip())
        found = short.get(wanted)
        if found is None:
            loose = [name for key, name in short.items() if key.casefold() == wanted.casefold()]
            found = loose[0] if len(loose) == 1 else None
        if found is None:
            raise ChannelError(
                f"unit {unit!r} is not known for channel {self.name!r}; known: {', '.join(known)}. "
                f"Convert the column to {self.unit!r} yourself, or name one of these."
            )
        return known[found], self.offsets.get(found, 0.0)

    def _short(self, unit: str) -> str:
        return unit.removesuffix("/min") if self.aggregation == "sum" else unit


class Schema(BaseModel):
    """The channels of a model, in the order in which it reads them.

    >>> schema = Schema.from_names(["heart_rate", "calories", "mets"])
    >>> len(schema), schema.names, schema.index("mets")
    (3, ('heart_rate', 'calories', 'mets'), 2)
    >>> schema.families
    {'heart': (0,), 'energy': (1, 2)}
    >>> schema.match("BPM")
    0
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: tuple[Channel, ...] = Field(min_length=1)

    @field_validator("channels")
    @classmethod
    def _unambiguous(cls, channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
        owner: dict[str, str] = {}
        for channel in channels:
            for alias in {plain_name(channel.name), *map(plain_name, channel.aliases)}:
                if alias in owner:
                    raise ValueError(
                        f"{alias!r} stands for two channels: {owner[alias]!r} and {channel.name!r}"
                    )
                owner[alias] = channel.name
        return channels

    @classmethod
    def from_names(cls, names: Iterable[str]) -> Schema:
        """Return the schema of registered channels.

        Raises:
            ChannelError: A name is not in `CHANNELS`.
        """
        names = list(names)
        for name in names:
            if name not in CHANNELS:
                raise ChannelError(
                    f"{name!r} is no registered channel{nearest(name, CHANNELS)}; known: {', '.join(CHANNELS)}"
                )
        return cls(channels=tuple(CHANNELS[name] for name in names))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Canonical names, in order."""
        return tuple(channel.name for channel in self.channels)

    @cached_property
    def families(self) -> dict[str, tuple[int, ...]]:
        """Positions of the channels of each family, families in order of first appearance."""
        found: dict[str, list[int]] = {}
        for position, channel in enumerate(self.channels):
            found.setdefault(channel.family, []).append(position)
        return {family: tuple(positions) for family, positions in found.items()}

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {
            plain_name(name): position
            for position, channel in enumerate(self.channels)
            for name in (channel.name, *channel.aliases)
        }

    def __len__(self) -> int:
        """Return the number of channels."""
        return len(self.channels)

    def match(self, name: object) -> int | None:
        """Return the position of the channel that a column of this name holds, or None."""
        return self._positions.get(plain_name(name)) if isinstance(name, str) else None

    def index(self, name: str) -> int:
        """Return the position of a channel, by canonical name or alias.

        Raises:
            ChannelError: This schema has no such channel.
        """
        position = self.match(name)
        if position is None:
            raise ChannelError(
                f"this model has no channel {name!r}{nearest(name, self.names)}; it has {', '.join(self.names)}"
            )
        return position

    def resolve(
        self, labels: Iterable[Any], columns: Mapping[Any, str] | None = None
    ) -> tuple[dict[int, Any], list[Any]]:
        """Say which column holds which channel.

        Args:
            labels: The column labels of a frame.
            columns: {label: canonical name or alias}, which goes before the names' own meaning.

        Returns:
            {position in the schema: label}, in order of the labels, and the labels that are no channel.

        Raises:
            ChannelError: `columns` names a label that is not there or a channel that is not known; two columns
                hold one channel; no column holds any.

        >>> schema = Schema.from_names(["heart_rate", "steps"])
        >>> schema.resolve(["HR", "walked", "note"], {"walked": "steps"})
        ({0: 'HR', 1: 'walked'}, ['note'])
        """
        labels = list(labels)
        columns = dict(columns or {})
        for label in columns:
            if label not in labels:
                raise ChannelError(
                    f"columns= names {label!r}, but the frame has no such column{nearest(label, labels)}; "
                    f"it has {listing(labels)}"
                )
        found: dict[int, Any] = {}
        unknown: list[Any] = []
        for label in labels:
            position = self.index(columns[label]) if label in columns else self.match(label)
            if position is None:
                unknown.append(label)
            elif position in found:
                raise ChannelError(
                    f"columns {found[position]!r} and {label!r} both hold channel {self.names[position]!r}. "
                    "Drop or rename one, for instance by frame.drop(columns=[...])."
                )
            else:
                found[position] = label
        if not found:
            raise ChannelError(
                f"no column holds a channel of this model: the frame has {listing(labels)}; known are "
                f"{', '.join(self.names)}{self._closest(unknown)}. Name them with columns={{'your column': 'channel'}}."
            )
        return found, unknown

    def conversions(self, units: Mapping[str, str] | None) -> dict[int, tuple[float, float]]:
        """Return {position: (factor, offset)} for the units that a caller gave by channel.

        Raises:
            ChannelError: A channel or a unit is not known.
        """
        found: dict[int, tuple[float, float]] = {}
        for name, unit in (units or {}).items():
            position = self.match(name)
            if position is not None:
                found[position] = self.channels[position].conversion(unit)
            elif name in CHANNELS:
                CHANNELS[name].conversion(unit)
            else:
                raise ChannelError(
                    f"units= names {name!r}, which is no channel{nearest(name, self.names)}; "
                    f"known: {', '.join(self.names)}"
                )
        return found

    def _closest(self, labels: Iterable[Any]) -> str:
        for label in labels:
            close = difflib.get_close_matches(plain_name(label), list(self._positions), n=1, cutoff=0.6)
            if close:
                return f" (nearest match: {label!r} might be {self.names[self._positions[close[0]]]!r})"
        return ""


def nearest(name: object, known: Iterable[Any]) -> str:
    """Return `; did you mean 'x'?` for the known name nearest to `name`, or nothing.

    >>> nearest("heart_rat", ["heart_rate", "steps"])
    "; did you mean 'heart_rate'?"
    """
    plain = {plain_name(other): other for other in known}
    close = difflib.get_close_matches(plain_name(name), list(plain), n=1, cutoff=0.6)
    return f"; did you mean {plain[close[0]]!r}?" if close else ""


def listing(labels: Iterable[Any], most: int = 12) -> str:
    """Return labels for a message: the first `most`, and how many more there are.

    >>> listing(range(5), most=3)
    '0, 1, 2 and 2 more'
    """
    labels = list(labels)
    rest = f" and {len(labels) - most} more" if len(labels) > most else ""
    return (", ".join(repr(label) for label in labels[:most]) or "no columns") + rest


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


def _binary(name: str, *aliases: str) -> Channel:
    return _channel(
        name, "0/1", "sleep", 0, 1, kind="binary", aggregation="max", integer=True, aliases=aliases
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
        # Fitbit's class of a minute, 0 sedentary to 3 very active: ordered, so a mean or a fill lies between classes.
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
            scales={"counts": 1.0, "actiwatch": 1.0, "actigraph": 1.0},
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
        _binary("sleep_asleep", "asleep", "is_asleep", "sleeping", "sleep"),
        _binary("sleep_inbed", "inbed", "in_bed"),
    )
}
