"""Embed the same days from fewer and fewer channels: devices that record different things share one space.

    python examples/missing_channels.py [--data recording.parquet]

A channel that is missing is simply not there: no column, no zeros, no mean in its place. The script drops
channels, compares each embedding with the one from all of them, and infers what was never recorded.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import lsm2


def cosine(a: pd.DataFrame, b: pd.DataFrame) -> float:
    """Return the mean cosine similarity of rows that both frames hold."""
    a, b = a.dropna().align(b.dropna(), join="inner", axis=0)
    products = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    return float(products.mean())


def main() -> None:
    """Drop channels and compare."""
    parser = argparse.ArgumentParser(description="Embed with missing channels.")
    parser.add_argument("--data", type=Path, help="parquet with participant_id, timestamp and channels")
    arguments = parser.parse_args()

    data = arguments.data
    recording = pd.read_parquet(data) if data else lsm2.simulate(participants=2, days=3)
    if "timestamp" in recording:
        recording = recording.set_index(["participant_id", "timestamp"])
    model = lsm2.load_model()
    known = [column for column in recording.columns if column in model.schema.names]

    whole = model.embed(recording[known])
    print(f"cosine similarity with the embedding from {', '.join(known)}:")
    for channel in known:
        alone = model.embed(recording[[channel]])
        print(f"  from {channel} alone: {cosine(whole, alone):.3f}")

    # channels="all" adds every channel of the model, in its canonical unit, inferred from what is there.
    inferred = model.reconstruct(recording[known[:1]], channels="all")
    added = [column for column in inferred.columns if column not in known[:1]]
    print(f"inferred from {known[0]} alone, {len(inferred)} minutes of {', '.join(added)}")


if __name__ == "__main__":
    main()
