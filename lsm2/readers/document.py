"""The one XML document of an export, out of a zip, a folder or a file, whatever it is called there."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from lsm2.readers.archive import DamageError, Source, open_archive, open_member
from lsm2.readers.xml import Prolog, ReadError, read_prolog

_CANDIDATES = 64  # documents looked into before giving up
_DEPTHS = ("", "*/", "*/*/")  # folders below the one given
# Folders of an Apple export whose many documents are something else.
_ELSEWHERE = ("workout-routes", "electrocardiograms", "__macosx")


@dataclass(frozen=True)
class Document:
    """An XML document, opened behind its prolog."""

    name: str  # for messages: path, or path and member
    stream: Source
    size: int  # bytes
    prolog: Prolog


@contextmanager
def open_document(path: Path, root: str) -> Iterator[Document]:
    """Open the document with a given root element, found by content: its name may be localised.

    Args:
        path: A zip, a folder (the document, or the zip that holds it, lies in it or up to two folders below),
            or the document itself.
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
        with open_archive(path) as archive:
            member = _in_archive(archive, path, root)
            name = f"{path}, member {member.filename!r}"
            with open_member(archive, member, name) as stream:
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
    """Return the document in a folder, or the zip that holds it."""
    files = [file for depth in _DEPTHS for file in folder.glob(depth + "*.xml")]
    files = [file for file in files if file.is_file() and file.parent.name.lower() not in _ELSEWHERE]
    files.sort(key=lambda file: (-file.stat().st_size, str(file)))
    found = []
    for file in files[:_CANDIDATES]:
        with file.open("rb") as stream:
            if _root_of(Source(stream, str(file)), str(file)) == root:
                found.append(file)
    if not found:
        found = [zipped for depth in _DEPTHS for zipped in sorted(folder.glob(depth + "*.zip"))]
        found = [zipped for zipped in found if zipped.is_file() and _holds(zipped, root)]
    return _only(found, str(folder), root)


def _holds(zipped: Path, root: str) -> bool:
    with open_archive(zipped) as archive:
        return bool(_documents_in(archive, zipped, root))


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


def _in_archive(archive: zipfile.ZipFile, path: Path, root: str) -> zipfile.ZipInfo:
    """Return the member with the root asked for."""
    found = _documents_in(archive, path, root)
    chosen = _only([cast(Path, name) for name in found], str(path), root)
    return found[str(chosen)]


def _documents_in(archive: zipfile.ZipFile, path: Path, root: str) -> dict[str, zipfile.ZipInfo]:
    """Return the members with the root asked for, by name."""
    documents = [entry for entry in archive.infolist() if _may_hold_records(entry)]
    documents.sort(key=lambda entry: (-entry.file_size, entry.filename))
    found: dict[str, zipfile.ZipInfo] = {}
    damage: DamageError | None = None
    for entry in documents[:_CANDIDATES]:
        name = f"{path}, member {entry.filename!r}"
        try:
            with open_member(archive, entry, name) as stream:
                if _root_of(stream, name) == root:
                    found[entry.filename] = entry
        except DamageError as error:
            damage = damage or error
    if damage and not found:
        raise damage
    return found


def _may_hold_records(entry: zipfile.ZipInfo) -> bool:
    parts = entry.filename.lower().split("/")
    return (
        parts[-1].endswith(".xml")
        and not parts[-1].startswith("._")
        and len(parts) <= 3
        and not any(part in _ELSEWHERE for part in parts)
    )


def _root_of(stream: Source, name: str) -> str | None:
    """Return the name of a document's root; None where it has none, so that another may be looked into."""
    try:
        return read_prolog(stream.read, name).root
    except ReadError as error:
        if error.hostile or isinstance(error, DamageError):
            raise
        return None
