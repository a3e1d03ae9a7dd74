"""Resident memory of `embed` and `reconstruct` on files, against the number of days.

    python benchmarks/memory.py [--days 1000 10000 100000] [--task embed] [--precision bfloat16]

Writes simulated recordings of ten days a person (five channels; twenty people, again and again under other
names, with values shifted a little) in row groups that end within people, then computes them in a process of
its own, which writes its output as it comes. Prints a line of JSON and a Markdown table: peak resident
memory and days a second. ``--model tiny`` is the network of the tests, which leaves little but reading, the
frame side and writing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

DAYS_A_PERSON, PEOPLE_A_FILE = 10, 200
TINY = "tiny"


def write_cohort(folder: Path, days: int, people_a_file: int = PEOPLE_A_FILE) -> None:
    """Simulated people in files; twenty, again and again under other names."""
    import lsm2

    people = max(days // DAYS_A_PERSON, 1)
    pattern = lsm2.simulate(participants=20, days=DAYS_A_PERSON)
    names = pattern.index.levels[0]  # type: ignore[attr-defined]
    frames = {name: pattern.loc[name].reset_index() for name in names}
    import pandas as pd

    for first in range(0, people, people_a_file):
        parts = []
        for person in range(first, min(first + people_a_file, people)):
            frame = frames[names[person % 20]].copy()
            frame["heart_rate"] += person % 7
            frame.insert(0, "participant_id", f"p{person:07d}")
            parts.append(frame)
        pd.concat(parts, ignore_index=True).to_parquet(
            folder / f"{first:07d}.parquet", row_group_size=100_000
        )


def tiny() -> Any:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tests.conftest import tiny_model

    return tiny_model()


def measure(task: str, precision: str, days: int, threads: int, model: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        source, output = Path(place) / "cohort", Path(place) / "out.parquet"
        source.mkdir()
        subprocess.run([sys.executable, __file__, "--write", str(source), str(days)], check=True)
        import torch

        import lsm2

        torch.set_num_threads(threads)
        loaded = tiny() if model == TINY else lsm2.load_model(model, precision=precision)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        call = lsm2.embed if task == "embed" else lsm2.reconstruct
        rows = call(source, model=loaded, output=output, progress=False)
        seconds = time.perf_counter() - start
        return {
            "task": task,
            "precision": precision,
            "days": days,
            "rows": int(rows["rows"].sum()),
            "input_mb": round(sum(path.stat().st_size for path in source.iterdir()) / 2**20),
            "output_mb": round(output.stat().st_size / 2**20),
            "days_per_second": round(days / seconds, 1),
            "mb_before": round(before / 1024),
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, nargs="+", default=[1000, 3000, 10_000])
    parser.add_argument("--task", nargs="+", default=["embed", "reconstruct"])
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--model", default="lsm2-small")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--only", nargs=2, metavar=("TASK", "DAYS"), help=argparse.SUPPRESS)
    parser.add_argument("--write", nargs=2, metavar=("FOLDER", "DAYS"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.write:
        return write_cohort(Path(args.write[0]), int(args.write[1]))
    if args.only:
        task, days = args.only
        print(json.dumps(measure(task, args.precision, int(days), args.threads, args.model)))
        return None
    options = [f"--{name}={getattr(args, name)}" for name in ("precision", "threads", "model")]
    rows = []
    for task in args.task:
        for days in args.days:
            command = [sys.executable, __file__, *options, "--only", task, str(days)]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            rows.append(json.loads(output.splitlines()[-1]))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {args.threads} threads"
    facts = json.dumps(
        {"date": date.today().isoformat(), "machine": machine, "model": args.model, "rows": rows}
    )
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(facts + "\n")
    print(facts)
    print(f"\n{args.model}, simulated recordings in files, {machine}, {date.today().isoformat()}\n")
    print("| task | precision | days | input | output | days / s | memory before | peak memory |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        sizes = f"{row['input_mb']} MB | {row['output_mb']} MB"
        memory = f"{row['mb_before']} MB | {row['peak_mb']} MB"
        print(
            f"| `{row['task']}` | {row['precision']} | {row['days']:,} | {sizes} "
            f"| {row['days_per_second']} | {memory} |"
        )
    return None


if __name__ == "__main__":
    main()
