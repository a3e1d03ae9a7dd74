"""The commands about recordings and models: ``embed``, ``reconstruct``, ``coverage``, ``info`` and others."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lsm2.cli.app import app
from lsm2.cli.options import (
    MODEL_HELP,
    BatchSize,
    Columns,
    Device,
    Events,
    KeepZeros,
    ModelName,
    Output,
    Participant,
    Precision,
    Progress,
    Recording,
    Recordings,
    Timestamp,
    Units,
    Workers,
    Zone,
    frame_options,
    in_parts,
    is_parquet,
    read_keyed,
    read_recording,
)
from lsm2.cli.text import fact_lines, rows_line, summary_lines
from lsm2.wording import counted

if TYPE_CHECKING:
    import pandas as pd

Level = Literal["day", "hour", "token", "participant", "window"]
Point = Literal["mean", "median"]
Grid = Literal["days", "full"]


@app.command()
def embed(
    recording: Recordings,
    output: Output,
    model: ModelName = "lsm2-small",
    level: Annotated[Level, typer.Option(help="What one row stands for.")] = "day",
    events: Events = None,
    min_observed: Annotated[
        float, typer.Option(min=0, max=1, help="Days with a smaller observed share become NaN.")
    ] = 0.0,
    precision: Precision = "float32",
    device: Device = "auto",
    tz: Zone = None,
    participant: Participant = "participant_id",
    timestamp: Timestamp = "timestamp",
    columns: Columns = None,
    units: Units = None,
    keep_zeros: KeepZeros = False,
    batch_size: BatchSize = None,
    workers: Workers = None,
    progress: Progress = None,
) -> None:
    """Turn a recording into embeddings: e0, e1, ... for each participant and day."""
    import lsm2
    from lsm2.tables import write_table

    data: Any = recording
    parted = in_parts(recording, output)
    if events is not None and parted and not recording.is_file():
        raise ValueError(f"{recording}: with --events, give one file; from Python, lsm2.embed takes them all")
    if events is not None or not parted:
        data = read_recording(recording, output, participant, timestamp)
    parts = data is recording and is_parquet(output)
    intervals = None if events is None else read_keyed(events, data, participant, timestamp)
    embeddings = lsm2.embed(
        data,
        output=output if parts else None,
        workers=workers,
        level=level,
        events=intervals,
        min_observed=min_observed,
        model=lsm2.load_model(model, device=device, precision=precision),
        batch_size=batch_size,
        progress=progress,
        **frame_options(tz, participant, timestamp, columns, units, keep_zeros),
    )
    if parts:
        typer.echo(_written(output, embeddings))
        return
    write_table(embeddings, output)
    empty = int(embeddings.isna().all(axis=1).sum())
    line = rows_line(output, embeddings, f"{empty} of them NaN" if empty else "")
    typer.echo(f"{line}; {embeddings.shape[1]} numbers each")


@app.command()
def reconstruct(
    recording: Recordings,
    output: Output,
    model: ModelName = "lsm2-small",
    point: Annotated[
        Point,
        typer.Option(help="The mean, whose sums are right, or the median, whose absolute error is least."),
    ] = "mean",
    grid: Annotated[
        Grid, typer.Option(help="Only days with something observed, or the days between them too, as NaN.")
    ] = "days",
    max_gap: Annotated[
        str | None, typer.Option(help="Leave gaps longer than this as they are, for instance 60min.")
    ] = None,
    return_median: Annotated[
        bool, typer.Option("--return-median", help="Add a column NAME.median, filled with medians.")
    ] = False,
    return_filled: Annotated[
        bool, typer.Option("--return-filled", help="Add a column NAME.filled that marks the filled minutes.")
    ] = False,
    interval: Annotated[
        float | None,
        typer.Option(help="Add NAME.lower and NAME.upper, bounds of this level, such as 0.9."),
    ] = None,
    summary: Annotated[
        Literal["day"] | None,
        typer.Option(help="Totals (counts, energies) and means (others) of days instead of minutes."),
    ] = None,
    n_samples: Annotated[
        int | None,
        typer.Option(min=1, help="Draw so many plausible completions instead, numbered in a column sample."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the completions.")] = 0,
    history: Annotated[
        Path | None,
        typer.Option(help="More days of the same participants (.parquet or .csv), read but not filled."),
    ] = None,
    channels: Annotated[
        str | None,
        typer.Option(
            help="Channels to return even where the recording lacks them: all, or names with commas."
        ),
    ] = None,
    precision: Precision = "float32",
    device: Device = "auto",
    tz: Zone = None,
    participant: Participant = "participant_id",
    timestamp: Timestamp = "timestamp",
    columns: Columns = None,
    units: Units = None,
    keep_zeros: KeepZeros = False,
    batch_size: BatchSize = None,
    workers: Workers = None,
    progress: Progress = None,
) -> None:
    """Fill a recording's holes; what was observed stays as it is."""
    import lsm2
    from lsm2.tables import write_table

    data: Any = recording
    if not in_parts(recording, output):
        data = read_recording(recording, output, participant, timestamp)
    parts = data is recording and is_parquet(output)
    more = None if history is None else read_recording(history, output, participant, timestamp)
    filled = lsm2.reconstruct(
        data,
        output=output if parts else None,
        workers=workers,
        channels=read_channels(channels),
        point=point,
        grid=grid,
        max_gap=max_gap,
        return_median=return_median,
        return_filled=return_filled,
        interval=interval,
        summary=summary,
        n_samples=n_samples,
        seed=seed,
        history=more,
        model=lsm2.load_model(model, device=device, precision=precision),
        batch_size=batch_size,
        progress=progress,
        **frame_options(tz, participant, timestamp, columns, units, keep_zeros),
    )
    if parts:
        typer.echo(_written(output, filled))
        return
    write_table(filled, output)
    rows = counted(len(filled), "day" if summary == "day" else "minute")
    typer.echo(f"{output}: {rows}, columns {', '.join(map(str, filled.columns))}")


@app.command()
def coverage(
    recording: Recording,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write here (.parquet or .csv) instead of printing.")
    ] = None,
    by_day: Annotated[
        bool, typer.Option("--days", help="The observed share of each day and channel instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    model: Annotated[
        str | None, typer.Option(help="Only this model's channels; by default all that lsm2 knows.")
    ] = None,
    tz: Zone = None,
    participant: Participant = "participant_id",
    timestamp: Timestamp = "timestamp",
    columns: Columns = None,
    units: Units = None,
    keep_zeros: KeepZeros = False,
) -> None:
    """Summarise each participant's days and, per channel, the observed share of minutes and the gaps."""
    import lsm2
    from lsm2.tables import write_table

    if as_json and output is not None:
        raise ValueError("--json prints and -o writes a table; give one of them")
    data = read_recording(recording, output, participant, timestamp)
    options = frame_options(tz, participant, timestamp, columns, units, keep_zeros)
    table = (lsm2.coverage if by_day else lsm2.describe)(data, model=model, **options)
    if output is not None:
        write_table(table, output)
        typer.echo(rows_line(output, table))
    elif as_json:
        typer.echo(table.reset_index().to_json(orient="records", date_format="iso", indent=2))
    elif by_day:
        typer.echo(table.to_string(float_format=lambda share: f"{share:.3f}"))
    else:
        typer.echo("\n".join(summary_lines(table)))


@app.command()
def info(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help=MODEL_HELP)] = "lsm2-small",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Describe a model: channels with their units, size, licence, what it was trained on."""
    import lsm2

    facts = lsm2.load_model(model, device="cpu").info()
    typer.echo(json.dumps(facts, indent=2) if as_json else "\n".join(fact_lines(facts)))


@app.command()
def pretrain(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="A pretraining config (JSON).")],
    data: Annotated[Path, typer.Option(help="The directory of the parquet files that the config names.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A directory for checkpoints and logs.")],
    device: Device = "auto",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start anew instead of resuming what OUT holds.")
    ] = False,
    seconds: Annotated[float | None, typer.Option(min=0, help="Stop, resumable, after so much time.")] = None,
) -> None:
    """Train a model of your own by AIM; run it again to go on where it stopped."""
    from lsm2.training import pretrain as train

    first = os.environ.get("RANK", "0") == "0"  # of torchrun's processes
    try:
        checkpoint = train(config, data=data, output=output, resume=not fresh, device=device, seconds=seconds)
    except (KeyboardInterrupt, SystemExit):
        if first and (output / "state").exists():
            typer.echo(f"{output}: stopped after a whole step; the same command goes on from here", err=True)
        raise
    if not first:
        return
    if checkpoint.exists():
        typer.echo(f"{checkpoint}: the checkpoint; use it with --model {checkpoint}")
    else:
        typer.echo(f"{output}: time is up before the last step; the same command goes on from here")


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option(help="A recording of yours (.parquet or .csv) instead of a simulated one.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The directory to write to.")] = Path(
        "lsm2-demo"
    ),
    model: ModelName = "lsm2-small",
    device: Device = "auto",
) -> None:
    """Embed and fill a recording, simulated unless --data names one, and draw a day before and after."""
    from lsm2.demo import run

    for line in run(data, output, model=model, device=device):
        typer.echo(line)


def _written(output: Path, people: pd.DataFrame) -> str:
    return f"{output}: {counted(int(people['rows'].sum()), 'row')} of {counted(len(people), 'participant')}"


def read_channels(given: str | None) -> str | list[str] | None:
    """Read ``--channels``: all, or names with commas."""
    return given if given is None or given == "all" else [name.strip() for name in given.split(",")]
