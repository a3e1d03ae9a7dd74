"""Probes on recordings: embed at the probe's level, then predict."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lsm2.checkpoint import HEAD
from lsm2.days import PARTICIPANT
from lsm2.probe.embeddings import is_embeddings
from lsm2.probe.files import find_probe, read_probe
from lsm2.probe.probe import Probe

if TYPE_CHECKING:
    from lsm2.model import Model


def apply(
    model: Model,
    data: pd.DataFrame,
    probe: Probe | str | Path,
    *,
    events: pd.DataFrame | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Predict from recordings or embeddings; see :func:`lsm2.predict`.

    Args:
        model: Embeds recordings; names of probes are looked up in its folder first.
        data: As for :func:`lsm2.predict`.
        probe: A probe, its folder or its name.
        events: For probes by window.
        options: For :meth:`lsm2.Model.embed`.
    """
    if not isinstance(probe, Probe):
        own = model.head if probe == HEAD else None
        probe = own or read_probe(find_probe(probe, model.folder))
    if is_embeddings(data):
        return apply_to_embeddings(data, probe, events=events, **options)
    probe.check_checkpoint(model.hash, model.config.name)
    if probe.level != "window" and events is not None:
        raise ValueError(f"events= is for probes by window; this one predicts by {probe.level}")
    if probe.level == "window" and events is None:
        raise ValueError(
            "the probe predicts intervals: pass events=, a frame with participant_id, start, end"
        )
    embeddings = model.embed(data, level=probe.level, events=events, **options)  # type: ignore[arg-type]
    return probe.predict(embeddings)


def check_for_recordings(**options: Any) -> None:
    """Refuse options of recordings where embeddings are given, which they would not change.

    Raises:
        ValueError: One is not at its default.
    """
    from lsm2.model import Model

    known = inspect.signature(Model.embed).parameters
    for name in ("min_observed", "columns", "units", "tz", "timestamp", "keep_zeros"):
        if name in options and options[name] != known[name].default:
            raise ValueError(
                f"{name}= is for recordings, and data are embeddings: give it to embed, which made them"
            )


def apply_to_embeddings(
    data: pd.DataFrame,
    probe: Probe,
    *,
    events: pd.DataFrame | None,
    participant: str = PARTICIPANT,
    **options: Any,
) -> pd.DataFrame:
    """Predict from embeddings.

    Raises:
        ValueError: Events or other options of recordings are given too, or the embeddings do not fit.
    """
    if events is not None:
        raise ValueError("events= is for recordings; embeddings by window hold their intervals in the index")
    check_for_recordings(**options)
    return probe.predict(data, participant=participant)
