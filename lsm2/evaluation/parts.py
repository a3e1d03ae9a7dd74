"""Finished parts of an evaluation, kept in files: a run that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from lsm2.files import replacing
from lsm2.tables import write_table

from .masks import file_name
from .probing import Float
from .recordings import BoolArray, Recordings

_FORMAT = 2
"""Raise it when scores change their meaning: what was kept before is then computed anew."""
_REMOVED = "without "


class PartStore:
    """Scores by data set, protocol and method, a file each.

    A part's file name holds a hash of all that it depends on: the recordings, what is hidden, and what the
    method is (a checkpoint's hash, what a baseline learnt from). What has changed is therefore not found, and
    computed again.

    Args:
        directory: Where the files are; made when the first is written. None keeps nothing.
        identities: Name of a method -> text that changes with what it would fill.
        context: Text that changes with what all scores depend on, such as the channels' scales.
    """

    def __init__(
        self,
        directory: Path | None = None,
        identities: Mapping[str, str] | None = None,
        context: str = "",
    ) -> None:
        self.directory = directory
        self.identities = dict(identities or {})
        self.context = context

    def get(
        self, recordings: Recordings, rounds: Sequence[BoolArray], protocol: str, method: str
    ) -> pd.DataFrame | None:
        """Return the scores of a part, or None where they are not there.

        Args:
            recordings: What is hidden in.
            rounds: What each round hides.
            protocol: The protocol's name.
            method: The method's name.
        """
        path = self._path(recordings, rounds, protocol, method)
        if path is None or not path.exists():
            return None
        try:
            return pd.read_parquet(path)
        except (pa.ArrowException, OSError):
            return None  # a damaged file is computed again

    def put(
        self,
        recordings: Recordings,
        rounds: Sequence[BoolArray],
        protocol: str,
        method: str,
        table: pd.DataFrame,
    ) -> None:
        """Keep the scores of a part; arguments as for :meth:`get`."""
        path = self._path(recordings, rounds, protocol, method)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_table(table, path)

    def _path(
        self, recordings: Recordings, rounds: Sequence[BoolArray], protocol: str, method: str
    ) -> Path | None:
        if self.directory is None:
            return None
        digest = hashlib.sha256(
            "\n".join(
                [
                    str(_FORMAT),
                    recordings.fingerprint,
                    protocol,
                    method,
                    self.identities.get(method, ""),
                    self.context,
                ]
            ).encode()
        )
        for hidden in rounds:
            digest.update(np.packbits(hidden).tobytes())
        name = file_name(recordings.dataset, protocol, method)
        return self.directory / f"{name}--{digest.hexdigest()[:12]}.parquet"


class PredictionStore:
    """Out-of-fold predictions by task and method, a file each, likewise.

    Args:
        directory: Where the files are; made when the first is written. None keeps nothing.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory

    def get(
        self, task: str, method: str, depends_on: object, predict: Callable[[], dict[str, Float]]
    ) -> dict[str, Float]:
        """Return predictions by what was removed, from the file if it is there.

        Args:
            task: The task's name.
            method: The method's name.
            depends_on: All that the predictions depend on, such as JSON can hold.
            predict: Makes them.
        """
        if self.directory is None:
            return predict()
        digest = hashlib.sha256(json.dumps([_FORMAT, task, method, depends_on]).encode())
        path = self.directory / f"{file_name(task, method)}--{digest.hexdigest()[:12]}.npz"
        if path.exists():
            try:
                with np.load(path) as file:
                    return {name.removeprefix(_REMOVED): file[name] for name in file.files}
            except (zipfile.BadZipFile, ValueError, OSError):
                pass  # a damaged file is made again
        predicted = predict()
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as opened:
            np.savez(opened, **{_REMOVED + name: values for name, values in predicted.items()})  # type: ignore[arg-type]
        return predicted
