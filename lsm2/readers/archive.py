"""The one XML document of an export, out of a zip, a folder or a file, whatever it is called there."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from lsm2.readers.xml import Prolog, ReadError, read_prolog

_ENTRIES = 200_000  # of an archive; an export with a route per workout has some thousands
_CANDIDATES = 64  # documents looked into before giving up
_RATIO, _LARGE = 200, 100_000_000  # records of XML shrink 20- to 60-fold, bombs a thousandfold
# What zipfile raises over damaged archives; OSError where they send it to places that are not there.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError),
    *(NotImplementedError, RuntimeError, OSError, ValueError),
)
# Folders of an Apple export whose many documents are something else.
_ELSEWHERE = ("workout-routes", "electrocardiograms", "__macosx")


class DamageError(ReadError):
    """An archive that is cut short or whose check sums are wrong."""


@dataclass(frozen=True)
class Document:
    """An XML document, opened behind its prolog."""

    name: str  # for messages: path, or path and member
    stream: Source
    size: int  # bytes
    prolog: Prolog


class Source:
    """A binary stream that says what is wrong with an archive in words."""

    def __init__(self, stream: IO[bytes], name: str, damage: tuple[type[Exception], ...] = ()) -> None:
        self._stream, self._name, self._damage = stream, name, damage

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes, none at the end.

        Raises:
            DamageError: The archive is damaged.
        """
        try:
            return self._stream.read(count)
        except self._damage as error:
            raise DamageError(
                f"{self._name}: the archive is damaged ({error}). Copy the file again, or export it anew."
            ) from error


@contextmanager
def open_document(path: Path, root: str) -> Iterator[Document]:
    """Open the document with a given root element, found by content: its name may be localised.

    Args:
        path: A zip, a folder (the document lies in it or one folder below) or the document itself.
        root: Name of the root element.

    Yields:
        The document, to be read once from behind its prolog.

    Raises:
        FileNotFoundError: There is nothing at `path`, or nothing in it has that root.
        ReadError: The archive or the document is damaged, encrypted or hostile.
    """
    if path.is_dir():
        path = _in_folder(path, root)
    elif not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder; check the path")
    if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        with _archive(path) as archive:
            member = _in_archive(archive, path, root)
            name = f"{path}, member {member.filename!r}"
            with _opened(archive, member, name) as stream:
                prolog = read_prolog(stream.read, name)
                yield Document(name, stream, member.file_size, prolog)
        return
    with path.open("rb") as file:
        stream = Source(file, str(path))
        prolog = read_prolog(stream.read, str(path))
        if prolog.root != root:
            raise ReadError(
                f"{path}: its root is <{prolog.root}>, not <{root}>. Give the export's zip, its folder, or "
                "the document that holds the records (export.xml, not export_cda.xml)."
            )
        yield Document(str(path), stream, path.stat().st_size, prolog)


def _in_folder(folder: Path, root: str) -> Path:
    files = [*folder.glob("*.xml"), *folder.glob("*/*.xml")]
    files = [file for file in files if file.is_file() and file.parent.name.lower() not in _ELSEWHERE]
    files.sort(key=lambda file: (-file.stat().st_size, str(file)))
    found = []
    for file in files[:_CANDIDATES]:
        with file.open("rb") as stream:
            if _root_of(Source(stream, str(file)), str(file)) == root:
                found.append(file)
    return _only(found, str(folder), root)


def _only(found: list[Path], where: str, root: str) -> Path:
    if not found:
        raise FileNotFoundError(
            f"{where}: holds no XML document with the root <{root}>. Give the export's zip or folder as the "
            "phone wrote it, or the document itself."
        )
    if len(found) > 1:
        names = ", ".join(str(name) for name in found[:4])
        raise ReadError(f"{where}: holds {len(found)} documents with the root <{root}> ({names}); name one.")
    return found[0]


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGE as error:
        raise ReadError(
            f"{path}: is no whole zip archive ({error}). It may be cut short: copy it again, "
            "or export it anew."
        ) from error
    with archive:
        yield archive


@contextmanager
def _opened(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Iterator[Source]:
    try:
        stream = archive.open(member)
    except _DAMAGE as error:
        raise DamageError(f"{name}: cannot be opened ({error}). Copy the archive again.") from error
    with stream:
        yield Source(stream, name, damage=_DAMAGE)


def _in_archive(archive: zipfile.ZipFile, path: Path, root: str) -> zipfile.ZipInfo:
    """Return the member with the root asked for, once nothing in the archive is suspicious."""
    entries = archive.infolist()
    if len(entries) > _ENTRIES:
        raise ReadError(f"{path}: {len(entries)} members are more than an export has ({_ENTRIES} at most).")
    for entry in entries:
        _check_name(entry.filename, path)
    documents = [entry for entry in entries if _may_hold_records(entry)]
    documents.sort(key=lambda entry: (-entry.file_size, entry.filename))
    found: dict[str, zipfile.ZipInfo] = {}
    damage: DamageError | None = None
    for entry in documents[:_CANDIDATES]:
        _check_entry(entry, path)
        name = f"{path}, member {entry.filename!r}"
        try:
            with _opened(archive, entry, name) as stream:
                if _root_of(stream, name) == root:
                    found[entry.filename] = entry
        except DamageError as error:
            damage = damage or error
    if damage and not found:
        raise damage
    chosen = _only([cast(Path, name) for name in found], str(path), root)
    return found[str(chosen)]


def _may_hold_records(entry: zipfile.ZipInfo) -> bool:
    parts = entry.filename.lower().split("/")
    return (
        parts[-1].endswith(".xml")
        and not parts[-1].startswith("._")
        and len(parts) <= 3
        and not any(part in _ELSEWHERE for part in parts)
    )


def _check_name(name: str, path: Path) -> None:
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or (len(parts[0]) == 2 and parts[0].endswith(":")):
        raise ReadError(
            f"{path}: member {name!r} points outside the archive. A phone writes no such export: do not "
            "trust this file."
        )


def _check_entry(entry: zipfile.ZipInfo, path: Path) -> None:
    where = f"{path}, member {entry.filename!r}"
    if entry.flag_bits & 0x1:
        raise ReadError(f"{where}: is encrypted. Unpack the archive yourself and give the folder.")
    if entry.file_size > _LARGE and entry.file_size > _RATIO * max(entry.compress_size, 1):
        raise ReadError(
            f"{where}: {entry.compress_size:,} bytes that unpack to {entry.file_size:,} are a zip bomb, not "
            "an export. If you trust the file, unpack it yourself and give the folder."
        )


def _root_of(stream: Source, name: str) -> str | None:
    """Return the name of a document's root; None where it has none, so that another may be looked into."""
    try:
        return read_prolog(stream.read, name).root
    except ReadError as error:
        if error.hostile or isinstance(error, DamageError):
            raise
        return None


def describe_size(count: int) -> str:
    """Return a number of bytes for a person.

    >>> describe_size(2_345_678)
    '2.3 MB'
    """
    return f"{count / 1e6:,.1f} MB"
