"""FIT files, byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import datetime, timezone

EPOCH = 631_065_600  # seconds from 1970 to 1989-12-31
_CRC = (
    *(0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00, 0x2800, 0xE401),
    *(0xA001, 0x6C00, 0x7800, 0xB401, 0x5000, 0x9C01, 0x8801, 0x4400),
)
_FORMS = {
    "enum": (0x00, "B"),
    "uint8": (0x02, "B"),
    "sint16": (0x83, "h"),
    "uint16": (0x84, "H"),
    "uint32": (0x86, "I"),
    "uint32z": (0x8C, "I"),
}
_FORMS["byte"] = (0x0D, "B")
# Message and field numbers of Garmin's profile: {message: (number, {field: (number, type)})}.
PROFILE = {
    "file_id": (0, {"type": (0, "enum"), "serial_number": (3, "uint32z"), "time_created": (4, "uint32")}),
    "monitoring": (
        55,
        {
            "timestamp": (253, "uint32"),
            "calories": (1, "uint16"),
            "distance": (2, "uint32"),
            "cycles": (3, "uint32"),
            "activity_type": (5, "enum"),
            "active_calories": (19, "uint16"),
            "current_activity_type_intensity": (24, "byte"),
            "timestamp_16": (26, "uint16"),
            "heart_rate": (27, "uint8"),
        },
    ),
    "monitoring_info": (103, {"timestamp": (253, "uint32"), "local_timestamp": (0, "uint32")}),
    "stress_level": (227, {"stress_level_value": (0, "sint16"), "stress_level_time": (1, "uint32")}),
    "spo2_data": (269, {"timestamp": (253, "uint32"), "reading_spo2": (0, "uint8")}),
    "sleep_level": (275, {"timestamp": (253, "uint32"), "sleep_level": (0, "enum")}),
    "respiration_rate": (297, {"timestamp": (253, "uint32"), "respiration_rate": (0, "sint16")}),
}
WALKING, RUNNING, SEDENTARY = 6, 1, 8

Message = tuple[str, dict[str, int]]


def stamp(text: str) -> int:
    """A UTC time in seconds of the FIT epoch."""
    return int(datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()) - EPOCH


def short(text: str) -> int:
    """The low 16 bits of a UTC time."""
    return stamp(text) & 0xFFFF


def crc(data: bytes) -> int:
    value = 0
    for byte in data:
        for part in (byte & 0xF, byte >> 4):
            value = (value >> 4) & 0x0FFF ^ _CRC[value & 0xF] ^ _CRC[part]
    return value


def fit(messages: Iterable[Message], *, define_each: bool = True, serial: int | None = None) -> bytes:
    """A file of messages, each with a definition of its own before it, or with one where the form changes."""
    records = bytearray()
    last = None
    named = {"type": 32, "time_created": stamp("2024-03-05 00:00")}
    if serial is not None:
        named["serial_number"] = serial
    for name, fields in [("file_id", named), *messages]:
        number, known = PROFILE[name]
        definition = struct.pack("<BBBHB", 0x40, 0, 0, number, len(fields))
        data = b"\x00"
        for field, value in fields.items():
            place, form = known[field]
            kind, code = _FORMS[form]
            definition += struct.pack("<BBB", place, struct.calcsize(code), kind)
            data += struct.pack("<" + code, value)
        records += definition + data if define_each or definition != last else data
        last = definition
    header = struct.pack("<BBHI4s", 14, 0x20, 2132, len(records), b".FIT")
    header += struct.pack("<H", crc(header))
    return bytes(header + records + struct.pack("<H", crc(header + records)))


def monitoring(text: str | None = None, **fields: int) -> Message:
    return ("monitoring", {**({"timestamp": stamp(text)} if text else {}), **fields})


def info(text: str, offset: int = 0) -> Message:
    """The local clock, so many hours from UTC."""
    return ("monitoring_info", {"timestamp": stamp(text), "local_timestamp": stamp(text) + offset * 3600})
