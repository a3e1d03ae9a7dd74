"""Empatica's files: a session of an E4, a day of an EmbracePlus."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any


def unix(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).replace(tzinfo=timezone.utc).timestamp())


def e4(start: str, rate: float, *values: Any) -> str:
    """A signal from a UTC time on; a value of several axes is a tuple."""
    rows: list[Any] = [float(unix(start)), float(rate), *values]
    width = len(values[0]) if values and isinstance(values[0], tuple) else 1
    rows[:2] = [tuple([row] * width) for row in rows[:2]]
    return "".join(",".join(map(str, row if isinstance(row, tuple) else (row,))) + "\r\n" for row in rows)


def embrace(
    kind: str,
    column: str,
    rows: Iterable[tuple[str, Any, str]],
    who: str = "1-1-001",
    day: str = "2024-03-05",
) -> dict[str, str]:
    """{path: file} of (UTC time, value, missing_value_reason)."""
    lines = [f"timestamp_unix,timestamp_iso,participant_full_id,{column},missing_value_reason"]
    for stamp, value, reason in rows:
        iso = datetime.fromisoformat(stamp).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines.append(f"{unix(stamp) * 1000},{iso},{who},{value},{reason}")
    folder = f"participant_data/{day}/{who}-3YK/digital_biomarkers/aggregated_per_minute"
    return {f"{folder}/1-1-{who}_{day}_{kind}.csv": "\n".join(lines) + "\n"}
