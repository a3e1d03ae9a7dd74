"""Embeddings inside scikit-learn: a transformer of recordings.

A transformer keeps the number of samples, so a sample is a recording: one frame for each participant, or for
each participant and day, in a Series (:func:`split` makes it), a list or an object array.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from lsm2.arguments import one_of
from lsm2.days.split import split
from lsm2.loading import load_model, resolve
from lsm2.model import Level, Model

__all__ = ["Embedder", "split"]

_PER_SAMPLE = ("participant", "day")


class Embedder(TransformerMixin, BaseEstimator):
    """Recordings to embeddings, with nothing to fit but the choice of the model.

    Samples (a Series, list or object array of frames, each of one participant) give one row each: at
    ``level="participant"`` the mean and standard deviation over the sample's days, at ``level="day"`` the
    mean over its days alone. A single frame of recordings gives what :func:`lsm2.embed` gives, which has rows
    of its own; use that form outside pipelines.

    Args:
        model: A model, a name or folder, or None for the shipped default. Of a name only the name is pickled;
            a :class:`lsm2.Model` is pickled, and cloned, with its weights.
        level: ``"participant"`` or ``"day"``; for a single frame also ``"hour"`` and ``"token"``.
        min_observed, columns, units, tz, participant, timestamp, keep_zeros, batch_size: See
            :func:`lsm2.embed`.
        device, precision: See :func:`lsm2.load_model`; for models given by name.

    Attributes:
        checkpoint_: Hash of the model's weights.
        n_features_out_: Columns of the output.

    Example:
        >>> import lsm2
        >>> from lsm2.sklearn import Embedder, split
        >>> people = split(lsm2.simulate(participants=3, days=2))
        >>> Embedder(level="day").fit_transform(people).shape
        (3, 192)
    """

    def __init__(
        self,
        model: Model | str | Path | None = None,
        *,
        level: Level = "participant",
        min_observed: float = 0.0,
        columns: Mapping[Any, str] | None = None,
        units: Mapping[str, str] | None = None,
        tz: Any = None,
        participant: str = "participant_id",
        timestamp: str = "timestamp",
        keep_zeros: bool = False,
        batch_size: int | None = None,
        device: str = "auto",
        precision: str = "float32",
    ) -> None:
        self.model = model
        self.level = level
        self.min_observed = min_observed
        self.columns = columns
        self.units = units
        self.tz = tz
        self.participant = participant
        self.timestamp = timestamp
        self.keep_zeros = keep_zeros
        self.batch_size = batch_size
        self.device = device
        self.precision = precision

    def fit(self, X: Any, y: Any = None) -> Embedder:
        """Load the model and check the parameters; nothing is learnt.

        Args:
            X: Samples or a frame.
            y: Not used.

        Returns:
            The transformer.

        Raises:
            TypeError: ``X`` is neither samples nor a frame.
            ValueError: An unknown level, or one that has no one row per sample.
            FileNotFoundError: No such model.
        """
        known = tuple(level for level in get_args(Level) if level != "window")
        one_of("level", self.level, known if isinstance(X, pd.DataFrame) else _PER_SAMPLE)
        _samples(X)
        model = self._model()
        self.checkpoint_ = model.hash
        width = model.config.network.encoder_dim
        self.n_features_out_ = 2 * width if self.level == "participant" else width
        return self

    def transform(self, X: Any) -> pd.DataFrame:
        """Embed.

        Args:
            X: Samples: a Series, list or object array of frames; or a frame of recordings.

        Returns:
            float32, one row for each sample, with the index of the Series (0, 1, ... for lists); NaN where
            nothing was observed (warnings tell of how many samples). For a frame, what :func:`lsm2.embed`
            gives.

        Raises:
            NotFittedError: Call ``fit`` first.
            TypeError: A sample is no frame.
            ValueError: As for :func:`lsm2.embed`; a sample has several participants; the model of that name
                has changed since ``fit``.
        """
        check_is_fitted(self)
        model = self._model()
        if model.hash != self.checkpoint_:
            raise ValueError(
                f"the model {self.model!r} is now {model.hash}, and was {self.checkpoint_} when the Embedder "
                "was fitted; fit it again"
            )
        if isinstance(X, pd.DataFrame):
            return model.embed(X, level=self.level, **self._options())
        one_of("level", self.level, _PER_SAMPLE)
        samples, index = _samples(X)
        rows = np.full((len(samples), self.n_features_out_), np.nan, np.float32)
        messages: Counter[str] = Counter()
        for number, sample in enumerate(samples):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                rows[number] = self._embed_sample(model, sample, number)
            messages.update({str(one.message) for one in caught})
        for message, count in messages.items():
            warnings.warn(f"{message} ({count} of {len(samples)} samples)", UserWarning, stacklevel=2)
        return pd.DataFrame(rows, index=index, columns=self.get_feature_names_out())

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the output's columns: ``e0, e1, ...``, or ``e0_mean, ... e0_std, ...``.

        Args:
            input_features: Not used.
        """
        check_is_fitted(self)
        return np.asarray(list(self._names()), dtype=object)

    def _names(self) -> Iterator[str]:
        if self.level == "participant":
            for what in ("mean", "std"):
                yield from (f"e{number}_{what}" for number in range(self.n_features_out_ // 2))
        else:
            yield from (f"e{number}" for number in range(self.n_features_out_))

    def _model(self) -> Model:
        if isinstance(self.model, (str, Path)):
            return _load(self.model, self.device, self.precision)
        return resolve(self.model)

    def _options(self) -> dict[str, Any]:
        return {
            name: getattr(self, name)
            for name in (
                "min_observed",
                "columns",
                "units",
                "tz",
                "participant",
                "timestamp",
                "keep_zeros",
                "batch_size",
            )
        } | {"progress": False}

    def _embed_sample(self, model: Model, sample: pd.DataFrame, number: int) -> np.ndarray:
        table = model.embed(sample, level="day", **self._options())
        people = table.index.get_level_values(0).nunique() if table.index.nlevels > 1 else 1
        if people > 1:
            raise ValueError(
                f"sample {number} has {people} participants; a sample is a frame of one, as "
                "lsm2.sklearn.split makes them"
            )
        days = table.to_numpy(np.float64)
        days = days[~np.isnan(days).any(axis=1)]
        if len(days) == 0:
            return np.full(self.n_features_out_, np.nan)
        if self.level == "day":
            return np.asarray(days.mean(axis=0))
        return np.concatenate([days.mean(axis=0), days.std(axis=0)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = True
        return tags


@lru_cache(maxsize=4)
def _load(name: str | Path, device: str, precision: str) -> Model:
    return load_model(name, device=device, precision=precision)


def _samples(X: Any) -> tuple[list[pd.DataFrame], pd.Index | None]:
    """Return samples as a list of frames, and their index."""
    if isinstance(X, pd.DataFrame):
        return [X], None
    if isinstance(X, np.ndarray) and X.ndim == 2 and X.shape[1] == 1:
        X = X[:, 0]
    if not isinstance(X, (pd.Series, list, tuple, np.ndarray)):
        raise TypeError(
            f"X is a frame of recordings, or a Series or list of such frames, not {type(X).__name__}; "
            "lsm2.sklearn.split(frame) makes a Series"
        )
    for number, sample in enumerate(X):
        if not isinstance(sample, pd.DataFrame):
            raise TypeError(
                f"sample {number} is no frame but of type {type(sample).__name__}; lsm2.sklearn.split(frame) "
                "makes a Series of frames"
            )
    return list(X), X.index if isinstance(X, pd.Series) else None
