"""Frame in, frame out: embeddings or fills as picklable calls, whose model is loaded once a process."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Iterable, Iterator
from copy import deepcopy
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import numpy as np
import pandas as pd

from lsm2.days import PARTICIPANT, TIMESTAMP, find_key, raw_keys
from lsm2.loading import check_model, load_model, resolve
from lsm2.model import Model

_KEYED = ("events", "history")  # options that are frames of participants


class Partition:
    """A picklable call of a model's method on frames of whole participants."""

    method: ClassVar[str]

    def __init__(
        self,
        model: Model | str | Path | None = None,
        *,
        device: str | None = None,
        precision: str | None = None,
        threads: int | None = None,
        **options: Any,
    ) -> None:
        check_model(model)
        known = inspect.signature(getattr(Model, self.method)).parameters
        for name in options:
            if name not in known or name in ("self", "data"):
                raise TypeError(f"{type(self).__name__} has no option {name!r}; see lsm2.{self.method}")
        if isinstance(model, Model):
            if precision not in (None, model.precision):
                raise ValueError(f"{model!r} is loaded at {model.precision} already; leave out precision=")
            precision = model.precision
        self.source = model
        self.device = device
        self.precision = precision or "float32"
        self.threads = threads
        self._token = uuid4().hex  # a later call loads anew what may have changed on disk
        self.options = {"progress": False, **options}

    @property
    def model(self) -> Model:
        """The model, loaded once a process."""
        source: Model | str | Path | bytes | None = self.source
        if isinstance(source, Model):
            if self.device in (None, source.device):
                return source
            source = self._dump
        elif source is None and self.device is None and self.precision == "float32":
            return resolve(None)
        return _load(source, self.device or "auto", self.precision, self._token)

    @cached_property
    def _dump(self) -> bytes:
        return _dumped(self.source) if isinstance(self.source, Model) else b""

    def on(self, device: str | None, threads: int | None) -> Partition:
        """The same call on another device, with so many threads."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.device, other.threads = device or self.device, threads
        return other

    def table(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the model's answer as it is: see :func:`lsm2.embed` and :func:`lsm2.reconstruct`."""
        if self.threads is not None:
            import torch

            torch.set_num_threads(self.threads)
        options = dict(self.options)
        for name in _KEYED:
            if isinstance(options.get(name), pd.DataFrame):
                options[name] = options[name][self.concerned(name, frame)]
                if len(options[name]) == 0 and name == "history":
                    options[name] = None
                elif len(options[name]) == 0:
                    frame = frame.iloc[:0]  # no event: no row
        return self._answer(frame, options)

    def model_answer(self, data: pd.DataFrame, progress: bool | None = False) -> pd.DataFrame:
        """Return the model's answer to a frame by all options as they are."""
        return self._answer(data, self.options | {"progress": progress})

    def with_options(self, **options: Any) -> Partition:
        """The same call with some options changed."""
        other = self.on(None, self.threads)
        other.options = self.options | options
        return other

    def _answer(self, data: pd.DataFrame, options: dict[str, Any]) -> pd.DataFrame:
        answer: pd.DataFrame = getattr(self.model, self.method)(data, **options)
        return answer

    def concerned(self, name: str, frame: pd.DataFrame) -> np.ndarray:
        """Which rows of an option that is a frame are of the participants of a recording, bool (rows,)."""
        given = self.options[name]
        label = self.options.get("participant", PARTICIPANT)
        ids = find_key(given, PARTICIPANT, label)
        people, _ = raw_keys(frame, participant=label, timestamp=self.options.get("timestamp", TIMESTAMP))
        if ids is None or people is None:
            return np.ones(len(given), bool)
        return np.asarray(ids.astype(object).isin(people.astype(object).unique()))

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the answer with participants and times as columns."""
        return self.table(frame).reset_index()

    def map(self, frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """Answer batches of rows, as ``mapInPandas`` of Spark gives them: a participant may span batches.

        Raises:
            ValueError: A participant comes back after others: the rows are not sorted by participant.
        """
        label = self.options.get("participant", PARTICIPANT)
        held: list[pd.DataFrame] = []  # of the participant whose rows may go on
        whose: Any = None
        done: set[Any] = set()
        for frame in frames:
            ids, _ = raw_keys(frame, participant=label, timestamp=self.options.get("timestamp", TIMESTAMP))
            if ids is None or len(ids) == 0:
                held.append(frame)
                continue
            changes = np.flatnonzero(np.asarray(ids[1:] != ids[:-1])) + 1
            for start, stop in zip([0, *changes], [*changes, len(ids)], strict=True):
                if ids[start] in done:
                    raise ValueError(
                        f"participant {ids[start]!r} comes back after others: sort the rows by participant, "
                        "on Spark by repartition(...).sortWithinPartitions(...)"
                    )
                if held and ids[start] != whose:
                    yield self(pd.concat(held))
                    done.add(whose)
                    held = []
                whose = ids[start]
                held.append(frame.iloc[start:stop])
        if held:
            yield self(pd.concat(held))

    def __getstate__(self) -> dict[str, Any]:
        if not isinstance(self.source, Model):
            return self.__dict__
        device = self.device or self.source.device
        return self.__dict__ | {"source": self._dump, "device": device}


class EmbedPartition(Partition):
    """A picklable call that embeds whole participants: frame in, frame out.

    The model is loaded once in each process, where it is first used. Every frame must hold all rows of its
    participants' days.

    Args:
        model: A name or folder for :func:`lsm2.load_model`, None for the shipped default, or a model, which
            is then pickled with its weights.
        device: As for :func:`lsm2.load_model`; None: where ``model`` is, else ``"auto"``.
        precision: As for :func:`lsm2.load_model`, for names.
        threads: CPU threads of each process; None leaves them as they are.
        **options: As for :func:`lsm2.embed`; of ``events`` each frame takes those of its participants.

    Raises:
        TypeError: An option is not known.

    Example:
        >>> import lsm2
        >>> from lsm2.scale import EmbedPartition
        >>> embed = EmbedPartition("lsm2-small")
        >>> list(embed(lsm2.simulate(participants=1, days=2)).columns[:3])
        ['participant_id', 'date', 'e0']
    """

    method = "embed"


class ReconstructPartition(Partition):
    """A picklable call that fills the gaps of whole participants: frame in, frame out.

    Args:
        model, device, precision, threads: See :class:`EmbedPartition`.
        **options: As for :func:`lsm2.reconstruct`.

    Raises:
        TypeError: An option is not known.

    Example:
        >>> import lsm2
        >>> from lsm2.scale import ReconstructPartition
        >>> fill = ReconstructPartition("lsm2-small", max_gap="60min")
        >>> list(fill(lsm2.simulate(participants=1, days=1)).columns[:3])
        ['participant_id', 'timestamp', 'heart_rate']
    """

    method = "reconstruct"


def _dumped(model: Model) -> bytes:
    """The model, on the CPU, as bytes for other processes of the same program."""
    network = model.network if model.device == "cpu" else deepcopy(model.network).cpu()
    return pickle.dumps(
        {
            "network": network,
            "config": model.config,
            "calibration": model.calibration,
            "folder": model.folder,
            "head": model.head,
        }
    )


@lru_cache(maxsize=1)
def _load(source: str | Path | bytes | None, device: str, precision: str, token: str) -> Model:
    if isinstance(source, bytes):
        return Model(**pickle.loads(source), device=device, precision=precision)
    return load_model(source or "lsm2-small", device=device, precision=precision)
