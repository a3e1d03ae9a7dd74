"""Embed the same days from fewer and fewer channels, and see which of them still tell the days apart.

    python examples/missing_channels.py [--data recording.parquet]

A channel that is missing is simply not there: no column, no zeros, no mean in its place. The script drops
channels and looks for each day, embedded from one channel alone, among all days embedded from all channels.
Embeddings of any two days point nearly the same way, so that similarity is taken about their mean.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import lsm2


def similarity(of: pd.DataFrame, among: pd.DataFrame) -> np.ndarray:
    """Return the cosine similarity (days, days) of the rows of two tables, each about its own mean."""

    def directions(table: pd.DataFrame) -> np.ndarray:
        centred = table.to_numpy() - table.to_numpy().mean(axis=0)
        return np.asarray(centred / np.linalg.norm(centred, axis=1, keepdims=True))

    return directions(of) @ directions(among).T


def main() -> None:
    """Drop channels and compare."""
    parser = argparse.ArgumentParser(description="Embed with missing channels.")
    parser.add_argument("--data", type=Path, help="parquet with participant_id, timestamp and channels")
    arguments = parser.parse_args()

    data = arguments.data
    recording = pd.read_parquet(data) if data else lsm2.simulate(participants=4, days=3)
    if "timestamp" in recording:
        recording = recording.set_index(["participant_id", "timestamp"])
    model = lsm2.load_model()
    known = [column for column in recording.columns if column in model.schema.names]

    whole = model.embed(recording[known]).dropna()
    print(f"{len(whole)} days embedded from {', '.join(known)}; the same days from one channel:")
    for channel in known:
        alone = model.embed(recording[[channel]]).reindex(whole.index).dropna()
        alike = similarity(alone, whole)
        own = alike[np.arange(len(alone)), whole.index.get_indexer(alone.index)]
        rank = (alike > own[:, None]).sum(axis=1) + 1
        print(
            f"  from {channel} alone: similarity {own.mean():.2f} to itself, {alike.mean():.2f} to all days; "
            f"its own day comes {np.median(rank):.0f}. of {len(whole)} (median)"
        )

    # channels="all" adds every channel of the model, in its canonical unit, inferred from what is there.
    inferred = model.reconstruct(recording[known[:1]], channels="all")
    added = [column for column in inferred.columns if column not in known[:1]]
    print(f"inferred from {known[0]} alone, {len(inferred)} minutes of {', '.join(added)}")


if __name__ == "__main__":
    main()
