"""Days per second of `embed` and `reconstruct` from a pandas frame, and where the time goes.

    python benchmarks/speed.py [--days 200] [--threads 2] [--model lsm2-small]

Simulated recordings of ten days a person (five channels of twelve, about a sixth missing). Each task and
precision runs in a process of its own, so that its peak memory is its own; the frame side (frame to days, and
back) is timed beside the whole in the same process. Prints a line of JSON and a Markdown table: medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "embed": ("embed", {}),
    "predict, the probe sleep": ("predict", {"probe": "sleep"}),
    "reconstruct": ("reconstruct", {}),
    "reconstruct, interval=0.9": ("reconstruct", {"interval": 0.9}),
    "reconstruct, n_samples=10": ("reconstruct", {"n_samples": 10}),
}
PRECISIONS = ("float32", "bfloat16")


def measure(task: str, precision: str, days: int, threads: int, repeats: int, name: str) -> dict[str, Any]:
    import numpy as np
    import torch

    import lsm2
    from lsm2.days import read_days, to_frame

    torch.set_num_threads(threads)
    frame = lsm2.simulate(participants=max(days // 10, 1), days=min(days, 10))
    model = lsm2.load_model(name, precision=precision)
    baseline = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    method, arguments = TASKS[task]
    work = partial(getattr(model, method), **arguments)
    work(frame)  # warm up
    whole, sides = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        work(frame)
        whole.append(time.perf_counter() - start)
        start = time.perf_counter()
        read = read_days(frame, model.schema)
        if method == "reconstruct":
            to_frame(read, np.zeros(read.values.shape, np.float32))
        sides.append(time.perf_counter() - start)
    seconds, side = statistics.median(whole), statistics.median(sides)
    return {
        "task": task,
        "precision": precision,
        "days": days,
        "days_per_second": round(days / seconds, 1),
        "ms_per_day": round(1000 * seconds / days, 2),
        "frame_side_ms_per_day": round(1000 * side / days, 2),
        "frame_side_share": round(side / seconds, 3),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "mb_before_the_first_call": round(baseline / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=200)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--model", default="lsm2-small")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--only", nargs=2, metavar=("TASK", "PRECISION"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        print(json.dumps(measure(*args.only, args.days, args.threads, args.repeats, args.model)))
        return
    options = [f"--{name}={getattr(args, name)}" for name in ("days", "threads", "repeats", "model")]
    rows = []
    for task in TASKS:
        for precision in PRECISIONS:
            command = [sys.executable, __file__, *options, "--only", task, precision]
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
    print(f"\n{args.model}, {args.days} simulated days, {machine}, {date.today().isoformat()}\n")
    print("| task | precision | days / s | ms / day | of it frame side | peak memory |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| `{row['task']}` | {row['precision']} | {row['days_per_second']} | {row['ms_per_day']} "
            f"| {row['frame_side_share']:.0%} | {row['peak_mb']} MB |"
        )


if __name__ == "__main__":
    main()
