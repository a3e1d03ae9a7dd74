"""The registry of channels: names, aliases, units, ranges, and errors that say what to do."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from lsm2.channels import CHANNELS, Channel, ChannelError, Schema, listing, nearest, plain_name

REQUIRED = [
    "heart_rate",
    "hrv_rmssd",
    "hrv_sdnn",
    "steps",
    "distance",
    "floors",
    "calories",
    "active_calories",
    "mets",
    "intensity",
    "activity_counts",
    "watch_acceleration",
    "watch_acceleration_sd",
    "phone_acceleration",
    "phone_acceleration_sd",
    "phone_gyroscope",
    "phone_gyroscope_sd",
    "skin_temperature",
    "eda",
    "spo2",
    "respiration_rate",
    "glucose",
    "sleep_asleep",
    "sleep_inbed",
    "workout_walking",
    "workout_cycling",
    "workout_running",
    "workout_other",
    "workout_mixed_cardio",
    "workout_strength",
    "workout_elliptical",
    "workout_hiit",
    "workout_functional",
    "workout_yoga",
]


def test_the_registry_holds_every_required_channel() -> None:
    assert set(REQUIRED) <= set(CHANNELS)
    assert all(name == channel.name for name, channel in CHANNELS.items())


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=lambda channel: channel.name)
def test_every_channel_is_consistent(channel: Channel) -> None:
    assert channel.minimum < channel.maximum and channel.unit and channel.family
    assert channel.conversion(None) == channel.conversion(channel.unit) == (1.0, 0.0)
    if channel.kind == "binary":
        assert (channel.minimum, channel.maximum, channel.aggregation) == (0, 1, "max")
    for unit in channel.scales:
        scale, offset = channel.conversion(unit)
        assert scale > 0 and math.isfinite(offset)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("HR", "heart_rate"),
        ("bpm", "heart_rate"),
        ("heartrate", "heart_rate"),
        ("Heart Rate", "heart_rate"),
        ("HEART.RATE", "heart_rate"),
        ("heart-rate", "heart_rate"),
        ("Steps", "steps"),
        ("acceleration", "watch_acceleration"),
        ("acceleration_sd", "watch_acceleration_sd"),
        ("gyroscope", "phone_gyroscope"),
        ("METs", "mets"),
        ("Activity Counts", "activity_counts"),
        ("respiratory rate", "respiration_rate"),
        ("SpO2", "spo2"),
    ],
)
def test_names_resolve_through_aliases(written: str, name: str) -> None:
    schema = Schema.from_names(CHANNELS)
    assert schema.names[schema.index(written)] == name


@pytest.mark.parametrize("written", ["", "heart", "heart_rate_2", 0, None, ("heart_rate",), 1.5])
def test_other_labels_are_no_channels(written: Any) -> None:
    assert Schema.from_names(CHANNELS).match(written) is None


@pytest.mark.parametrize(
    ("name", "unit", "value", "canonical"),
    [
        ("distance", "km", 0.1, 100),
        ("distance", "mi", 1, 1609.344),
        ("distance", "km/min", 0.1, 100),
        ("skin_temperature", "degF", 86, 30),
        ("skin_temperature", "°F", 86, 30),
        ("skin_temperature", "K", 303.15, 30),
        ("glucose", "mmol/L", 5, 90.078),
        ("glucose", "MMOL/L", 5, 90.078),
        ("calories", "kJ", 4.184, 1),
        ("calories", "Cal", 2, 2),
        ("calories", "cal", 2, 0.002),
        ("spo2", "fraction", 0.97, 97),
        ("watch_acceleration", "m/s^2", 9.80665, 1),
        ("phone_gyroscope", "deg/s", 180, math.pi),
        ("mets", "tenths", 12, 1.2),
        ("heart_rate", "count/s", 1, 60),
        ("activity_counts", "actiwatch", 40, 40),
    ],
)
def test_units(name: str, unit: str, value: float, canonical: float) -> None:
    scale, offset = CHANNELS[name].conversion(unit)
    assert value * scale + offset == pytest.approx(canonical)


def test_a_unit_that_differs_from_others_by_capitals_only_must_be_exact() -> None:
    with pytest.raises(ChannelError, match="'CAL' is not known"):
        CHANNELS["calories"].conversion("CAL")


def test_an_unknown_unit_lists_the_known_ones() -> None:
    with pytest.raises(ChannelError, match=r"'furlong' is not known for channel 'distance'; known: .*km, mi"):
        CHANNELS["distance"].conversion("furlong")


def test_device_counts_have_their_own_scale() -> None:
    assert CHANNELS["activity_counts"].conversion("actigraph")[0] != 1.0


def test_families_group_channels_that_carry_the_same() -> None:
    families = Schema.from_names(CHANNELS).families
    names = tuple(CHANNELS)
    found = {family: [names[position] for position in positions] for family, positions in families.items()}
    assert found["energy"] == ["calories", "active_calories", "mets"]
    assert found["sleep"] == ["sleep_asleep", "sleep_inbed"]
    assert sum(map(len, found.values())) == len(CHANNELS)


def test_a_schema_survives_json() -> None:
    schema = Schema.from_names(["steps", "skin_temperature", "activity_counts"])
    again = Schema.model_validate_json(schema.model_dump_json())
    assert again == schema and again.names == schema.names and again.match("temp") == 1
    assert again.channels[2].conversion("actigraph") == schema.channels[2].conversion("actigraph")


def test_a_schema_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ChannelError, match="'hart_rate' is no registered channel; did you mean 'heart_rate'"):
        Schema.from_names(["hart_rate"])
    with pytest.raises(ValidationError):
        Schema(channels=())
    with pytest.raises(ValidationError, match="stands for two channels"):
        Schema(channels=(CHANNELS["steps"], CHANNELS["steps"]))
    with pytest.raises(ValidationError, match="'hr' stands for two channels: 'heart_rate' and 'beats'"):
        Schema(channels=(CHANNELS["heart_rate"], CHANNELS["heart_rate"].model_copy(update={"name": "beats"})))
    with pytest.raises(ValidationError):
        Schema.model_validate({"channels": [CHANNELS["steps"].model_dump() | {"colour": "red"}]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"minimum": 5.0, "maximum": 5.0}, "minimum 5.0 >= maximum 5.0"),
        ({"scales": {"km": 0.0}}, "not above 0"),
        ({"offsets": {"degF": 1.0}}, "no factor"),
        ({"kind": "ordinal"}, "kind"),
    ],
)
def test_a_channel_refuses_nonsense(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Channel.model_validate(CHANNELS["hrv_rmssd"].model_dump() | {"scales": {}, "offsets": {}} | change)


def test_channels_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        CHANNELS["steps"].maximum = 5.0  # type: ignore[misc]


def test_resolve_prefers_what_the_caller_says() -> None:
    schema = Schema.from_names(["heart_rate", "steps"])
    assert schema.resolve(["steps"], {"steps": "heart_rate"}) == ({0: "steps"}, [])
    with pytest.raises(ChannelError, match="'HR' and 'x' both hold channel 'heart_rate'"):
        schema.resolve(["HR", "x"], {"x": "bpm"})
    with pytest.raises(ChannelError, match="the frame has no columns; known are heart_rate, steps"):
        schema.resolve([])


def test_units_of_channels_that_the_model_lacks_are_checked_and_ignored() -> None:
    schema = Schema.from_names(["heart_rate"])
    assert schema.conversions({"distance": "km"}) == {}
    assert schema.conversions({"bpm": "beats/s"}) == {0: (60.0, 0.0)}
    with pytest.raises(ChannelError, match="'parsec'"):
        schema.conversions({"distance": "parsec"})
    with pytest.raises(ChannelError, match=r"units= names 'hart_rate'.*did you mean 'heart_rate'"):
        schema.conversions({"hart_rate": "bpm"})


def test_names_in_messages() -> None:
    assert plain_name(" Heart-Rate_.") == "heartrate"
    assert nearest("xyz", ["heart_rate"]) == ""
    assert listing([]) == "no columns" and listing("abc", most=2) == "'a', 'b' and 1 more"
