"""What the records of an Apple Health export mean: types, units, devices; and which of them are malformed."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from lsm2.channels import CHANNELS, Channel, ChannelError
from lsm2.readers.faults import Faults
from lsm2.readers.recording import ASLEEP, AWAKE, INBED, WORKOUT
from lsm2.readers.samples import LONGEST, Columns
from lsm2.readers.timestamps import Timestamps
from lsm2.readers.xml import ReadError

Device = Literal["watch", "phone", "other"]
DEVICES: tuple[Device, ...] = ("watch", "phone", "other")  # the most trusted first

# Amounts over an interval, and rates.
AMOUNTS = {
    "HKQuantityTypeIdentifierStepCount": "steps",
    "HKQuantityTypeIdentifierDistanceWalkingRunning": "distance",
    "HKQuantityTypeIdentifierFlightsClimbed": "floors",
    "HKQuantityTypeIdentifierActiveEnergyBurned": "active_calories",
}
RATES = {
    "HKQuantityTypeIdentifierHeartRate": "heart_rate",
    "HKQuantityTypeIdentifierHeartRateVariabilitySDNN": "hrv_sdnn",
    "HKQuantityTypeIdentifierOxygenSaturation": "spo2",
    "HKQuantityTypeIdentifierRespiratoryRate": "respiration_rate",
    "HKQuantityTypeIdentifierAppleSleepingWristTemperature": "skin_temperature",
}
SLEEP = "HKCategoryTypeIdentifierSleepAnalysis"
# By name, in the forms of several iOS versions, and by HealthKit's number.
_STAGES = {
    **dict.fromkeys(("inbed", "0"), INBED),
    **dict.fromkeys(("asleep", "asleepunspecified", "asleepcore", "asleepdeep", "asleeprem"), ASLEEP),
    **dict.fromkeys(("1", "3", "4", "5"), ASLEEP),
    **dict.fromkeys(("awake", "2"), AWAKE),
}
_WORKOUTS = {
    "Walking": "walking",
    "Cycling": "cycling",
    "Running": "running",
    "MixedCardio": "mixed_cardio",
    "MixedMetabolicCardioTraining": "mixed_cardio",
    "TraditionalStrengthTraining": "strength",
    "Elliptical": "elliptical",
    "HighIntensityIntervalTraining": "hiit",
    "FunctionalStrengthTraining": "functional",
    "Yoga": "yoga",
}
_ABSURD = 1e6  # no record of an interval comes near it in any canonical unit
_SOURCES = 65_535
_REMEMBERED = 1 << 12  # sources as written: their text holds an address that changes
_FIELD = re.compile(r"(\w+):([^,>]*)")
_WATCH_NAME = re.compile(r"apple ?watch|(^|['\u2019]s )watch$")


@dataclass
class _Kind:
    """One type of quantity."""

    channel: Channel
    is_amount: bool
    columns: Columns
    units: dict[str, tuple[float, float]] = field(default_factory=dict)


class _Malformed(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class AppleRecords:
    """Takes the elements of an export as they come, and keeps the records that a channel is made of.

    Args:
        name: The document, for messages.
        faults: Takes malformed records.
        earliest: Records that end before are left out, seconds since 1970.
        latest: Records that start after are left out.
    """

    def __init__(self, name: str, faults: Faults, *, earliest: float, latest: float) -> None:
        self.streams: dict[str, Columns] = {}
        self.devices: list[Device] = []  # of each source
        self.facts: dict[str, object] = {}
        self.elements = 0  # records and workouts, of whatever type
        self.outside: Counter[str] = Counter()  # values outside the channel's range
        self.zones: set[str] = set()
        self.line = lambda: 0  # set once there is a parser
        self._name, self.faults = name, faults
        self._earliest, self._latest = earliest, latest
        self._time = Timestamps()
        self._sources: dict[tuple[str, Device], int] = {}
        self._as_written: dict[tuple[str | None, str | None], int] = {}
        self._kinds = {
            kind: _Kind(CHANNELS[channel], table is AMOUNTS, self._stream(channel))
            for table in (AMOUNTS, RATES)
            for kind, channel in table.items()
        }

    def element(self, tag: str, attributes: dict[str, str]) -> None:
        """Take the start of an element."""
        if tag == "Record":
            self.elements += 1
            kind = self._kinds.get(attributes.get("type", ""))
            if kind is None and attributes.get("type") != SLEEP:
                return
            try:
                if kind is None:
                    self._sleep(attributes)
                else:
                    self._quantity(kind, attributes)
            except _Malformed as error:
                self._refuse(error, attributes.get("type", "Record"))
        elif tag == "Workout":
            self.elements += 1
            try:
                self._workout(attributes)
            except _Malformed as error:
                self._refuse(error, "Workout")
        elif tag == "MetadataEntry":
            if attributes.get("key") == "HKTimeZone" and len(self.zones) < 100:
                self.zones.add(attributes.get("value", "")[:64])
        elif tag == "ExportDate":
            self.facts["export_date"] = attributes.get("value", "")[:64]
        elif tag == "HealthData" and attributes.get("simulated"):
            self.facts["simulated"] = True

    def _stream(self, name: str) -> Columns:
        return self.streams.setdefault(name, Columns())

    def _quantity(self, kind: _Kind, attributes: dict[str, str]) -> None:
        text = attributes.get("value")
        try:
            value = float(text)  # type: ignore[arg-type]
            if "_" in text or value - value != 0:  # type: ignore[operator]
                raise ValueError
        except (TypeError, ValueError):
            raise _Malformed("a value that is no number", f"value={text!r} is no number") from None
        unit = attributes.get("unit", "")
        conversion = kind.units.get(unit)
        if conversion is None:
            conversion = kind.units[unit] = _conversion(kind.channel, unit)
        channel = kind.channel
        if unit == "%" and value <= 1.0:  # HealthKit writes 97 % as 0.97 with the unit %
            conversion = channel.conversion("fraction")
        amount = value * conversion[0] + conversion[1]
        if abs(amount) > _ABSURD or (kind.is_amount and amount < 0):
            raise _Malformed("an impossible value", f"value={text!r} {unit} is impossible for {channel.name}")
        if not kind.is_amount and not channel.minimum <= amount <= channel.maximum:
            self.outside[channel.name] += 1
            return
        self._keep(kind.columns, attributes, amount)

    def _sleep(self, attributes: dict[str, str]) -> None:
        text = attributes.get("value", "")
        stage = _STAGES.get(text.removeprefix("HKCategoryValueSleepAnalysis").strip("._ ").casefold())
        if stage is None:
            known = "InBed, Asleep, AsleepUnspecified, AsleepCore, AsleepDeep, AsleepREM, Awake"
            raise _Malformed("an unknown sleep stage", f"value={text!r} is no sleep stage; known: {known}")
        self._keep(self._stream(stage), attributes, 1.0)

    def _workout(self, attributes: dict[str, str]) -> None:
        text = attributes.get("workoutActivityType")
        if text is None:
            raise _Malformed("a missing attribute", "it has no workoutActivityType")
        kind = _WORKOUTS.get(text.removeprefix("HKWorkoutActivityType"), "other")
        self._keep(self._stream(WORKOUT + kind), attributes, 1.0)

    def _keep(self, columns: Columns, attributes: dict[str, str], value: float) -> None:
        try:
            start, start_offset = self._time(attributes["startDate"])
            end, end_offset = self._time(attributes["endDate"])
        except KeyError as error:
            raise _Malformed("a missing attribute", f"it has no {error.args[0]}") from None
        except ValueError as error:
            raise _Malformed("a time that is none", str(error)) from None
        seconds = end - start
        if not 0 <= seconds <= LONGEST:
            when = f"from {attributes['startDate']!r} to {attributes['endDate']!r}"
            if seconds < 0:
                raise _Malformed("an end before the start", f"{when} ends before it starts")
            raise _Malformed("an impossible length", f"{when} is longer than seven days")
        if end < self._earliest or start > self._latest:
            return
        columns.start.append(start)
        columns.seconds.append(seconds)
        columns.value.append(value)
        columns.source.append(self._source(attributes.get("sourceName"), attributes.get("device")))
        columns.start_offset.append(start_offset)
        columns.end_offset.append(end_offset)

    def _source(self, name: str | None, device: str | None) -> int:
        found = self._as_written.get((name, device))
        if found is not None:
            return found
        plain = " ".join((name or "").split())  # no-break spaces too
        kind = device_class(plain, device)
        found = self._sources.setdefault((plain, kind), len(self._sources))
        if found == len(self.devices):
            if found >= _SOURCES:
                raise ReadError(
                    f"{self._name}: more than {_SOURCES:,} sources; this is no export of a person"
                )
            self.devices.append(kind)
        if len(self._as_written) >= _REMEMBERED:
            self._as_written.clear()
        self._as_written[name, device] = found
        return found

    def _refuse(self, error: _Malformed, kind: str) -> None:
        where = f"{self._name}, line {self.line()}: {kind[:100]}"
        self.faults.refuse(where, error.reason, str(error))


def _conversion(channel: Channel, unit: str) -> tuple[float, float]:
    try:
        if not unit:
            raise ChannelError(f"it has no unit; {channel.name} is known in {channel.unit} and others")
        return channel.conversion(unit)
    except ChannelError as error:
        raise _Malformed("an unknown unit", str(error).split("; known")[0]) from None


def device_class(name: str, device: str | None) -> Device:
    """Say what recorded something, by its description or, where there is none, by the name of the source.

    Args:
        name: `sourceName`, which people choose: "Anna's Apple Watch".
        device: `device`: "<<HKDevice: 0x..>, name:Apple Watch, manufacturer:Apple Inc., model:Watch, ...>".

    >>> device_class("Zeus", "<<HKDevice: 0x28>, name:Apple Watch, manufacturer:Apple Inc., model:Watch>")
    'watch'
    >>> device_class("Annas iPhone", None), device_class("Galaxy Watch", None)
    ('phone', 'other')
    """
    told = {key.casefold(): text.strip().casefold() for key, text in _FIELD.findall(device or "")}
    if "apple" not in told.get("manufacturer", "apple"):
        return "other"
    names = [told.get("model", ""), told.get("hardware", ""), told.get("name", "").replace("\xa0", " ")]
    if any(text.startswith(("watch", "apple watch")) for text in names):
        return "watch"
    if any(text.startswith(("iphone", "ipod")) for text in names):
        return "phone"
    if any(names[:2]):
        return "other"
    plain = name.casefold()
    if _WATCH_NAME.search(plain):
        return "watch"
    return "phone" if "iphone" in plain else "other"
