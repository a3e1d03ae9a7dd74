"""The public functions ``fit_probe`` and ``predict``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from lsm2.arguments import is_whole, one_of
from lsm2.days import FrameError
from lsm2.loading import resolve
from lsm2.model import Level, Model
from lsm2.probe.apply import apply_to_embeddings, check_for_recordings
from lsm2.probe.embeddings import is_embeddings
from lsm2.probe.files import find_probe, read_probe
from lsm2.probe.fit import check_rows, cross_validate, fit, measure, out_of_fold
from lsm2.probe.gather import embed_labelled, gather, read_labelled
from lsm2.probe.labels import read_labels
from lsm2.probe.linear import Recipe
from lsm2.probe.probe import Probe, ProbeConfig
from lsm2.probe.targets import TASKS

LEVELS = ("participant", "day", "hour", "token", "window")


def fit_probe(
    data: pd.DataFrame,
    labels: pd.Series | pd.DataFrame | Mapping[Any, Any],
    *,
    task: Literal["auto", "classification", "regression"] = "auto",
    level: Level | None = None,
    label: str | None = None,
    groups: Any = None,
    cv: int = 5,
    components: int | None = None,
    class_weight: Literal["balanced"] | None = "balanced",
    min_observed: float = 0.0,
    seed: int = 0,
    model: Model | str | Path | None = None,
    columns: Mapping[Any, str] | None = None,
    units: Mapping[str, str] | None = None,
    tz: Any = None,
    participant: str = "participant_id",
    timestamp: str = "timestamp",
    keep_zeros: bool = False,
    batch_size: int | None = None,
    progress: bool | None = None,
) -> Probe:
    """Fit a linear model on frozen embeddings, and score it on people that it has not seen.

    Columns are standardised; classes are learnt by logistic regression, numbers by ridge regression; how
    strongly weights are penalised is chosen by folds inside the training rows. The scores are those of ``cv``
    folds of whole groups, everything chosen anew in each; the probe itself is then fitted on all rows.

    Args:
        data: Recordings, as for :func:`embed`, or a frame that :func:`embed` returned.
        labels: What to predict: a Series (or mapping) by participant, by (participant, date) or by
            (participant, start, end), or a frame with these as index or columns. Rows are matched by these
            keys, never by position. Labels by participant go with rows of any level. NaN is left out.
        task: ``"classification"``, ``"regression"``, or ``"auto"``: text, bools, categories and few distinct
            numbers (ten at most, each twice or more on average) are classes, other numbers a regression.
        level: What a row stands for; None: that of the embeddings, or what the labels are by (participant,
            day, or window for intervals).
        label: The column of labels in a frame; None for ``"label"``, or the only one that is left.
        groups: What the folds keep together: None for participants; the name of a column of ``labels``; or a
            Series with keys like theirs, such as the site of each participant.
        cv: Number of folds, 2 or more.
        components: Principal components to keep; None for all columns.
        class_weight: ``"balanced"``: classes weigh alike, and probabilities are as if they were equally
            frequent; None: rows weigh alike.
        min_observed: See :func:`embed`; for recordings only, as are ``columns`` to ``progress``.
        seed: Of folds and bootstrap.
        model: As for :func:`embed`; for embeddings, the model that made them, where ``.attrs`` was lost.
        columns, units, tz, participant, timestamp, keep_zeros, batch_size, progress: See :func:`embed`.

    Returns:
        The probe. ``metrics_``: ``task``, ``level``, ``rows``, ``people``, ``folds``, for classes their
        counts, and for each score (``macro_f1``, ``auroc``, ``balanced_accuracy``; ``pearson_r``, ``mae``,
        ``r2``) its ``value``, the ``low`` and ``high`` of its 95 % interval (1,000 draws of participants) and
        that of a ``dummy`` (the most frequent class, or the mean). ``oof_``: the out-of-fold predictions.

    Raises:
        TypeError: ``data`` or ``labels`` is none of the above.
        ValueError: An unknown task or level, cv below 2, fewer people than folds, one class only, a class of
            one person, text for a regression, labels that contradict each other, that are all missing, or of
            which none matches the data.

    Example:
        >>> import lsm2
        >>> days = lsm2.embed(lsm2.simulate(participants=6, days=2, seed=1))
        >>> people = days.index.levels[0]
        >>> probe = lsm2.fit_probe(days, pd.Series(["a", "b"] * 3, index=people), cv=3)
        >>> probe.metrics_["rows"], probe.metrics_["people"], probe.classes_
        (12, 6, ('a', 'b'))
        >>> lsm2.predict(days, probe).columns.tolist()
        ['prediction', 'p_a', 'p_b']
    """
    _check(data, task, level, cv, components, class_weight, seed)
    read = read_labels(labels, label=label, groups=groups, participant=participant)
    reading: dict[str, Any] = {
        "min_observed": min_observed,
        "columns": columns,
        "units": units,
        "tz": tz,
        "timestamp": timestamp,
        "keep_zeros": keep_zeros,
        "batch_size": batch_size,
        "progress": progress,
    }
    if is_embeddings(data):
        check_for_recordings(**reading)
        embeddings, level_ = read_labelled(data, level, participant)
    else:
        embeddings, level_ = embed_labelled(data, read, level, resolve(model), participant, **reading)
    found = gather(embeddings, read, level_, task, groups)
    rows, target = found.rows, found.rows.target
    recipe = Recipe(len(target.classes), components, class_weight, seed)
    check_rows(rows, cv, recipe)
    predicted, fold_of = cross_validate(rows, cv, recipe)
    sizes = {"task": target.task, "level": level_, "folds": cv}
    linear, strength = fit(rows, recipe)
    checkpoint, name = embeddings.checkpoint, embeddings.model
    if checkpoint is None and model is not None:
        checkpoint, name = resolve(model).hash, resolve(model).config.name
    config = ProbeConfig(
        task=target.task,  # type: ignore[arg-type]
        level=level_,  # type: ignore[arg-type]
        label=read.name,
        classes=target.classes,
        checkpoint=checkpoint,
        model=name,
        channels=embeddings.channels,
        dim=embeddings.dim,
        features=found.features,
        metrics=sizes | measure(rows, predicted, recipe),
        settings={
            "groups": rows.grouped_by,
            "components": components,
            "class_weight": class_weight,
            "min_observed": min_observed,
            "seed": seed,
            "strength": strength,
        },
    )
    back = np.empty(len(found.order), np.int64)
    back[found.order] = np.arange(len(back))
    table = out_of_fold(target, found.labels, predicted[back], fold_of[back], found.index)
    return Probe(config, linear, table)


def predict(
    data: pd.DataFrame,
    probe: Probe | str | Path,
    *,
    events: pd.DataFrame | None = None,
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
    """Predict from recordings or embeddings by a probe. A research tool, not medical advice.

    Args:
        data: Recordings, as for :func:`embed`, or a frame that :func:`embed` returned at the probe's level.
        probe: A probe, its folder, or the name of one that comes with the model's checkpoint.
        events: For probes by window, the intervals to predict, as for :func:`embed`.
        min_observed: See :func:`embed`; for recordings only, as are all that follow but ``participant``.
        model: As for :func:`embed`; it must be the one that the probe was fitted on.
        columns, units, tz, participant, timestamp, keep_zeros, batch_size, progress: See :func:`embed`.

    Returns:
        ``prediction`` and, for classes, ``p_<class>``, with the index that :func:`embed` gives at the probe's
        level. Rows without data are missing: NaN, and of classes NA, as ``prediction`` is a nullable column
        (string, boolean, Int64 or Float64). It is the likeliest class.

    Raises:
        TypeError: ``data`` is no DataFrame, or ``probe`` no probe.
        FileNotFoundError: No such probe; lists the shipped ones.
        ValueError: As for :func:`embed`; the probe was fitted on another model's embeddings, or on another
            level; a probe by window gets recordings and no events; an option of recordings comes with
            embeddings.

    Example:
        >>> import lsm2
        >>> recording = lsm2.simulate(participants=4, days=1, seed=1)
        >>> people = recording.index.levels[0]
        >>> probe = lsm2.fit_probe(recording, pd.Series([21.5, 35, 47, 60], people), level="day", cv=2)
        >>> lsm2.predict(recording, probe).shape
        (4, 1)
    """
    if not isinstance(data, pd.DataFrame):
        raise TypeError(f"data must be a frame of recordings or of embeddings, not {type(data).__name__}")
    reading: dict[str, Any] = {
        "min_observed": min_observed,
        "columns": columns,
        "units": units,
        "tz": tz,
        "timestamp": timestamp,
        "keep_zeros": keep_zeros,
    }
    if is_embeddings(data):
        if not isinstance(probe, Probe):
            probe = read_probe(find_probe(probe, None if model is None else resolve(model).folder))
        return apply_to_embeddings(data, probe, events=events, participant=participant, **reading)
    return resolve(model).predict(
        data,
        probe,
        events=events,
        participant=participant,
        batch_size=batch_size,
        progress=progress,
        **reading,
    )


def _check(
    data: object, task: str, level: str | None, cv: object, components: object, weight: object, seed: object
) -> None:
    if not isinstance(data, pd.DataFrame):
        raise TypeError(f"data must be a frame of recordings or of embeddings, not {type(data).__name__}")
    one_of("task", task, TASKS)
    if level is not None:
        one_of("level", level, LEVELS)
    for name, value, least in (("cv", cv, 2), ("components", components, 1), ("seed", seed, 0)):
        if value is None and name == "components":
            continue
        if not is_whole(value, least):
            raise FrameError(f"{name}={value!r} must be a whole number, {least} or more")
    if weight is not None:
        one_of("class_weight", weight, ("balanced",))
