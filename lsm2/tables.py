"""Frames in files: parquet and CSV, chosen by the file name's ending."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lsm2.channels import plain_name
from lsm2.files import replacing

PARQUET = (".parquet", ".pq")
_CSV = (".csv", ".csv.gz")
Offsets = Literal["one clock", "utc", "refuse"]
_OFFSET = r"[T ]\d{2}.*?([+-]\d{2}(?::?\d{2})?|[Zz])$"
# pandas >= 2.1 restores `frame.attrs` from this key of the file's metadata.
_ATTRS = b"PANDAS_ATTRS"


def check_suffix(path: str | Path) -> None:
    """Refuse a file name that is neither parquet nor CSV, before any work is done for it.

    Args:
        path: A file name; nothing is read.

    Raises:
        ValueError: If the name does not end in .parquet, .pq, .csv or .csv.gz.

    >>> check_suffix("days.parquet")
    >>> check_suffix("days.xlsx")
    Traceback (most recent call last):
    ...
    ValueError: days.xlsx: a table's file name ends in .parquet, .pq, .csv, .csv.gz
    """
    if not str(path).lower().endswith(PARQUET + _CSV):
        endings = ", ".join(PARQUET + _CSV)
        raise ValueError(f"{path}: a table's file name ends in {endings}")


def read_table(
    path: str | Path, *, participant: str = "participant_id", timestamp: str = "timestamp"
) -> pd.DataFrame:
    """Read a recording from a parquet or CSV file.

    A CSV's participants stay text, so that "007" remains "007". Times that are text must be in ISO form: of
    01/02/2024, nobody can say which is the month. Where their offsets differ they become UTC.

    Args:
        path: A .parquet, .pq, .csv or .csv.gz file.
        participant: The column of participant ids.
        timestamp: The column of times. A CSV without it may hold them in an unnamed first column.

    Returns:
        The frame as the file holds it: one row per participant and time.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is neither parquet nor CSV, cannot be read, or holds a time that is none.
    """
    path = Path(path)
    check_suffix(path)
    if not path.is_file():
        what = "is a directory; give one file" if path.is_dir() else "no such file; check the path"
        raise FileNotFoundError(f"{path}: {what}")
    if path.name.lower().endswith(PARQUET):
        try:
            frame = pd.read_parquet(path)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{path}: cannot be read as parquet ({error}); is the file whole?") from error
    else:
        frame = _read_csv(path, participant, timestamp)
    return parse_times(frame, timestamp, where=str(path))


def parse_times(
    frame: pd.DataFrame, timestamp: str, *, where: str, offsets: Offsets = "one clock"
) -> pd.DataFrame:
    """Return a frame whose column of times, where it is text in ISO form, holds timestamps.

    Args:
        frame: A recording.
        timestamp: The column of times.
        where: What messages begin with.
        offsets: Of times that have one: ``"one clock"`` keeps an offset that all share, and takes UTC where
            they differ, which is for whole recordings; ``"utc"``; or ``"refuse"``.

    Raises:
        ValueError: A time cannot be read, or has an offset that is refused.
    """
    for column in _named(frame.columns, timestamp):
        if pd.api.types.is_string_dtype(frame[column]):
            times = _parse_times(frame[column], offsets, where=f"{where}, column {column!r}")
            frame = frame.assign(**{column: times})
    return frame


def refuse_offsets(text: pd.Series, *, where: str) -> None:
    """Refuse times that are text with an offset from UTC.

    Raises:
        ValueError: One has; the message begins with ``where``.
    """
    have = text.astype(str).str.extract(_OFFSET, expand=False).notna().to_numpy()
    if have.any():
        row = int(have.argmax())
        raise ValueError(
            f"{where}, row {row}: {text.iloc[row]!r} is text with an offset from UTC, and files read in "
            "parts do not tell whose wall clock cuts the days; say it with tz='Europe/Berlin' or the like, "
            "or write local times without offset"
        )


def to_arrow(frame: pd.DataFrame) -> pa.Table:
    """Return a frame as an Arrow table, index and ``.attrs`` included."""
    return with_attrs(pa.Table.from_pandas(frame), frame.attrs)


def with_attrs(table: pa.Table, attrs: dict[Any, Any]) -> pa.Table:
    """Return an Arrow table with ``.attrs`` in the metadata, where ``pandas.read_parquet`` finds them."""
    metadata = dict(table.schema.metadata or {})
    if attrs:
        metadata[_ATTRS] = json.dumps(attrs).encode()
    return table.replace_schema_metadata(metadata)


def attrs_of(schema: pa.Schema) -> dict[str, Any]:
    """Return the ``.attrs`` that the metadata of a parquet file's schema holds."""
    return dict(json.loads((schema.metadata or {}).get(_ATTRS, b"{}")))


def _read_csv(path: Path, participant: str, timestamp: str) -> pd.DataFrame:
    try:
        header = pd.read_csv(path, nrows=0).columns
        frame = pd.read_csv(path, dtype=dict.fromkeys(_named(header, participant), str), low_memory=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read as CSV ({error}); separate values by commas") from error
    if not _named(header, timestamp) and len(header) and header[0].startswith("Unnamed: "):
        frame = frame.rename(columns={header[0]: timestamp})
    return frame


def _named(columns: pd.Index, name: str) -> list[str]:
    return [column for column in columns if plain_name(column) == plain_name(name)]


def _parse_times(text: pd.Series, offsets: Offsets, *, where: str) -> pd.Series:
    found = text.astype(str).str.extract(_OFFSET, expand=False)
    have = found.notna().to_numpy()
    if offsets == "refuse":
        refuse_offsets(text, where=where)
    if offsets == "utc" and have.any() and not have[text.notna().to_numpy()].all():
        row = int((~have & text.notna().to_numpy()).argmax())
        raise ValueError(
            f"{where}, row {row}: {text.iloc[row]!r} has no offset from UTC, and others have; write all "
            "times in one form"
        )
    # Offsets that change with summer time leave one absolute clock: UTC.
    utc = bool(found.nunique() > 1 or (offsets == "utc" and (have.any() or len(text) == 0)))
    try:
        parsed: pd.Series = pd.to_datetime(text, utc=utc, format="ISO8601")
    except (ValueError, OverflowError) as error:
        bad = pd.to_datetime(text, errors="coerce", utc=True, format="ISO8601").isna() & text.notna()
        row = int(bad.to_numpy().argmax())
        raise ValueError(
            f"{where}, row {row}: {text.iloc[row]!r} is not a time in ISO form; write times as "
            "2024-03-31T07:45 (in Python, pd.to_datetime(column, format='...') reads other forms)"
        ) from error
    return parsed


def write_table(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a frame to parquet or CSV, under a temporary name that is then renamed.

    Parquet keeps ``frame.attrs`` (an embedding's checkpoint hash) in the file's metadata, where
    ``pandas.read_parquet`` finds them again. CSV has no room for them.

    Args:
        frame: Any frame; its index is written too.
        path: A .parquet, .pq, .csv or .csv.gz file, replaced if it exists.

    Raises:
        ValueError: If the name ends in anything else.
        FileNotFoundError: If the directory does not exist.
    """
    path = Path(path)
    check_suffix(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: no such directory to write {path.name} into; make it first")
    with replacing(path) as temporary:
        if path.name.lower().endswith(PARQUET):
            pq.write_table(to_arrow(frame), temporary, compression="zstd")
        else:
            frame.to_csv(temporary, compression="gzip" if path.name.lower().endswith(".gz") else None)


def content_hash(frame: pd.DataFrame) -> str:
    """16 hexadecimal digits that any change of rows, index or column names changes.

    >>> frame = pd.DataFrame({"steps": [1, 2]})
    >>> content_hash(frame) == content_hash(frame.copy()), content_hash(frame) == content_hash(frame[::-1])
    (True, False)
    """
    rows = pd.util.hash_pandas_object(frame).to_numpy().tobytes()
    return hashlib.sha256(rows + repr(list(frame.columns)).encode()).hexdigest()[:16]
