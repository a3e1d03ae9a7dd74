"""``lsm2 calibrate``: intervals for a model, from recordings of people it was not trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lsm2.cli.app import app
from lsm2.cli.options import (
    BatchSize,
    Columns,
    Device,
    KeepZeros,
    ModelName,
    Participant,
    Progress,
    Timestamp,
    Units,
    Zone,
    check_folder,
    frame_options,
    read_recording,
)


@app.command()
def calibrate(
    recording: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Recordings of two people or more on whom the model was not trained: .parquet or .csv.",
        ),
    ],
    model: ModelName = "lsm2-small",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A folder for a copy of the checkpoint with its calibration."),
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Write the calibration into the checkpoint's own folder.")
    ] = False,
    description: Annotated[str, typer.Option(help="A note on the data, kept with the calibration.")] = "",
    most_days: Annotated[int, typer.Option(min=1, help="Days of a person in which minutes are hidden.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Of what is hidden.")] = 0,
    device: Device = "auto",
    tz: Zone = None,
    participant: Participant = "participant_id",
    timestamp: Timestamp = "timestamp",
    columns: Columns = None,
    units: Units = None,
    keep_zeros: KeepZeros = False,
    batch_size: BatchSize = None,
    progress: Progress = None,
) -> None:
    """Measure how far a model's fills are off, for reconstruct --interval, --summary and --n-samples."""
    import lsm2
    from lsm2.cli.text import table_lines

    folder = _folder(model, output, in_place)
    data = read_recording(recording, None, participant, timestamp)
    calibrated = lsm2.calibrate(
        lsm2.load_model(model, device=device),
        data,
        description=description,
        most_days=most_days,
        seed=seed,
        batch_size=batch_size,
        progress=progress,
        **frame_options(tz, participant, timestamp, columns, units, keep_zeros),
    )
    calibration = calibrated.calibrated()
    if in_place:
        calibration.save(folder)
    else:
        calibrated.save(folder)
    typer.echo(f"{folder}: calibrated; use it with --model {folder}")
    facts = calibration.config.channels
    rows = [{"channel": c.name, "people": c.people, "hidden minutes": c.minutes} for c in facts]
    for line in table_lines(rows):
        typer.echo(line)


def _folder(model: str, output: Path | None, in_place: bool) -> Path:
    """Where to write, once it is known that it may be written; before any work is done."""
    from lsm2.checkpoint import shipped
    from lsm2.checkpoint.native import CONFIG

    if (output is None) != in_place:
        raise ValueError("say where to write: either -o FOLDER for a calibrated copy, or --in-place")
    if output is not None:
        if shipped.find(model) is not None and output.resolve() == shipped.find(model):
            raise ValueError(f"{output}: is the shipped checkpoint itself; choose another folder")
        check_folder(output, "give a folder")
        return output
    folder = Path(model).expanduser()
    if shipped.find(model) is not None or not (folder / CONFIG).is_file():
        raise ValueError(
            f"--in-place needs a checkpoint folder of your own with a {CONFIG}, and {model} is none; write a "
            "calibrated copy with -o FOLDER"
        )
    return folder
