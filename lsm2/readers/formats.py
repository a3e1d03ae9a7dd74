"""The formats that are read: how each is recognised, and what reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsm2.readers import actigraph, empatica, fitbit, garmin, health_connect, oura, samsung
from lsm2.readers.apple_health import read_apple_health
from lsm2.readers.export import Export, open_export
from lsm2.readers.table import TABLES, read_table
from lsm2.readers.xml import ReadError
from lsm2.wording import counted


@dataclass(frozen=True)
class Format:
    """A format of exports."""

    title: str
    command: str  # of `lsm2 import`
    read: Callable[..., Any]
    count: Callable[[Export], int]  # of the files that are read


FORMATS: tuple[Format, ...] = (
    Format(
        "Apple Health",
        "apple-health",
        read_apple_health,
        lambda export: sum(b"<HealthData" in entry.head(1 << 18) for entry in export.named(".xml")),
    ),
    Format("Fitbit", "fitbit", fitbit.read_fitbit, lambda export: len(fitbit.recognised(export))),
    Format("Garmin", "garmin", garmin.read_garmin, lambda export: _count(export, garmin.recognised)),
    Format("Empatica", "empatica", empatica.read_empatica, lambda export: len(empatica.recognised(export))),
    Format(
        "Oura",
        "oura",
        oura.read_oura,
        lambda export: sum(map(oura.recognised, export.named(".json"))),
    ),
    Format(
        "Health Connect",
        "health-connect",
        health_connect.read_health_connect,
        lambda export: _count(export, health_connect.recognised),
    ),
    Format(
        "Samsung Health", "samsung", samsung.read_samsung, lambda export: _count(export, samsung.recognised)
    ),
    Format(
        "ActiGraph",
        "actigraph",
        actigraph.read_actigraph,
        lambda export: _count(export, actigraph.recognised),
    ),
)
TABLE = Format(
    "a table",
    "table",
    read_table,
    lambda export: _count(export, lambda entry: entry.base.endswith(TABLES)),
)


def recognise(path: str | Path) -> tuple[Format, int]:
    """Return the format of what lies at a path, and how many files of it are read.

    A table of another kind is one only where nothing else is recognised.

    Raises:
        FileNotFoundError: There is nothing at `path`.
        ReadError: No format is recognised, or several are.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "HR.csv").write_text("1711867500.0\\n1.0\\n60.0\\n")
    ...     found, files = recognise(folder)
    >>> found.title, files
    ('Empatica', 1)
    """
    with open_export(Path(path)) as export:
        found = [(one, count) for one in FORMATS if (count := one.count(export))]
        if not found and (count := TABLE.count(export)):
            found = [(TABLE, count)]
        hint = export.unread
    known = ", ".join(one.title for one in FORMATS)
    if not found and hint:
        raise ReadError(f"{path}: {hint}.")
    if not found:
        raise ReadError(
            f"{path}: no format is recognised; known are {known}, and tables as .csv or .parquet."
        )
    if len(found) > 1:
        which = ", ".join(f"{one.title} ({counted(count, 'file')})" for one, count in found)
        names = " or ".join(f"'{one.command}'" for one, _ in found)
        raise ReadError(
            f"{path}: holds several formats: {which}. Say which, by {names}, or give one's folder."
        )
    return found[0]


def _count(export: Export, recognised: Callable[[Any], Any]) -> int:
    return sum(bool(recognised(entry)) for entry in export.entries)
