"""Tables some rows at a time, whether text or parquet."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lsm2.readers.archive import Source
from lsm2.readers.export import Entry
from lsm2.readers.faults import Faults
from lsm2.readers.rows import open_sheet
from lsm2.readers.xml import ReadError

PARQUET = (".parquet", ".pq")
_BATCH = 1 << 16


@dataclass(frozen=True)
class Batch:
    """Some rows of a table, by column."""

    cells: Mapping[str, Any]
    place: Callable[[int], str]


@contextmanager
def open_batches(entry: Entry, faults: Faults) -> Iterator[tuple[list[str], Iterator[Batch], str]]:
    """Open a table: the names of its columns, its rows some at a time, and what may mark decimals.

    Raises:
        ReadError: It is damaged, no table, or has two columns of one name.
    """
    if entry.base.endswith(PARQUET):
        with open_parquet(entry) as file:
            yield columns_of(file), _parquet_batches(file, entry), "."
        return
    if entry.base.endswith(".gz"):
        packed = entry
        entry = replace(entry, opener=lambda: _unpacked(packed))
    with open_sheet(entry, faults) as sheet:
        batches = (Batch(piece.cells, piece.place) for piece in sheet.pieces())
        yield list(sheet.header), batches, sheet.decimals


@contextmanager
def _unpacked(entry: Entry) -> Iterator[Source]:
    with entry.open() as stream, gzip.GzipFile(fileobj=stream) as unpacked:
        yield Source(cast(Any, unpacked), entry.where, damage=(OSError, EOFError, zlib.error))


@contextmanager
def open_parquet(entry: Entry) -> Iterator[pq.ParquetFile]:
    """Open a parquet file, out of an archive as a copy.

    Raises:
        ReadError: It is damaged or none.
    """
    with entry.local() as path:
        try:
            file = pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise ReadError(
                f"{entry.where}: cannot be read as parquet ({error}); is the file whole?"
            ) from error
        with file:
            yield file


def columns_of(file: pq.ParquetFile) -> list[str]:
    """Return the names of a parquet file's columns, and that of an index which pandas wrote as a range."""
    return [*file.schema_arrow.names, *_ranges(file)]


def _ranges(file: pq.ParquetFile) -> dict[str, range]:
    """Return the index of evenly spaced whole numbers that is described beside the columns, by its name."""
    described = json.loads((file.schema_arrow.metadata or {}).get(b"pandas", b"{}"))
    found = {
        index["name"]: range(index["start"], index["stop"], index["step"])
        for index in described.get("index_columns", ())
        if isinstance(index, dict) and index.get("kind") == "range" and index.get("name")
    }
    return {name: values for name, values in found.items() if len(values) == file.metadata.num_rows}


def _parquet_batches(file: pq.ParquetFile, entry: Entry) -> Iterator[Batch]:
    names, ranges = file.schema_arrow.names, _ranges(file)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ReadError(f"{entry.where}: has two columns {twice[0]!r}; rename or drop one.")
    before = 0
    try:
        for batch in file.iter_batches(batch_size=_BATCH):
            frame = pa.Table.from_batches([batch]).to_pandas(ignore_metadata=True)
            cells = {name: frame[name] for name in names}
            for name, values in ranges.items():
                cells[name] = pd.Series(values[before : before + len(frame)])
            yield Batch(cells, _counted_from(before, entry.where))
            before += len(frame)
    except (pa.ArrowException, OSError) as error:
        raise ReadError(f"{entry.where}: cannot be read as parquet ({error}); is the file whole?") from error


def _counted_from(first: int, where: str) -> Callable[[int], str]:
    return lambda row: f"{where}, row {first + row}"
