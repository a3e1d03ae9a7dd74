"""Calibrate a checkpoint on people whom no answering model was trained on: one short model for each fold.

    torchrun --standalone --nproc-per-node 2 benchmarks/folds.py --data DIR --out DIR --ship FOLDER
    python benchmarks/folds.py --data DIR --out DIR --only 0  # side by side with other folds, and then
    python benchmarks/folds.py --data DIR --out DIR --only 0 1 2 --ship FOLDER

Splits the train and valid people of a pretraining config into folds, source by source, pretrains a network on
the people of the other folds for each (resumable; shorter than the shipped weights), and calibrates the
checkpoint in FOLDER on the residuals of all folds. Test people take no part. Without torchrun, one process.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from intervals import frame_of_people

import lsm2
from lsm2.checkpoint.native import replacing
from lsm2.training import PretrainConfig, pretrain
from lsm2.training.pretrain import processes
from lsm2.training.sources import read_splits

ROOT = Path(__file__).resolve().parent.parent


def fold_of_people(
    splits: dict[str, dict[str, list[str]]], folds: int, seed: int
) -> dict[str, dict[str, int]]:
    """Fold of each train and valid person of each source, drawn so that folds are of equal size."""
    drawn = {}
    for source, parts in splits.items():
        people = sorted([*parts["train"], *parts["valid"]])
        order = np.random.default_rng([seed, len(people)]).permutation(len(people))
        drawn[source] = {people[who]: int(place % folds) for place, who in enumerate(order)}
    return drawn


def fold_config(
    config: PretrainConfig, drawn: dict[str, dict[str, int]], fold: int, out: Path, changes: dict[str, Any]
) -> PretrainConfig:
    """The config of one fold's model: its people are left out of training, and are the valid ones."""
    path = (out / f"splits-{fold}.json").resolve()
    splits = {
        source: {
            "train": [person for person, own in people.items() if own != fold],
            "valid": [person for person, own in people.items() if own == fold],
            "test": [],
        }
        for source, people in drawn.items()
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(splits))
    name = f"{config.name}-fold{fold}"
    own = {"name": name, "splits": str(path), "valid_every": changes["steps"]}
    return config.model_copy(update=changes | own)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="directory of the parquet and split files")
    parser.add_argument("--out", type=Path, required=True, help="where the folds' runs are kept")
    parser.add_argument("--ship", type=Path, help="folder of the checkpoint to calibrate, in place")
    parser.add_argument("--config", type=Path, default=ROOT / "lsm2" / "training" / "lsm2-small.json")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=1500, help="of each fold's model")
    parser.add_argument("--regression-steps", type=int, default=1500, help="of its regressions")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="bfloat16")
    parser.add_argument(
        "--only", type=int, nargs="+", metavar="FOLD", help="these folds' models and people alone, from 0 on"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chosen = options.only or range(options.folds)
    if not set(chosen) <= set(range(options.folds)):
        parser.error(f"--only: folds are 0 to {options.folds - 1}, given were {options.only}")
    config = PretrainConfig.read(options.config)
    if not config.splits:
        raise SystemExit(f"{options.config} names no file of splits")
    options.out.mkdir(parents=True, exist_ok=True)
    drawn = fold_of_people(read_splits(options.data / config.splits), options.folds, options.seed)
    changes: dict[str, Any] = {
        name: getattr(options, name) for name in ("steps", "regression_steps", "precision")
    }
    changes["network"] = config.network | {"summary": 0}  # fills do not depend on it
    configs = [fold_config(config, drawn, fold, options.out, changes) for fold in range(options.folds)]
    with processes("cpu") as (rank, _):  # one group for all folds
        runs = [
            pretrain(configs[fold], data=options.data, output=options.out / f"fold{fold}", progress=False)
            for fold in chosen
        ]
    if options.ship is None or rank > 0:
        return
    frames = [frame_of_people(configs[fold], options.data, "valid") for fold in chosen]
    folds = [
        (run, frame["participant_id"].unique().tolist()) for run, frame in zip(runs, frames, strict=True)
    ]
    people = sum(len(each) for _, each in folds)
    calibrated = lsm2.calibrate(
        options.ship,
        pd.concat(frames, ignore_index=True),
        folds=folds,
        description=f"Out-of-fold residuals of {people} train and valid people: models of {len(runs)} of "
        f"{options.folds} folds, {options.steps} steps (regressions {options.regression_steps}), each "
        "asked about people it was not trained on.",
    )
    calibrated.calibrated().save(options.ship)
    print(calibrated.calibrated().summary())


if __name__ == "__main__":
    main()
