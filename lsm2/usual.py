"""The usual days of a recording's participants, from which a window's own days are left out."""

from __future__ import annotations

import numpy as np
import torch

from lsm2.aim.usual import USUAL_SUMS
from lsm2.days import Days
from lsm2.engine import Engine

_DAYS_AT_ONCE = 256


class UsualDays:
    """Sums over each participant's days, for networks whose queries see the other days of a person.

    Args:
        engine: Of such a network.
        days: The recording.
        history: Other days of the same participants. Those that ``days`` has too are left out.
    """

    def __init__(self, engine: Engine, days: Days, history: Days | None = None) -> None:
        self._engine, self._days = engine, days
        network = engine.network.config
        shape = (len(days.participants), network.channels, network.slots, USUAL_SUMS)
        self._totals = np.zeros(shape)
        self._add(days, days.person, np.arange(len(days)))
        if history is not None:
            person = days.participants.get_indexer(history.participants)[history.person]
            known = set(zip(days.person.tolist(), days.date.tolist(), strict=True))
            new = [pair not in known for pair in zip(person.tolist(), history.date.tolist(), strict=True)]
            self._add(history, person, np.flatnonzero((person >= 0) & np.array(new, bool)))

    def _add(self, days: Days, person: np.ndarray, rows: np.ndarray) -> None:
        for first in range(0, len(rows), _DAYS_AT_ONCE):
            some = rows[first : first + _DAYS_AT_ONCE]
            np.add.at(self._totals, person[some], self._engine.usual_sums(days.values[some]))

    def without(self, days: np.ndarray) -> torch.Tensor:
        """Sums over the other days of the participants of some days.

        Args:
            days: (n,) positions of the days.

        Returns:
            float32 (n, channels, slots, 3), see :func:`lsm2.aim.usual.usual_sums`.
        """
        return _as_tensor(self._totals[self._days.person[days]] - self._own(days))

    def across(self, first: np.ndarray, second: np.ndarray, turn: int, windows: np.ndarray) -> torch.Tensor:
        """The same for windows that reach from one day into the next.

        Args:
            first: Positions of the earlier days of all windows.
            second: Positions of the later ones.
            turn: Clock slot at which the windows begin.
            windows: (n,) numbers of the windows asked for.

        Returns:
            float32 (n, channels, slots, 3), slots in the windows' order.
        """
        before, after = first[windows], second[windows]
        sums = self._totals[self._days.person[before]] - self._own(before) - self._own(after)
        return _as_tensor(np.roll(sums, -turn, axis=2))

    def _own(self, days: np.ndarray) -> np.ndarray:
        return self._engine.usual_sums(self._days.values[days])


def _as_tensor(sums: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(sums.astype(np.float32))
