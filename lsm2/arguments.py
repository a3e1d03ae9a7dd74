"""What arguments may be; errors name the argument, the value and what it should be."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def one_of(name: str, value: object, known: Iterable[str]) -> None:
    """Refuse a value that is none of the known ones, which the error lists."""
    known = list(known)
    if value not in known:
        raise ValueError(f"{name}={value!r} is not known; it is one of {', '.join(known)}")


def is_whole(value: object, least: int = 1) -> bool:
    """Whether a value is a whole number, so large or larger; True and False are none.

    >>> is_whole(3), is_whole(0), is_whole(0, 0), is_whole(2.0), is_whole(True)
    (True, False, True, False, False)
    """
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value >= least)


def check_batch_size(batch_size: object) -> None:
    """Refuse what is neither a number of days nor None."""
    if batch_size is not None and not is_whole(batch_size):
        raise ValueError(f"batch_size={batch_size!r} must be a number of days, 1 or more, or None")


def check_min_observed(share: object) -> None:
    """Refuse what is no share."""
    if not isinstance(share, (int, float, np.number)) or not 0 <= share <= 1:
        raise ValueError(f"min_observed={share!r} must be a share of observed minutes, from 0 to 1")


def check_uncertainty(interval: object, n_samples: object, seed: object) -> None:
    """Refuse levels outside (0, 1), odd numbers of samples, and both at once."""
    if interval is not None and (
        isinstance(interval, bool)
        or not isinstance(interval, (int, float, np.number))
        or not 0 < interval < 1
    ):
        raise ValueError(f"interval={interval!r} must be a share of values, above 0 and below 1, such as 0.9")
    for name, value, least in (("n_samples", n_samples, 1), ("seed", seed, 0)):
        if value is not None and not is_whole(value, least):
            raise ValueError(f"{name}={value!r} must be a whole number, {least} or more")
    if interval is not None and n_samples is not None:
        raise ValueError("interval= and n_samples= exclude each other: ask for one, or call twice")


def check_events(level: str, events: object) -> None:
    """Refuse events at a level that is not theirs, and their level without events."""
    if (level == "window") != (events is not None):
        raise ValueError(
            f"events= is for level='window', not level={level!r}"
            if events is not None
            else "level='window' needs events=, a frame with columns participant_id, start and end"
        )
