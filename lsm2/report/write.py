"""Recordings to pages in files."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lsm2.arguments import check_batch_size, check_uncertainty
from lsm2.days.keys import read_keys
from lsm2.files import replacing
from lsm2.loading import resolve
from lsm2.model import Model
from lsm2.report.contents import Contents, gather
from lsm2.report.page import render_index, render_page

_LONGEST_NAME = 60
_OTHER_FILES = (".pdf", ".png", ".svg", ".md", ".txt", ".csv", ".gz", ".pq", ".parquet", ".json")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d|index)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """A page as the index lists it."""

    participant: Any
    file: str
    first: Any
    last: Any
    days: int
    recorded: float  # share of all minutes and channels


def write_report(
    data: pd.DataFrame,
    output: str | Path,
    *,
    people: Iterable[Any] | None = None,
    interval: float | None = 0.9,
    channels: str | Iterable[str] | None = None,
    model: Model | str | Path | None = None,
    columns: Mapping[Any, str] | None = None,
    units: Mapping[str, str] | None = None,
    tz: Any = None,
    participant: str = "participant_id",
    timestamp: str = "timestamp",
    keep_zeros: bool = False,
    batch_size: int | None = None,
    progress: bool | None = None,
) -> Path:
    """Write a page per participant: what was recorded, what was filled, how sure that is, how it was made.

    A page is one HTML file that needs no network: coverage by day, each day's minutes with fills and bounds,
    daily totals and means, a map of the days' embeddings, and the model, options and versions behind them.
    Values are in canonical units. Needs the extra: ``pip install 'lsm2[report]'``.

    Args:
        data: As for `lsm2.reconstruct`.
        output: A file that ends in ``.html``, for one participant; or a folder, made if needed, for any
            number of them: a page each and an ``index.html``.
        people: The participants to write pages of; None for all.
        interval: Level of the bounds; None for none. Of a model without a calibration there are none
            either, and the page says so.
        channels: As for `lsm2.reconstruct`: None, ``"all"`` or names.
        model, columns, units, tz, participant, timestamp, keep_zeros, batch_size, progress: As for
            `lsm2.reconstruct`.

    Returns:
        The file written: the page, or the index of the folder.

    Raises:
        ImportError: plotly or jinja2 is not installed.
        TypeError: ``data`` is no DataFrame.
        FileNotFoundError: The folder to write an ``.html`` file into does not exist.
        ValueError: As for `lsm2.reconstruct`; no row; a participant that the recording lacks; several
            participants for one file.

    >>> import lsm2, tempfile
    >>> recording = lsm2.simulate(participants=1, days=3)
    >>> lsm2.write_report(recording, Path(tempfile.mkdtemp()) / "report.html").name
    'report.html'
    """
    output = Path(output)
    check_uncertainty(interval, None, 0)
    check_batch_size(batch_size)
    if not isinstance(data, pd.DataFrame):
        raise TypeError(f"data must be a pandas DataFrame, not {type(data).__name__}")
    keys = read_keys(data, tz=tz, participant=participant, timestamp=timestamp)
    chosen = _choose(keys.participants, people)
    single = check_target(output, len(chosen))
    model = resolve(model)
    level, why = _level(model, interval)
    options: dict[str, Any] = {
        "columns": columns,
        "units": units,
        "tz": tz,
        "participant": participant,
        "timestamp": timestamp,
        "keep_zeros": keep_zeros,
    }
    made = how_made(model, level, channels, options)
    chosen_channels = channels if channels is None or isinstance(channels, str) else list(channels)
    if not single:
        output.mkdir(parents=True, exist_ok=True)
    entries: list[Entry] = []
    said: set[str] = set()
    files = file_names([keys.participants[position] for position in chosen])
    for position, file in zip(chosen, files, strict=True):
        contents = gather(
            model,
            data[keys.person == position],
            interval=level,
            channels=chosen_channels,
            batch_size=batch_size,
            progress=progress,
            **options,
        )
        said.update(contents.notes)
        page = render_page(contents, interval=level, no_interval=why, made=made, index=not single)
        _write(output if single else output / file, page)
        entries.append(_entry(contents, file))
    for note in sorted(said):
        warnings.warn(note, UserWarning, stacklevel=2)
    if single:
        return output
    _write(output / "index.html", render_index(entries, made))
    return output / "index.html"


def check_target(output: Path, people: int) -> bool:
    """Say whether a report goes to one file, and refuse what cannot be written.

    Raises:
        FileNotFoundError: The folder of the file does not exist.
        ValueError: Several participants for one file, a file where a folder would have to be, or another
            kind of file.
    """
    if output.suffix.lower() in _OTHER_FILES:
        raise ValueError(f"{output}: a report is a file that ends in .html, or a folder")
    if output.suffix.lower() not in (".html", ".htm"):
        if output.exists() and not output.is_dir():
            raise ValueError(f"{output}: is a file; name a folder, or a file that ends in .html")
        return False
    if output.is_dir():
        raise ValueError(f"{output}: is a folder; give a folder a name without .html, or remove it")
    if people > 1:
        raise ValueError(
            f"{output}: one page shows one participant, and the recording has {people}; name a folder "
            "(without .html) for a page each, or choose one with people=['...']"
        )
    if not output.parent.is_dir():
        raise FileNotFoundError(
            f"{output.parent}: no such directory to write {output.name} into; make it first"
        )
    return True


def file_names(people: Iterable[Any]) -> list[str]:
    """Return a file name for each participant, safe on every system.

    Names of letters, digits, ``-``, ``_`` and ``.`` stay as they are; others, and those that differ from an
    earlier one by capitals alone, get a part of their hash, so that no two are alike.

    >>> file_names(["P-01", "p-01", "../etc/passwd", 7])
    ['P-01.html', 'p-01-50f82d4b.html', 'etc-passwd-baedbd3d.html', '7.html']
    """
    taken: set[str] = set()
    found = []
    for person in people:
        text = str(person)
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.")[:_LONGEST_NAME]
        if not plain or plain != text or _RESERVED.fullmatch(plain) or plain.casefold() in taken:
            mark = hashlib.sha256(repr(person).encode()).hexdigest()[:8]
            plain = f"{plain.replace('.', '-')}-{mark}" if plain else f"participant-{mark}"
        taken.add(plain.casefold())
        found.append(f"{plain}.html")
    return found


def how_made(model: Model, level: float | None, channels: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Facts about model, options and versions, for the page."""
    import platform

    import torch

    import lsm2
    from lsm2.report.page import plotly_version

    about = model.info()
    calibration = about["calibration"]
    given = {name: value for name, value in options.items() if value not in (None, False)}
    defaults = {"participant": "participant_id", "timestamp": "timestamp"}
    given = {name: value for name, value in given.items() if defaults.get(name) != value}
    if isinstance(given.get("tz"), Mapping):
        given["tz"] = "one per participant"  # a page names nobody else
    return {
        "Model": f"{about['name']}, {about['parameters']:,} parameters",
        "Checkpoint": about["checkpoint"],
        "Licence of the weights": about["licence"],
        "About the weights": about["description"] or "no description",
        "Calibration of the intervals": "none" if calibration is None else calibration["description"],
        "Fills": "conditional means (point='mean')",
        "Bounds": "none"
        if level is None
        else f"{100 * level:g} % of hidden minutes, and of days (interval={level})",
        "Channels": "those of the recording" if channels is None else channels,
        "Options": "; ".join(f"{name}={value!r}" for name, value in given.items()) or "defaults",
        "Computed on": f"{about['device']}, {about['precision']}",
        "Versions": (
            f"lsm2 {lsm2.__version__}, Python {platform.python_version()}, torch {torch.__version__}, "
            f"numpy {np.__version__}, pandas {pd.__version__}"
        ),
        "Charts": f"plotly.js {plotly_version()} (MIT licence), inside this file",
        "Made": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
    }


def _choose(participants: pd.Index, people: Iterable[Any] | None) -> list[int]:
    if not len(participants):
        raise ValueError("the recording has no row; there is nothing to report")
    if people is None:
        return list(range(len(participants)))
    wanted = [people] if isinstance(people, str) else list(people)
    plain = {str(one): position for position, one in enumerate(participants)}  # also numbers given as text
    absent = [one for one in wanted if str(one) not in plain]
    if absent or not wanted:
        known = ", ".join(map(repr, participants[:10]))
        raise ValueError(
            f"participant {absent[0]!r} is not in the recording, which holds {known}"
            if absent
            else "people=[] names nobody; leave it out for all"
        )
    return list(dict.fromkeys(plain[str(one)] for one in wanted))


def _level(model: Model, interval: float | None) -> tuple[float | None, str]:
    """The level of the bounds, and why there are none."""
    if interval is None:
        return None, "Intervals were not asked for."
    try:
        model.calibrated()
    except ValueError as error:
        return None, f"How sure the fills are is not known: {error}"
    return interval, ""


def _entry(contents: Contents, file: str) -> Entry:
    return Entry(
        participant=contents.participant,
        file=file,
        first=contents.dates[0],
        last=contents.dates[-1],
        days=len(contents.dates),
        recorded=float(contents.coverage.mean()) if contents.channels else 0.0,
    )


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
