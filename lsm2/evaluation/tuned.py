"""Out-of-fold predictions of encoders that learn from the labels: fine-tuned, or from random weights."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .probing import Float, Rows

if TYPE_CHECKING:
    from lsm2.model import Model


def tuned_out_of_fold(
    model: Model,
    frames: dict[str, pd.DataFrame],
    labels: pd.DataFrame,
    rows: Rows,
    classes: Sequence[str],
    *,
    scratch: bool,
    seed: int = 0,
) -> dict[str, Float]:
    """Predict each person by a network that was trained on other people's labels (:func:`lsm2.finetune`).

    Args:
        model: What to start from; with ``scratch`` only its architecture is used.
        frames: Recordings, under ``""`` as they are and under other names with something removed, to predict
            from; networks learn from the first.
        labels: ``participant_id`` and ``label``, one row for each person.
        rows: The same labels as codes, and the folds.
        classes: Names of the codes; empty for numbers.
        scratch: Start from random weights.
        seed: Of the training.

    Returns:
        As :func:`lsm2.evaluation.probing.out_of_fold`: probabilities (rows, classes) or numbers (rows, 1).
    """
    from lsm2.training.finetune import finetune

    people = labels["participant_id"].to_numpy(str)
    label = pd.Series(labels["label"].to_numpy(), index=people)
    columns = [f"p_{name}" for name in classes] or ["prediction"]
    found = {name: np.full((len(people), len(columns)), np.nan) for name in frames}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of columns that a model lacks, of rows without data
        for train, held in rows.folds(5, 0):
            recorded = frames[""]
            learnt = finetune(
                model,
                recorded[recorded["participant_id"].isin(people[train])],
                label.iloc[train],
                task="classification" if classes else "regression",
                scratch=scratch,
                learning_rate=5e-4 if scratch else 1e-4,
                seed=seed,
                progress=False,
            )
            for name, frame in frames.items():
                own = frame[frame["participant_id"].isin(people[held])]
                table = learnt.predict(own, "head", progress=False)
                table = table.set_axis(table.index.astype(str)).reindex(people[held])
                found[name][held] = table[columns].to_numpy(np.float64)
    mean_prediction = np.nanmean(found[""], axis=0)
    return {name: np.where(np.isnan(values), mean_prediction, values) for name, values in found.items()}
