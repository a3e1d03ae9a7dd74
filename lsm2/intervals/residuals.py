"""What a model answers for minutes that were hidden from it, beside the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lsm2.days import DAY, Days, Windows, make_windows, worn
from lsm2.intervals.hiding import Recorded, hide
from lsm2.intervals.surroundings import Cells, surround

Answers = Callable[[Windows, np.ndarray], np.ndarray]
"""Conditional means (days, channels, 1440) in canonical units, from a recording and the minutes wanted."""
_PEOPLE_AT_ONCE = 16


@dataclass(frozen=True)
class Residuals:
    """Hidden minutes, what they were and what was answered; one entry per minute."""

    person: np.ndarray
    """int64, one number per participant."""
    gap: np.ndarray
    """int64, one number per day and round: minutes of a channel with the same number were hidden together."""
    cells: Cells
    mean: np.ndarray
    """float32, the answer ``point="mean"``, canonical units."""
    truth: np.ndarray
    """float32."""

    def __len__(self) -> int:
        return len(self.person)

    def take(self, where: np.ndarray) -> Residuals:
        """Those at a boolean mask or at positions."""
        cells = Cells(*(getattr(self.cells, name)[where] for name in Cells.__dataclass_fields__))
        return Residuals(self.person[where], self.gap[where], cells, self.mean[where], self.truth[where])


def join(parts: Sequence[Residuals]) -> Residuals:
    """Residuals of several groups of people as one; people are numbered anew."""
    people = 0
    moved = []
    for part in parts:
        _, person = np.unique(part.person, return_inverse=True)
        moved.append(replace(part, person=person + people))
        people += int(person.max()) + 1
    return _stack(moved)


def _stack(parts: Sequence[Residuals]) -> Residuals:
    """Residuals of several rounds or groups as one; people keep their numbers, gaps get new ones."""
    gaps = np.cumsum([0, *(int(part.gap.max()) + 1 for part in parts)])
    cells = Cells(
        *(np.concatenate([getattr(p.cells, name) for p in parts]) for name in Cells.__dataclass_fields__)
    )
    gap = np.concatenate([part.gap + start for part, start in zip(parts, gaps[:-1], strict=True)])
    person, mean, truth = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("person", "mean", "truth")
    )
    return Residuals(person, gap, cells, mean, truth)


def collect(
    days: Days,
    answers: Answers,
    *,
    window_days: int = 1,
    people: Iterable[object] | None = None,
    most_days: int = 8,
    per_day: int = 6,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Residuals:
    """Hide gaps of many lengths in recordings, and compare the answers with what was hidden.

    Minutes that an unworn device wrote stay visible but are never hidden: they are no truth.

    Args:
        days: Recordings.
        answers: The model, or another method.
        window_days: Days that the model reads at once.
        people: Labels of the participants to take; None for all.
        most_days: Days of a participant in which minutes are hidden, drawn at random.
        per_day: Rounds (see :mod:`lsm2.intervals.hiding`) that a day takes part in.
        seed: Of all draws.
        progress: Called with a line now and then.

    Raises:
        ValueError: A participant is not in the recordings, or nothing could be hidden.
    """
    chosen = np.arange(len(days.participants))
    if people is not None:
        wanted = list(people)
        chosen = days.participants.get_indexer(pd.Index(wanted))
        if (chosen < 0).any():
            absent = [label for label, at in zip(wanted, chosen, strict=True) if at < 0]
            raise ValueError(f"participants {absent[:5]} are not in the recordings")
        chosen = np.sort(chosen)
    parts: list[Residuals] = []
    for first in range(0, len(chosen), _PEOPLE_AT_ONCE):
        some = _of_people(days, chosen[first : first + _PEOPLE_AT_ONCE])
        rounds = [part for part in _rounds(some, answers, window_days, most_days, per_day, seed) if len(part)]
        if rounds:
            parts.append(_stack(rounds))
        if progress is not None:
            progress(f"{min(first + _PEOPLE_AT_ONCE, len(chosen))} of {len(chosen)} people")
    if not parts:
        raise ValueError("nothing could be hidden: no day has an hour of a recorded channel")
    return join(parts)


def _of_people(days: Days, people: np.ndarray) -> Days:
    """The days of some participants, numbered as before."""
    rows = np.flatnonzero(np.isin(days.person, people))
    back = np.full(len(days) + 1, -1)
    back[rows] = np.arange(len(rows))
    return replace(
        days,
        values=days.values[rows],
        person=days.person[rows],
        date=days.date[rows],
        next_day=back[days.next_day[rows]],
    )


def _rounds(
    days: Days, answers: Answers, window_days: int, most_days: int, per_day: int, seed: int
) -> Iterable[Residuals]:
    names = [f"{days.participants[p]}|{date}" for p, date in zip(days.person, days.date, strict=True)]
    scorable = _scorable(days) & _drawn(days, most_days, seed)[:, None, None]
    recorded = Recorded(days.schema, days.person, names, days.observed, scorable)
    for hidden, scored in hide(recorded, seed=seed, per_day=per_day):
        if not scored.any():
            continue
        visible = replace(days, values=np.where(hidden, np.float32(np.nan), days.values))
        windows = make_windows(visible, window_days)
        mean = answers(windows, scored)
        scored = scored & ~np.isnan(mean)  # else nothing of the window is left to answer from
        cells = surround(windows, scored)
        yield Residuals(days.person[cells.day], cells.day.copy(), cells, mean[scored], days.values[scored])


def _scorable(days: Days) -> np.ndarray:
    """Minutes that are the truth: of counts and energies, those in which the device was worn."""
    needs_wear = [c.kind == "count" or c.family == "energy" for c in days.schema.channels]
    return np.asarray(worn(days)[:, None, :] | ~np.array(needs_wear)[None, :, None])


def _drawn(days: Days, most: int, seed: int) -> np.ndarray:
    """Which days lose minutes, bool (days,)."""
    result = np.zeros(len(days), bool)
    for person in np.unique(days.person):
        rows = np.flatnonzero((days.person == person) & ~np.isnan(days.values).all((1, 2)))
        result[np.random.default_rng([seed, len(rows)]).permutation(rows)[:most]] = True
    return result


def interpolation(windows: Windows, wanted: np.ndarray) -> np.ndarray:
    """Linear interpolation in time on each person's line, edges held: what intervals are compared with.

    Example:
        >>> import pandas as pd
        >>> from lsm2.channels import Schema
        >>> from lsm2.days import read_days
        >>> times = pd.date_range("2024-03-01 10:00", periods=3, freq="min")
        >>> frame = pd.DataFrame({"HR": [61, None, 64]}, index=times)
        >>> windows = make_windows(read_days(frame, Schema.from_names(["heart_rate"])), 1)
        >>> float(interpolation(windows, ~windows.observed)[0, 0, 601])
        62.5
    """
    days = windows.days
    result = np.full(days.values.shape, np.nan, np.float32)
    line = (days.date.astype(np.int64) * DAY)[:, None] + np.arange(DAY)
    for person in np.unique(days.person):
        rows = slice(*np.searchsorted(days.person, [person, person + 1]))
        for position in range(len(days.schema)):
            values, asked = days.values[rows, position], wanted[rows, position]
            seen = ~np.isnan(values)
            if asked.any() and seen.any():
                result[rows, position][asked] = np.interp(line[rows][asked], line[rows][seen], values[seen])
    return result
