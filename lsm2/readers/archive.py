"""Zip archives, read with suspicion: nothing outside them, no bombs, no wrong check sums."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from lsm2.readers.xml import ReadError

_ENTRIES = 200_000  # of an archive; an export with a route per workout has some thousands
_RATIO, _LARGE = 200, 100_000_000  # records of text shrink 20- to 60-fold, bombs a thousandfold
# What zipfile raises over damaged archives; OSError where they send it to places that are not there.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError),
    *(NotImplementedError, RuntimeError, OSError, ValueError),
)


class DamageError(ReadError):
    """An archive that is cut short or whose check sums are wrong."""


class Source(io.RawIOBase):
    """A binary stream that says what is wrong with an archive in words."""

    def __init__(self, stream: IO[bytes], name: str, damage: tuple[type[Exception], ...] = ()) -> None:
        super().__init__()
        self._stream, self._name, self._damage = stream, name, damage

    def readable(self) -> bool:
        """Say that it can be read, so that a buffer or a decoder can be put around it."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, and return how many bytes came.

        Raises:
            DamageError: The archive is damaged.
        """
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, count: int = -1) -> bytes:
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
def open_archive(path: Path, name: str | None = None) -> Iterator[zipfile.ZipFile]:
    """Open an archive once neither its size nor the name of any member is suspicious.

    Args:
        path: Where it lies.
        name: What messages call it; the path by default.

    Raises:
        ReadError: It is no whole zip archive, or is hostile.
    """
    name = name or str(path)
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGE as error:
        raise ReadError(
            f"{name}: is no whole zip archive ({error}). It may be cut short: copy it again, "
            "or export it anew."
        ) from error
    with archive:
        entries = archive.infolist()
        if len(entries) > _ENTRIES:
            raise ReadError(
                f"{name}: {len(entries)} members are more than an export has ({_ENTRIES} at most)."
            )
        for entry in entries:
            _check_name(entry.filename, name)
        yield archive


@contextmanager
def open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Iterator[Source]:
    """Open a member that is neither encrypted nor a bomb.

    Raises:
        ReadError: It is one of these, or damaged.
    """
    if member.flag_bits & 0x1:
        raise ReadError(f"{name}: is encrypted. Unpack the archive yourself and give the folder.")
    if member.file_size > _LARGE and member.file_size > _RATIO * max(member.compress_size, 1):
        raise ReadError(
            f"{name}: {member.compress_size:,} bytes that unpack to {member.file_size:,} are a zip bomb, not "
            "an export. If you trust the file, unpack it yourself and give the folder."
        )
    try:
        stream = archive.open(member)
    except _DAMAGE as error:
        raise DamageError(f"{name}: cannot be opened ({error}). Copy the archive again.") from error
    with stream:
        yield Source(stream, name, damage=_DAMAGE)


def _check_name(name: str, archive: str) -> None:
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or (len(parts[0]) == 2 and parts[0].endswith(":")):
        raise ReadError(
            f"{archive}: member {name!r} points outside the archive. A phone writes no such export: do not "
            "trust this file."
        )


def describe_size(count: int) -> str:
    """Return a number of bytes for a person.

    >>> describe_size(2_345_678)
    '2.3 MB'
    """
    return f"{count / 1e6:,.1f} MB"
