"""JSON documents: arrays item by item, objects whole; never deeper or larger than an export writes them."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from lsm2.readers.archive import Source
from lsm2.readers.export import Entry
from lsm2.readers.faults import Faults
from lsm2.readers.xml import ReadError

_CHUNK = 1 << 20
_ITEM = 1 << 24  # characters of an item at most
_BETWEEN = re.compile(r"[\s,]*")
_BREAKS = "a document that breaks off"


def read_object(entry: Entry, faults: Faults) -> dict[str, Any]:
    """Return a document that is one object; an empty one where it was malformed and that is skipped.

    Raises:
        ReadError: It is none, or too large.
    """
    found = read_document(entry, faults)
    if found is None or isinstance(found, dict):
        return found or {}
    faults.refuse(entry.where, _BREAKS, f"holds {_kind(found)} where an object belongs", whole=True)
    return {}


def read_document(entry: Entry, faults: Faults) -> Any:
    """Return a whole document; None where it was malformed and that is skipped.

    Raises:
        ReadError: It is malformed or too large.
    """
    data = entry.bytes()
    try:
        return json.loads(_decode(data, entry.where), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ReadError):
            raise
        detail = f"the document breaks off or is no JSON ({error})"
        faults.refuse(entry.where, _BREAKS, detail, whole=True)
        return None


def read_items(entry: Entry, faults: Faults) -> Iterator[Any]:
    """Yield the items of a document that is one array, in little memory.

    Raises:
        ReadError: It is none, or breaks off.
    """
    decoder = json.JSONDecoder(parse_constant=_no_number)
    with entry.open() as source:
        pieces = _pieces(source, entry.where)
        text = next(pieces, "").lstrip()
        while not text:
            more = next(pieces, None)
            if more is None:
                break
            text = more.lstrip()
        if not text.startswith("["):
            detail = "is no JSON array" if text else "is empty"
            faults.refuse(entry.where, _BREAKS, detail, whole=True)
            return
        at, count = 1, 0
        while True:
            at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
            if text.startswith("]", at):
                for rest in pieces:  # an archive's check sum stands at its end
                    del rest
                return
            reason: Exception | str = "it ends too early"
            if at < len(text):
                try:
                    item, end = decoder.raw_decode(text, at)
                except (ValueError, RecursionError) as error:
                    reason = error
                else:
                    if end < len(text):
                        at, count = end, count + 1
                        yield item
                        continue
            more = next(pieces, None) if len(text) - at < _ITEM else None
            if more is None:
                for rest in pieces:
                    del rest
                detail = f"the document breaks off or is no JSON after {count:,} items ({reason})"
                faults.refuse(entry.where, _BREAKS, detail, whole=True)
                return
            text, at = text[at:] + more, 0


def head_of(entry: Entry, count: int = 1 << 16) -> str:
    """Return the beginning of a document, from its first character on."""
    data = entry.head(count)
    return data.decode(_encoding(data), "replace").lstrip()


def _pieces(source: Source, where: str) -> Iterator[str]:
    decoder: codecs.IncrementalDecoder | None = None
    while True:
        data = source.read(_CHUNK)
        if decoder is None:
            decoder = codecs.getincrementaldecoder(_encoding(data))("replace")
        text = decoder.decode(data, not data)
        if text:
            yield text
        if not data:
            return


def _decode(data: bytes, where: str) -> str:
    text = data.decode(_encoding(data), "replace")
    if "\0" in text:
        raise ReadError(f"{where}: is no text; give the document as it was exported.")
    return text


def _encoding(data: bytes) -> str:
    return "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def _no_number(_: str) -> None:
    """NaN and Infinity are no JSON, but writers of it leave them where nothing was measured."""


def _kind(found: Any) -> str:
    return "an array" if isinstance(found, list) else type(found).__name__
