"""Curves of probes: how well classes are told apart, and what more labelled people are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lsm2.figures.frames import plain

if TYPE_CHECKING:
    from lsm2.probe import Probe

_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 3)), (0, (3, 5, 1, 5)))
_COLOURS = ("#000000", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")


def roc(probe: Probe) -> Figure:
    """Draw how well a probe tells classes apart, out of fold: ROC curves, of three classes or more one each.

    Args:
        probe: A classification that `lsm2.fit_probe` returned, whose out-of-fold predictions are at hand.

    Returns:
        A matplotlib Figure, made without pyplot: the share of a class that is found against the share of the
        others that is taken for it, as the threshold falls. The diagonal is chance.

    Raises:
        ValueError: The probe is a regression, or was loaded from a file, which keeps no predictions.

    >>> import lsm2
    >>> rng = np.random.default_rng(0)
    >>> ids = pd.Index([f"p{i}" for i in range(20)], name="participant_id")
    >>> labels = pd.Series(["ill", "well"] * 10, index=ids, name="state")
    >>> numbers = rng.normal(size=(20, 3)) + (labels == "ill").to_numpy()[:, None]
    >>> embeddings = pd.DataFrame(numbers, index=ids, columns=["e0_mean", "e1_mean", "e2_mean"])
    >>> probe = lsm2.fit_probe(embeddings, labels, level="participant")
    >>> roc(probe).axes[0].get_xlabel()
    'share of the others taken for it'
    """
    from sklearn.metrics import roc_auc_score, roc_curve

    if probe.task != "classification":
        raise ValueError(f"{probe!r} has no classes, so no ROC curve; its scores are in metrics_")
    if probe.oof_ is None:
        raise ValueError(
            f"{probe!r} holds no out-of-fold predictions, which files do not keep; draw it when fitted"
        )
    known = probe.oof_[probe.oof_[[f"p_{name}" for name in probe.classes_]].notna().all(axis=1)]
    classes = probe.classes_ if len(probe.classes_) > 2 else probe.classes_[1:]
    figure = Figure(figsize=(4.8, 4.8), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#b0b0b0", lw=1, ls=(0, (1, 2)), label="chance")
    for number, name in enumerate(classes):
        truth = (known["label"].astype("string") == str(name)).to_numpy(bool)
        score = known[f"p_{name}"].to_numpy(np.float64)
        wrong, found, _ = roc_curve(truth, score)
        area = f"AUROC {roc_auc_score(truth, score):.2f}"
        own = probe.metrics_.get("auroc", {}) if len(classes) == 1 else {}
        if own.get("low") is not None:
            area += f", 95 % {own['low']:.2f} to {own['high']:.2f}"
        axes.plot(
            wrong,
            found,
            color=_COLOURS[number % len(_COLOURS)],
            ls=_LINES[number % len(_LINES)],
            lw=1.6,
            label=plain(f"{name}: {area}"),
        )
    axes.set_xlabel("share of the others taken for it")
    axes.set_ylabel("share of the class found")
    axes.set_aspect("equal")
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.legend(loc="lower right", fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    what = probe.config.label or "labels"
    axes.set_title(plain(f"{what}: {probe.metrics_.get('people')} people, {len(known)} rows"), fontsize=10)
    return figure


def score_by_people(scores: pd.DataFrame) -> Figure:
    """Draw scores against the number of labelled people, a panel per task, a line per method.

    Args:
        scores: ``scores.parquet`` of ``lsm2 evaluate probes``.

    Returns:
        A matplotlib Figure, made without pyplot. Methods differ by marker and line, not by colour alone;
        bands are 95 % intervals over people.

    Raises:
        ValueError: The results hold no probes fitted on few people.

    >>> rows = {"task": "stress", "method": "embedding", "whose": "all", "removed": None, "score": "auroc"}
    >>> sizes = {"labelled": [5.0, 10.0, None], "people": 20, "value": [0.6, 0.7, 0.8]}
    >>> scores = pd.DataFrame(rows | sizes).assign(kind="classification", low=0.5, high=0.9)
    >>> score_by_people(scores).axes[0].get_xlabel()
    'labelled people'
    """
    from lsm2.evaluation.probe_report import draw_probes

    figure = draw_probes(scores).get("few-labels")
    if figure is None:
        raise ValueError("the results hold no probes of few labelled people (column labelled)")
    return figure
