"""The public functions: frame -> days -> model -> frame, and nothing else."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from lsm2 import levels, midnight
from lsm2.aim import AIM
from lsm2.channels import CHANNELS, Schema
from lsm2.checkpoint import (
    CheckpointConfig,
    fingerprint,
    load_checkpoint,
    model_card,
    read_config,
    save_checkpoint,
    shipped,
)
from lsm2.days import Days, crosses_midnight, read_days, select_columns, to_frame
from lsm2.days import coverage as coverage_of_days
from lsm2.engine import make_engine

Level = Literal["day", "participant", "hour", "token"]
Point = Literal["mean", "median"]


class Model:
    """A network with its channels, on a device, behind frames; made by :func:`load_model`.

    Attributes:
        config: What travels with the weights: name, licence, channels, network, how they came about.
        schema: The channels that the model knows (``.channels``: objects with ``.name``, ``.unit``,
            ``.kind``, ...).

    Example:
        >>> import lsm2
        >>> model = lsm2.load_model()
        >>> model.schema.names[0], model.device, model.precision
        ('heart_rate', 'cpu', 'float32')
    """

    def __init__(
        self,
        network: AIM,
        config: CheckpointConfig,
        *,
        device: str = "auto",
        precision: str = "float32",
        card: str | None = None,
    ) -> None:
        self.config = config
        self.schema: Schema = config.channels
        self._engine = make_engine(network, device, precision)
        self._card = card

    def __repr__(self) -> str:
        return f"Model({self.config.name!r}, {len(self.schema)} channels, {self.device}, {self.precision})"

    @property
    def device(self) -> str:
        """Where the network computes, such as ``cpu`` or ``cuda``."""
        return str(self._engine.device)

    @property
    def precision(self) -> str:
        """``float32`` or ``bfloat16``."""
        return self._engine.precision

    @cached_property
    def hash(self) -> str:
        """Fingerprint of weights, network and channels; embeddings carry it in ``.attrs["checkpoint"]``."""
        return fingerprint(self._engine.network, self.config)

    def embed(
        self,
        data: pd.DataFrame,
        *,
        level: Level = "day",
        min_observed: float = 0.0,
        columns: Mapping[Any, str] | None = None,
        units: Mapping[str, str] | None = None,
        tz: Any = None,
        participant: str = "participant_id",
        timestamp: str = "timestamp",
        batch_size: int | None = None,
        progress: bool | None = None,
    ) -> pd.DataFrame:
        """Embed a recording with this model; see :func:`lsm2.embed`."""
        _one_of("level", level, get_args(Level))
        _check_batch_size(batch_size)
        if not 0 <= min_observed <= 1:
            raise ValueError(f"min_observed={min_observed!r} is a share of observed minutes, from 0 to 1")
        days = read_days(
            data,
            self.schema,
            columns=columns,
            units=units,
            tz=tz,
            participant=participant,
            timestamp=timestamp,
        )
        kept, shares = levels.rich_enough(days, min_observed)
        options: dict[str, Any] = {"batch_size": batch_size, "progress": progress}
        if level in ("hour", "token"):
            tokens = self._engine.embed_tokens(days.values, kept, **options)
            table = levels.by_token(days, tokens, level, self.config.network)
        else:
            table = levels.by_day(days, self._engine.embed(days.values, kept, **options), level)
        table.attrs |= {"checkpoint": self.hash, "model": self.config.name, "level": level}
        if level == "day":
            table.attrs["observed"] = shares.tolist()
        empty = int((self._engine.token_counts(days.observed) == 0).sum())
        if empty:
            _warn(f"{empty} of {len(days)} days have no observed token; their embedding is NaN")
        return table

    def reconstruct(
        self,
        data: pd.DataFrame,
        *,
        channels: Literal["all"] | Iterable[str] | None = None,
        point: Point = "mean",
        grid: Literal["days", "full"] = "days",
        max_gap: Any = None,
        return_filled: bool = False,
        columns: Mapping[Any, str] | None = None,
        units: Mapping[str, str] | None = None,
        tz: Any = None,
        participant: str = "participant_id",
        timestamp: str = "timestamp",
        batch_size: int | None = None,
        progress: bool | None = None,
    ) -> pd.DataFrame:
        """Fill the gaps of a recording with this model; see :func:`lsm2.reconstruct`."""
        _one_of("point", point, get_args(Point))
        _one_of("grid", grid, ("days", "full"))
        _check_batch_size(batch_size)
        days = read_days(
            data,
            self.schema,
            columns=columns,
            units=units,
            tz=tz,
            participant=participant,
            timestamp=timestamp,
        )
        positions = [column.position for column in select_columns(days, channels)]
        fills = self._fills(days, positions, point, batch_size=batch_size, progress=progress)
        return to_frame(
            days,
            fills,
            channels=channels,
            grid=grid,
            max_gap=max_gap,
            return_filled=return_filled,
            has_token=self._engine.token_counts(days.observed) > 0,
        )

    def _fills(self, days: Days, positions: list[int], point: str, **options: Any) -> np.ndarray:
        """Proposed values (days, channels, 1440) in canonical units for the missing minutes of some
        channels.
        """
        wanted = np.zeros(days.values.shape, dtype=bool)
        wanted[:, positions] = ~days.observed[:, positions]
        fills = self._engine.reconstruct(days.values, wanted, point=point, **options)
        network = self.config.network
        if network.clock:  # else a window must begin at midnight
            across = midnight.windows(days, crosses_midnight(days) & wanted)
            half = network.slots // 2
            shifted = self._engine.reconstruct(
                across.values, across.wanted, point=point, start_slot=half, **options
            )
            midnight.blend(fills, across, shifted)
        return fills

    def coverage(
        self,
        data: pd.DataFrame,
        *,
        columns: Mapping[Any, str] | None = None,
        units: Mapping[str, str] | None = None,
        tz: Any = None,
        participant: str = "participant_id",
        timestamp: str = "timestamp",
    ) -> pd.DataFrame:
        """Observed fraction of this model's channels; see :func:`lsm2.coverage`."""
        return coverage_of_days(
            read_days(
                data,
                self.schema,
                columns=columns,
                units=units,
                tz=tz,
                participant=participant,
                timestamp=timestamp,
            )
        )

    def save(self, directory: str | Path) -> Path:
        """Write ``config.json``, ``model.safetensors`` (float32) and the model card; :func:`load_model` reads
        them back.

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
        return save_checkpoint(directory, self._engine.network, self.config, card=card)

    def info(self) -> dict[str, Any]:
        """What the model is: name, hash, size, terms, channels with unit and normalisation, and its
        training.
        """
        network = self.config.network
        return {
            "name": self.config.name,
            "checkpoint": self.hash,
            "licence": self.config.licence,
            "description": self.config.description,
            "parameters": sum(p.numel() for p in self._engine.network.parameters()),
            "embedding_width": network.encoder_dim,
            "window_minutes": network.window_minutes,
            "patch_minutes": network.patch_minutes,
            "device": self.device,
            "precision": self.precision,
            "channels": [
                {
                    "name": channel.name,
                    "unit": channel.unit,
                    "kind": channel.kind,
                    "family": channel.family,
                    "valid_range": [channel.minimum, channel.maximum],
                    "normalisation": constants.model_dump(include={"transform", "mean", "std", "clip"}),
                }
                for channel, constants in zip(self.schema.channels, network.normalisation, strict=True)
            ],
            "training": self.config.training,
        }


def load_model(name: str | Path = "lsm2-small", *, device: str = "auto", precision: str = "float32") -> Model:
    """Load a model.

    Args:
        name: A shipped checkpoint's name, or a folder with ``config.json`` and ``model.safetensors``.
        device: ``"auto"`` (CUDA where there is one, else the CPU) or a torch device.
        precision: ``"float32"``, so that numbers agree across machines; ``"bfloat16"``; ``"auto"`` for
            bfloat16 where the hardware has it (AMX, AVX512-BF16, GPU).

    Returns:
        The model, in float32 weights, ready for inference.

    Raises:
        FileNotFoundError: No shipped checkpoint and no folder of that name (the shipped ones are listed).
        CheckpointError: A file is damaged, or its tensors do not match its config (they are listed).
        ValueError: The device or precision is not known.

    Example:
        >>> import lsm2
        >>> lsm2.load_model("lsm2-small").config.licence
        'CC-BY-NC-SA-4.0'
    """
    folder = shipped.find(name)
    network, config = load_checkpoint(folder)
    card = folder / "README.md"
    return Model(
        network,
        config,
        device=device,
        precision=precision,
        card=card.read_text(encoding="utf-8") if card.is_file() else None,
    )


def embed(
    data: pd.DataFrame,
    *,
    level: Level = "day",
    min_observed: float = 0.0,
    model: Model | str | Path | None = None,
    columns: Mapping[Any, str] | None = None,
    units: Mapping[str, str] | None = None,
    tz: Any = None,
    participant: str = "participant_id",
    timestamp: str = "timestamp",
    batch_size: int | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Embed a recording: one row of numbers for each person and day, or at another level.

    A token is ten minutes of one channel. An embedding is the mean of the encoder's output over the observed
    tokens, weighted by their observed share; what is missing takes no part (LSM-2, arXiv 2506.05321, section
    3).

    Args:
        data: Per-minute (or finer) recordings. One participant: a DatetimeIndex; several: a MultiIndex
            (participant, time), or columns ``participant_id`` and ``timestamp``. NaN, None and values outside
            a channel's valid range are missing. The frame is not modified.
        level: ``"day"``: one row for every calendar day that has a row in ``data``; ``"participant"``:
            mean and standard deviation over days (``e0_mean ... e0_std ...``); ``"hour"``: 24 rows a day;
            ``"token"``: a row for each observed token.
        min_observed: Days with a smaller share of observed minutes (of the channels in ``data``) become NaN.
        model: A model, a name or folder for :func:`load_model`, or None for the shipped default.
        columns: {your column: channel} for columns whose names are not known.
        units: {channel: your unit or device}, such as ``{"distance": "km", "activity_counts": "actigraph"}``.
        tz: A zone, the name of a column with zones, or {participant: zone}: where a day begins.
        participant: Name of the column or index level of participants.
        timestamp: Name of the column or index level of times.
        batch_size: Most days at once; None decides by the number of tokens. Does not change the result.
        progress: Show a progress bar; None shows it on a terminal once it takes more than a few seconds.

    Returns:
        float32 columns ``e0, e1, ...``; index ``date``, or (``participant_id``, ``date``) where the input
        names participants; at other levels ``timestamp`` (and ``channel``). ``.attrs`` holds the checkpoint's
        hash and, for days, the observed share of each row. A day without an observed token is a row of NaN
        (one warning counts them).

    Raises:
        TypeError: ``data`` is no DataFrame.
        ValueError: No known channel, no time, a column that is not numeric, an unknown level, unit or zone;
        the message
            says what, where and what to do.

    Example:
        >>> import lsm2
        >>> recording = lsm2.simulate(participants=1, days=2)
        >>> lsm2.embed(recording).shape
        (2, 192)
    """
    return _resolve(model).embed(
        data,
        level=level,
        min_observed=min_observed,
        columns=columns,
        units=units,
        tz=tz,
        participant=participant,
        timestamp=timestamp,
        batch_size=batch_size,
        progress=progress,
    )


def reconstruct(
    data: pd.DataFrame,
    *,
    channels: Literal["all"] | Iterable[str] | None = None,
    point: Point = "mean",
    grid: Literal["days", "full"] = "days",
    max_gap: Any = None,
    return_filled: bool = False,
    model: Model | str | Path | None = None,
    columns: Mapping[Any, str] | None = None,
    units: Mapping[str, str] | None = None,
    tz: Any = None,
    participant: str = "participant_id",
    timestamp: str = "timestamp",
    batch_size: int | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Fill the gaps of a recording; observed values come back bit for bit.

    A gap is filled from what the day holds in all channels. One that crosses midnight is filled from a window
    from noon to noon, blended into the days' own fills towards noon, so that there is no seam at 00:00.

    Args:
        data: As for :func:`embed`.
        channels: None fills the channels of ``data``; ``"all"`` or a list also returns channels that it
            lacks, by canonical name (those are predictions from the other channels alone).
        point: ``"mean"``: the conditional mean in own units, so that sums are right; ``"median"``: the
            likeliest level, for small absolute errors.
        grid: ``"days"``: minutes of the days with an observed token, from the first to the last minute of
            the input; ``"full"``: also the days between them, as NaN.
        max_gap: Longer gaps stay NaN, such as ``"60min"`` or a Timedelta.
        return_filled: Add ``<column>.filled`` (bool).
        model: As for :func:`embed`; so are the parameters that follow.
        columns: See :func:`embed`.
        units: See :func:`embed`; the output is in the same units.
        tz: See :func:`embed`.
        participant: See :func:`embed`.
        timestamp: See :func:`embed`.
        batch_size: See :func:`embed`.
        progress: See :func:`embed`.

    Returns:
        The input's own columns that are channels, in its order and units, at minute steps. Observed values
        that are the only one of their minute are copied; finer rows give their aggregate; values outside the
        valid range are replaced (one warning counts them). Fills lie in the valid range; of binary channels
        they are probabilities. Fills are
        expectations: they vary less than real minutes do.

    Raises:
        TypeError: ``data`` is no DataFrame.
        ValueError: As for :func:`embed`, or an unknown ``point``, ``grid``, ``max_gap`` or channel.

    Example:
        >>> import lsm2
        >>> recording = lsm2.simulate(participants=1, days=1)
        >>> filled = lsm2.reconstruct(recording)
        >>> bool(filled["heart_rate"].isna().any())
        False
    """
    return _resolve(model).reconstruct(
        data,
        channels=channels,
        point=point,
        grid=grid,
        max_gap=max_gap,
        return_filled=return_filled,
        columns=columns,
        units=units,
        tz=tz,
        participant=participant,
        timestamp=timestamp,
        batch_size=batch_size,
        progress=progress,
    )


def coverage(
    data: pd.DataFrame,
    *,
    model: Model | str | Path | None = None,
    columns: Mapping[Any, str] | None = None,
    units: Mapping[str, str] | None = None,
    tz: Any = None,
    participant: str = "participant_id",
    timestamp: str = "timestamp",
) -> pd.DataFrame:
    """Observed fraction of each day and channel; reads no weights unless a model is named.

    Args:
        data: As for :func:`embed`.
        model: Only its channels; None for all channels that the package knows.
        columns: See :func:`embed`.
        units: See :func:`embed`.
        tz: See :func:`embed`.
        participant: See :func:`embed`.
        timestamp: See :func:`embed`.

    Returns:
        float32, one row for each day with a row in ``data``, one column for each channel that it records, 0
        to 1.

    Raises:
        TypeError: ``data`` is no DataFrame.
        ValueError: As for :func:`embed`.

    Example:
        >>> import lsm2
        >>> table = lsm2.coverage(lsm2.simulate(participants=1, days=1))
        >>> bool(table.iloc[0].between(0, 1).all())
        True
    """
    if model is None:
        schema = Schema(channels=tuple(CHANNELS.values()))
    elif isinstance(model, Model):
        schema = model.schema
    else:
        schema = read_config(shipped.find(model)).channels
    days = read_days(
        data, schema, columns=columns, units=units, tz=tz, participant=participant, timestamp=timestamp
    )
    return coverage_of_days(days).loc[:, list(days.recorded)]


@lru_cache(maxsize=1)
def _default() -> Model:
    return load_model()


def _resolve(model: Model | str | Path | None) -> Model:
    if model is None:
        return _default()
    if isinstance(model, Model):
        return model
    if isinstance(model, (str, Path)):
        return load_model(model)
    raise TypeError(f"model is a Model, a name, a folder or None, not {type(model).__name__}")


def _one_of(name: str, value: object, known: Iterable[str]) -> None:
    known = list(known)
    if value not in known:
        raise ValueError(f"{name}={value!r} is not known; it is one of {', '.join(known)}")


def _check_batch_size(batch_size: object) -> None:
    if batch_size is not None and (
        isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1
    ):
        raise ValueError(f"batch_size={batch_size!r} is a number of days, 1 or more, or None")


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=4)
