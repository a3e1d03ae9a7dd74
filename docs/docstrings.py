"""Docstrings as the site's parser wants them: links for Sphinx roles, one entry for each argument."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import griffe

import lsm2

_ROLE = re.compile(r":(?:func|class|meth|mod|attr):`~?([\w.]+)`")
_SEVERAL = re.compile(r"^ {4}(\w+(?:, \w+)+): ")
_PUBLIC_MODULES = ("lsm2.sklearn.", "lsm2.figures.", "lsm2.evaluation.", "lsm2.training.", "lsm2.scale.")


class Docstrings(griffe.Extension):
    """Rewrites every docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite one."""
        if obj.docstring is not None:
            text = _ROLE.sub(lambda role: link(role.group(1)), obj.docstring.value)
            text = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
            before, prompt, bare = text.partition("\n>>> ")
            if prompt:  # a doctest without a heading ends the docstring
                text = f"{before}\nExamples:\n{textwrap.indent(prompt[1:] + bare, ' ' * 4)}"
            obj.docstring.value = separate(text)


def link(name: str) -> str:
    """Return a link to a public name, or the name as code."""
    short = name.removeprefix("lsm2.")
    if short.split(".")[0] in lsm2.__all__:
        return f"[`{name}`][lsm2.{short}]"
    return f"[`{name}`][{name}]" if name.startswith(_PUBLIC_MODULES) else f"`{name}`"


def separate(text: str) -> str:
    """Give each of several arguments that share an entry ("tz, units: ...") one of its own."""
    result: list[str] = []
    lines = text.split("\n")
    section = ""
    while lines:
        line = lines.pop(0)
        if re.match(r"^[A-Z]\w+:$", line):
            section = line
        several = _SEVERAL.match(line) if section in ("Args:", "Attributes:") else None
        if several is None:
            result.append(line)
            continue
        entry = [line[several.end() :]]
        while lines and lines[0].startswith(" " * 8):
            entry.append(lines.pop(0))
        for name in several.group(1).split(", "):
            result += [f"    {name}: {entry[0]}", *entry[1:]]
    return "\n".join(result)
