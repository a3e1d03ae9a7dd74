"""The files of an export, out of a folder, a zip, a folder or a zip of zips, or one file alone."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lsm2.readers.archive import Source, describe_size, open_archive, open_member
from lsm2.readers.xml import ReadError

_FILES = 200_000  # of a folder
_ZIPS = 200  # of a folder or zip; a Takeout of many gigabytes comes in some tens
_INNER = 1 << 33  # bytes of the zips in a zip, which are unpacked to be read
_WHOLE = 1 << 29  # bytes of a file that is read whole
# What to do about files that people have and no reader takes, by the endings of their names.
_UNREAD = {
    (".xlsx", ".xls", ".ods", ".numbers"): "a spreadsheet is not read: save it as CSV",
    (".gt3x",): "a .gt3x file is raw acceleration: export epochs as .agd or CSV with ActiLife",
    (".avro",): (
        ".avro files are an EmbracePlus' raw signals: give the folder digital_biomarkers, which lies beside "
        "raw_data"
    ),
}


@dataclass(frozen=True)
class Entry:
    """A file of an export."""

    name: str  # within the export, with slashes
    where: str  # for messages: path, or path and member
    size: int  # bytes, as stated
    opener: Callable[[], AbstractContextManager[Source]] = field(repr=False)
    path: Path | None = None  # where it lies, unless in an archive

    @property
    def base(self) -> str:
        """The name without folders, in lower case."""
        return self.name.rsplit("/", 1)[-1].lower()

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that it lies in, outermost first."""
        return tuple(self.name.split("/")[:-1])

    def open(self) -> AbstractContextManager[Source]:
        """Open the bytes; they raise `DamageError` where an archive is damaged."""
        return self.opener()

    def head(self, count: int = 4096) -> bytes:
        """Return the first bytes."""
        with self.open() as stream:
            return _up_to(stream, count)

    def bytes(self, most: int = _WHOLE) -> bytes:
        """Return all bytes.

        Raises:
            ReadError: There are more than `most`.
        """
        with self.open() as stream:
            data = _up_to(stream, most + 1)
            if len(data) > most:
                raise ReadError(
                    f"{self.where}: is larger than {describe_size(most)}, which no such file of an export "
                    "is. Leave it out, or split it."
                )
            return data

    @contextmanager
    def local(self) -> Iterator[Path]:
        """Give the file a path for as long as needed: its own, or that of a copy out of the archive."""
        if self.path is not None:
            yield self.path
            return
        with tempfile.TemporaryDirectory(prefix="lsm2-") as folder:
            copy = Path(folder, "copy")
            with self.open() as stream, copy.open("wb") as file:
                shutil.copyfileobj(stream, file, 1 << 20)
            yield copy


@dataclass(frozen=True)
class Export:
    """What lies at a path."""

    name: str
    entries: tuple[Entry, ...]

    def named(self, ending: str) -> list[Entry]:
        """Return the files whose name ends so, whatever the case."""
        return [entry for entry in self.entries if entry.base.endswith(ending)]

    @property
    def unread(self) -> str:
        """What to do about files of these that no reader takes, where that is known; else nothing."""
        return next(filter(None, (_unread(entry.base) for entry in self.entries)), "")


@contextmanager
def open_export(path: Path) -> Iterator[Export]:
    """List the files at a path, and keep its archives open.

    Files that a Mac adds (`__MACOSX`, names with a leading dot) are left out.

    Args:
        path: A folder, with or without zips in it; a zip, with or without zips in it; or a file.

    Raises:
        FileNotFoundError: There is nothing at `path`.
        ReadError: An archive is damaged or hostile.
    """
    with ExitStack() as stack:
        if path.is_dir():
            entries = _in_folder(path, stack)
        elif not path.exists():
            raise FileNotFoundError(f"{path}: no such file or folder; check the path")
        elif is_zip(path) and not _unread(path.name.lower()):
            entries = _in_zip(path, "", stack)
        elif path.is_file():
            entries = [_of_file(path, path.name)]
        else:
            raise ReadError(f"{path}: is neither a file nor a folder; check the path")
        yield Export(str(path), tuple(sorted(entries, key=lambda entry: entry.name)))


def _unread(base: str) -> str:
    return next((hint for endings, hint in _UNREAD.items() if base.endswith(endings)), "")


def is_zip(path: Path) -> bool:
    """Say whether a file is a zip archive, by its name or its content."""
    return path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)


def _in_folder(folder: Path, stack: ExitStack) -> list[Entry]:
    entries: list[Entry] = []
    zips = count = 0
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        for name in sorted(files):
            path = Path(parent, name)
            if _is_hidden(name) or not path.is_file():
                continue
            count += 1
            if count > _FILES:
                raise ReadError(
                    f"{folder}: holds more than {_FILES:,} files; give the folder of the export alone."
                )
            within = path.relative_to(folder).as_posix()
            if path.suffix.lower() == ".zip":
                zips += 1
                if zips > _ZIPS:
                    raise ReadError(
                        f"{folder}: holds more than {_ZIPS} zips; give the folder of one export alone."
                    )
                entries += _in_zip(path, within.removesuffix(path.suffix) + "/", stack)
            else:
                entries.append(_of_file(path, within))
    return entries


def _in_zip(path: Path, prefix: str, stack: ExitStack) -> list[Entry]:
    """List a zip's files, and those of the zips in it, as Garmin's export has them."""
    archive = stack.enter_context(open_archive(path))
    entries: list[Entry] = []
    inner: list[Entry] = []
    for entry in _members(archive, str(path), prefix):
        (inner if entry.base.endswith(".zip") else entries).append(entry)
    if len(inner) > _ZIPS or sum(entry.size for entry in inner) > _INNER:
        raise ReadError(
            f"{path}: holds {len(inner)} zips, too many or too large; unpack it, and give the folder."
        )
    for entry in inner:
        copy = stack.enter_context(entry.local())
        members = stack.enter_context(open_archive(copy, entry.where))
        entries += _members(members, entry.where, entry.name[: -len(".zip")] + "/")
    return entries


def _members(archive: zipfile.ZipFile, where: str, prefix: str) -> list[Entry]:
    return [
        _of_member(archive, member, where, prefix)
        for member in archive.infolist()
        if not member.is_dir() and not any(map(_is_hidden, member.filename.split("/")))
    ]


def _of_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, within: str, prefix: str) -> Entry:
    where = f"{within}, member {member.filename!r}"
    return Entry(
        prefix + member.filename, where, member.file_size, lambda: open_member(archive, member, where)
    )


def _of_file(path: Path, name: str) -> Entry:
    return Entry(name, str(path), path.stat().st_size, lambda: _open_file(path), path)


@contextmanager
def _open_file(path: Path) -> Iterator[Source]:
    with path.open("rb") as file:
        yield Source(file, str(path))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.casefold() == "__macosx"


def _up_to(stream: Source, count: int) -> bytes:
    parts, left = [], count
    while left > 0:
        part = stream.read(min(left, 1 << 20))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
