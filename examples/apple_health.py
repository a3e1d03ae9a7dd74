"""From an Apple Health export to embeddings and a picture of a week with its gaps filled.

    python examples/apple_health.py [--export export.zip] [--model openmhc-daily] [--output DIR]

Without --export a simulated one is written and read. `--model openmhc-daily` fetches OpenMHC's public weights
from the Hugging Face hub on first use; the shipped ones are the default, which needs no network.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import lsm2
from lsm2 import figures
from lsm2.simulation import simulate_apple_health


def similarity(embeddings: pd.DataFrame) -> np.ndarray:
    """Cosine similarity of days (days, days), about their mean."""
    centred = embeddings.dropna().to_numpy() - embeddings.dropna().to_numpy().mean(axis=0)
    directions = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(directions @ directions.T)


def main() -> None:
    """Read, embed, fill, draw."""
    parser = argparse.ArgumentParser(description="From an Apple Health export to embeddings.")
    parser.add_argument("--export", type=Path, help="export.zip, its folder or export.xml")
    parser.add_argument("--model", default="lsm2-small")
    parser.add_argument("--tz", help="zone whose wall clock counts, such as Europe/Berlin")
    parser.add_argument("--output", type=Path, default=Path("apple-health"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)

    export = arguments.export
    if export is None:
        export = arguments.output / "simulated-export.zip"
        simulate_apple_health(export, days=14)
        print(f"{export}: a simulated export of two weeks")

    model = lsm2.load_model(arguments.model)
    layout = "openmhc" if model.config.name.startswith("openmhc") else "canonical"
    recording = lsm2.read_apple_health(export, tz=arguments.tz, layout=layout)
    print("\nShare of each channel's minutes that was recorded:")
    print(recording.notna().mean().round(2).to_string())

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*no channel of this model")
        embeddings = model.embed(recording)
        filled = model.reconstruct(recording, channels=None)
    embeddings.to_parquet(arguments.output / "embeddings.parquet")
    filled.to_parquet(arguments.output / "filled.parquet")
    alike = similarity(embeddings)
    np.fill_diagonal(alike, -np.inf)
    days = embeddings.dropna().index
    first, second = np.unravel_index(int(alike.argmax()), alike.shape)
    print(f"\n{len(days)} days embedded; most alike: {days[first]:%a %d %b} and {days[second]:%a %d %b}")

    shown = [
        name for name in ("heart_rate", "watch_hr", "steps", "watch_steps", "sleep_asleep") if name in filled
    ]
    figure = figures.week(recording, filled, channels=shown, schema=model.schema)
    figure.savefig(arguments.output / "week.png", dpi=150)
    print(f"{arguments.output}: embeddings.parquet, filled.parquet, week.png")


if __name__ == "__main__":
    main()
