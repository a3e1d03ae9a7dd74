"""What a caller asks of a reader, checked before anything is read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from lsm2.days.clock import as_zone
from lsm2.readers.faults import Faults
from lsm2.readers.timestamps import wall_minutes

OnError = Literal["raise", "skip"]

_MARGIN = 3 * 86_400  # seconds around start and end that may matter: zones, and records that reach in


@dataclass(frozen=True)
class Request:
    """The arguments that all readers share."""

    path: Path
    zone: tzinfo | None
    start: Any
    end: Any
    participant: Any
    faults: Faults

    @classmethod
    def of(cls, path: Any, tz: Any, start: Any, end: Any, participant: Any, on_error: Any) -> Request:
        """Check the arguments of a reader.

        Raises:
            TypeError: `path` is no path.
            ValueError: An argument is not understood.
        """
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"path={path!r} must be a path, not {type(path).__name__}")
        check_choice("on_error", on_error, OnError)
        zone = None if tz is None else as_zone(tz)
        wall_minutes(start, end, zone)
        return cls(Path(path), zone, start, end, participant, Faults(skip=on_error == "skip"))

    def bounds(self, zone: tzinfo | None) -> tuple[int | None, int | None]:
        """Return the first wall-clock minute wanted and the one after the last, on the clock of a zone."""
        return wall_minutes(self.start, self.end, zone)

    @property
    def reach(self) -> tuple[float, float]:
        """The seconds since 1970 between which a record may matter, whatever the clock."""
        first, stop = self.bounds(self.zone)
        earliest = -np.inf if first is None else first * 60 - _MARGIN
        latest = np.inf if stop is None else stop * 60 + _MARGIN
        return float(earliest), float(latest)


def check_choice(name: str, given: Any, known: Any) -> None:
    """Refuse an argument that is none of the words of a Literal.

    Raises:
        ValueError: It is none.
    """
    if given not in get_args(known):
        raise ValueError(f"{name}={given!r} is not known; it is {' or '.join(map(repr, get_args(known)))}")
