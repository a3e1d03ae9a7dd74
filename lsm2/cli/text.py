"""How the command line prints facts and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lsm2.wording import counted

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


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


def summary_lines(table: pd.DataFrame) -> list[str]:
    """Return the table of :func:`lsm2.describe` as lines: one on each participant, then one a channel."""
    if table.empty:
        return ["no days"]
    keyed = table.index.nlevels > 1
    lines: list[str] = []
    for who, rows in table.groupby(level=0, sort=False) if keyed else [(None, table)]:
        days, first, last = (rows[name].iloc[0] for name in ("days", "first", "last"))
        span = f"{counted(days, 'day')}, {first:%Y-%m-%d} to {last:%Y-%m-%d}"
        lines += [""] if lines else []
        lines.append(f"{who}: {span}" if keyed else span)
        channels = rows.index.get_level_values("channel")
        records = [
            {
                "channel": channel,
                "observed": f"{row['observed']:.1%}",
                "on days": row["observed_days"],
                "gaps": row["gaps"],
                "median gap": _duration(row["median_gap"]),
                "longest gap": _duration(row["longest_gap"]),
            }
            for channel, row in zip(channels, rows.to_dict("records"), strict=True)
        ]
        lines += [f"  {line}" for line in table_lines(records)]
    return lines


def rows_line(output: Path, table: pd.DataFrame, missing: str = "") -> str:
    """Say what was written: how many rows, one per what, and where any are, how many of them are missing."""
    note = f", {missing} because too little was observed" if missing else ""
    names = " and ".join(map(str, table.index.names))
    return f"{output}: {counted(len(table), 'row')}, one per {names}{note}"


def _duration(minutes: float) -> str:
    """Write minutes as people do: "-", "5 min", "1 h 30 min", "2 d 3 h"."""
    if minutes != minutes:
        return "-"
    days, rest = divmod(round(minutes), 1440)
    parts = [(days, "d"), (rest // 60, "h"), (rest % 60, "min")]
    return " ".join(f"{count} {unit}" for count, unit in parts[: 2 if days else 3] if count)


def _columns(key: str, value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else [(key, value)]


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " to ".join(map(_cell, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
