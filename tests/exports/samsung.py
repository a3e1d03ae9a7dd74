"""Samsung Health's tables and bins."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

STAMP = "20260716081000"
TYPES = {
    "tracker.heart_rate": "com.samsung.health.heart_rate",
    "tracker.pedometer_step_count": "com.samsung.health.step_count",
    "tracker.oxygen_saturation": "com.samsung.health.oxygen_saturation",
    "sleep": "com.samsung.health.sleep",
}


def samsung(
    kind: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, prefix: bool = True
) -> dict[str, str]:
    """{name of the file: table}: a line of type and version, the header, rows that end in a comma."""
    before = "com.samsung.health" if kind == "sleep_stage" else "com.samsung.shealth"
    type_ = TYPES.get(kind, "")
    bare = ("binning_data", "sleep_id", "stage", "source")
    header = [f"{type_}.{name}" if prefix and type_ and name not in bare else name for name in columns]
    lines = [f"{before}.{kind},6310001,9", ",".join(header)]
    lines += [",".join("" if cell is None else str(cell) for cell in row) + "," for row in rows]
    return {f"{before}.{kind}.{STAMP}.csv": "\n".join(lines) + "\n"}


def ms(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).replace(tzinfo=timezone.utc).timestamp() * 1000)


def bins(
    name: str, items: Iterable[tuple[str, str, Any]], of: str = "heart_rate", field: str = "heart_rate"
) -> dict[str, str]:
    """{path: bins} of (start, end, value) in UTC."""
    found = [
        {
            field: rate,
            f"{field}_min": 50,
            f"{field}_max": 90,
            "start_time": ms(first),
            "end_time": ms(last),
        }
        for first, last, rate in items
    ]
    return {f"jsons/com.samsung.shealth.tracker.{of}/{name[0]}/{name}": json.dumps(found)}
