"""Contents to HTML: templates, scripts, and the policy that lets a page load nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lsm2.report.contents import Contents
from lsm2.report.payload import daily_title, facts, pack_day
from lsm2.wording import counted

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_HINT = "the report needs plotly and jinja2: pip install 'lsm2[report]'"
# Before anything is drawn, so that nothing jumps when the larger scripts have run.
_SCRIPTED = "document.documentElement.classList.add('scripted')"
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def plotly_version() -> str:
    """Return the version of the plotly.js that pages hold."""
    return str(_offline().get_plotlyjs_version())


def render_page(
    contents: Contents, *, interval: float | None, no_interval: str, made: dict[str, Any], index: bool
) -> str:
    """Return the page of one participant.

    Args:
        contents: What it shows.
        interval: Level of the bounds; None where there are none.
        no_interval: Why there are none.
        made: Facts about model, options and versions.
        index: Whether an ``index.html`` lies beside it.
    """
    dates = [pd.Timestamp(date) for date in contents.dates]
    names = [channel.name.replace("_", " ") for channel in contents.channels]
    return _render(
        "page.html",
        [_SCRIPTED, _offline().get_plotlyjs(), _asset("report.js")],
        contents=contents,
        title=_title(contents.participant),
        first=_long(dates[0]),
        last=_long(dates[-1]),
        names=names,
        predicted=[name.replace("_", " ") for name in contents.predicted],
        interval=interval,
        per_cent="" if interval is None else f"{100 * interval:g} %",
        no_interval=no_interval,
        made=made,
        index=index,
        recorded=float(contents.coverage.mean()) if names else 0.0,
        empty=int(np.isnan(contents.filled).all(axis=(1, 2)).sum()),
        weekdays=_WEEKDAYS,
        weeks=_weeks(contents),
        rows=_rows(contents, dates),
        daily_titles=[daily_title(contents, number) for number in range(len(names))],
        facts=facts(contents, interval),
        days={str(date): pack_day(contents, number) for number, date in enumerate(contents.dates)},
    )


def render_index(entries: Sequence[Any], made: dict[str, Any]) -> str:
    """Return the page that lists the participants' pages."""
    return _render("index.html", [], entries=entries, made=made)


def _render(template: str, scripts: Sequence[str], **values: Any) -> str:
    environment = _environment()
    hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
    policy = [
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    if scripts:
        policy.append("script-src " + " ".join(f"'sha256-{one}'" for one in hashes))
    return environment.get_template(template).render(
        scripts=[_inside(one) for one in scripts],
        style=_inside(_asset("report.css")),
        policy=policy,
        **values,
    )


def _inside(text: str) -> Markup:
    """Text of this package or of plotly, for the inside of an element."""
    from markupsafe import Markup

    if "</script" in text.lower() or "</style" in text.lower() or "\r" in text:
        raise ValueError("a script or style that would end its element cannot stand in a page")
    return Markup(text)


def _environment() -> Environment:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise ImportError(_HINT) from error
    environment = Environment(
        loader=PackageLoader("lsm2.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"share": _share, "date": _long, "number": _number, "counted": counted}
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment


def _offline() -> Any:
    try:
        from plotly import offline
    except ImportError as error:
        raise ImportError(_HINT) from error
    return offline


def _asset(name: str) -> str:
    return (resources.files("lsm2.report") / "templates" / name).read_text(encoding="utf-8")


def _title(participant: Any) -> str:
    return "Recording" if participant is None else f"Recording of {participant}"


def _weeks(contents: Contents) -> list[dict[str, Any]]:
    """Rows of the calendar: Mondays with their seven cells; runs of weeks without a day become one row."""
    shares = contents.coverage.mean(axis=1)
    by_date = {date: number for number, date in enumerate(contents.dates.tolist())}
    mondays = contents.dates - (contents.dates.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    weeks: list[dict[str, Any]] = []
    last = None
    for monday in np.unique(mondays):
        if last is not None and (skipped := int((monday - last).astype(int)) // 7 - 1):
            weeks.append({"skipped": skipped})
        cells: list[Any] = []
        for date in (monday + np.arange(7)).tolist():
            number = by_date.get(date)
            share = None if number is None else float(shares[number])
            cells.append({"date": pd.Timestamp(date), "share": share})
        weeks.append({"skipped": 0, "monday": pd.Timestamp(monday), "cells": cells})
        last = monday
    return weeks


def _rows(contents: Contents, dates: list[pd.Timestamp]) -> list[dict[str, Any]]:
    """Rows of the table of days."""
    coverage = contents.coverage
    return [
        {
            "date": date,
            "recorded": float(coverage[number].mean()) if contents.channels else 0.0,
            "daily": contents.daily[number].tolist(),
            "alike": None if contents.alike[number] < 0 else dates[contents.alike[number]],
        }
        for number, date in enumerate(dates)
    ]


def _share(value: float) -> str:
    """Per cent as people write them: only nothing is 0 %, only all is 100 %.

    >>> _share(0.0), _share(0.001), _share(0.504), _share(0.999), _share(1.0)
    ('0 %', '<1 %', '50 %', '>99 %', '100 %')
    """
    if 0 < value < 0.005:
        return "<1 %"
    return ">99 %" if 0.995 <= value < 1 else f"{value:.0%}".replace("%", " %")


def _long(date: Any) -> str:
    """A date as it is read aloud: Monday 4 March 2024."""
    date = pd.Timestamp(date)
    return f"{date:%A} {date.day} {date:%B %Y}"


def _number(value: float) -> str:
    """A number with three digits, from 1 to 10 four; whole with separators from a thousand on.

    >>> _number(12345.6), _number(71.26), _number(1.0349), _number(0.3333)
    ('12,346', '71.3', '1.035', '0.333')
    """
    if value != value:
        return "\N{EN DASH}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{4 if 1 <= abs(value) < 10 else 3}g}"
