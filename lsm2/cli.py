"""The command line: ``lsm2 embed``, ``reconstruct``, ``coverage``, ``info``, ``pretrain``, ``demo``.

Exit codes: 0 done, 2 something the user can mend (one line on stderr says what), 130 interrupted. Heavy
imports stand inside the commands, so that ``lsm2 --help`` answers at once.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Embeddings and filled days from minute-level wearable recordings with holes in them. "
    "A research tool, not medical advice.",
    epilog="Set LSM2_TRACEBACK=1 to see where in the code an error arose.",
)

Level = Literal["day", "hour", "token", "participant"]
Point = Literal["mean", "median"]
Grid = Literal["days", "full"]

Recording = Annotated[
    Path,
    typer.Argument(metavar="IN", help="A recording: .parquet or .csv, one row per participant and minute."),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="The file to write: .parquet or .csv.")]
ModelName = Annotated[str, typer.Option("--model", help="A shipped model's name or a checkpoint directory.")]
Precision = Annotated[str, typer.Option(help="float32, bfloat16, or auto (bfloat16 where hardware has it).")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
Zone = Annotated[
    str | None,
    typer.Option(
        "--tz", help="Time zone whose wall clock counts, such as Europe/Berlin, or a column of zones."
    ),
]
Participant = Annotated[str, typer.Option(help="The column of participant ids.")]
Timestamp = Annotated[str, typer.Option(help="The column of times.")]
Columns = Annotated[
    list[str] | None,
    typer.Option(metavar="MINE=CHANNEL", help="Say which channel a column holds; repeat for more."),
]
Units = Annotated[
    list[str] | None,
    typer.Option(metavar="CHANNEL=UNIT", help="Say a channel's unit or device, such as distance=km; repeat."),
]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Days computed at once.")]
Progress = Annotated[bool | None, typer.Option(help="Show a progress bar; by default on a terminal.")]


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    if version:
        from lsm2 import __version__

        typer.echo(f"lsm2 {__version__}")
        raise typer.Exit()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


@app.command()
def embed(
    recording: Recording,
    output: Output,
    model: ModelName = "lsm2-small",
    level: Annotated[Level, typer.Option(help="What one row stands for.")] = "day",
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
    batch_size: BatchSize = None,
    progress: Progress = None,
) -> None:
    """Turn a recording into embeddings: e0, e1, ... for each participant and day."""
    import lsm2
    from lsm2.tables import write_table

    data = _read(recording, output, participant, timestamp)
    embeddings = lsm2.embed(
        data,
        level=level,
        min_observed=min_observed,
        model=lsm2.load_model(model, device=device, precision=precision),
        batch_size=batch_size,
        progress=progress,
        **_frame_options(tz, participant, timestamp, columns, units),
    )
    write_table(embeddings, output)
    rows, width = embeddings.shape
    empty = int(embeddings.isna().all(axis=1).sum())
    note = f", {empty} of them NaN because too little was observed" if empty else ""
    typer.echo(
        f"{output}: {rows} rows, one per {' and '.join(map(str, embeddings.index.names))}{note}; "
        f"{width} numbers each"
    )


@app.command()
def reconstruct(
    recording: Recording,
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
    return_filled: Annotated[
        bool, typer.Option("--return-filled", help="Add a column NAME.filled that marks the filled minutes.")
    ] = False,
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
    batch_size: BatchSize = None,
    progress: Progress = None,
) -> None:
    """Fill a recording's holes; what was observed stays as it is."""
    import lsm2
    from lsm2.tables import write_table

    data = _read(recording, output, participant, timestamp)
    filled = lsm2.reconstruct(
        data,
        channels=_channels(channels),
        point=point,
        grid=grid,
        max_gap=max_gap,
        return_filled=return_filled,
        model=lsm2.load_model(model, device=device, precision=precision),
        batch_size=batch_size,
        progress=progress,
        **_frame_options(tz, participant, timestamp, columns, units),
    )
    write_table(filled, output)
    typer.echo(f"{output}: {len(filled)} minutes, columns {', '.join(map(str, filled.columns))}")


@app.command()
def coverage(
    recording: Recording,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write here (.parquet or .csv) instead of printing.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Only this model's channels; by default all that lsm2 knows.")
    ] = None,
    tz: Zone = None,
    participant: Participant = "participant_id",
    timestamp: Timestamp = "timestamp",
    columns: Columns = None,
    units: Units = None,
) -> None:
    """Tell the share of each day's minutes that was observed, per channel."""
    import lsm2
    from lsm2.tables import write_table

    data = _read(recording, output, participant, timestamp)
    shares = lsm2.coverage(data, model=model, **_frame_options(tz, participant, timestamp, columns, units))
    if output is None:
        typer.echo(shares.to_string(float_format=lambda share: f"{share:.3f}"))
    else:
        write_table(shares, output)
        typer.echo(f"{output}: {len(shares)} days, {shares.shape[1]} channels")


@app.command()
def info(
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="A shipped model's name or a checkpoint directory.")
    ] = "lsm2-small",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Describe a model: channels with their units, size, licence, what it was trained on."""
    import lsm2

    facts = lsm2.load_model(model, device="cpu").info()
    typer.echo(json.dumps(facts, indent=2) if as_json else "\n".join(_lines(facts)))


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

    checkpoint = train(config, data=data, output=output, resume=not fresh, device=device, seconds=seconds)
    if os.environ.get("RANK", "0") != "0":  # one of torchrun's other processes
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


def _read(recording: Path, output: Path | None, participant: str, timestamp: str) -> pd.DataFrame:
    """Read the recording once the output is known to be writable: hours of work must not end at a typo."""
    from lsm2.tables import check_suffix, read_table

    if output is not None:
        check_suffix(output)
        if not output.parent.is_dir():
            raise FileNotFoundError(
                f"{output.parent}: no such directory to write {output.name} into; make it first"
            )
        if output.exists() and recording.exists() and output.samefile(recording):
            raise ValueError(f"{output}: is the recording itself; choose another name for the output")
    return read_table(recording, participant=participant, timestamp=timestamp)


def _frame_options(
    tz: str | None, participant: str, timestamp: str, columns: list[str] | None, units: list[str] | None
) -> dict[str, Any]:
    return {
        "tz": tz,
        "participant": participant,
        "timestamp": timestamp,
        "columns": _pairs("--columns", columns),
        "units": _pairs("--units", units),
    }


def _pairs(option: str, given: list[str] | None) -> dict[str, str] | None:
    """Read ``a=b`` items; a column's own name may hold an equals sign, a channel's or a unit's never does."""
    pairs = {}
    for item in given or ():
        key, equals, value = item.rpartition("=")
        if not equals or not key or not value:
            form = (
                "MINE=CHANNEL, such as 'Heart Rate=heart_rate'" if option == "--columns" else "CHANNEL=UNIT"
            )
            raise ValueError(f"{option} {item!r}: is not of the form {form}")
        pairs[key.strip()] = value.strip()
    return pairs or None


def _channels(given: str | None) -> str | list[str] | None:
    return given if given is None or given == "all" else [name.strip() for name in given.split(",")]


def _lines(facts: dict[str, Any]) -> list[str]:
    lines = []
    for key, value in facts.items():
        if isinstance(value, dict):
            lines += [f"{key}:", *(f"  {line}" for line in _lines(value))]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            lines += [f"{key}:", *(f"  {line}" for line in _rows(value))]
        else:
            lines.append(f"{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
    return lines


def _rows(records: list[dict[str, Any]]) -> list[str]:
    """Align records of the same keys as a table; a record inside a record adds its own columns."""
    flat = [dict(pair for item in record.items() for pair in _columns(*item)) for record in records]
    header = list(flat[0])
    cells = [header, *([_cell(record[key]) for key in header] for record in flat)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _columns(key: str, value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else [(key, value)]


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " to ".join(map(_cell, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"lsm2: warning: {' '.join(str(message).split())}", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The words after ``lsm2``; those of this process where None.

    Returns:
        The exit code: 0 done, 2 a mistake that stderr explains in one line, 130 interrupted.
    """
    with warnings.catch_warnings():
        warnings.showwarning = _warn
        try:
            code = app(
                None if arguments is None else list(arguments), prog_name="lsm2", standalone_mode=False
            )
            return int(code or 0)
        except (KeyboardInterrupt, typer.Abort):
            code, message = 130, "interrupted"
        except (ValueError, TypeError, OSError) as error:
            if os.environ.get("LSM2_TRACEBACK"):
                raise
            code, message = 2, str(error)
        except Exception as error:
            # A usage error; its class lives in click or in typer, depending on the version of typer.
            if not hasattr(error, "format_message"):
                raise
            context = getattr(error, "ctx", None)
            help_ = f"{context.command_path if context else 'lsm2'} --help"
            code, message = 2, f"{error.format_message()} (more: {help_})"
    print(f"lsm2: {' '.join(message.split())}", file=sys.stderr)
    return code
