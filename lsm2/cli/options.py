"""Options that several commands share, and what they turn into."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

_RECORDING_HELP = "A recording: .parquet or .csv, one row per participant and minute"
Recording = Annotated[Path, typer.Argument(metavar="IN", help=f"{_RECORDING_HELP}.")]
Recordings = Annotated[
    Path,
    typer.Argument(metavar="IN", help=f"{_RECORDING_HELP}; or a folder or quoted pattern of parquet files."),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="The file to write: .parquet or .csv.")]
MODEL_HELP = (
    "A shipped model's name, a checkpoint or OpenMHC release on disk, or a name on the Hugging Face hub: "
    "openmhc-daily, openmhc-weekly, org/repo[@revision]."
)
ModelName = Annotated[str, typer.Option("--model", help=MODEL_HELP)]
Precision = Annotated[str, typer.Option(help="float32, bfloat16, or auto (bfloat16 where it is faster).")]
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
KeepZeros = Annotated[
    bool,
    typer.Option("--keep-zeros", help="Leave out OpenMHC's rules by which some zeros count as missing."),
]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Days computed at once.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes to divide participants over.")]
Progress = Annotated[bool | None, typer.Option(help="Show a progress bar; by default on a terminal.")]


Events = Annotated[
    Path | None,
    typer.Option(help="Intervals, for rows by window: .parquet or .csv with participant_id, start and end."),
]


def check_folder(output: Path, what: str) -> None:
    """Refuse a folder to write to that is a file.

    Raises:
        ValueError: It is; the message ends with ``what`` to do.
    """
    if output.exists() and not output.is_dir():
        raise ValueError(f"{output}: is a file; {what}")


def check_output(output: Path) -> None:
    """Refuse an output that cannot be written, before any work is done for it.

    Raises:
        ValueError: The name is neither that of a parquet nor of a CSV file.
        FileNotFoundError: Its directory does not exist.
    """
    from lsm2.tables import check_suffix

    check_suffix(output)
    if not output.parent.is_dir():
        raise FileNotFoundError(
            f"{output.parent}: no such directory to write {output.name} into; make it first"
        )


def read_recording(recording: Path, output: Path | None, participant: str, timestamp: str) -> pd.DataFrame:
    """Read the recording once the output is known to be writable: hours of work must not end at a typo."""
    from lsm2.tables import read_table

    if output is not None:
        check_output(output)
        if output.exists() and recording.exists() and output.samefile(recording):
            raise ValueError(f"{output}: is read here; choose another name for the output")
    return read_table(recording, participant=participant, timestamp=timestamp)


def in_parts(recording: Path, output: Path) -> bool:
    """Whether a recording is files to be read part by part: parquet, for parquet, or several.

    Raises:
        ValueError, FileNotFoundError: The output cannot be written.
    """
    check_output(output)
    several = recording.is_dir() or (not recording.exists() and any(sign in str(recording) for sign in "*?["))
    return several or (is_parquet(recording) and is_parquet(output))


def is_parquet(path: Path) -> bool:
    """Whether a file is parquet, by its name."""
    from lsm2.tables import PARQUET

    return path.name.lower().endswith(PARQUET)


def read_keyed(path: Path, data: pd.DataFrame, participant: str, timestamp: str) -> pd.DataFrame:
    """Read labels or intervals; ids that are text in a CSV become those of the data, such as numbers."""
    from lsm2.days import find_key
    from lsm2.tables import read_table

    table = read_table(path, participant=participant, timestamp=timestamp)
    known, ids = (find_key(frame, participant, "participant_id") for frame in (data, table))
    if known is None or ids is None or path.suffix.lower() == ".parquet":
        return table
    plain = {str(one): one for one in known.unique()}
    for column in table.columns:
        if str(column) == ids.name:
            table[column] = [plain.get(str(one), one) for one in ids]
    return table


def frame_options(
    tz: str | None,
    participant: str,
    timestamp: str,
    columns: list[str] | None,
    units: list[str] | None,
    keep_zeros: bool,
) -> dict[str, Any]:
    """Return the arguments that say how to read a frame."""
    return {
        "tz": tz,
        "participant": participant,
        "timestamp": timestamp,
        "columns": read_pairs("--columns", columns),
        "units": read_pairs("--units", units),
        "keep_zeros": keep_zeros,
    }


def read_pairs(option: str, given: list[str] | None) -> dict[str, str] | None:
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
