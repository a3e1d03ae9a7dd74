"""Which rows of which parquet files belong to which participants, and parts of them to compute at once."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lsm2.channels import CHANNELS, listing, plain_name
from lsm2.days import DAY, FrameError
from lsm2.tables import PARQUET, Offsets, attrs_of, parse_times, refuse_offsets

_BATCH_ROWS = 65_536
_FEW_ROWS = 1024
_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True)
class Rows:
    """Rows of a file, ``start`` to ``stop`` exclusive."""

    file: int
    start: int
    stop: int


@dataclass
class Part:
    """Whole participants, computed at once."""

    number: int
    people: list[Any]
    """Their ids; ``[None]`` where the file names nobody."""
    rows: list[Rows]
    """In the order of the files."""


@dataclass(frozen=True)
class Plan:
    """Parquet files as parts of whole participants, in order of first appearance.

    A participant's rows stand together in a file; they may go on in other files, such as one a month.
    """

    files: tuple[str, ...]
    schema: pa.Schema
    """Of all columns of all files."""
    cast: tuple[str, ...]
    """Columns that are brought to the schema's type, since the files' types do not go together."""
    timestamp: str
    zoned: bool
    """Whether the caller says whose wall clock cuts the days, so that times may have offsets from UTC."""
    parts: tuple[Part, ...]

    @property
    def people(self) -> list[Any]:
        """Ids of all participants, part after part."""
        return [one for part in self.parts for one in part.people]

    def empty(self) -> pd.DataFrame:
        """The frame of no rows."""
        return self.parse(self._frame([]))

    def load(self, part: Part) -> pd.DataFrame:
        """The frame of a part, times as they are; what a file lacks of the others' columns is missing.

        Raises:
            ValueError: A file cannot be read.
        """
        tables: list[pa.Table] = []
        for rows in part.rows:
            try:
                tables += _read(self.files[rows.file], rows)
            except (pa.ArrowException, OSError) as error:
                raise ValueError(f"{self.files[rows.file]}: cannot be read as parquet ({error})") from error
        return self._frame(tables)

    def parse(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A frame of whole participants, times that are text as timestamps.

        Raises:
            ValueError: A text is no time, or has an offset that nobody asked for.
        """
        offsets: Offsets = "utc" if self.zoned else "refuse"
        return parse_times(frame, self.timestamp, where="these rows", offsets=offsets)

    def without_parts(self) -> Plan:
        """The same files, for workers that are told their parts."""
        return replace(self, parts=())

    def _frame(self, tables: list[pa.Table]) -> pd.DataFrame:
        parts = [self.schema.empty_table(), *(self._cast(table) for table in tables)]
        table = pa.concat_tables(parts, promote_options="permissive")
        frame = table.replace_schema_metadata(self.schema.metadata).to_pandas()
        frame.attrs = attrs_of(self.schema)
        return frame

    def _cast(self, table: pa.Table) -> pa.Table:
        for name in {*self.cast} & {*table.column_names}:
            place, field = table.schema.get_field_index(name), self.schema.field(name)
            table = table.set_column(place, field, table.column(place).cast(field.type, safe=False))
        return table.replace_schema_metadata(None)


def find_files(source: str | Path) -> list[Path]:
    """Parquet files that a path, a folder or a pattern names, sorted by path.

    Raises:
        FileNotFoundError: There is none.
    """
    text = str(Path(source).expanduser())
    if Path(text).is_dir():
        found = [path for path in Path(text).rglob("*") if path.name.lower().endswith(PARQUET)]
        found = [path for path in found if not _is_hidden(path.relative_to(text))]
    elif Path(text).exists():
        return [Path(text)]
    else:
        found = [Path(name) for name in glob.glob(text, recursive=True)]
        if not found:
            hint = "no file has a name like this" if glob.has_magic(text) else "no such file; check the path"
            raise FileNotFoundError(f"{source}: {hint}")
    if not found:
        raise FileNotFoundError(f"{source}: holds no file that ends in {' or '.join(PARQUET)}")
    return sorted(found)


def _is_hidden(path: Path) -> bool:
    """Whether a file, or a folder that it lies in, is something that programs left beside the data."""
    return any(part.startswith((".", "_")) for part in path.parts)


def refuse_inside(source: str | Path, output: Path) -> None:
    """Refuse an output file that would be read as a recording the next time.

    Raises:
        ValueError: It lies in the folder that is read, or its name fits the pattern.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        inside = output.absolute().resolve().is_relative_to(folder.resolve())
    elif folder.exists():
        return
    else:
        parts, pattern = output.absolute().parts, folder.absolute().parts
        alike = len(parts) == len(pattern) and all(map(fnmatch, parts, pattern))
        inside = alike or ("**" in pattern and fnmatch(str(output.absolute()), str(folder.absolute())))
    if inside:
        raise ValueError(
            f"{output}: would be read as a recording the next time, since it lies in {source}; choose a "
            "place outside it"
        )


def make_plan(
    files: Sequence[Path],
    *,
    participant: str,
    timestamp: str,
    part_days: int,
    only: Collection[Any] | None = None,
    zoned: bool = False,
    columns: Collection[str] = (),
) -> Plan:
    """Find out where the rows of each participant are; reads no more of the files than that.

    Args:
        files: Parquet files.
        participant: The column of participants.
        timestamp: The column of times.
        part_days: About so many days become a part, of as many rows as days at the start of the first file.
        only: Participants to be planned for; None for all.
        zoned: Whether the caller says whose wall clock cuts the days, so that files may be of several zones.
        columns: That hold channels under names of their own.

    Raises:
        ValueError: A file cannot be read as parquet; the files' columns have types that do not go together;
            a participant comes back in a file after others, or several files name no participant.
    """
    people: dict[Any, list[Rows]] = {}
    schemas: dict[str, pa.Schema] = {}
    types: dict[str, str] = {}
    day_rows = 0
    empty = {path for path in files if _is_empty(path)}
    for number, path in enumerate(files):
        if len(empty) < len(files) and path in empty:
            continue
        if not path.name.lower().endswith(PARQUET):
            raise ValueError(f"{path}: is no parquet file; files read in parts end in {' or '.join(PARQUET)}")
        try:
            with pq.ParquetFile(path) as file:
                schema = _plain(file.schema_arrow)
                twice = [name for name, count in Counter(schema.names).items() if count > 1]
                if twice:
                    raise FrameError(f"{path}: has several columns {twice[0]!r}; give each a name of its own")
                column = _column(schema, participant) or _first_level(schema)
                times = _column(schema, timestamp)
                day_rows = day_rows or _rows_a_day(file, column, times)
                if times is not None and not zoned and _is_text(schema.field(times).type):
                    _refuse_offsets(file, str(path), times)
                if column is None and (len(files) > 1 or participant != "participant_id"):
                    raise FrameError(
                        f"{path}: has no column {participant!r} that says whose rows these are; it has "
                        f"columns {listing(schema.names)}. Name it with participant='...', or add it."
                    )
                if column is None:
                    people[None] = [Rows(number, 0, file.metadata.num_rows)]
                else:
                    kind = str(schema.field(column).type).removeprefix("large_")
                    types.setdefault(kind, str(path))
                    if len(types) > 1:
                        (one, where), (other, there) = types.items()
                        raise FrameError(
                            f"participants are {one} in {where} and {other} in {there}; give them one type"
                        )
                    _find_people(file, str(path), number, column, people)
        except FrameError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{path}: cannot be read as parquet ({error}); is the file whole?") from error
        schemas[str(path)] = schema
    known = (name for channel in CHANNELS.values() for name in (channel.name, *channel.aliases))
    read = {plain_name(name) for name in (participant, timestamp, *columns, *known)}
    schema, cast = _unified(schemas, zoned, read)
    wanted = {k: v for k, v in people.items() if only is None or k in only}
    return Plan(
        tuple(str(path.absolute()) for path in files),
        schema,
        cast,
        timestamp,
        zoned,
        tuple(_parts(wanted, part_days * (day_rows or DAY))),
    )


def _is_empty(path: Path) -> bool:
    try:
        return bool(pq.read_metadata(path).num_rows == 0)
    except (pa.ArrowException, OSError):
        return False  # what is wrong is said where it is read


def _rows_a_day(file: pq.ParquetFile, participant: str | None, timestamp: str | None) -> int:
    """The most rows that a participant has on a day at the start of a file, at most those of every minute."""
    columns = [name for name in (participant, timestamp) if name is not None]
    first = next(file.iter_batches(_BATCH_ROWS, columns=columns), None)
    if timestamp is None or first is None:
        return DAY
    table = pa.Table.from_batches([first]).replace_schema_metadata(None).to_pandas()
    times = table[timestamp]
    if pd.api.types.is_numeric_dtype(times):
        return DAY  # no times
    if not pd.api.types.is_datetime64_any_dtype(times):
        times = pd.to_datetime(times.astype(str), errors="coerce", utc=True, format="ISO8601")
    people = pd.Series("", times.index) if participant is None else table[participant].astype(str)
    rows = people.groupby([people, times.dt.date]).size()
    return min(int(rows.max()), DAY) if len(rows) else DAY


def _refuse_offsets(file: pq.ParquetFile, path: str, column: str) -> None:
    """Refuse times that are text with an offset, as far as the first rows of a file show."""
    first = next(file.iter_batches(_FEW_ROWS, columns=[column]), None)
    if first is not None:
        refuse_offsets(first.column(0).to_pandas(), where=f"{path}, column {column!r}")


def _unified(
    schemas: dict[str, pa.Schema], zoned: bool, read: Collection[str]
) -> tuple[pa.Schema, tuple[str, ...]]:
    """A schema of all files' columns, by path, and those that have to be brought to its type; columns that
    are read are not made text.
    """
    every = list(schemas.values())
    try:
        schema = pa.unify_schemas(every, promote_options="permissive")
        return schema.with_metadata(every[0].metadata), ()
    except (pa.ArrowException, TypeError):
        fields, cast = [], []
    for name in dict.fromkeys(name for schema in every for name in schema.names):
        found: dict[str, tuple[pa.DataType, str]] = {}
        for path, one in schemas.items():
            if name in one.names:
                kind = one.field(name).type
                found.setdefault(str(kind), (kind, path))
        types = [kind for kind, _ in found.values()]
        try:
            alike = [pa.schema([(name, kind)]) for kind in types]
            fields.append(pa.unify_schemas(alike, promote_options="permissive").field(0))
            continue
        except (pa.ArrowException, TypeError):
            cast.append(name)
        if all(map(_is_number, types)):
            fields.append(pa.field(name, pa.float64()))
        elif zoned and all(pa.types.is_timestamp(kind) and kind.tz for kind in types):
            fields.append(pa.field(name, pa.timestamp("ns", "UTC")))
        elif all(_is_number(kind) or _is_text(kind) for kind in types) and plain_name(name) not in read:
            fields.append(pa.field(name, pa.string()))  # as a note
        else:
            (first, (_, where)), (other, (_, there)) = list(found.items())[:2]
            zones = "tz=" in first and "tz=" in other
            hint = "; say whose wall clock cuts the days with tz=" if zones else ""
            raise ValueError(
                f"column {name!r} is {first} in {where} and {other} in {there}; give it one type{hint}"
            )
    return pa.schema(fields, metadata=every[0].metadata), tuple(cast)


def _is_number(kind: pa.DataType) -> bool:
    plain = pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null
    return any(is_one(kind) for is_one in plain)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _first_level(schema: pa.Schema) -> str | None:
    """The column of a frame's first index level of two: its participants, whatever their name."""
    levels = (schema.pandas_metadata or {}).get("index_columns", [])
    return levels[0] if len(levels) == 2 and all(isinstance(level, str) for level in levels) else None


def _find_people(
    file: pq.ParquetFile, path: str, number: int, column: str, people: dict[Any, list[Rows]]
) -> None:
    """Add the rows of each participant in a file."""
    last: Any = None
    here: set[Any] = set()
    for start, stop, label in _runs(file, column):
        if label is None:
            raise FrameError(f"{path}: row {start} has no participant in column {column!r}; fill in an id")
        if here and label == last:
            people[label][-1] = Rows(number, people[label][-1].start, stop)
            continue
        if label in here:
            raise FrameError(
                f"{path}: participant {label!r} comes back in row {start}, after others. Sort the file by "
                "participant (rows of one participant stand together; they may go on in other files)."
            )
        here.add(label)
        people.setdefault(label, []).append(Rows(number, start, stop))
        last = label


def _runs(file: pq.ParquetFile, column: str) -> Iterator[tuple[int, int, Any]]:
    """Runs of rows with the same participant: from the statistics of a row group, else from its column."""
    leaf = [file.metadata.schema.column(i).path for i in range(file.metadata.num_columns)].index(column)
    start = 0
    for group in range(file.num_row_groups):
        facts = file.metadata.row_group(group)
        stop = start + facts.num_rows
        known = facts.column(leaf).statistics
        if (
            known is not None
            and known.has_min_max
            and known.has_null_count
            and known.null_count == 0
            and known.min == known.max
        ):
            yield start, stop, known.min
            start = stop
        else:
            for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=[column]):
                values = batch.column(0)
                values = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
                codes = values.indices.fill_null(-1).to_numpy(zero_copy_only=False)
                labels = values.dictionary.to_pylist()
                edges = np.flatnonzero(np.diff(codes, prepend=codes[:1] - 1)).tolist()
                for low, high in zip(edges, [*edges[1:], len(codes)], strict=True):
                    yield start + low, start + high, labels[codes[low]] if codes[low] >= 0 else None
                start += len(codes)


def _parts(people: dict[Any, list[Rows]], most_rows: int) -> Iterator[Part]:
    """Group participants; one with more rows than fit is a part of its own."""
    part, held, number = Part(0, [], []), 0, 0
    for label, rows in people.items():
        size = sum(piece.stop - piece.start for piece in rows)
        if part.people and held + size > most_rows:
            yield _merged(part)
            number += 1
            part, held = Part(number, [], []), 0
        part.people.append(label)
        part.rows += rows
        held += size
    if part.people:
        yield _merged(part)


def _merged(part: Part) -> Part:
    """Join rows that follow each other, so that each is read once."""
    joined: list[Rows] = []
    for rows in sorted(part.rows, key=lambda piece: (piece.file, piece.start)):
        if joined and joined[-1].file == rows.file and joined[-1].stop == rows.start:
            joined[-1] = Rows(rows.file, joined[-1].start, rows.stop)
        else:
            joined.append(rows)
    return Part(part.number, part.people, joined)


def _read(path: str, rows: Rows) -> Iterator[pa.Table]:
    """Rows of a file, one row group after another; no row group is held whole."""
    with pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False) as file:
        start = 0
        for group in range(file.num_row_groups):
            stop = start + file.metadata.row_group(group).num_rows
            if stop > rows.start and start < rows.stop:
                at = start
                for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group]):
                    low, high = max(rows.start - at, 0), min(rows.stop - at, batch.num_rows)
                    if low < high:
                        table = pa.Table.from_batches([batch.slice(low, high - low)])
                        yield table.cast(_plain(table.schema))
                    at += batch.num_rows
                    if at >= rows.stop:
                        break
            start = stop


def _plain(schema: pa.Schema) -> pa.Schema:
    """The schema with values instead of dictionaries, which differ from row group to row group."""
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in schema
    ]
    return pa.schema(fields, metadata=schema.metadata)


def _column(schema: pa.Schema, name: str) -> str | None:
    for form in (str, plain_name):
        found = [column for column in schema.names if form(column) == form(name)]
        if len(found) > 1:
            raise FrameError(f"{name!r} is ambiguous: columns {listing(found)} have that name")
        if found:
            return str(found[0])
    return None
