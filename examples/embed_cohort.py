"""Embed a cohort: a row per participant and day, then a row per participant, ready for a model of your own.

    python examples/embed_cohort.py [--data recording.parquet] [--output cohort.parquet]

Without --data the cohort is simulated, which is good for a look at the form of things and for nothing else.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import lsm2


def nearest_days(days: pd.DataFrame) -> pd.Series:
    """Return for each day whether the most similar other one is the same person's.

    All embeddings have a large part in common, which is taken away first.
    """
    own = days.to_numpy() - days.to_numpy().mean(axis=0)
    unit = own / np.linalg.norm(own, axis=1, keepdims=True)
    similarity = unit @ unit.T  # (days, days)
    np.fill_diagonal(similarity, -1)
    people = days.index.get_level_values(0)
    return pd.Series(people[similarity.argmax(axis=1)] == people, index=days.index, name="same_person")


def main() -> None:
    """Embed and describe."""
    parser = argparse.ArgumentParser(description="Embed a cohort.")
    parser.add_argument("--data", type=Path, help="parquet with participant_id, timestamp and channels")
    parser.add_argument("--output", type=Path, default=Path("cohort.parquet"))
    arguments = parser.parse_args()

    data = arguments.data
    recording = pd.read_parquet(data) if data else lsm2.simulate(participants=5, days=4)
    # One model serves every call; days of which less than a tenth was recorded are left out as NaN.
    model = lsm2.load_model()
    days = model.embed(recording, min_observed=0.1)
    days.to_parquet(arguments.output)
    print(f"{arguments.output}: {len(days)} days x {days.shape[1]} features")

    people = model.embed(recording, level="participant")
    print(f"{len(people)} participants x {people.shape[1]} features: the mean and spread of each over days")

    usable = days.dropna()
    if len(usable) > 1:
        same = nearest_days(usable)
        print(f"the most similar day is the same person's for {same.mean():.0%} of {len(same)} days")


if __name__ == "__main__":
    main()
