"""``lsm2 import``: what people export from their devices, to a recording of one form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lsm2.cli.app import app
from lsm2.cli.options import Columns, Output, Progress, Units, check_output, read_pairs
from lsm2.cli.text import table_lines
from lsm2.wording import counted

if TYPE_CHECKING:
    import pandas as pd

_imports = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="Turn what a device exports into a recording: .parquet or .csv, one row per minute.",
)
app.add_typer(_imports, name="import")

Layout = Literal["canonical", "openmhc"]
OnError = Literal["raise", "skip"]


Export = Annotated[
    Path,
    typer.Argument(metavar="EXPORT", help="What was exported: a zip, the folder it unpacks to, or a file."),
]
Zone = Annotated[
    str | None,
    typer.Option("--tz", help="Zone of the clock, such as Europe/Berlin; by default as exported."),
]
Start = Annotated[str | None, typer.Option(help="First date or time, such as 2024-03-31.")]
End = Annotated[str | None, typer.Option(help="Last date, or the first time left out.")]
Participant = Annotated[
    str | None,
    typer.Option(help="An id to keep with every row; of an export of several people, the one wanted."),
]
Errors = Annotated[OnError, typer.Option(help="Stop at a malformed record, or skip and count such records.")]


@_imports.command("auto")
def auto(
    export: Export,
    output: Output,
    tz: Zone = None,
    start: Start = None,
    end: End = None,
    participant: Participant = None,
    on_error: Errors = "raise",
) -> None:
    """Recognise the format of an export, say which it is, and read it."""
    _check(export, output)
    from lsm2.readers.formats import recognise

    found, files = recognise(export)
    typer.echo(f"{export}: {found.title}, {counted(files, 'file')} to read")
    options = {"tz": tz, "start": start, "end": end, "participant": participant, "on_error": on_error}
    _write(found.read(export, **options), export, output)


@_imports.command("apple-health")
def apple_health(
    export: Annotated[
        Path, typer.Argument(metavar="EXPORT", help="export.zip, the folder it unpacks to, or export.xml.")
    ],
    output: Output,
    layout: Annotated[
        Layout, typer.Option(help="Devices merged, or the 19 channels of OpenMHC's models.")
    ] = "canonical",
    tz: Zone = None,
    start: Start = None,
    end: End = None,
    participant: Participant = None,
    on_error: Errors = "raise",
    progress: Progress = None,
) -> None:
    """Read an Apple Health export ("Export All Health Data" in the Health app)."""
    _check(export, output)
    from lsm2.readers import read_apple_health

    frame = read_apple_health(
        export,
        tz=tz,
        start=start,
        end=end,
        participant=participant,
        layout=layout,
        on_error=on_error,
        progress=progress,
    )
    _write(frame, export, output)


@_imports.command("table")
def table(
    export: Export,
    output: Output,
    columns: Columns = None,
    units: Units = None,
    time_format: Annotated[
        str | None, typer.Option(help="The form of the times, such as '%d/%m/%Y %H:%M'; by default ISO.")
    ] = None,
    minutes: Annotated[
        int | None,
        typer.Option(help="How many minutes each row holds for, where rows are coarser than a minute."),
    ] = None,
    tz: Zone = None,
    start: Start = None,
    end: End = None,
    participant: Participant = None,
    on_error: Errors = "raise",
) -> None:
    """Read any table, .csv or .parquet: one row per time, one column per channel."""
    _check(export, output)
    from lsm2.readers import read_table

    frame = read_table(
        export,
        columns=read_pairs("--columns", columns),
        units=read_pairs("--units", units),
        time_format=time_format,
        minutes=minutes,
        tz=tz,
        start=start,
        end=end,
        participant=participant,
        on_error=on_error,
    )
    _write(frame, export, output)


def _add(name: str, reader: str, summary: str) -> None:
    """Add the command of a reader that has no options of its own."""

    def command(
        export: Export,
        output: Output,
        tz: Zone = None,
        start: Start = None,
        end: End = None,
        participant: Participant = None,
        on_error: Errors = "raise",
    ) -> None:
        _check(export, output)
        import lsm2.readers

        read = getattr(lsm2.readers, reader)
        options = {"tz": tz, "start": start, "end": end, "participant": participant, "on_error": on_error}
        _write(read(export, **options), export, output)

    _imports.command(name, help=summary)(command)


for _name, _reader, _summary in (
    ("fitbit", "read_fitbit", "Read Fitbit: Takeout, answers of the Web API, Fitabase."),
    ("garmin", "read_garmin", "Read a Garmin watch's monitoring files (.fit)."),
    ("empatica", "read_empatica", "Read sessions of an Empatica E4 or minutes of an EmbracePlus."),
    ("oura", "read_oura", "Read answers of Oura's API, saved as JSON."),
    ("health-connect", "read_health_connect", "Read an export of Android's Health Connect."),
    ("samsung", "read_samsung", "Read an export of Samsung Health."),
    ("actigraph", "read_actigraph", "Read an ActiGraph's .agd or .csv files."),
):
    _add(_name, _reader, _summary)


def _check(export: Path, output: Path) -> None:
    """Refuse what cannot be written, before anything is read."""
    check_output(output)
    if output.exists() and export.exists() and output.samefile(export):
        raise ValueError(f"{output}: is the export itself; choose another name for the output")


def _write(frame: pd.DataFrame, export: Path, output: Path) -> None:
    """Write a recording, and say what is in it."""
    from lsm2.tables import write_table

    if frame.empty:
        raise ValueError(f"{export}: nothing to write to {output}; see the warning above")
    write_table(frame, output)
    for line in _closing(frame, output):
        typer.echo(line)


def _closing(frame: pd.DataFrame, output: Path) -> list[str]:
    """Say what was read: days, minutes and share observed of each channel."""
    times: Any = frame.index.get_level_values("timestamp")
    dates = times.normalize()
    days = dates.nunique()
    rows = []
    for name, column in frame.items():
        observed = column.notna().to_numpy()
        rows.append(
            {
                "channel": str(name),
                "days": int(dates[observed].nunique()),
                "minutes": int(observed.sum()),
                "observed": f"{observed.mean():.1%}",
            }
        )
    first, last = times.min(), times.max()
    people = frame.index.get_level_values(0).nunique() if frame.index.nlevels > 1 else 1
    of_people = f" of {people} participants" if people > 1 else ""
    written = f"{counted(len(frame), 'minute')} of {counted(days, 'day')}{of_people}"
    return [
        f"{output}: {written}, {first:%Y-%m-%d} to {last:%Y-%m-%d}",
        *table_lines(rows),
    ]
