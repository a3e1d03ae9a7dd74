"""Draw the log of a pretraining run: losses, and valid errors against linear interpolation.

python benchmarks/loss_curve.py runs/mine/log.jsonl -o loss.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from matplotlib.figure import Figure

CHANNELS = ("heart_rate", "steps", "activity_counts")
PROTOCOLS = {"gaps_10": "-", "gaps_60": "--", "gaps_180": ":"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("log", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("loss.png"))
    args = parser.parse_args()
    lines = [json.loads(line) for line in args.log.read_text().splitlines()]
    checked = [line for line in lines if "valid" in line]
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    losses, ratios = figure.subplots(1, 2)
    losses.plot([x["step"] for x in lines], [x["train_loss"] for x in lines], color="0.6", label="train")
    steps = [x["step"] for x in checked]
    losses.plot(steps, [x["valid_loss"] for x in checked], "ko-", label="valid (averaged weights)")
    losses.set(xlabel="step", ylabel="loss")
    losses.legend(frameon=False)
    for shade, channel in zip(("0.0", "0.35", "0.65"), CHANNELS, strict=True):
        for protocol, style in PROTOCOLS.items():
            values = [x["valid"].get(f"{protocol}/{channel}/mse_ratio") for x in checked]
            label = f"{channel}, {protocol.removeprefix('gaps_')} min"
            ratios.plot(steps, values, style, color=shade, marker="o", markersize=3, label=label)
    ratios.axhline(1, color="k", linewidth=0.6)
    ratios.set(xlabel="step", ylabel="valid MSE / linear interpolation's")
    ratios.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(args.output, dpi=150)


if __name__ == "__main__":
    main()
