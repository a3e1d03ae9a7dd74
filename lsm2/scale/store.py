"""A folder of finished parts: each one parquet file, whole or not there, so that a killed run goes on."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lsm2.days import PARTICIPANT
from lsm2.files import replacing
from lsm2.scale.compute import Outcome, join, join_attrs, row_counts
from lsm2.tables import attrs_of, content_hash, to_arrow, with_attrs

MANIFEST, ERRORS = "_lsm2.json", "_errors.csv"
_TRY = "try"
_REPORT = b"lsm2.part"


class Store:
    """A folder of parts.

    Args:
        folder: Made where it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, number: int) -> Path:
        """The file of a part."""
        return self.folder / f"part-{number:06d}.parquet"

    @contextmanager
    def held(self, job: dict[str, Any]) -> Iterator[None]:
        """Hold the folder for a job; a job that was cut off goes on with what lies there.

        Raises:
            ValueError: The folder holds another job's parts, or something else; or is held already.
        """
        from filelock import FileLock, Timeout

        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"{self.folder}: is a file; give a folder")
        manifest = self.folder / MANIFEST
        if self.folder.is_dir() and not manifest.is_file():
            other = [path.name for path in self.folder.iterdir() if not path.name.startswith(".")]
            if other:
                raise ValueError(
                    f"{self.folder}: holds {other[0]!r} and no {MANIFEST}; give a folder of its own"
                )
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ValueError(
                f"{self.folder}: another process is writing to it; wait for it or end it"
            ) from None
        try:
            _check(manifest, json.loads(json.dumps(job)), self.folder)
            for left in self.folder.glob(".part-*.tmp"):
                left.unlink()
            yield
        except BaseException:  # this process lives: what ended its workers was no death
            for left in self.folder.glob(".part-*.tries"):
                left.unlink()
            raise
        finally:
            lock.release()

    def is_done(self, number: int) -> bool:
        """Whether a part is there, whole and without errors."""
        try:
            return not self.report(number)["errors"]
        except (OSError, pa.ArrowException, KeyError):
            return False

    def report(self, number: int) -> dict[str, Any]:
        """What became of a part: ``people`` with their rows, ``errors``, ``warnings``, ``process``."""
        metadata = pq.read_schema(self.path(number)).metadata
        return dict(json.loads(metadata[_REPORT]))

    def write(self, number: int, people: Sequence[Any], outcome: Outcome, empty: pd.DataFrame) -> None:
        """Write a part under a temporary name, then rename it."""
        table = join(outcome.tables or [empty])
        report = {
            "people": [[_plain(one), rows] for one, rows in row_counts(table, people)],
            "errors": [[_plain(one), message] for one, message in outcome.errors.items()],
            "warnings": outcome.warnings,
            "process": os.getpid(),
        }
        arrow = to_arrow(table)
        metadata = dict(arrow.schema.metadata) | {_REPORT: json.dumps(report).encode()}
        temporary = self.folder / f".part-{number:06d}.{os.getpid()}.tmp"
        pq.write_table(arrow.replace_schema_metadata(metadata), temporary, compression="zstd")
        os.replace(temporary, self.path(number))
        self.forget(number)

    def _tries(self, number: int) -> Path:
        return self.folder / f".part-{number:06d}.tries"

    def begin(self, number: int) -> Tries:
        """Note that a part is begun, and tell of earlier tries at it that ended with their process."""
        path = self._tries(number)
        lines = path.read_text().split() if path.is_file() else []
        self.note(number, _TRY)
        ends = " ".join(lines).split(_TRY)[1:]  # the people that each try had begun
        return Tries(len(ends), Counter(int(people.split()[-1]) for people in ends if people.split()))

    def note(self, number: int, line: int | str) -> None:
        """Note the position of a participant who is begun."""
        with self._tries(number).open("a") as file:
            file.write(f"{line}\n")

    def forget(self, number: int) -> None:
        """Forget the tries at a part: it is there, or its process lives."""
        self._tries(number).unlink(missing_ok=True)

    def merge(self, parts: int, output: Path) -> None:
        """Join the parts, in order, to one file."""
        schemas = [pq.read_schema(self.path(number)) for number in range(parts)]
        filled = [number for number in range(parts) if pq.read_metadata(self.path(number)).num_rows] or list(
            range(parts)
        )[:1]
        first = pq.read_table(self.path(filled[0]))
        schema = with_attrs(first, join_attrs(map(attrs_of, schemas))).schema
        schema = schema.with_metadata({k: v for k, v in schema.metadata.items() if k != _REPORT})
        temporary = self.folder / ".merged.tmp"
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            for number in filled:
                table = pq.read_table(self.path(number))
                writer.write_table(table.cast(schema.with_metadata(table.schema.metadata)).cast(schema))
        rows = sum(pq.read_metadata(self.path(number)).num_rows for number in filled)
        if (merged := pq.read_metadata(temporary).num_rows) != rows:  # before the parts are removed
            raise OSError(f"{output}: holds {merged} of {rows} rows; the parts are left in {self.folder}")
        os.replace(temporary, output)

    def reports(self, parts: int) -> list[dict[str, Any]]:
        """The reports of all parts."""
        return [self.report(number) for number in range(parts)]

    def write_errors(self, errors: dict[Any, str]) -> None:
        """Write the table of participants that failed, or remove it where there is none."""
        path = self.folder / ERRORS
        if not errors:
            path.unlink(missing_ok=True)
            return
        table = pd.DataFrame({PARTICIPANT: list(errors), "error": list(errors.values())})
        with replacing(path) as temporary:
            table.to_csv(temporary, index=False)

    def discard_if_nothing_is_done(self) -> None:
        """Remove the folder where it holds no part without errors; for who holds it."""
        parts = (int(path.stem.removeprefix("part-")) for path in self.folder.glob("part-*.parquet"))
        if (self.folder / MANIFEST).is_file() and not any(map(self.is_done, parts)):
            self.remove()

    def remove(self) -> None:
        """Remove the folder; the manifest last, so that a removal that is cut off is no riddle."""
        manifest, lock = self.folder / MANIFEST, self.folder / ".lock"
        for path in self.folder.iterdir():
            if path not in (manifest, lock):
                path.unlink()
        manifest.unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
        self.folder.rmdir()


@dataclass(frozen=True)
class Tries:
    """Earlier tries at a part that ended with their process."""

    count: int = 0
    ends: Counter[int] = field(default_factory=Counter)
    """How many of them ended at which participant, by position; those without one ended elsewhere."""


def summarise(reports: list[dict[str, Any]], files: Sequence[str]) -> pd.DataFrame:
    """One row for each participant: how many rows were written, to which file, and what went wrong."""
    rows = []
    for report, file in zip(reports, files, strict=True):
        errors = dict(report["errors"])
        rows += [(one, count, file, errors.get(one)) for one, count in report["people"]]
    people = pd.Index([row[0] for row in rows], name=PARTICIPANT)
    columns = {
        "rows": [row[1] for row in rows],
        "file": [row[2] for row in rows],
        "error": pd.Series([row[3] for row in rows], dtype=object).array,
    }
    return pd.DataFrame(columns, index=people)


def fingerprint(options: dict[str, Any]) -> dict[str, str]:
    """Options in a form that can be compared; frames by their content."""
    result = {}
    for name, value in sorted(options.items()):
        if name in ("progress", "batch_size"):
            continue
        if isinstance(value, pd.DataFrame):
            value = content_hash(value)
        result[name] = str(value)
    return result


def _check(manifest: Path, job: dict[str, Any], folder: Path) -> None:
    if manifest.is_file():
        there = json.loads(manifest.read_text())
        different = [key for key in job if there.get(key) != job[key]]
        if different:
            raise ValueError(
                f"{folder}: holds parts of another run, of other {', '.join(different)}. Call that run again "
                "as it was, or remove the folder to start anew."
            )
        return
    with replacing(manifest) as temporary:
        temporary.write_text(json.dumps(job, indent=1))


def _plain(label: Any) -> Any:
    """A participant's id as JSON can hold it."""
    if isinstance(label, np.generic):
        label = label.item()
    return label if label is None or isinstance(label, (str, int, float, bool)) else str(label)
