"""``lsm2 report``: a recording to pages that a browser opens."""

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
    Precision,
    Progress,
    Recording,
    Timestamp,
    Units,
    Zone,
    frame_options,
    read_recording,
)


@app.command()
def report(
    recording: Recording,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="A page for one participant (.html), or a folder for a page each."
        ),
    ],
    person: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Only this participant; repeat for more. By default all."),
    ] = None,
    interval: Annotated[float, typer.Option(help="Level of the bounds.")] = 0.9,
    channels: Annotated[
        str | None,
        typer.Option(help="Channels to show even where the recording lacks them: all, or names with commas."),
    ] = None,
    model: ModelName = "lsm2-small",
    precision: Precision = "float32",
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
    """Write an HTML page that shows what was recorded, what was filled, and how sure that is."""
    import lsm2
    from lsm2.cli.commands import read_channels
    from lsm2.report.write import check_target

    check_target(output, people=1)
    data = read_recording(recording, None, participant, timestamp)
    path = lsm2.write_report(
        data,
        output,
        people=person,
        interval=interval,
        channels=read_channels(channels),
        model=lsm2.load_model(model, device=device, precision=precision),
        batch_size=batch_size,
        progress=progress,
        **frame_options(tz, participant, timestamp, columns, units, keep_zeros),
    )
    typer.echo(f"{path}: open it in a browser; it needs no network")
