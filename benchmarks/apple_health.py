"""Seconds, MB/s and peak memory of `read_apple_health` on a simulated export of hundreds of megabytes.

    python benchmarks/apple_health.py [--megabytes 320] [--json docs/results/apple_health.json]

Writes a simulated export (iPhone and Watch, about 1.3 MB a day) to a temporary folder and reads it in
processes of its own: plain and zipped, in both layouts. Memory is the peak resident size of such a process,
beside that before the call (the interpreter, NumPy and pandas). From two sizes of export it is extrapolated
to 2 GB; with --whole such an export is read.
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
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

LAYOUTS = ("canonical", "openmhc")
TARGET = 2000.0  # megabytes of export that must be read in less than LIMIT
LIMIT = 500.0  # megabytes of memory


def measure(path: Path, layout: Any) -> dict[str, Any]:
    from lsm2.readers import read_apple_health

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    frame = read_apple_health(path, layout=layout, progress=False)
    seconds = time.perf_counter() - start
    return {
        "layout": layout,
        "seconds": round(seconds, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "mb_before_the_call": round(before / 1024),
        "days": len(frame) // 1440,
        "records_kept": sum(frame.attrs["records"].values()),
    }


def generate(folder: Path, megabytes: float) -> Path:
    # In a process of its own: the peak memory of a child begins with what its parent holds.
    code = (
        "import sys; from pathlib import Path\n"
        "from lsm2.simulation import simulate_apple_health as simulate\n"
        "path = Path(sys.argv[1]); simulate(path, days=14); size = path.stat().st_size / 14e6; "
        "simulate(path, days=round(float(sys.argv[2]) / size) + 1)"
    )
    path = folder / "export.xml"
    subprocess.run([sys.executable, "-c", code, str(path), str(megabytes)], check=True)
    return path


def in_a_process(path: Path, layout: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--only", str(path), layout]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    size = path.stat().st_size
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            size = max(entry.file_size for entry in archive.infolist())
    row: dict[str, Any] = {"form": path.suffix[1:], "megabytes": round(size / 1e6, 1)}
    row |= json.loads(output.splitlines()[-1])
    row["mb_per_second"] = round(row["megabytes"] / row["seconds"], 1)
    return row


def extrapolated(rows: list[dict[str, Any]], layout: str) -> float:
    """Peak memory at 2 GB by a straight line through two sizes."""
    small, large = sorted((r for r in rows if r["layout"] == layout and r["form"] == "xml"), key=_size)[:2]
    slope = (large["peak_mb"] - small["peak_mb"]) / (large["megabytes"] - small["megabytes"])
    return float(round(large["peak_mb"] + slope * (TARGET - large["megabytes"])))


def _size(row: dict[str, Any]) -> float:
    return float(row["megabytes"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, default=320)
    parser.add_argument(
        "--whole", action="store_true", help="read an export of 2 GB too, not only extrapolate"
    )
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--only", nargs=2, metavar=("PATH", "LAYOUT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        print(json.dumps(measure(Path(args.only[0]), args.only[1])))
        return
    rows = []
    sizes = [args.megabytes / 4, args.megabytes] + [TARGET] * args.whole
    for megabytes in sizes:
        with tempfile.TemporaryDirectory() as folder:
            export = generate(Path(folder), megabytes)
            rows += [in_a_process(export, layout) for layout in LAYOUTS]
            if megabytes == args.megabytes:
                zipped = Path(folder, "export.zip")
                with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
                    archive.write(export, "apple_health_export/export.xml")
                rows.append(in_a_process(zipped, "canonical"))
    facts = {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one used",
        "python": platform.python_version(),
        "rows": rows,
        "peak_mb_at_2_gb_extrapolated": {layout: extrapolated(rows, layout) for layout in LAYOUTS},
        "limit_mb": LIMIT,
    }
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(facts, indent=1) + "\n")
    print(json.dumps(facts))
    print("\n| form | layout | MB | days | records | seconds | MB/s | peak memory |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['form']} | {row['layout']} | {row['megabytes']} | {row['days']} "
            f"| {row['records_kept']:,} | {row['seconds']} | {row['mb_per_second']} | {row['peak_mb']} MB |"
        )


if __name__ == "__main__":
    main()
