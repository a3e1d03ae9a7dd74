"""A model behind frames: frame -> days -> engine -> frame."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable, Mapping
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from lsm2 import levels
from lsm2.aim import AIM
from lsm2.arguments import check_batch_size, check_events, check_min_observed, check_uncertainty, one_of
from lsm2.channels import Schema
from lsm2.checkpoint import CheckpointConfig, fingerprint, model_card, save_checkpoint, save_probes
from lsm2.days import DAY, Windows, coverage, make_windows, read_days, read_events
from lsm2.engine import make_engine
from lsm2.facts import describe
from lsm2.filling import propose, read_filling
from lsm2.intervals import Calibration
from lsm2.wording import counted

if TYPE_CHECKING:
    from lsm2.probe import Probe

Level = Literal["day", "participant", "hour", "token", "window"]
Point = Literal["mean", "median"]
Summary = Literal["day"]


class Model:
    """A network with its channels, on a device, behind frames; made by :func:`load_model`.

    Attributes:
        config: What travels with the weights: name, licence, channels, network, how they came about.
        schema: The channels that the model knows (``.channels``: objects with ``.name``, ``.unit``,
            ``.kind``, ...).
        calibration: Behind intervals, totals' intervals and samples; None until :func:`lsm2.calibrate`.
        folder: Where the checkpoint was loaded from, if it was; its probes lie there.
        head: What :func:`lsm2.finetune` learnt on top; its name is ``"head"``.

    Example:
        >>> import lsm2
        >>> model = lsm2.load_model()
        >>> model.schema.names[0], model.schema.channels[0].unit, model.precision
        ('heart_rate', 'beats/min', 'float32')
    """

    def __init__(
        self,
        network: AIM,
        config: CheckpointConfig,
        *,
        device: str = "auto",
        precision: str = "float32",
        card: str | None = None,
        calibration: Calibration | None = None,
        folder: Path | None = None,
        head: Probe | None = None,
    ) -> None:
        self.config = config
        self.schema: Schema = config.channels
        self._engine = make_engine(network, device, precision)
        self._card = card
        self.calibration = calibration
        self.folder = folder
        self.head = head
        self.window_days, part = divmod(network.config.window_minutes, DAY)
        if part or DAY % network.config.patch_minutes:
            raise ValueError(
                f"{config.name} reads windows of {network.config.window_minutes} minutes in patches of "
                f"{network.config.patch_minutes}; frames need windows of whole days and days of whole patches"
            )

    def __repr__(self) -> str:
        channels = counted(len(self.schema), "channel")
        return f"Model({self.config.name!r}, {channels}, {self.device}, {self.precision})"

    @property
    def device(self) -> str:
        """Where the network computes, such as ``cpu`` or ``cuda``."""
        return str(self._engine.device)

    @property
    def precision(self) -> str:
        """``float32`` or ``bfloat16``."""
        return self._engine.precision

    @property
    def network(self) -> AIM:
        """The network itself, in torch."""
        return self._engine.network

    @cached_property
    def hash(self) -> str:
        """Fingerprint of weights, network and channels; embeddings carry it in ``.attrs["checkpoint"]``."""
        return fingerprint(self._engine.network, self.config)

    def embed(
        self,
        data: pd.DataFrame,
        *,
        level: Level = "day",
        events: pd.DataFrame | None = None,
        min_observed: float = 0.0,
        columns: Mapping[Any, str] | None = None,
        units: Mapping[str, str] | None = None,
        tz: Any = None,
        participant: str = "participant_id",
        timestamp: str = "timestamp",
        keep_zeros: bool = False,
        batch_size: int | None = None,
        progress: bool | None = None,
    ) -> pd.DataFrame:
        """Embed a recording with this model; see :func:`lsm2.embed`."""
        one_of("level", level, get_args(Level))
        check_events(level, events)
        check_batch_size(batch_size)
        check_min_observed(min_observed)
        days = read_days(
            data,
            self.schema,
            columns=columns,
            units=units,
            tz=tz,
            participant=participant,
            timestamp=timestamp,
            keep_zeros=keep_zeros,
        )
        windows = make_windows(days, self.window_days)
        intervals = None if events is None else read_events(events, days, participant=participant)
        table, empty = levels.tabulate(
            self._engine,
            windows,
            level,
            events=intervals,
            min_observed=min_observed,
            batch_size=batch_size,
            progress=progress,
        )
        recorded = [name for name, there in zip(self.schema.names, days.recorded, strict=True) if there]
        own = {"checkpoint": self.hash, "model": self.config.name, "level": level, "channels": recorded}
        table.attrs |= days.origin.attrs | own
        if empty:
            _warn(f"{empty} have no observed token; their embedding is NaN")
        return table

    def reconstruct(
        self,
        data: pd.DataFrame,
        *,
        channels: Literal["all"] | Iterable[str] | None = None,
        point: Point = "mean",
        grid: Literal["days", "full"] = "days",
        max_gap: Any = None,
        return_median: bool = False,
        return_filled: bool = False,
        interval: float | None = None,
        summary: Summary | None = None,
        n_samples: int | None = None,
        seed: int = 0,
        history: pd.DataFrame | None = None,
        columns: Mapping[Any, str] | None = None,
        units: Mapping[str, str] | None = None,
        tz: Any = None,
        participant: str = "participant_id",
        timestamp: str = "timestamp",
        keep_zeros: bool = False,
        batch_size: int | None = None,
        progress: bool | None = None,
    ) -> pd.DataFrame:
        """Fill the gaps of a recording with this model; see :func:`lsm2.reconstruct`."""
        one_of("point", point, get_args(Point))
        one_of("grid", grid, ("days", "full"))
        if summary is not None:
            one_of("summary", summary, get_args(Summary))
        check_batch_size(batch_size)
        check_uncertainty(interval, n_samples, seed)
        if return_median and (summary is not None or n_samples is not None):
            raise ValueError("return_median= is for minutes: leave out summary= and n_samples=, or it")
        if point != "mean" and n_samples is not None:
            raise ValueError(f"n_samples= draws completions, which have no point: leave out point={point!r}")
        if self.head is not None:
            warnings.warn(
                f"{self.config.name} was fine-tuned for a task, its decoder was not: fill gaps with the "
                "weights that it came from",
                UserWarning,
                stacklevel=3,
            )
        calibration = None if interval is None and n_samples is None else self.calibrated()
        wants_median = n_samples is None and (point == "median" or return_median)
        wants_mean = point == "mean" or calibration is not None
        filling = read_filling(
            self._engine,
            self.schema,
            data,
            ("mean",) * wants_mean + ("median",) * wants_median,
            calibration,
            minutes=summary is None,
            channels=channels,
            grid=grid,
            max_gap=max_gap,
            history=history,
            batch_size=batch_size,
            progress=progress,
            columns=columns,
            units=units,
            tz=tz,
            participant=participant,
            timestamp=timestamp,
            keep_zeros=keep_zeros,
        )
        if n_samples is None:
            table = filling.table(
                point,
                interval=interval,
                summary=summary,
                return_median=return_median,
                return_filled=return_filled,
            )
        else:
            table = filling.samples(n_samples, seed, summary=summary, return_filled=return_filled)
        table.attrs["predicted"] = filling.predicted
        return table

    def predict(
        self,
        data: pd.DataFrame,
        probe: Probe | str | Path,
        *,
        events: pd.DataFrame | None = None,
        min_observed: float = 0.0,
        **options: Any,
    ) -> pd.DataFrame:
        """Predict from this model's embeddings; see :func:`lsm2.predict`, also for the other options."""
        from lsm2.probe import apply

        return apply(self, data, probe, events=events, min_observed=min_observed, **options)

    def propose(self, windows: Windows, wanted: np.ndarray, point: str, **options: Any) -> np.ndarray:
        """Values for the minutes wanted of days; see :func:`lsm2.filling.propose`."""
        return propose(self._engine, windows, wanted, (point,), **options)[0]

    def with_calibration(self, calibration: Calibration | None) -> Model:
        """The same model, sharing its weights, with another calibration or none."""
        other = copy(self)
        other.calibration = calibration
        return other

    def calibrated(self) -> Calibration:
        """The calibration, if it is there and was fitted to these weights.

        Raises:
            ValueError: It is not; says how to make one.
        """
        how = (
            f"Make one with `lsm2 calibrate --model {self.folder or self.config.name} DATA.parquet -o "
            "FOLDER`, or with lsm2.calibrate(model, data)"
        )
        if self.calibration is None:
            raise ValueError(
                f"{self.config.name} has no calibration, which interval= and n_samples= need. {how}"
            )
        fitted = self.calibration.config.checkpoint
        if fitted != self.hash:
            raise ValueError(
                f"the calibration of {self.config.name} was fitted on other weights ({fitted}; these are "
                f"{self.hash}), so its intervals would be wrong. {how}"
            )
        return self.calibration

    def fill_windows(
        self,
        values: np.ndarray,
        wanted: np.ndarray,
        *,
        batch_size: int | None = None,
        progress: bool | None = None,
    ) -> np.ndarray:
        """Fill arrays instead of frames, for evaluation harnesses.

        Args:
            values: float32 (windows, channels, window_minutes), canonical units, NaN = missing.
            wanted: bool, same shape.
            batch_size, progress: See :func:`lsm2.embed`.

        Returns:
            float32, same shape: conditional means, not clipped to valid ranges, of the minutes wanted; NaN
            elsewhere and in windows without an observed token.
        """
        return self._engine.reconstruct(
            values, wanted, points=("mean",), clip=False, batch_size=batch_size, progress=progress
        )[0]

    def coverage(
        self,
        data: pd.DataFrame,
        *,
        columns: Mapping[Any, str] | None = None,
        units: Mapping[str, str] | None = None,
        tz: Any = None,
        participant: str = "participant_id",
        timestamp: str = "timestamp",
        keep_zeros: bool = False,
    ) -> pd.DataFrame:
        """Observed fraction of this model's channels; see :func:`lsm2.coverage`."""
        return coverage(
            read_days(
                data,
                self.schema,
                columns=columns,
                units=units,
                tz=tz,
                participant=participant,
                timestamp=timestamp,
                keep_zeros=keep_zeros,
            )
        )

    def save(self, directory: str | Path) -> Path:
        """Write ``config.json``, ``model.safetensors`` (float32), the model card and, where there are any,
        calibration and probes; :func:`load_model` reads them back.

        Args:
            directory: Made if needed. Files are written to temporary names and renamed.

        Returns:
            The folder.

        Example:
            >>> import lsm2, tempfile
            >>> model = lsm2.load_model()
            >>> folder = model.save(tempfile.mkdtemp())
            >>> lsm2.load_model(folder).hash == model.hash
            True
        """
        card = self._card or model_card(self.config)
        folder = save_checkpoint(directory, self._engine.network, self.config, card=card)
        if self.calibration is not None:
            self.calibration.save(folder)
        save_probes(self.folder, self.head, folder)
        return folder

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool = False,
        revision: str | None = None,
        commit_message: str | None = None,
        create_pr: bool = False,
        token: str | None = None,
    ) -> str:
        """Upload what :meth:`save` writes to the Hugging Face hub; ``load_model(repo_id)`` reads it back.

        Args:
            repo_id: ``"you/your-model"``; made if it is not there.
            private: Make a new repository private.
            revision: The branch to commit to; None for the main one.
            commit_message: None for a plain one.
            create_pr: Open a pull request instead of committing.
            token: None for the one that ``hf auth login`` or ``HF_TOKEN`` gives.

        Returns:
            The address of the commit (or pull request).

        Raises:
            ValueError: ``repo_id`` is not of the form ``"account/name"``.
            PermissionError: There is no such account, no token, or one that may not write there.
            ConnectionError: The hub cannot be reached.
        """
        from lsm2.checkpoint.hub import push

        with tempfile.TemporaryDirectory() as directory:
            return push(
                self.save(directory),
                repo_id,
                private=private,
                revision=revision,
                commit_message=commit_message or f"Upload {self.config.name}",
                create_pr=create_pr,
                token=token,
            )

    def info(self) -> dict[str, Any]:
        """What the model is: name, hash, size, terms, channels, normalisation, probes, training."""
        return describe(self)


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=4)
