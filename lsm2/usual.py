"""The usual days of a recording's participants, from which a window's own days are left out."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

from lsm2.days import Days
from lsm2.engine import Engine


def read_history(history: pd.DataFrame, read: Callable[[pd.DataFrame], Days], days: Days) -> Days:
    """Read more days of the participants of a recording.

    Args:
        history: The frame.
        read: Reads it as the recording was read.
        days: The recording.

    Raises:
        TypeError: It is no frame.
        ValueError: It cannot be read, or names participants, or has a zone, where the recording does not, or
            the other way round.
    """
    try:
        other = read(history)
    except (TypeError, ValueError) as error:
        raise type(error)(f"history: {error}") from error
    if len(other) and len(days):
        if other.origin.keyed != days.origin.keyed:
            named = "data" if days.origin.keyed else "history"
            raise ValueError(f"only {named} names participants; name them in both frames, or in neither")
        naive = [one.origin.zones == (None,) for one in (days, other)]
        if naive[0] != naive[1]:
            zoned = "data" if naive[1] else "history"
            raise ValueError(
                f"the timestamps of {zoned} have a zone, those of the other frame have none, so that their "
                "days may not be the same; give both a zone, or none, by dt.tz_convert and dt.tz_localize"
            )
        if not other.participants.isin(days.participants).any():
            warnings.warn(
                f"no participant of history is in data (history has {other.participants[0]!r}, data "
                f"{days.participants[0]!r}), so it is not used; are the labels of one type?",
                UserWarning,
                stacklevel=5,
            )
    return other


class UsualDays:
    """Sums over each participant's days, for networks whose queries see the other days of a person.

    Args:
        engine: Of such a network.
        days: The recording.
        history: Other days of the same participants. Those that ``days`` has too are left out.
    """

    def __init__(self, engine: Engine, days: Days, history: Days | None = None) -> None:
        self._person = days.person
        self._own = engine.usual_sums(days.values)  # float32 (days, channels, slots, 3)
        self._totals = np.zeros((len(days.participants), *self._own.shape[1:]), np.float32)
        np.add.at(self._totals, days.person, self._own)
        if history is not None:
            person = days.participants.get_indexer(history.participants)[history.person]
            known = set(zip(days.person.tolist(), days.date.tolist(), strict=True))
            pairs = zip(person.tolist(), history.date.tolist(), strict=True)
            more = np.flatnonzero([who >= 0 and (who, date) not in known for who, date in pairs])
            np.add.at(self._totals, person[more], engine.usual_sums(history.values[more]))

    def without(self, *own: np.ndarray, turn: int = 0) -> torch.Tensor:
        """Sums over the other days of the participants of n windows.

        Args:
            *own: (n,) positions of the windows' own days, one array for each day that a window reaches into.
            turn: Clock slot at which the windows begin.

        Returns:
            float32 (n, channels, slots, 3), slots in the windows' order; see
            :func:`lsm2.aim.usual.usual_sums`.
        """
        sums = self._totals[self._person[own[0]]]
        for days in own:
            sums = sums - self._own[days]
        return torch.from_numpy(np.roll(sums, -turn, axis=2))
