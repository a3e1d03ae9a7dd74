"""Tables of embeddings: how to tell one from a recording, what its rows are, and which model made it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lsm2.days import FrameError
from lsm2.probe.keys import Keys, read_keys

_FEATURE = re.compile(r"e(\d+)(_mean|_std)?")
_FIRST = {"e0", "e0_mean", "e0_std"}


@dataclass(frozen=True, eq=False)
class Embeddings:
    """A table of embeddings."""

    frame: pd.DataFrame  # only the columns of numbers, with the rows' keys as index
    keys: Keys
    level: str | None  # None where neither index nor attributes say it
    checkpoint: str | None  # hash of the weights, where it is known
    model: str | None
    channels: tuple[str, ...] | None  # that the recordings had

    @property
    def dim(self) -> int:
        """Width of the encoder."""
        return 1 + max(int(_FEATURE.fullmatch(name)[1]) for name in self.frame.columns)  # type: ignore[index]

    def values(self, features: Sequence[str]) -> np.ndarray:
        """Return these columns, float64 (rows, features).

        Raises:
            FrameError: One is not there, or holds an infinite number.
        """
        absent = [name for name in features if name not in self.frame.columns]
        if absent:
            raise FrameError(
                f"the embeddings lack {len(absent)} of the {len(features)} columns that the probe reads, "
                f"such as {absent[0]!r}; embed at its level, and drop no column"
            )
        found = self.frame[list(features)].to_numpy(np.float64, na_value=np.nan)
        if np.isinf(found).any():
            row, column = map(int, np.argwhere(np.isinf(found))[0])
            raise FrameError(
                f"the embeddings hold an infinite number in row {row}, column {features[column]!r}; drop or "
                "correct it"
            )
        return found


def is_embeddings(data: object) -> bool:
    """Say whether a frame is one that ``embed`` returned (columns e0, e1, ... or e0_mean, ...).

    >>> is_embeddings(pd.DataFrame({"e0": [0.1], "e1": [0.2]})), is_embeddings(pd.DataFrame({"HR": [60]}))
    (True, False)
    """
    return isinstance(data, pd.DataFrame) and any(
        isinstance(name, str) and name in _FIRST for name in data.columns
    )


def read_embeddings(data: pd.DataFrame, *, participant: str = "participant_id") -> Embeddings:
    """Read a table of embeddings: a frame that ``embed`` returned, or what a file kept of it.

    Args:
        data: Numbers in columns ``e0, e1, ...`` (``e0_mean, ...``); what the rows are about in the index or
            in columns; other columns are left out.
        participant: Another name of the participants.

    Raises:
        FrameError: A column of numbers holds something else, or a time cannot be read.
    """
    names = [name for name in data.columns if isinstance(name, str) and _FEATURE.fullmatch(name)]
    doubled = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if doubled:
        raise FrameError(f"the embeddings hold column {doubled[0]!r} twice; drop one")
    for name in names:
        if not pd.api.types.is_numeric_dtype(data[name].dtype):
            raise FrameError(
                f"column {name!r} of the embeddings holds {data[name].dtype}, not numbers; pass the frame "
                "that embed returned"
            )
    keys = read_keys(data, participant, "embeddings")
    if isinstance(data.index, pd.RangeIndex) and data.index.name is None and not keys.columns:
        keys = Keys({}, (), len(data))  # row numbers are nobody's ids
    index = keys.index() if keys.columns else data.index
    attrs = data.attrs
    channels = attrs.get("channels")
    return Embeddings(
        frame=data[names].set_axis(index),
        keys=keys,
        level=keys.level or attrs.get("level"),
        checkpoint=attrs.get("checkpoint"),
        model=attrs.get("model"),
        channels=None if channels is None else tuple(channels),
    )
