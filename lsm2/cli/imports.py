"""``lsm2 import``: what people export from their devices, to a recording of one form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lsm2.cli.app import app
from lsm2.cli.options import Output, Progress, check_output
from lsm2.cli.text import table_lines

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


@_imports.command("apple-health")
def apple_health(
    export: Annotated[
        Path, typer.Argument(metavar="EXPORT", help="export.zip, the folder it unpacks to, or export.xml.")
    ],
    output: Output,
    layout: Annotated[
        Layout, typer.Option(help="Devices merged, or the 19 channels of OpenMHC's models.")
    ] = "canonical",
    tz: Annotated[
        str | None,
        typer.Option("--tz", help="Zone of the clock, such as Europe/Berlin; by default as exported."),
    ] = None,
    start: Annotated[str | None, typer.Option(help="First date or time, such as 2024-03-31.")] = None,
    end: Annotated[str | None, typer.Option(help="Last date, or the first time left out.")] = None,
    participant: Annotated[str | None, typer.Option(help="An id to keep with every row.")] = None,
    on_error: Annotated[
        OnError, typer.Option(help="Stop at a malformed record, or skip and count such records.")
    ] = "raise",
    progress: Progress = None,
) -> None:
    """Read an Apple Health export ("Export All Health Data" in the Health app)."""
    from lsm2.readers import read_apple_health
    from lsm2.tables import write_table

    check_output(output)
    if output.exists() and export.exists() and output.samefile(export):
        raise ValueError(f"{output}: is the export itself; choose another name for the output")
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
    first, last = times[0], times[-1]
    return [
        f"{output}: {len(frame)} minutes of {days} days, {first:%Y-%m-%d} to {last:%Y-%m-%d}",
        *table_lines(rows),
    ]
