"""FIT files: messages by number, fields by name, values as stored, by one of two parsers that are extras."""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from lsm2.readers.export import Entry
from lsm2.readers.faults import Faults

_MOST = 1 << 25  # bytes of a file; a day of monitoring has some 100,000
# Of Garmin's public profile: the messages and fields that are read, by number.
FILE_ID, MONITORING, MONITORING_INFO, SPO2, SLEEP, RESPIRATION = 0, 55, 103, 269, 275, 297
_FIELDS: dict[int, dict[int, str]] = {
    FILE_ID: {3: "serial_number"},
    MONITORING: {
        253: "timestamp",
        2: "distance",
        3: "cycles",
        5: "activity_type",
        19: "active_calories",
        24: "current_activity_type_intensity",
        26: "timestamp_16",
        27: "heart_rate",
    },
    MONITORING_INFO: {253: "timestamp", 0: "local_timestamp"},
    SPO2: {253: "timestamp", 0: "reading_spo2"},
    SLEEP: {253: "timestamp", 0: "sleep_level"},
    RESPIRATION: {253: "timestamp", 0: "respiration_rate"},
}

Message = tuple[int, dict[str, Any]]


def check_parser() -> None:
    """Say how to install a parser where there is none.

    Raises:
        ImportError: There is none.
    """
    if not _has("garmin_fit_sdk") and not _has("fitdecode"):
        raise ImportError(
            "FIT files need a parser, which is not installed: pip install 'lsm2[garmin]' (garmin-fit-sdk; "
            "fitdecode will do too)"
        )


def is_fit(entry: Entry) -> bool:
    """Say whether a file is a FIT file, by its first bytes."""
    return entry.head(12)[8:12] == b".FIT"


def read_messages(entry: Entry, faults: Faults) -> list[Message]:
    """Return the messages of a file that are read, in order; none where it is damaged and that is skipped.

    A file whose check sum is wrong is damaged as a whole: its values may be wrong too.

    Raises:
        ReadError: It is damaged or too large.
    """
    data = entry.bytes(_MOST)
    reason = ""
    try:
        if len(data) < 14:
            raise ValueError("it is empty")
        found = list(_by_sdk(data) if _has("garmin_fit_sdk") else _by_fitdecode(data))
    except MemoryError:
        raise
    except Exception as error:  # the parsers raise whatever damage leads them to
        reason = str(error) or type(error).__name__
        found = []
    if reason:
        detail = f"the file is damaged or no FIT file ({reason[:200]})"
        faults.refuse(entry.where, "a damaged file", detail, whole=True)
    return found


def _by_sdk(data: bytes) -> Iterator[Message]:
    from garmin_fit_sdk import Decoder, Stream

    decoder = Decoder(Stream.from_byte_array(bytearray(data)))
    if not decoder.is_fit():
        raise ValueError("its header is wrong")
    if not decoder.check_integrity():
        raise ValueError("it is cut short or its check sum is wrong")
    decoder = Decoder(Stream.from_byte_array(bytearray(data)))  # the check has read the first to its end
    found: list[Message] = []
    _, errors = decoder.read(
        apply_scale_and_offset=False,
        convert_datetimes_to_dates=False,
        convert_types_to_strings=False,
        expand_sub_fields=False,
        expand_components=False,
        merge_heart_rates=False,
        mesg_listener=lambda number, fields: found.append((number, dict(fields))),
    )
    if errors:
        raise ValueError(str(errors[0]))
    for number, fields in found:
        if number in _FIELDS:
            yield number, {name: _one(fields[name]) for name in _FIELDS[number].values() if name in fields}


def _by_fitdecode(data: bytes) -> Iterator[Message]:
    import fitdecode

    with fitdecode.FitReader(
        io.BytesIO(data), check_crc=fitdecode.CrcCheck.RAISE, error_handling=fitdecode.ErrorHandling.RAISE
    ) as reader:
        for frame in reader:
            if isinstance(frame, fitdecode.FitDataMessage) and frame.global_mesg_num in _FIELDS:
                names = _FIELDS[frame.global_mesg_num]
                fields = {
                    names[field.field_def.def_num]: _one(field.raw_value)
                    for field in frame.fields
                    if field.field_def is not None and field.field_def.def_num in names
                }
                yield (
                    frame.global_mesg_num,
                    {name: value for name, value in fields.items() if value is not None},
                )


def _one(value: Any) -> Any:
    """Return the one value of an array of one."""
    return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value


def _has(parser: str) -> bool:
    try:
        return find_spec(parser) is not None
    except ValueError:  # what sys.modules holds is no module: it was made unavailable
        return False
