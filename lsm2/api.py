"""The public functions, which are methods of a model that is loaded once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from lsm2.channels import listing
from lsm2.days import read_days
from lsm2.intervals import collect, fit, join
from lsm2.loading import resolve
from lsm2.model import Level, Model, Point, Summary

_MANY_PEOPLE = 10
"""Bounds that rest on fewer are warned of."""


def embed(
    data: pd.DataFrame | str | Path,
    *,
    level: Level = "day",
    events: pd.DataFrame | None = None,
    min_observed: float = 0.0,
    model: Model | str | Path | None = None,
    output: str | Path | None = None,
    workers: int | None = None,
    device: str | Sequence[str] | None = None,
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
    3). Of networks with a summary, such as the shipped ones, it is the mean of what that makes of each token,
    and shares count over that of the channel's fullest token: a channel recorded every 15 minutes weighs as
    much as one recorded each minute.

    Args:
        data: Per-minute (or finer) recordings. One participant: a DatetimeIndex; several: a MultiIndex
            (participant, time), or columns ``participant_id`` and ``timestamp``. NaN, None and values outside
            a channel's valid range are missing. The frame is not modified. Or parquet files: a path, a folder
            or a pattern such as ``"cohort/*.parquet"``, read part by part, so that memory does not grow with
            them. In a file, the rows of a participant stand together; they may go on in other files.
        level: ``"day"``: one row for every calendar day that has a row in ``data``; ``"participant"``:
            mean and standard deviation over days (``e0_mean ... e0_std ...``); ``"hour"``: 24 rows a day;
            ``"token"``: a row for each observed token; ``"window"``: a row for each of ``events``.
        events: For ``level="window"``: intervals of time, columns ``participant_id`` (not needed for one
            participant), ``start`` and ``end``, in any order; others are left out. Times without a zone are
            those of the participant's clock. Each row is the mean over the tokens that the interval overlaps,
            weighted by minutes of overlap times what they weigh in a day; it may cross midnight. Where start
            equals end, it is the minute that they lie in.
        min_observed: Days with a smaller share of observed minutes (of the channels that ``data`` has of the
            participant) become NaN.
        model: A model, a name or folder for :func:`load_model`, or None for the shipped default.
        output: A parquet file to write; of files part by part as it comes: the same call goes on after it
            was cut off. Returned is then a row for each participant, with the rows written. Rows of
            ``events`` and ``n_samples`` come part by part.
        workers: Processes to divide participants over, with the CPU's cores divided among them.
        device: Where to compute, as for :func:`load_model`, or several: ``["cuda:0", "cuda:1"]``, a process
            for each; None: where ``model`` is.
        columns: {your column: channel} for columns whose names are not known.
        units: {channel: your unit or device}, such as ``{"distance": "km", "activity_counts": "actigraph"}``.
        tz: A zone, the name of a column with zones, or {participant: zone}: where a day begins.
        participant, timestamp: Names of the columns or index levels of participants and of times.
        keep_zeros: Leave out the rules by which some models (OpenMHC's) take a device's zeros for missing.
        batch_size: Most days at once; None decides by the number of tokens. Changes the result by
            rounding at most.
        progress: Show a progress bar; None shows it on a terminal once it takes more than a few seconds.

    Returns:
        float32 columns ``e0, e1, ...``; index ``date``, or (``participant_id``, ``date``) where the input
        names participants; at other levels ``timestamp`` (and ``channel``); of windows ``start`` and ``end``,
        in the order of ``events``. ``.attrs`` holds the checkpoint's hash and, for days, the observed share
        of each row. A day or event without an observed token is a row of NaN (one warning counts them), also
        an event of a participant that ``data`` lacks.

    Raises:
        TypeError: ``data`` is no DataFrame.
        ValueError: No known channel, no time, a column that is not numeric, an unknown level, unit or zone;
            events that end before they start, lack a column, or are all of unknown participants; the message
            says what, where and what to do. A participant that comes back in a file after others; with files
            or workers, also whose data are at fault (:class:`lsm2.scale.PartitionError`).

    Example:
        >>> import lsm2
        >>> recording = lsm2.simulate(participants=1, days=2)
        >>> lsm2.embed(recording).shape
        (2, 192)
    """
    return _answerer("embed", data, model, output, workers, device)(
        data,
        level=level,
        events=events,
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
    data: pd.DataFrame | str | Path,
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
    model: Model | str | Path | None = None,
    output: str | Path | None = None,
    workers: int | None = None,
    device: str | Sequence[str] | None = None,
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

    A gap is filled from what the day holds in all channels, and by models with ``network.usual_day`` also
    from what the channel is like at that time on the participant's other days. One that crosses midnight is
    filled from a window from noon to noon, blended into the days' own fills towards noon, so that there is
    no seam at 00:00. Two kinds of gaps are told by their edges and filled by rules: an accelerometer that is
    stuck, and a heart rate that fails when it is high (docs/filling.md).

    Args:
        data: As for :func:`embed`.
        channels: None fills and returns the channels of ``data``; a list, these alone; ``"all"``, all of the
            model. Channels that ``data`` lacks come by canonical name and are predictions from the others.
        point: ``"mean"``: the conditional mean in own units, so that sums are right; ``"median"``: the
            likeliest level, for small absolute errors.
        grid: ``"days"``: minutes of the days with an observed token, from the first to the last minute of
            the input, and one warning counts the others; ``"full"``: the others too, and the days between
            them, as NaN.
        max_gap: Longer gaps stay NaN, such as ``"60min"`` or a Timedelta.
        return_median: Add ``<column>.median``, the column filled as by ``point="median"``.
        return_filled: Add ``<column>.filled`` (bool), after all other columns.
        interval: Level of an interval, above 0 and below 1, such as 0.9: each column is followed by
            ``<column>.lower`` and ``<column>.upper``. Of people like those that the model was calibrated on,
            the bounds hold this share of the hidden minutes; a value that equals a bound counts as held.
            Where a value was observed, both equal it. Bounds lie in the valid range, hold the fill, widen
            with ``interval`` and, for like fills, away from a gap's edges. Of binary channels they bound
            the probability: how often it comes true in a person's minutes with like answers.
        summary: ``"day"``: a row for each calendar day instead of minutes: the total (counts, energies) or
            mean (other channels) of observed and filled minutes; with ``interval`` its own calibrated bounds,
            since errors of single minutes partly cancel: minute bounds must not be added up. Columns
            ``<column>.observed`` and ``<column>.filled``, shares of the day's minutes (1,440 unless its clock
            changed), follow. Totals: steps, distance, floors, energies, METs, intensity, activity counts.
        n_samples: So many plausible completions, with their number as first index level ``sample``: drawn
            from the calibrated distribution of each minute, with the errors' own correlation over time.
            Fills are expectations and vary less than real minutes; completions vary as these do. Channels of
            different families are drawn independently, given the fills.
        seed: Of the completions; beside it they depend on participant, date, fills and model.
        history: Other days of the same participants in the form of ``data``, read but not filled. Days that
            ``data`` has too, and participants that it lacks, are left out. Bounds do not know of it.
        model: As for :func:`embed`; so are the parameters that follow.
        units: See :func:`embed`; the output is in the same units.
        keep_zeros: See :func:`embed`. Zeros that count as missing still come back as they are.
        output, workers, device: See :func:`embed`; of one person's data, all is computed in one process.
        columns, tz, participant, timestamp, batch_size, progress: See :func:`embed`.

    Returns:
        The input's own columns that are channels, in its order and units, at minute steps. Observed values
        that are the only one of their minute are copied; finer rows give their aggregate; values outside the
        valid range are replaced (one warning counts them). Fills lie in the valid range; of binary channels
        they are probabilities. ``.attrs["predicted"]`` names the columns
        without any observed value, which are predictions from other channels alone.

    Raises:
        TypeError: ``data`` is no DataFrame.
        ValueError: As for :func:`embed`, or an unknown ``point``, ``grid``, ``max_gap``, ``summary``,
            ``interval`` or channel; ``return_median`` with ``summary`` or ``n_samples``;
            ``point="median"`` with ``n_samples``; ``interval`` or
            ``n_samples`` without a calibration (:func:`calibrate`), or with one of other weights.

    Example:
        >>> import lsm2
        >>> recording = lsm2.simulate(participants=1, days=1)
        >>> filled = lsm2.reconstruct(recording)
        >>> bool(filled["heart_rate"].isna().any())
        False
        >>> days = lsm2.reconstruct(recording, summary="day")
        >>> bool(days["steps"].iloc[0] >= recording["steps"].sum())
        True
    """
    return _answerer("reconstruct", data, model, output, workers, device)(
        data,
        channels=channels,
        point=point,
        grid=grid,
        max_gap=max_gap,
        return_median=return_median,
        return_filled=return_filled,
        interval=interval,
        summary=summary,
        n_samples=n_samples,
        seed=seed,
        history=history,
        columns=columns,
        units=units,
        tz=tz,
        participant=participant,
        timestamp=timestamp,
        keep_zeros=keep_zeros,
        batch_size=batch_size,
        progress=progress,
    )


def calibrate(
    model: Model | str | Path,
    data: pd.DataFrame,
    *,
    folds: Iterable[tuple[Model | str | Path, Iterable[Any]]] | None = None,
    description: str = "",
    provisional: bool = False,
    most_days: int = 8,
    seed: int = 0,
    columns: Mapping[Any, str] | None = None,
    units: Mapping[str, str] | None = None,
    tz: Any = None,
    participant: str = "participant_id",
    timestamp: str = "timestamp",
    keep_zeros: bool = False,
    batch_size: int | None = None,
    progress: bool | None = None,
) -> Model:
    """Measure how far a model's fills are off, so that ``interval=`` and ``n_samples=`` can say so.

    Hides gaps of one minute to a day in the recordings, in single channels, families and all, and whole
    families on all days; fills them; and keeps the quantiles of the errors by channel, distance to observed
    minutes, predicted level and what else was recorded. People count alike, however much they recorded. Use
    recordings of people on whom the weights were not trained (split-conformal prediction; Vovk et al. 2005,
    Lei et al. 2018), the more people the better: the levels are widened until people who were left out of
    the fit are covered. Fewer than ten are warned of.

    Args:
        model: The model, or a name or folder for :func:`load_model`.
        data: As for :func:`embed`, of two people or more. Minutes in which a device that counts was not worn
            are never hidden.
        folds: (model, participants) pairs, to calibrate on people of all folds, each answered by the model of
            their fold, which was not trained on them; None: ``model`` answers for all.
        description: What it was calibrated on, for people.
        provisional: Say that a better calibration is to come.
        most_days: Days of a participant in which minutes are hidden, drawn by seed.
        seed: Of the draws.
        columns, units, tz, participant, timestamp, keep_zeros, batch_size, progress: See :func:`embed`.

    Returns:
        The model with its calibration; :meth:`Model.save` writes both.

    Raises:
        TypeError: ``data`` is no DataFrame.
        ValueError: As for :func:`embed`; fewer than two people; a fold's model has other channels.

    Example:
        >>> import lsm2
        >>> recording = lsm2.simulate(participants=2, days=1)[["heart_rate"]]
        >>> model = lsm2.calibrate("lsm2-small", recording)
        >>> filled = model.reconstruct(recording, interval=0.9)
        >>> list(filled.columns)
        ['heart_rate', 'heart_rate.lower', 'heart_rate.upper']
    """
    whole = resolve(model)
    days = read_days(
        data,
        whole.schema,
        columns=columns,
        units=units,
        tz=tz,
        participant=participant,
        timestamp=timestamp,
        keep_zeros=keep_zeros,
    )
    parts = [(whole, None)] if folds is None else [(resolve(m), list(people)) for m, people in folds]
    residuals = []
    for answering, people in parts:
        if answering.schema != whole.schema:
            raise ValueError(f"{answering!r} of a fold has other channels than {whole!r}")
        answers = partial(answering.propose, point="mean", batch_size=batch_size, progress=progress)
        residuals.append(
            collect(
                days, answers, window_days=whole.window_days, people=people, most_days=most_days, seed=seed
            )
        )
    calibration = fit(
        join(residuals),
        whole.schema,
        whole.config.network.normalisation,
        checkpoint=whole.hash,
        description=description,
        provisional=provisional,
        data={"folds": [m.hash for m, _ in parts], "most_days": most_days, "seed": seed},
    )
    few = [channel.name for channel in calibration.config.channels if channel.people < _MANY_PEOPLE]
    if few:
        warnings.warn(
            f"the bounds of {listing(few)} rest on fewer than {_MANY_PEOPLE} people, and may hold much less "
            "of other people than they say; calibrate on more",
            UserWarning,
            stacklevel=2,
        )
    return whole.with_calibration(calibration)


def _answerer(
    method: Literal["embed", "reconstruct"],
    data: pd.DataFrame | str | Path,
    model: Model | str | Path | None,
    output: str | Path | None,
    workers: int | None,
    device: str | Sequence[str] | None,
) -> Callable[..., pd.DataFrame]:
    """The model's own method, unless there are files, workers or devices to see to."""
    if not isinstance(data, (str, Path)) and output is None and workers is None and device is None:
        own: Callable[..., pd.DataFrame] = getattr(resolve(model), method)
        return own
    from lsm2.scale.run import answer

    return partial(answer, method, model=model, output=output, workers=workers, device=device)
