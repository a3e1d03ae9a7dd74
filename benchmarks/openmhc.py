"""OpenMHC's form of the network: exactness against the golden release, and speed beside a dense run.

    python benchmarks/openmhc.py [--golden ../shared/golden/openmhc_daily_tiny] [--days 8] [--json FILE]

Speed is that of full-size random weights (embed 384, 12 layers, decoder 256 x 4; the cost does not depend on
what the weights are) on random days of which about half of the tokens are missing. The dense run is the same
weights in the network of `tests/dense.py`: all tokens, attention with an expanded additive mask, float32. All
are timed in one process, taking turns; the ratio is the one of medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

import lsm2
from lsm2.channels import OPENMHC
from lsm2.evaluation.openmhc import Imputer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.dense import windows, write_release  # noqa: E402

FULL = {"dim": 384, "depth": 12, "heads": 6, "decoder_dim": 256, "decoder_depth": 4, "decoder_heads": 4}


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


def embed(model: lsm2.Model, x: np.ndarray) -> np.ndarray:
    kept = np.ones(len(x), bool)
    return model._engine.embed(x, kept, batch_size=None, progress=False)


def golden(folder: Path) -> dict[str, Any]:
    answers = np.load(folder / "golden.npz")
    model = lsm2.load_model(folder)
    x, target = answers["x"], answers["target_mask"].astype(bool)
    imputed = Imputer(model).impute(np.where(target, np.nan, x), ~np.isnan(x), target)
    missing = ~model._engine.observed_tokens(~np.isnan(x)).reshape(len(x), -1)
    return {
        "embedding": difference(embed(model, x), answers["embedding"]),
        "imputed": difference(imputed[target], answers["imputed"][target]),
        "inherited_mask_equal": bool(np.array_equal(missing, answers["inherited_mask"].astype(bool))),
    }


def speed(count: int, repeats: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        dense = write_release(Path(place), **FULL)
        models = {name: lsm2.load_model(place, precision=name) for name in ("float32", "bfloat16")}
    x = windows(count, seed=1)
    holes = np.random.default_rng(2)
    for day in x:  # whole stretches of some channels, as devices leave them
        for channel in holes.choice(len(OPENMHC), 9, replace=False):
            day[channel, holes.integers(0, 300) :] = np.nan
    target = np.zeros(x.shape, bool)
    target[:, :, 600:720] = ~np.isnan(x[:, :, 600:720])
    observed = ~np.isnan(x)
    share = float(models["float32"]._engine.observed_tokens(observed).mean())
    imputers = {name: Imputer(model) for name, model in models.items()}

    def each(work: Callable[[np.ndarray], Any]) -> Callable[[], list[Any]]:
        return lambda: [work(x[i : i + 2]) for i in range(0, count, 2)]  # what fits a small machine

    works: dict[tuple[str, str], Callable[[], Any]] = {
        ("embed", "dense float32"): each(dense.embed),
        ("impute", "dense float32"): lambda: [
            dense.impute(x[i : i + 2], target[i : i + 2]) for i in range(0, count, 2)
        ],
    }
    for name, model in models.items():
        works["embed", f"lsm2 {name}"] = lambda model=model: embed(model, x)  # type: ignore[misc]
        works["impute", f"lsm2 {name}"] = lambda name=name: imputers[name].impute(x, observed, target)  # type: ignore[misc]
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in works}
    for turn in range(repeats + 1):
        for key, work in works.items():
            start = time.perf_counter()
            work()
            if turn:  # the first warms up
                seconds[key].append(time.perf_counter() - start)
    rows = []
    for (task, way), times in seconds.items():
        reference = statistics.median(seconds[task, "dense float32"])
        median = statistics.median(times)
        rows.append(
            {
                "task": task,
                "way": way,
                "seconds_per_day": round(median / count, 4),
                "least": round(min(times) / count, 4),
                "most": round(max(times) / count, 4),
                "times_faster_than_dense": round(reference / median, 2),
            }
        )
    exact = {
        f"embedding, {name}": difference(embed(model, x), dense.embed(x)) for name, model in models.items()
    }
    answer = dense.impute(x, target)[target]
    for name, imputer in imputers.items():
        exact[f"imputed, {name}"] = difference(imputer.impute(x, observed, target)[target], answer)
    return {"days": count, "observed_tokens": round(share, 3), "rows": rows, "difference_to_dense": exact}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--golden", type=Path, default=ROOT.parent / "shared/golden/openmhc_daily_tiny")
    parser.add_argument("--days", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    result: dict[str, Any] = {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {args.threads} threads",
        "torch": torch.__version__,
        "golden": golden(args.golden) if args.golden.is_dir() else None,
        "full_size": speed(args.days, args.repeats),
    }
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: value for key, value in result.items() if key != "full_size"}))
    full = result["full_size"]
    print(f"\n{full['days']} days, {full['observed_tokens']:.0%} of tokens observed, {result['machine']}\n")
    print("| task | | seconds a day | least - most | against dense |")
    print("|---|---|---|---|---|")
    for row in full["rows"]:
        print(
            f"| {row['task']} | {row['way']} | {row['seconds_per_day']} | {row['least']} - {row['most']} "
            f"| {row['times_faster_than_dense']} x |"
        )
    print(f"\nlargest difference to dense: {full['difference_to_dense']}")


if __name__ == "__main__":
    main()
