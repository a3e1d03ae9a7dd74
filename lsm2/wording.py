"""How messages put numbers into words."""

from __future__ import annotations


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a number with what is counted, in the plural but for one.

    Args:
        count: How many.
        one: What it says of one.
        many: What it says of none or several; None for ``one`` with an s.

    >>> counted(1, "row"), counted(2, "row"), counted(0, "person", "people")
    ('1 row', '2 rows', '0 people')
    """
    return f"{count} {one if count == 1 else many or one + 's'}"
