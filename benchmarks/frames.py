"""How long frames take to become days and to come back: 1,000 person-days of 8 channels, on one core.

    python benchmarks/frames.py

The aim is 1.5 s each way (1.5 ms a day). Prints a line of JSON and a Markdown table: CPU seconds on one
core, the best of several runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
import warnings
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from lsm2.channels import CHANNELS, Schema
from lsm2.days import read_days, to_frame

NAMES = (
    "heart_rate",
    "steps",
    "calories",
    "mets",
    "intensity",
    "activity_counts",
    "skin_temperature",
    "eda",
)
DAYS_EACH = 10
MISSING = 0.3


def recording(days: int) -> pd.DataFrame:
    """Return random values within range, 30 % missing, in columns participant_id, timestamp and channels."""
    rng = np.random.default_rng(0)
    people, rows = days // DAYS_EACH, days * 1440
    values = {
        name: np.where(
            rng.random(rows) < MISSING,
            np.nan,
            rng.uniform(CHANNELS[name].minimum, CHANNELS[name].maximum, rows),
        ).astype(np.float32)
        for name in NAMES
    }
    times = pd.date_range("2024-03-25", periods=DAYS_EACH * 1440, freq="min")
    ids = np.repeat([f"person {i}" for i in range(people)], DAYS_EACH * 1440)
    return pd.DataFrame({"participant_id": ids, "timestamp": np.tile(times, people), **values})


def in_utc(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(timestamp=frame["timestamp"].dt.tz_localize("UTC"))


def to_the_second(frame: pd.DataFrame) -> pd.DataFrame:
    """Two rows a minute, half of the people."""
    half = frame.iloc[: len(frame) // 2]
    late = half.assign(timestamp=half["timestamp"] + pd.Timedelta(seconds=30))
    return pd.concat([half, late])


FORMS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], dict[str, Any]]] = {
    "columns": (lambda frame: frame, {}),
    "MultiIndex": (lambda frame: frame.set_index(["participant_id", "timestamp"]), {}),
    "rows in random order": (lambda frame: frame.sample(frac=1, random_state=0), {}),
    "UTC, tz= with a change to summer time": (in_utc, {"tz": "Europe/Berlin"}),
    "two rows a minute": (to_the_second, {}),
}


def best(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Return the fewest CPU seconds of several runs, and the last result."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = work()
        times.append(time.process_time() - start)
    return min(times), result


def measure(days: int, repeats: int) -> list[dict[str, Any]]:
    schema = Schema.from_names(NAMES)
    rows = []
    for form, (change, arguments) in FORMS.items():
        frame = change(recording(days))
        there, read = best(lambda f=frame, a=arguments: read_days(f, schema, **a), repeats)
        fills = np.full(read.values.shape, 1.0, np.float32)
        back, out = best(lambda d=read, f=fills: to_frame(d, f), repeats)
        share = 1000 / len(read)
        rows.append(
            {
                "form": form,
                "rows": len(frame),
                "days": len(read),
                "to days, s per 1,000 days": round(there * share, 3),
                "back, s per 1,000 days": round(back * share, 3),
                "rows back": len(out),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--days", type=int, default=1000, help="person-days")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    warnings.simplefilter("ignore", UserWarning)
    rows = measure(options.days, options.repeats)
    machine = {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()} {platform.system()}, {os.cpu_count()} cores, one used",
        "python": platform.python_version(),
        "pandas": pd.__version__,
        "numpy": np.__version__,
    }
    print(json.dumps({**machine, "channels": len(NAMES), "results": rows}))
    print(
        f"\n{len(NAMES)} channels, {MISSING:.0%} missing; "
        + ", ".join(f"{k} {v}" for k, v in machine.items())
    )
    print("\n| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print(
            "| "
            + " | ".join(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values())
            + " |"
        )


if __name__ == "__main__":
    main()
