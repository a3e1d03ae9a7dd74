"""SQLite databases, read only and with suspicion: plain tables, some rows at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from lsm2.channels import plain_name
from lsm2.readers.export import Entry
from lsm2.readers.faults import Faults
from lsm2.readers.xml import ReadError

MAGIC = b"SQLite format 3\0"
_ROWS = 1 << 14
_CELL = 1 << 24  # bytes of a value at most


@dataclass(frozen=True)
class Records:
    """Some rows of a table, by column."""

    where: str  # file and table
    first: int  # number of the first row, from 1
    cells: dict[str, tuple[Any, ...]]
    count: int

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.count

    def __getitem__(self, column: str) -> tuple[Any, ...]:
        """Return the cells of a column; None in all rows where the table lacks it."""
        return self.cells.get(column) or (None,) * self.count

    def place(self, row: int) -> str:
        """Say where a row stands."""
        return f"{self.where}, row {self.first + row}"


class Database:
    """The tables of a database.

    Args:
        connection: Open and read only.
        where: The file, for messages.
        faults: Takes a table that breaks off.
    """

    def __init__(self, connection: sqlite3.Connection, where: str, faults: Faults) -> None:
        self._connection, self._where, self._faults = connection, where, faults
        self.columns: dict[str, dict[str, str]] = {}  # {table: {plain name: column}}
        for name in self._names():
            about = self._ask(f"PRAGMA table_xinfo({_quoted(name)})")
            self.columns[name] = {plain_name(row[1]): str(row[1]) for row in about}

    def has(self, table: str, *columns: str) -> bool:
        """Say whether there is a table with these columns."""
        return table in self.columns and {plain_name(one) for one in columns} <= set(self.columns[table])

    def records(self, table: str, columns: Sequence[str]) -> Iterator[Records]:
        """Yield the rows of a table in the order in which they lie there.

        Args:
            table: Its name.
            columns: Those wanted; what the table lacks is None.

        Raises:
            ReadError: The database is damaged.
        """
        known = self.columns[table]
        there = [name for name in columns if plain_name(name) in known]
        where = f"{self._where}, table {table!r}"
        if not there:
            return
        chosen = ", ".join(_quoted(known[plain_name(name)]) for name in there)
        first = 1
        try:
            cursor = self._connection.execute(f"SELECT {chosen} FROM {_quoted(table)}")
            while rows := cursor.fetchmany(_ROWS):
                yield Records(where, first, dict(zip(there, zip(*rows, strict=True), strict=True)), len(rows))
                first += len(rows)
        except (sqlite3.Error, OverflowError) as error:
            detail = f"the database is damaged after {first - 1:,} rows ({error})"
            self._faults.refuse(where, "a table that breaks off", detail, whole=True)

    def _names(self) -> list[str]:
        # Views and virtual tables run what the file says; devices write plain tables.
        found = self._ask("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
        return [str(name) for name, sql in found if not str(sql).upper().startswith("CREATE VIRTUAL")]

    def _ask(self, question: str) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(question).fetchall()
        except (sqlite3.Error, OverflowError) as error:
            raise ReadError(
                f"{self._where}: the database is damaged ({error}). Copy the file again, or export it anew."
            ) from error


def is_database(entry: Entry) -> bool:
    """Say whether a file is an SQLite database, by its first bytes."""
    return entry.head(len(MAGIC)) == MAGIC


@contextmanager
def open_database(entry: Entry, faults: Faults) -> Iterator[Database]:
    """Open a database read only, out of an archive as a copy.

    Raises:
        ReadError: It is none, or damaged.
    """
    if not is_database(entry):
        raise ReadError(f"{entry.where}: is no SQLite database; give the file as it was exported.")
    with entry.local() as path:
        name = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(name, uri=True)) as connection:
            connection.text_factory = lambda data: data.decode("utf-8", "replace")
            if hasattr(connection, "setlimit"):
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _CELL)
            try:
                connection.execute("PRAGMA trusted_schema = OFF")
            except sqlite3.Error as error:
                raise ReadError(
                    f"{entry.where}: the database is damaged ({error}). Copy it again."
                ) from error
            yield Database(connection, entry.where, faults)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
