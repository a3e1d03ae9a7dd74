"""Names as people write them: how they are compared, and how messages list them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


def plain_name(name: object) -> str:
    """Return `name` in lower case without spaces, `_`, `-` and `.`: the form in which names are compared.

    >>> plain_name("Heart Rate"), plain_name("HEART_RATE"), plain_name("heart-rate")
    ('heartrate', 'heartrate', 'heartrate')
    """
    return str(name).casefold().translate(_IGNORED)


_IGNORED = str.maketrans("", "", " _-.\t")


def nearest(name: object, known: Iterable[Any]) -> str:
    """Return `; did you mean 'x'?` for the known name nearest to `name`, or nothing.

    >>> nearest("heart_rat", ["heart_rate", "steps"])
    "; did you mean 'heart_rate'?"
    """
    plain = {plain_name(other): other for other in known}
    close = difflib.get_close_matches(plain_name(name), list(plain), n=1, cutoff=0.6)
    return f"; did you mean {plain[close[0]]!r}?" if close else ""


def listing(labels: Iterable[Any], most: int = 12) -> str:
    """Return labels for a message: the first `most`, and how many more there are.

    >>> listing(range(5), most=3)
    '0, 1, 2 and 2 more'
    """
    labels = list(labels)
    rest = f" and {len(labels) - most} more" if len(labels) > most else ""
    return (", ".join(repr(label) for label in labels[:most]) or "no columns") + rest
