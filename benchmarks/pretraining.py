"""Pretraining: windows a second beside the machine's floor, on one process and two, from memory and files.

    python benchmarks/pretraining.py [--days 500 2000] [--steps 12] [--json docs/results/pretraining.json]

Trains the network of the shipped config (``lsm2/training/lsm2-small.json``, its masks and batches) on
simulated recordings of five channels in files of ten people. Every run is a process group of its own, started
by torchrun; windows a second are those of its own log, after the first steps. The floor is the time that the
operations of a step (counted by torch's FLOP counter, forward and backward) would take at the rate of a large
bfloat16 matrix product with as many threads, measured before and after. Peak memory is that of each process.
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

from memory import write_cohort

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "lsm2" / "training" / "lsm2-small.json"
CHANNELS = ("heart_rate", "steps", "calories", "activity_counts", "sleep_asleep")
PEOPLE_A_FILE, WARM = 10, 4
RUNS = ((1, 1, False), (1, 1, True), (1, 2, True), (2, 1, True))
"""Processes, threads each, from files."""


def settings(steps: int, stream: bool) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(CONFIG.read_text())
    raw["channels"] = {name: raw["channels"][name] for name in CHANNELS}
    del raw["splits"]
    raw["sources"] = [{"name": "simulated", "file": "*.parquet"}]
    raw |= {"steps": steps, "log_every": 1, "valid_every": steps, "valid_windows": 16, "warmup_steps": 2}
    return raw | {"stream": {} if stream else None, "checkpoint_seconds": 3600}


def train(config: Path, data: str, output: Path) -> None:
    """In each process of a run."""
    import torch

    from lsm2.training import PretrainConfig, pretrain

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    pretrain(PretrainConfig.read(config), data=data, output=output, device="cpu", progress=False)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (output / f"peak-{os.environ['RANK']}").write_text(str(peak // 1024))


def measure(data: Path, days: int, steps: int, processes: int, threads: int, stream: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        config, output = Path(place) / "config.json", Path(place) / "run"
        config.write_text(json.dumps(settings(steps, stream)))
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        child = [__file__, "--child", str(config), str(data), str(output)]
        before = rate(processes * threads)
        subprocess.run(
            [*launcher, f"--nproc-per-node={processes}", *child],
            check=True,
            env=os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)},
            stderr=subprocess.DEVNULL,
        )
        lines = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
        seconds = [line["seconds"] for line in lines][:-1]  # the last step's holds the validation
        batch = json.loads(CONFIG.read_text())["batch_windows"]
        peaks = [int((output / f"peak-{rank}").read_text()) for rank in range(processes)]
        return {
            "days": days,
            "processes": processes,
            "threads": threads,
            "from": "files" if stream else "memory",
            "windows_per_second": batch * (len(seconds) - 1 - WARM) / (seconds[-1] - seconds[WARM]),
            "matrix_gflop_per_s": max(before, rate(processes * threads)) / 1e9,
            "peak_mb": peaks,
        }


def rate(threads: int) -> float:
    """Operations a second of a large bfloat16 matrix product."""
    import torch

    torch.set_num_threads(threads)
    size = 4096
    a, b = (torch.randn(size, size).bfloat16() for _ in range(2))
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)


def operations(data: Path) -> float:
    """Operations of training, a window, forward and backward."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from lsm2.aim import AIM
    from lsm2.training import PretrainConfig
    from lsm2.training.materials import gather
    from lsm2.training.pretrain import make_trainer
    from lsm2.training.trainer import family_groups

    config = PretrainConfig.model_validate(settings(1, False))
    materials = gather(config, data)
    model = AIM(config.aim(materials.survey.normalisation(config))).train()
    groups = family_groups(config.schema_of_channels())
    trainer = make_trainer(config, model, materials.feed(model.config), groups)

    def attention(query: Any, key: Any, *_: Any, **__: Any) -> int:
        days, heads, queries, width = query
        return int(4 * days * heads * queries * key[2] * width)

    def backward(slope: Any, query: Any, key: Any, *_: Any, **__: Any) -> int:
        return 5 * attention(query, key) // 2  # the scores again, and four products

    aten = torch.ops.aten
    own = {
        aten._scaled_dot_product_flash_attention_for_cpu: attention,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: backward,
    }
    total = 0
    for step in range(3):
        with FlopCounterMode(display=False, custom_mapping=own) as counter:
            trainer.step(step)
        total += counter.get_total_flops()
    return total / 3 / config.batch_windows


def markdown(result: dict[str, Any]) -> str:
    lines = [
        "# Pretraining",
        "",
        f"`python benchmarks/pretraining.py`, {result['machine']}, torch {result['torch']}, "
        f"{result['date']}. The network, masks and batches of `lsm2-small`, bfloat16, simulated recordings "
        f"of five channels; {result['gflop_per_window']:.1f} GFLOP a window. Share: of the rate of a large "
        "matrix product with as many threads.",
        "",
        "| days | from | processes x threads | windows / s | GFLOP/s | matrix rate | share | peak memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        done = row["windows_per_second"] * result["gflop_per_window"]
        lines.append(
            f"| {row['days']:,} | {row['from']} | {row['processes']} x {row['threads']} "
            f"| {row['windows_per_second']:.1f} | {done:.0f} | {row['matrix_gflop_per_s']:.0f} "
            f"| {done / row['matrix_gflop_per_s']:.0%} | {', '.join(map(str, row['peak_mb']))} MB |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument(
        "--json", type=Path, help="also write the numbers to this file, and a table beside it"
    )
    parser.add_argument("--child", nargs=3, metavar=("CONFIG", "DATA", "OUTPUT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return train(Path(args.child[0]), args.child[1], Path(args.child[2]))
    import torch

    rows, count = [], None
    for days in args.days:
        with tempfile.TemporaryDirectory() as place:
            data = Path(place)
            write_cohort(data, days, PEOPLE_A_FILE)
            count = operations(data) if count is None else count
            for processes, threads, stream in RUNS:
                rows.append(measure(data, days, args.steps, processes, threads, stream))
                print(json.dumps(rows[-1]), flush=True)
    result = {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
        "gflop_per_window": (count or 0) / 1e9,
        "rows": rows,
    }
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")
        args.json.with_suffix(".md").write_text(markdown(result))
    print(markdown(result))
    return None


if __name__ == "__main__":
    main()
