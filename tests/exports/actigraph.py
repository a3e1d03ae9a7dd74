"""ActiGraph's .agd databases and ActiLife's CSV files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from tests.exports.databases import database


def ticks(stamp: str) -> int:
    """A local time in units of 100 ns since the year 1, as .NET counts."""
    gone = datetime.fromisoformat(stamp) - datetime(1, 1, 1)
    return (gone.days * 86_400 + gone.seconds) * 10_000_000


def agd(
    rows: Iterable[Sequence[Any]],
    epoch: Any = 60,
    columns: str = "dataTimestamp INTEGER, axis1 INTEGER, steps INTEGER",
    capsense: Iterable[Sequence[Any]] = (),
) -> bytes:
    """Rows of (local time or ticks, axis1, steps, ...)."""
    data = [
        (ticks(row[0]) if isinstance(row[0], str) and "-" in row[0] else row[0], *row[1:]) for row in rows
    ]
    settings = [("softwarename", "ActiLife"), ("subjectname", "Anna"), ("deviceserial", "NEO1F")]
    settings += [("epochlength", str(epoch))] if epoch is not None else []
    tables: dict[str, Any] = {
        "settings": ("settingName TEXT, settingValue TEXT", settings),
        "data": (columns, data),
    }
    readings = [(ticks(at), state) for at, state in capsense]
    if readings:
        tables["capsense"] = ("timeStamp INTEGER, state INTEGER", readings)
    return database(tables)


def preamble(
    form: str = "M/d/yyyy", epoch: str = "00:01:00", date: str = "3/31/2024", time: str = "07:45:00"
) -> str:
    lines = [
        "------------ Data File Created By ActiGraph GT3X+ ActiLife v6.13.4 Firmware v3.2.1 "
        f"date format {form} Filter Normal -----------",
        "Serial Number: NEO1F16120034",
        f"Start Time {time}",
        f"Start Date {date}",
        f"Epoch Period (hh:mm:ss) {epoch}",
        "Download Time 12:00:00",
        "Download Date 4/8/2024",
        "Current Memory Address: 0",
        "Current Battery Voltage: 4.12     Mode = 13",
        "--------------------------------------------------",
    ]
    return "\r\n".join(lines) + "\r\n"
