"""How much a network learns from other channels: hide a family all day, correlate the fill with the truth.

    python benchmarks/hidden_family.py --data DIR [--model NAME_OR_DIR ...] [--source NAME] [--days 24]

Valid people only. For each family of a source: Pearson's correlation of filled and true minutes, in own units
and in log(1 + x), over the first usable days, and both means.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import lsm2
from lsm2.evaluation import read_recordings
from lsm2.training.config import PretrainConfig

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", action="append")
    parser.add_argument("--source", default="fitbit_mobius")
    parser.add_argument("--days", type=int, default=24)
    parser.add_argument("--config", type=Path, default=ROOT / "lsm2/training/lsm2-small.json")
    args = parser.parse_args()
    config = PretrainConfig.read(args.config)
    part = next(p for p in read_recordings(config, args.data, "valid") if p.dataset == args.source)
    part = part.take(np.flatnonzero(part.usable())[: args.days])
    print(f"{args.source}: {len(part)} days of valid people\n")
    print("| model | hidden | correlation | in log(1 + x) | true mean | filled mean |")
    print("|---|---|---|---|---|---|")
    for name in args.model or ["lsm2-small"]:
        model = lsm2.load_model(name)
        places = [model.schema.index(channel) for channel in part.names]
        for family in dict.fromkeys(channel.family for channel in part.channels):
            own = [i for i, channel in enumerate(part.channels) if channel.family == family]
            values = np.full((len(part), len(model.schema), 1440), np.nan, np.float32)
            values[:, places] = part.values
            hidden = np.zeros(values.shape, bool)
            for i in own:
                hidden[:, places[i]] = part.observed[:, i]
            truth = values.copy()
            values[hidden] = np.nan
            filled = model.fill_windows(values, hidden, progress=False)
            for i in own:
                there = hidden[:, places[i]] & ~np.isnan(filled[:, places[i]])
                if not there.any():
                    continue
                true, fill = truth[:, places[i]][there], filled[:, places[i]][there]
                plain = np.corrcoef(true, fill)[0, 1]
                logs = np.corrcoef(np.log1p(true), np.log1p(np.maximum(fill, 0)))[0, 1]
                print(
                    f"| {name} | {part.names[i]} | {plain:.2f} | {logs:.2f} | {true.mean():.3g} "
                    f"| {fill.mean():.3g} |"
                )


if __name__ == "__main__":
    main()
