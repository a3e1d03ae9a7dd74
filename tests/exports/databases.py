"""SQLite databases as bytes."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

Tables = Mapping[str, tuple[str, Iterable[Sequence[Any]]]]


def database(tables: Tables, extra: Sequence[str] = ()) -> bytes:
    """{table: (definition of its columns, rows)} and further statements."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.db")
        with closing(sqlite3.connect(path)) as connection:
            for name, (columns, rows) in tables.items():
                connection.execute(f'CREATE TABLE "{name}" ({columns})')
                rows = list(rows)
                if rows:
                    marks = ", ".join("?" * len(rows[0]))
                    names = ", ".join(column.split()[0] for column in columns.split(", ")[: len(rows[0])])
                    connection.executemany(f'INSERT INTO "{name}" ({names}) VALUES ({marks})', rows)
            for statement in extra:
                connection.execute(statement)
            connection.commit()
        return path.read_bytes()
