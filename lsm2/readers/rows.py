"""Tables of text, read in pieces: columns of cells, each with the line that it stands in."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

from lsm2.channels import plain_name
from lsm2.readers.export import Entry
from lsm2.readers.faults import Faults
from lsm2.readers.xml import ReadError
from lsm2.wording import counted

_ROWS = 1 << 16  # of a piece
_LINE = 1 << 20  # characters of a line at most
_FIELDS = 20_000  # of a row at most
_SEPARATOR = re.compile(r'"?sep=([,;\t])"?\s*', re.IGNORECASE)  # what Excel writes above a header
_DECIMALS = {";": ",", "\t": ".,"}  # what programs write in numbers beside a separator


@dataclass(frozen=True)
class Piece:
    """Some rows of a table, by column."""

    where: str  # the file, for messages
    lines: Sequence[int]  # the line of the file that each row ends in
    cells: dict[str, tuple[str, ...]]  # by column, as the header writes it

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lines)

    def __getitem__(self, column: str) -> tuple[str, ...]:
        """Return the cells of a column."""
        return self.cells[column]

    def place(self, row: int) -> str:
        """Say where a row stands: file and line."""
        return f"{self.where}, line {self.lines[row]}"


class Sheet:
    """A table with a header, opened.

    Args:
        reader: Gives rows of fields.
        where: The file, for messages.
        faults: Takes rows that have too few or too many fields.
        header: Names of the columns.
        bare: Whether rows count by their place, so that blank ones stay.
    """

    def __init__(
        self, reader: _Reader, where: str, faults: Faults, header: Sequence[str], *, bare: bool = False
    ) -> None:
        self._reader, self._where, self._faults, self._bare = reader, where, faults, bare
        self.header = tuple(header)
        self.decimals = _DECIMALS.get(reader.separator, ".")  # the marks that a number may have

    def column(self, *names: str) -> str | None:
        """Return the column of one of these names, whatever its case and spaces, or None."""
        for name in names:
            for label in self.header:
                if plain_name(label) == plain_name(name):
                    return label
        return None

    def pieces(self) -> Iterator[Piece]:
        """Yield the rows, some at a time, without blank ones; those that do not fit the header are refused or
        counted.
        """
        width = len(self.header)
        rows: list[list[str]] = []
        lines: list[int] = []
        for row in self._rows():
            if not any(map(str.strip, row)) and not (self._bare and len(row) == width):
                continue
            if len(row) != width:
                while len(row) > width and not row[-1].strip():  # Samsung ends its rows with a comma
                    row.pop()
                if len(row) != width:
                    self._faults.refuse(
                        f"{self._where}, line {self._line}",
                        "a row that does not fit the header",
                        f"the row has {counted(len(row), 'field')}, the header {width}",
                    )
                    continue
            rows.append(row)
            lines.append(self._line)
            if len(rows) == _ROWS:
                yield self._piece(rows, lines)
                rows, lines = [], []
        if rows:
            yield self._piece(rows, lines)

    @property
    def _line(self) -> int:
        return self._reader.line_num

    def _rows(self) -> Iterator[list[str]]:
        while True:
            try:
                row = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                where = f"{self._where}, line {self._line}"
                detail = f"the table breaks off or is no text ({error})"
                self._faults.refuse(where, "a table that breaks off", detail, whole=True)
                return
            if row:
                yield row

    def _piece(self, rows: list[list[str]], lines: list[int]) -> Piece:
        return Piece(self._where, lines, dict(zip(self.header, zip(*rows, strict=True), strict=True)))


@contextmanager
def open_sheet(entry: Entry, faults: Faults, *, above: int = 0, bare: bool = False) -> Iterator[Sheet]:
    """Open a table of text: its encoding is UTF-8 or, where it says so, UTF-16; its fields are separated by
    commas, semicolons or tabs, whichever a line `sep=;` says or its header has most of.

    Args:
        entry: The file.
        faults: Takes rows that do not fit.
        above: Lines above the header.
        bare: Whether there is no header; columns are then called "0", "1", ...

    Yields:
        The sheet; its header is empty where the file is.

    Raises:
        ReadError: The file is no text and that is not skipped, or two of its columns have one name.
    """
    with entry.open() as source:
        buffered: io.BufferedReader[Any] = io.BufferedReader(source, 1 << 16)
        encoding = _encoding(buffered)
        if encoding is None:
            faults.refuse(entry.where, "a table that is no text", "is no text", whole=True)
            yield Sheet(_Reader(iter(()), ",", 0), entry.where, faults, ())
            return
        text = io.TextIOWrapper(buffered, encoding, errors="replace", newline="")
        lines = _lines(text, entry.where)
        for _ in range(above):
            next(lines, "")
        first = next(lines, "")
        told = _SEPARATOR.fullmatch(first)
        if told:
            first, above = next(lines, ""), above + 1
        separator = told.group(1) if told else max(",;\t", key=first.count)
        try:
            header = next(csv.reader([first], delimiter=separator), [])
        except csv.Error as error:
            raise ReadError(f"{entry.where}: its header cannot be read ({error}).") from error
        if bare:
            header, lines, above = (
                [str(place) for place in range(len(header))],
                chain([first], lines),
                above - 1,
            )
        header = [name.strip() for name in header]
        while header and not header[-1]:
            header.pop()
        twice = sorted({name for name in header if header.count(name) > 1}) if len(header) < _FIELDS else []
        if twice or len(header) >= _FIELDS:
            what = f"two columns {twice[0]!r}" if twice else f"{len(header):,} columns"
            raise ReadError(f"{entry.where}: its header has {what}; rename or drop some.")
        yield Sheet(_Reader(lines, separator, above + 1), entry.where, faults, header, bare=bare)


def header_of(entry: Entry, *, above: int = 0) -> tuple[str, ...]:
    """Return the names in the header of what may be a table, by its first bytes; none where it is no text."""
    data = entry.head(1 << 14)
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = data.decode("utf-16" if utf16 else "utf-8-sig", "replace")
    lines = text.splitlines()
    told = _SEPARATOR.fullmatch(lines[above]) if len(lines) > above else None
    if told:
        above += 1
    if len(lines) <= above or "\0" in lines[above]:
        return ()
    separator = told.group(1) if told else max(",;\t", key=lines[above].count)
    return tuple(name.strip().strip('"').strip() for name in lines[above].split(separator))


class _Reader:
    """Rows of fields, and the line of the file that the last one ended in."""

    def __init__(self, lines: Iterator[str], separator: str, before: int) -> None:
        self._reader, self._before = csv.reader(lines, delimiter=separator), before
        self.separator = separator

    def __next__(self) -> list[str]:
        return next(self._reader)

    @property
    def line_num(self) -> int:
        return self._before + self._reader.line_num


def _lines(text: io.TextIOWrapper, where: str) -> Iterator[str]:
    while True:
        line = text.readline(_LINE)
        if len(line) >= _LINE:
            raise ReadError(
                f"{where}: a line is longer than {_LINE:,} characters, which no device writes; do not trust "
                "this file."
            )
        if not line:
            return
        yield line


def _encoding(buffered: io.BufferedReader[Any]) -> str | None:
    head = buffered.peek(4)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return None if b"\0" in head[:4096] else "utf-8-sig"
