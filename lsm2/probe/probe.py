"""A probe: a linear model on frozen embeddings, with what must be known to apply it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from lsm2.probe.embeddings import Embeddings, is_embeddings, read_embeddings
from lsm2.probe.linear import Linear


class ProbeConfig(BaseModel):
    """``probe.json``; the weights lie beside it in ``probe.safetensors``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["lsm2-probe"] = "lsm2-probe"
    version: Literal[1] = 1
    task: Literal["classification", "regression"]
    level: Literal["participant", "day", "hour", "token", "window"]
    label: str | None = None
    """Name of what is predicted."""
    classes: tuple[str | bool | int | float, ...] = ()
    checkpoint: str | None
    """Hash of the weights that made the embeddings; None where they did not say."""
    model: str | None
    """Name of those weights."""
    channels: tuple[str, ...] | None
    """Channels that the recordings had; None where it is not known."""
    dim: int = Field(ge=1)
    """Width of the encoder."""
    features: tuple[str, ...] = Field(min_length=1)
    """Columns that the weights go with, in order."""
    metrics: dict[str, Any] = Field(default_factory=dict)
    """Out-of-fold scores; for people."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """How it was fitted; for people, not read by code."""
    fingerprint: str | None = None
    """Of the weights as stored; a file that was altered since is refused."""

    @model_validator(mode="after")
    def _fits(self) -> ProbeConfig:
        if self.task == "classification" and len(set(map(str, self.classes))) < max(2, len(self.classes)):
            raise ValueError("a classification needs two classes or more, of different names")
        if self.task == "regression" and self.classes:
            raise ValueError("a regression has no classes")
        return self

    @property
    def outputs(self) -> int:
        """Outputs of the linear map: two classes share one."""
        return len(self.classes) if len(self.classes) > 2 else 1


@dataclass(frozen=True, eq=False, repr=False)
class Probe:
    """A linear model on embeddings, made by :func:`lsm2.fit_probe` or :func:`lsm2.load_probe`.

    Attributes:
        config: What it predicts, from which columns of which checkpoint's embeddings, and how it scored.
        linear: The weights on these columns.
        oof_: Out-of-fold predictions (``label``, ``prediction``, ``p_<class>``, ``fold``), one row for each
            row fitted on; None after loading, since they are people's own and are not written.
    """

    config: ProbeConfig
    linear: Linear
    oof_: pd.DataFrame | None = None

    def __repr__(self) -> str:
        what = self.config.label or "labels"
        best = "auroc" if self.task == "classification" else "pearson_r"
        score = self.metrics_.get(best, {}).get("value")
        shown = "" if score is None else f", {best} {score:.2f}"
        return f"Probe({what!r}, {self.task} by {self.level}, {self.metrics_.get('people')} people{shown})"

    @property
    def task(self) -> str:
        """``classification`` or ``regression``."""
        return self.config.task

    @property
    def level(self) -> str:
        """What a row stands for: ``participant``, ``day``, ``hour``, ``token`` or ``window``."""
        return self.config.level

    @property
    def classes_(self) -> tuple[Any, ...]:
        """The classes, sorted; () for a regression."""
        return self.config.classes

    @property
    def checkpoint(self) -> str | None:
        """Hash of the weights whose embeddings it was fitted on."""
        return self.config.checkpoint

    @property
    def metrics_(self) -> dict[str, Any]:
        """Sizes, and for each score its out-of-fold ``value``, the ``low`` and ``high`` of its 95 % interval,
        and a ``dummy``'s score.
        """
        return self.config.metrics

    def predict(self, embeddings: pd.DataFrame, *, participant: str = "participant_id") -> pd.DataFrame:
        """Predict from a frame of embeddings; :func:`lsm2.predict` also takes recordings, and names.

        Args:
            embeddings: A frame that ``embed`` returned, at the probe's level.
            participant: Name of the participants, where they stand in a column.

        Returns:
            As for :func:`lsm2.predict`.

        Raises:
            TypeError: ``embeddings`` is no frame of embeddings.
            ValueError: They are of another checkpoint, level or width.
        """
        if not is_embeddings(embeddings):
            raise TypeError("Probe.predict takes a frame that embed returned; for recordings, lsm2.predict")
        found = read_embeddings(embeddings, participant=participant)
        self.check(found)
        return self.tabulate(found.values(self.config.features), found.frame.index)

    def check(self, embeddings: Embeddings) -> None:
        """Refuse embeddings that this probe does not fit; warn where that cannot be told."""
        if embeddings.level is not None and embeddings.level != self.level:
            raise ValueError(
                f"the probe reads embeddings by {self.level}, these are by {embeddings.level}; pass "
                f"recordings, or embed(level={self.level!r})"
            )
        self.check_checkpoint(embeddings.checkpoint, embeddings.model)
        if embeddings.dim != self.config.dim:
            raise ValueError(
                f"the probe was fitted on embeddings of width {self.config.dim}, these have "
                f"{embeddings.dim}: they are of another model. Fit a probe on this model's embeddings."
            )
        if self.checkpoint is None or embeddings.checkpoint is None:
            whose = "the probe was fitted on" if self.checkpoint is None else "made these embeddings"
            warnings.warn(
                f"it is not known which checkpoint {whose} (frame.attrs was lost); only the width, "
                f"{self.config.dim}, was checked",
                UserWarning,
                stacklevel=5,
            )
        self.check_channels(embeddings.channels)

    def check_checkpoint(self, checkpoint: str | None, model: str | None) -> None:
        """Refuse another checkpoint's embeddings.

        Raises:
            ValueError: The hashes are known and differ.
        """
        if None not in (self.checkpoint, checkpoint) and self.checkpoint != checkpoint:
            raise ValueError(
                f"the probe was fitted on embeddings of {self.config.model} ({self.checkpoint}), not of "
                f"{model} ({checkpoint}), whose numbers mean something else. Pass model= to embed with the "
                "former, or fit a probe on embeddings of the latter."
            )

    def check_channels(self, channels: tuple[str, ...] | None) -> None:
        """Warn where recordings have other channels than those fitted on."""
        if channels is None or self.config.channels is None or set(channels) == set(self.config.channels):
            return
        lacking = [name for name in self.config.channels if name not in channels]
        more = [name for name in channels if name not in self.config.channels]
        parts = [f"lack {', '.join(lacking)}"] if lacking else []
        parts += [f"also hold {', '.join(more)}"] if more else []
        warnings.warn(
            f"the probe was fitted on recordings of {', '.join(self.config.channels)}; these "
            f"{' and '.join(parts)}, so that its scores may not hold for them",
            UserWarning,
            stacklevel=6,
        )

    def tabulate(self, x: np.ndarray, index: pd.Index) -> pd.DataFrame:
        """Predictions of rows (rows, features) as a table; rows with NaN are missing."""
        blank = np.isnan(x).any(axis=1)
        if self.task == "regression":
            return self._marked(pd.DataFrame({"prediction": self.linear.outputs(x)[:, 0]}, index=index))
        with np.errstate(invalid="ignore"):
            probabilities = self.linear.probabilities(x)
        columns: dict[str, Any] = {
            "prediction": likeliest(self.classes_, np.where(blank[:, None], 0.0, probabilities), blank)
        }
        for number, name in enumerate(self.classes_):
            columns[f"p_{name}"] = probabilities[:, number]
        return self._marked(pd.DataFrame(columns, index=index))

    def _marked(self, predictions: pd.DataFrame) -> pd.DataFrame:
        predictions.attrs = {"checkpoint": self.checkpoint, "level": self.level, "label": self.config.label}
        return predictions

    def save(self, path: str | Path) -> Path:
        """Write ``probe.json`` and ``probe.safetensors``; :func:`lsm2.load_probe` reads them back.

        The out-of-fold predictions are not written, and neither are labels or ids; the counts of classes are.

        Args:
            path: A folder, made if needed. Files are written to temporary names and renamed.

        Returns:
            The folder.

        Raises:
            FileExistsError: There is a file of that name.
        """
        from lsm2.probe.files import save_probe

        return save_probe(self, path)


def likeliest(classes: tuple[Any, ...], probabilities: np.ndarray, blank: np.ndarray) -> Any:
    """The likeliest class of each row, nullable (string, boolean, Int64 or Float64): NA where blank.

    >>> likeliest(("no", "yes"), np.array([[0.2, 0.8], [0.0, 0.0]]), np.array([False, True])).tolist()
    ['yes', <NA>]
    """
    kind = {str: "string", bool: "boolean", int: "Int64"}.get(type(classes[0]), "Float64")
    best = probabilities.argmax(axis=1)
    chosen = [pd.NA if none else classes[one] for one, none in zip(best, blank, strict=True)]
    return pd.array(chosen, dtype=kind)  # type: ignore[call-overload]
