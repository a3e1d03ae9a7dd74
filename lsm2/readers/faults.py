"""Malformed records: each is an error that says where, or, on request, left out and counted."""

from __future__ import annotations

from collections import Counter

from lsm2.readers.xml import ReadError
from lsm2.wording import counted


class Faults:
    """Raises at the first malformed record, or counts all of them.

    Args:
        skip: Whether to count instead of raising.

    >>> faults = Faults(skip=True)
    >>> faults.refuse("steps.csv, line 7", "a value that is no number", "steps 'many' is no number")
    >>> faults.total, faults.example
    (1, "steps.csv, line 7: steps 'many' is no number")
    """

    def __init__(self, *, skip: bool) -> None:
        self.skip = skip
        self.skipped: Counter[str] = Counter()  # by reason
        self.example = ""  # the first that was skipped

    @property
    def total(self) -> int:
        """How many records were left out."""
        return sum(self.skipped.values())

    def refuse(self, where: str, reason: str, detail: str, *, count: int = 1, whole: bool = False) -> None:
        """Raise, or count.

        Args:
            where: File and line, row or item.
            reason: The kind of fault, for the count: "a value that is no number".
            detail: What is wrong with this one.
            count: How many records are so, of which this is the first.
            whole: Whether the rest of a file is meant, not a record of it.

        Raises:
            ReadError: Malformed records are not skipped.
        """
        message = f"{where}: {detail}"
        if not self.skip:
            if whole:
                raise ReadError(
                    f"{message}. Export or copy it again, or keep what can be read with on_error='skip'."
                )
            raise ReadError(f"{message}. Mend the file, or leave such records out with on_error='skip'.")
        self.skipped[reason] += count
        self.example = self.example or message

    def summary(self, name: str) -> str:
        """Return one sentence on what was left out of the export `name`; nothing where all was read."""
        if not self.skipped:
            return ""
        reasons = ", ".join(f"{count} with {reason}" for reason, count in self.skipped.most_common())
        records = counted(self.total, "malformed record was", "malformed records were")
        return f"{name}: {records} left out ({reasons}); the first: {self.example}"


def by_channel(counts: Counter[str]) -> str:
    """Return counts with the names of their channels, the largest first.

    >>> by_channel(Counter(steps=2, floors=1))
    'steps: 2, floors: 1'
    """
    return ", ".join(f"{channel}: {count}" for channel, count in counts.most_common())


def outside_range(name: str, counts: Counter[str]) -> str:
    """Return one sentence on values of the export `name` that are not plausible; nothing where all are."""
    if not counts:
        return ""
    return (
        f"{name}: {counted(counts.total(), 'sample is', 'samples are')} outside the valid range and "
        f"taken as missing ({by_channel(counts)})."
    )


def too_vague(name: str, counts: Counter[str]) -> str:
    """Return one sentence on amounts of the export `name` that were left out; nothing where none was."""
    if not counts:
        return ""
    return (
        f"{name}: left out {counted(counts.total(), 'amount')} of more than twelve hours "
        f"({by_channel(counts)}): totals of days and of nights say nothing of minutes."
    )


def nothing_read(name: str, records: int) -> str:
    """Return one sentence on an export `name` of which no record was wanted."""
    return (
        f"{name}: nothing to return: of {records:,} records none is of a known type within the time asked "
        "for."
    )
