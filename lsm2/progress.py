"""The bar that shows how far a call is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

_AFTER_SECONDS = 3.0


def progress_bar(
    total: int,
    what: str,
    unit: str,
    progress: bool | None,
    steps: Iterable[Any] | None = None,
    **options: Any,
) -> tqdm[Any]:
    """Return a bar over units, by default one that a terminal shows when it takes a while.

    Args:
        total: How many units there are.
        what: What is done, as the bar names it.
        unit: The name of a unit.
        progress: Whether to show the bar; None shows it on a terminal once it takes a few seconds.
        steps: What to iterate over, a unit each; None where the caller counts with ``update``.
        **options: Further ones of tqdm.

    >>> list(progress_bar(2, "read", "file", False, ["a", "b"]))
    ['a', 'b']
    """
    disable = None if progress is None else not progress
    delay = _AFTER_SECONDS if progress is None else 0.0
    return tqdm(steps, total=total, desc=what, unit=unit, disable=disable, delay=delay, **options)
