"""One-factor comparisons: variants of a pretraining config, each trained for the same processor time.

    python benchmarks/ablations.py --data DIR --out DIR --seconds 600 --variants base patch_20 --seeds 0 1

Measures the cost of a step of each variant, gives it as many steps as fit in --seconds of one core, trains it
on train people (resumable), and prints a table of its errors on valid people. The checkpoints lie in
OUT/VARIANT-SEED/checkpoint, for `lsm2 evaluate gaps --model VARIANT=...`.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import torch

from lsm2.aim import AIM
from lsm2.training import PretrainConfig, pretrain
from lsm2.training.materials import gather
from lsm2.training.pretrain import make_trainer
from lsm2.training.trainer import family_groups

ROOT = Path(__file__).resolve().parent.parent
PLAIN: dict[str, Any] = {
    "network.correction": False,
    "network.query_channels": False,
    "network.usual_day": False,
}
ONLY_TOKENS: dict[str, Any] = {
    "masks.slots": 0.0,
    "masks.channels": 0.0,
    "masks.gaps": 0.0,
    "masks.sides": 0.0,
}
LSM1: dict[str, Any] = {
    "network.missing": "impute",
    "masks.tokens": 2.0,
    "masks.token_fraction": [0.75, 0.85],
    "masks.slots": 1.0,
    "masks.gaps": 0.5,
    "masks.sides": 0.3,
}
"""What is missing is imputed by the mean and visible, in training and use. All tokens are there then, so that
masks of few minutes make a step seven times as dear: more of its windows have most of their tokens hidden.
"""
VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "patch_5": {"network.patch_minutes": 5, "network.query_patches": 36, "network.query_neighbours": 4},
    "patch_20": {"network.patch_minutes": 20, "network.query_patches": 9, "network.query_neighbours": 1},
    "width_128": {"network.encoder_dim": 128, "network.encoder_heads": 2},
    "width_256": {"network.encoder_dim": 256, "network.encoder_heads": 4},
    "depth_3": {"network.encoder_depth": 3},
    "depth_9": {"network.encoder_depth": 9},
    "self_decoder": {"network.decoder": "self"},
    "no_local_context": {"network.query_neighbours": 0, "network.query_patches": 0},
    "no_channels_in_query": {"network.query_channels": False},
    "no_usual_day": {"network.usual_day": False},
    "no_average": {"ema": 0.0},
    "targets_alike": {"distance_exponent": 0.0},
    "targets_nearly_alike": {"distance_exponent": 0.25},
    "no_sides": {"masks.sides": 0.0},
    "only_random_tokens": ONLY_TOKENS,
    "people_alike": {"sources.*.weight": 1.0},
    "aim_plain": PLAIN,
    "lsm1": LSM1,
    "lsm1_plain": {**LSM1, **PLAIN},
    "lsm1_tokens": {**LSM1, **ONLY_TOKENS, "masks.tokens": 1.0},
    "contrastive": {"contrastive": {}, "batch_windows": 64},
    "channel_regression": {"network.channel_regression": 64},
    "gap_regression": {"network.gap_regression": 64},
    "summary": {"network.summary": 384},
}
"""What differs from the config. `plain`: without the correction to interpolation and what comes with it.
Only the last three variants have a second stage, whose minutes come on top.
"""
PROTOCOLS = ("gaps_10", "gaps_60", "gaps_180", "tokens_80")
CHANNELS = ("heart_rate", "steps", "intensity", "calories", "mets", "activity_counts")


def variant_config(raw: dict[str, Any], name: str, seed: int) -> dict[str, Any]:
    """The config with the variant's factor changed."""
    changed: dict[str, Any] = json.loads(json.dumps(raw)) | {"seed": seed, "name": f"{raw['name']}-{name}"}
    for key, value in VARIANTS[name].items():
        *path, last = key.split(".")
        if path[:1] == ["sources"]:
            for source in changed["sources"]:
                source[last] = value
            continue
        place = changed
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return changed


def seconds_per_step(raw: dict[str, Any], data: Path, steps: int = 5) -> float:
    """Processor time of a step, once the shapes are known."""
    config = PretrainConfig.model_validate(raw)
    materials = gather(config, data)
    model = AIM(config.aim(materials.survey.normalisation(config))).train()
    groups = family_groups(config.schema_of_channels())
    trainer = make_trainer(config, model, materials.feed(model.config), groups)
    for number in range(steps):
        trainer.step(number)
    began = time.process_time()
    for number in range(steps):
        trainer.step(number)
    return (time.process_time() - began) / steps


def ratio(scores: dict[str, float], protocol: str, measure: str) -> str:
    """Geometric mean over channels of the error over that of linear interpolation; "-" where nothing is
    reconstructed.
    """
    names = [f"{protocol}/{channel}/{measure}_ratio" for channel in CHANNELS]
    if any(name not in scores for name in names):
        return "-"
    return f"{math.exp(sum(math.log(scores[name]) for name in names) / len(names)):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="directory of the parquet and split files")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--config", type=Path, default=ROOT / "lsm2" / "training" / "lsm2-small.json")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="processor time of each training")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="bfloat16")
    options = parser.parse_args()
    torch.set_num_threads(1)
    base = json.loads(options.config.read_text()) | {"valid_windows": 256}
    base["precision"] = options.precision
    base["network"] |= {"channel_regression": 0, "gap_regression": 0, "summary": 0}
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.variants:
        cost_file = options.out / f"{name}.cost"
        if not cost_file.exists():
            cost_file.write_text(str(seconds_per_step(variant_config(base, name, 0), options.data)))
        for seed in options.seeds:
            raw = variant_config(base, name, seed)
            raw["steps"] = raw["valid_every"] = round(options.seconds / float(cost_file.read_text()))
            raw["warmup_steps"] = min(100, raw["steps"] // 10)
            output = options.out / f"{name}-{seed}"
            if not (output / "checkpoint").exists():
                pretrain(PretrainConfig.model_validate(raw), data=options.data, output=output)
    head = " | ".join(f"{p}: MSE | MAE" for p in PROTOCOLS)
    lines = [f"| run | seed | steps | {head} |", "|" + "---|" * (3 + 2 * len(PROTOCOLS))]
    for name in options.variants:
        for seed in options.seeds:
            last = json.loads((options.out / f"{name}-{seed}" / "log.jsonl").read_text().splitlines()[-1])
            cells = [ratio(last["valid"], p, m) for p in PROTOCOLS for m in ("mse", "mae")]
            lines.append(f"| {name} | {seed} | {last['step']} | " + " | ".join(cells) + " |")
    table = "\n".join(lines)
    (options.out / "table.md").write_text(table + "\n")
    print(table)


if __name__ == "__main__":
    main()
