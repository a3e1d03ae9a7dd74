"""XML in a stream: no tree, no document type, no entities; what is malformed is said with its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

_PROLOG = 1 << 20  # bytes before the root at most; Apple's document type has about 10,000
_SUBSET = 1 << 18  # bytes of a document type at most
_TAG = 1 << 24  # bytes of one tag or text at most
_CHUNK = 1 << 20

_NOT_XML = bytes(code for code in range(32) if code not in (9, 10, 13))
_TO_SPACE = bytes.maketrans(_NOT_XML, b" " * len(_NOT_XML))
_REFERENCE = re.compile(rb"&#(?:x([0-9A-Fa-f]{1,8})|([0-9]{1,9}));")
_ENCODING = re.compile(rb"""encoding\s*=\s*["']([^"']*)["']""")
_ROOT = re.compile(rb"<([^\s<>/!?&\"'=]+)[\s/>]")
_SUBSET_END = re.compile(rb"<!--.*?-->|\]\s*>", re.DOTALL)


class ReadError(ValueError):
    """An export that cannot be read: what is wrong, where, and what to do."""

    def __init__(self, message: str, *, hostile: bool = False) -> None:
        super().__init__(message)
        self.hostile = hostile  # not damage, but something that no device writes


@dataclass(frozen=True)
class Prolog:
    """What stands before the root element, left out but for its line ends, and what was read behind it."""

    root: str
    lines: bytes
    rest: bytes


class Cut(Exception):
    """The document ends or breaks at a line; the message says why."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def read_prolog(read: Callable[[int], bytes], name: str) -> Prolog:
    """Read up to the root element, past an internal document type, which may be malformed.

    iOS 16 writes declarations that are not well-formed, so the document type never reaches the parser.

    Args:
        read: Returns up to so many bytes.
        name: The document, for messages.

    Raises:
        ReadError: There is no root, or the document type declares entities, is external, or is endless.
    """
    data = bytearray()
    at = None
    while at is None and len(data) <= _PROLOG:
        chunk = read(1 << 16)
        data += chunk
        at = _root_start(bytes(data), name, whole=not chunk)
        if not chunk:
            break
    if at is None:
        raise ReadError(f"{name}: no XML element in the first {len(data):,} bytes; this is no XML export.")
    head, rest = bytes(data[:at]), bytes(data[at:])
    match = _ROOT.match(rest)
    root = match.group(1).decode("utf-8", "replace") if match else ""
    return Prolog(root, b"\n" * head.count(b"\n"), rest)


def _root_start(data: bytes, name: str, *, whole: bool) -> int | None:
    """Return where the root element starts, None where more has to be read to know."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ReadError(f"{name}: is UTF-16; exports are UTF-8. Save it as UTF-8.")
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    while True:
        while at < len(data) and data[at] in b" \t\r\n":
            at += 1
        if at >= len(data):
            return None
        if data.startswith(b"<?", at):
            end = _after(data, b"?>", at)
            if end is not None and data.startswith(b"<?xml", at):
                _check_encoding(data[at:end], name)
        elif data.startswith(b"<!--", at):
            end = _after(data, b"-->", at)
        elif data.startswith(b"<!DOCTYPE", at):
            end = _doctype_end(data, at, name)
        elif _ROOT.match(data, at):
            return at
        elif data.startswith(b"<", at) and not whole and len(data) - at < 1024:
            return None
        else:
            raise ReadError(f"{name}: does not begin like XML ({bytes(data[at : at + 20])!r}).")
        if end is None:
            return None
        at = end


def _after(data: bytes, what: bytes, at: int) -> int | None:
    end = data.find(what, at)
    return None if end < 0 else end + len(what)


def _check_encoding(declaration: bytes, name: str) -> None:
    match = _ENCODING.search(declaration)
    if match and match.group(1).lower() not in (b"utf-8", b"utf8", b"us-ascii", b"ascii"):
        raise ReadError(f"{name}: is declared as {match.group(1)!r}; exports are UTF-8. Save it as UTF-8.")


def _doctype_end(data: bytes, at: int, name: str) -> int | None:
    opens, closes = data.find(b"[", at), data.find(b">", at)
    external = re.search(
        rb"\s(SYSTEM|PUBLIC)\s", data[at : min(p for p in (opens, closes, len(data)) if p >= 0)]
    )
    if external:
        raise ReadError(
            f"{name}: its document type is external ({external.group(1).decode()}), which no phone writes; "
            "do not trust this file.",
            hostile=True,
        )
    if closes >= 0 and (opens < 0 or closes < opens):
        return closes + 1
    end = None
    if opens >= 0:
        for match in _SUBSET_END.finditer(data, opens):
            if not match.group().startswith(b"<!--"):
                end = match.end()
                break
    subset = data[at:end] if end is not None else data[at:]
    if re.search(rb"<!ENTITY", subset, re.IGNORECASE):
        raise ReadError(
            f"{name}: its document type declares entities, which no phone writes; do not trust this file.",
            hostile=True,
        )
    if len(subset) > _SUBSET:
        raise ReadError(
            f"{name}: its document type is longer than {_SUBSET:,} bytes or does not end; that of an export "
            "has about 10,000. Do not trust this file.",
            hostile=True,
        )
    return end


class Parser:
    """Feeds a document to handlers; knows the line it is at, and counts the characters it had to replace."""

    def __init__(
        self,
        name: str,
        start: Callable[[str, dict[str, str]], None],
    ) -> None:
        parser = expat.ParserCreate("utf-8")
        parser.StartElementHandler = start
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        self._name, self._parser = name, parser
        self.replaced = 0
        self.position = 0  # bytes read from the document

    @property
    def line(self) -> int:
        """The line of the element at hand, from 1."""
        return int(self._parser.CurrentLineNumber)

    def feed(self, prolog: Prolog, read: Callable[[int], bytes]) -> Iterator[int]:
        """Parse the document, and yield how many bytes were read after each piece.

        Raises:
            Cut: The document is not well-formed, or ends too early.
            ReadError: One tag is too long for any export.
        """
        fed = len(prolog.lines)
        self._parse(prolog.lines)
        held, chunk = b"", prolog.rest
        while chunk:
            self.position += len(chunk)
            held += chunk
            cut = held.rfind(b">") + 1  # whole characters and references only
            if cut:
                piece = self._clean(held[:cut])
                held = held[cut:]
                self._parse(piece)
                fed += len(piece)
            if max(len(held), fed - max(self._parser.CurrentByteIndex, 0)) > _TAG:
                raise ReadError(
                    f"{self._name}, line {self.line}: one tag is longer than {_TAG:,} bytes, which no phone "
                    "writes; do not trust this file.",
                    hostile=True,
                )
            yield len(chunk)
            chunk = read(_CHUNK)
        self._parse(self._clean(held))
        self._parse(b"", last=True)

    def _parse(self, data: bytes, *, last: bool = False) -> None:
        try:
            self._parser.Parse(data, last)
        except expat.ExpatError as error:
            raise Cut(error.lineno, expat.ErrorString(error.code)) from error

    def _clean(self, piece: bytes) -> bytes:
        """Replace what XML does not allow: control characters, references to them, broken UTF-8."""
        bare = piece.translate(None, _NOT_XML)
        if len(bare) != len(piece):
            self.replaced += len(piece) - len(bare)
            piece = piece.translate(_TO_SPACE)
        if b"&#" in piece:
            piece = _REFERENCE.sub(self._reference, piece)
        if not piece.isascii():
            try:
                piece.decode()
            except UnicodeDecodeError:
                text = piece.decode("utf-8", "replace")
                self.replaced += max(text.count("\ufffd") - piece.count(b"\xef\xbf\xbd"), 1)
                piece = text.encode()
        return piece

    def _reference(self, match: re.Match[bytes]) -> bytes:
        code = int(match.group(1), 16) if match.group(1) else int(match.group(2))
        if (
            code in (9, 10, 13)
            or 32 <= code < 0xD800
            or 0xE000 <= code < 0xFFFE
            or 0x10000 <= code < 0x110000
        ):
            return match.group()
        self.replaced += 1
        return b" "

    def _refuse(self, *_: Any) -> None:
        raise ReadError(
            f"{self._name}, line {self.line}: a document type inside the document, which no phone writes; do "
            "not trust this file.",
            hostile=True,
        )
