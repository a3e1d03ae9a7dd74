"""The main job from end to end: take a recording, embed it, fill it, draw a day."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

import lsm2
from lsm2 import figures
from lsm2.files import replacing
from lsm2.tables import read_table, write_table
from lsm2.wording import counted


def run(
    data: Path | None = None,
    output: Path = Path("lsm2-demo"),
    *,
    model: str = "lsm2-small",
    device: str = "auto",
) -> Iterator[str]:
    """Write embeddings.parquet, filled.parquet and day.png, and say what they are.

    Args:
        data: A recording (.parquet or .csv); without it one is simulated and written beside the results.
        output: The directory to write to, made where it is missing.
        model: A shipped model's name or a checkpoint directory.
        device: auto, cpu, cuda, ...

    Yields:
        Lines for a person to read, each once its work is done.

    Raises:
        FileNotFoundError: If there is no such recording.
        ValueError: If it cannot be read as one.
    """
    recording = lsm2.simulate() if data is None else read_table(data)
    output.mkdir(parents=True, exist_ok=True)
    if data is None:
        write_table(recording, output / "recording.parquet")
        yield "A SIMULATED recording (no real person); yours: lsm2 demo --data FILE"
        yield f"  {output / 'recording.parquet'}: the form a recording of yours should have"
    else:
        yield f"The recording {data}"
    network = lsm2.load_model(model, device=device)

    embeddings = network.embed(recording)
    path = output / "embeddings.parquet"
    write_table(embeddings, path)
    size = f"{counted(len(embeddings), 'day')}, {embeddings.shape[1]} numbers each"
    yield f"  {path}: {size}, what the model sees in"
    yield "    a day; days that went alike lie close: features for a model of your own"

    filled = network.reconstruct(recording, return_filled=True)
    path = output / "filled.parquet"
    write_table(filled, path)
    marks = filled[[column for column in filled.columns if str(column).endswith(".filled")]]
    yield f"  {path}: {len(filled)} minutes; {marks.to_numpy(bool).mean():.0%} of the values are filled by"
    yield "    the model, which NAME.filled marks; recorded values are as they were"

    path = output / "day.png"
    _draw(recording, filled, network, path)
    yield f"  {path}: a day before and after: recorded in black, filled in orange, holes in grey"
    yield "A research tool, not medical advice. Weights: CC BY-NC-SA 4.0, research use."


def _draw(recording: pd.DataFrame, filled: pd.DataFrame, model: lsm2.Model, path: Path) -> None:
    with replacing(path) as temporary:
        figures.day(recording, filled, schema=model.schema).savefig(temporary, dpi=150)
