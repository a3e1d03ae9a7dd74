"""The public functions, which are methods of a model that is loaded once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from lsm2.channels import CHANNELS, Schema
from lsm2.checkpoint import load
from lsm2.days import coverage as coverage_of_days
from lsm2.days import read_days
from lsm2.model import Level, Model, Point


def load_model(
    name: str | Path = "lsm2-small",
    *,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "float32",
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
) -> Model:
    """Load a model.

    Args:
        name: A shipped checkpoint's name (``"lsm2-small"``); a folder with ``config.json`` and
            ``model.safetensors``; an OpenMHC release: its folder, or a ``.ckpt`` with
            ``normalization_stats.json`` beside it; a name on the Hugging Face hub: ``"openmhc-daily"``,
            ``"openmhc-weekly"``, ``"org/repo"`` or ``"hf://org/repo"``, each with ``@revision`` if wanted.
            What lies on disk goes before the hub, and only a hub name makes use of the network.
        revision: Branch, tag or commit on the hub; None for the main branch as it was when first loaded.
        device: ``"auto"`` (CUDA where there is one, else the CPU) or a torch device.
        precision: ``"float32"``, so that numbers agree across machines; ``"bfloat16"``; ``"auto"`` for
            bfloat16 where the hardware has it (AMX, AVX512-BF16, GPU).
        cache_dir: Where downloads are kept; None for the hub's own place (``HF_HOME``, ``HF_HUB_CACHE``).
        local_files_only: Take what is in the cache and never touch the network.

    Returns:
        The model, in float32 weights, ready for inference.

    Raises:
        FileNotFoundError: Nothing of that name (the shipped ones are listed), or no such repository or
            revision on the hub.
        CheckpointError: A file is damaged, holds classes that would have to be unpickled (they are named), or
            its tensors do not match its config (they are listed).
        PermissionError, ConnectionError: The hub refuses access, or cannot be reached.
        ValueError: The device or precision is not known.

    Example:
        >>> import lsm2
        >>> lsm2.load_model("lsm2-small").config.licence
        'CC-BY-NC-SA-4.0'
    """
    network, config, card = load(
        name, revision=revision, cache_dir=cache_dir, local_files_only=local_files_only
    )
    return Model(network, config, device=device, precision=precision, card=card)


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
    keep_zeros: bool = False,
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
        keep_zeros: Leave out the rules by which some models (OpenMHC's) take a device's zeros for missing.
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
        keep_zeros=keep_zeros,
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
    keep_zeros: bool = False,
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
        keep_zeros: See :func:`embed`. Zeros that count as missing still come back as they are.
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
        keep_zeros=keep_zeros,
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
    keep_zeros: bool = False,
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
        keep_zeros: See :func:`embed`.

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
    schema = Schema(channels=tuple(CHANNELS.values())) if model is None else _resolve(model).schema
    days = read_days(
        data,
        schema,
        columns=columns,
        units=units,
        tz=tz,
        participant=participant,
        timestamp=timestamp,
        keep_zeros=keep_zeros,
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
