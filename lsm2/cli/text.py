"""How the command line prints facts and tables."""

from __future__ import annotations

from typing import Any


def fact_lines(facts: dict[str, Any]) -> list[str]:
    """Return facts as lines; a dict inside is indented, a list of dicts becomes a table."""
    lines = []
    for key, value in facts.items():
        if isinstance(value, dict):
            lines += [f"{key}:", *(f"  {line}" for line in fact_lines(value))]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            lines += [f"{key}:", *(f"  {line}" for line in table_lines(value))]
        else:
            lines.append(f"{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
    return lines


def table_lines(records: list[dict[str, Any]]) -> list[str]:
    """Return records of the same keys as an aligned table; a record inside a record adds its own columns."""
    flat = [dict(pair for item in record.items() for pair in _columns(*item)) for record in records]
    header = list(flat[0])
    cells = [header, *([_cell(record[key]) for key in header] for record in flat)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _columns(key: str, value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else [(key, value)]


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " to ".join(map(_cell, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
