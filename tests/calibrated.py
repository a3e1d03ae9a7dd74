"""Residuals of known errors, and calibrations fitted to them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from lsm2 import Model
from lsm2.intervals import Calibration, Residuals, fit
from lsm2.intervals.surroundings import Cells

HEART_RATE, STEPS = 0, 1


def residuals(
    *,
    channel: int = HEART_RATE,
    people: int = 30,
    gaps: int = 12,
    minutes: int = 60,
    correlation: float = 0.9,
    person_sd: float = 0.0,
    seed: int = 0,
) -> Residuals:
    """Gaps whose errors grow with the distance to their edges and follow a first-order autoregression.

    Heart rate: normal errors of standard deviation 2 * sqrt(distance), around answers from 50 to 120. Steps:
    0 in seven of ten minutes, else exponential with the mean that makes the answer right.
    """
    random = np.random.default_rng(seed)
    shape = (people, gaps, minutes)
    score = np.empty(shape)
    score[..., 0] = random.standard_normal(shape[:2])
    for minute in range(1, minutes):
        shock = random.standard_normal(shape[:2]) * np.sqrt(1 - correlation**2)
        score[..., minute] = correlation * score[..., minute - 1] + shock
    after = np.broadcast_to(np.arange(minutes, 0, -1.0), shape)
    before = np.broadcast_to(np.arange(1.0, minutes + 1), shape)
    distance = before * after / (before + after)
    if channel == HEART_RATE:
        mean = np.broadcast_to(random.uniform(50, 120, (people, gaps, 1)), shape)
        own = 1 + person_sd * random.standard_normal((people, 1, 1))
        truth = mean + 2 * np.sqrt(distance) * np.abs(own) * score
    else:
        from scipy.special import ndtr

        mean = np.broadcast_to(random.uniform(1, 30, (people, gaps, 1)), shape)
        rank = ndtr(score)
        truth = np.where(rank > 0.7, -np.log(np.maximum((1 - rank) / 0.3, 1e-9)) * mean / 0.3, 0.0)
        truth = np.minimum(truth, 400)
    person, gap, minute = (index.reshape(-1) for index in np.indices(shape))
    flat = len(person)
    cells = Cells(
        day=gap,
        channel=np.full(flat, channel),
        minute=minute,
        before=before.reshape(-1).astype(np.float32),
        after=after.reshape(-1).astype(np.float32),
        company=np.zeros(flat, np.int64),
        restless=np.full(flat, np.nan, np.float32),
    )
    return Residuals(
        person,
        person * gaps + gap,
        cells,
        mean.reshape(-1).astype(np.float32),
        truth.reshape(-1).astype(np.float32),
    )


@lru_cache
def _parts() -> tuple[Residuals, Residuals]:
    return residuals(people=20, gaps=10), residuals(channel=STEPS, people=8, gaps=6)


def calibrate_with_known_errors(model: Model) -> Model:
    """The model with a calibration for heart rate and steps."""
    from lsm2.intervals.residuals import join

    return model.with_calibration(_fit(model, join(_parts())))


def _fit(model: Model, known: Residuals) -> Calibration:
    return fit(known, model.schema, model.config.network.normalisation, checkpoint=model.hash)
