"""Fill the gaps of a recording, and see on the recording itself how far the fills can be trusted.

    python examples/fill_gaps.py [--data recording.parquet] [--output filled.parquet]

Every day's values from 14:00 to 15:00 are hidden, filled, and compared with what was there; linear
interpolation is the mark to beat. Then the gaps that the recording really has are filled and written.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import lsm2


def hide_an_hour(recording: pd.DataFrame, hour: int = 14) -> pd.DataFrame:
    """Return a copy without the values of one hour of every day."""
    times = pd.DatetimeIndex(recording.index.get_level_values(-1))
    holed = recording.copy()
    holed.loc[times.hour == hour] = np.nan
    return holed


def interpolate(values: pd.Series) -> pd.Series:
    """Return one person's values with straight lines across the gaps, the ends held."""
    return values.interpolate(limit_direction="both")


def main() -> None:
    """Score on an hour that is known, then fill what is not."""
    parser = argparse.ArgumentParser(description="Fill the gaps of a recording.")
    parser.add_argument("--data", type=Path, help="parquet with participant_id, timestamp and channels")
    parser.add_argument("--output", type=Path, default=Path("filled.parquet"))
    arguments = parser.parse_args()

    data = arguments.data
    recording = pd.read_parquet(data) if data else lsm2.simulate(participants=2, days=3)
    if "timestamp" in recording:
        recording = recording.set_index(["participant_id", "timestamp"])
    model = lsm2.load_model()

    holed = hide_an_hour(recording)
    # The median is the better guess of a single minute, the mean the better one of a sum.
    guess = model.reconstruct(holed, point="median")
    hidden = recording.notna() & holed.isna()
    errors = pd.DataFrame(index=guess.columns, columns=["lsm2", "linear interpolation", "hidden minutes"])
    for channel in guess.columns:
        truth = recording.loc[hidden[channel], channel]
        linear = holed[channel].groupby(level=0).transform(interpolate)
        filled = guess[channel].reindex(truth.index)
        errors.loc[channel] = [
            (filled - truth).abs().mean(),
            (linear.loc[truth.index] - truth).abs().mean(),
            len(truth),
        ]
    print("Mean absolute error over a hidden hour of each day:")
    print(errors.to_string())

    result = model.reconstruct(recording, max_gap="3h", return_filled=True)
    result.to_parquet(arguments.output)
    print(f"{arguments.output}: {len(result)} minutes, gaps of up to 3 hours filled; NAME.filled marks them")


if __name__ == "__main__":
    main()
