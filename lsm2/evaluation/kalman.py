"""The local-level model: a random walk seen through noise, smoothed over what is visible.

Durbin and Koopman, *Time Series Analysis by State Space Methods*, section 2. The two variances of a channel
are estimated once, by maximum likelihood over days of train people (statsmodels); after that a series is
smoothed by one tridiagonal system, which gives the same mean as statsmodels' smoother and takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.linalg import solveh_banded
from scipy.optimize import minimize

from .baselines import Baseline, series
from .recordings import BoolArray, FloatArray, IntArray, Recordings

TRAIN_DAYS = 16
"""Days of as many train people, at most, whose likelihood the variances maximise."""
_LOWEST = 1e-8


def kalman(train: Sequence[Recordings], *, days: int = TRAIN_DAYS, seed: int = 0) -> Baseline:
    """Learn each channel's two variances from train people; the baseline smooths by them.

    Args:
        train: Recordings of train people.
        days: Days, one a person, whose likelihood is maximised.
        seed: Seed of their draw.

    Raises:
        ImportError: statsmodels is not installed.
    """
    ratios = {
        name: level_ratio(chosen)
        for name in dict.fromkeys(name for part in train for name in part.names)
        if (chosen := _draw(train, name, days, seed))
    }

    def fill(visible: Recordings, hidden: BoolArray, fallback: FloatArray) -> FloatArray:
        fills = np.empty(int(hidden.sum()))
        for channel, part, asked, seen, values in series(visible, hidden):
            if not len(seen):
                fills[part] = fallback[channel]
                continue
            level = smoothed_level(seen, values.astype(np.float64), ratios.get(visible.names[channel], 1.0))
            # Between observations the random walk's mean is a straight line; outside it stays where it was.
            fills[part] = np.interp(asked, seen, level)
        return fills

    return fill


def level_ratio(days: Sequence[FloatArray]) -> float:
    """Variance of the level's step over that of the noise, of maximum likelihood over days of one channel.

    Args:
        days: (1440,) each, NaN where missing.

    Raises:
        ImportError: statsmodels is not installed.
    """
    try:
        from statsmodels.tsa.statespace.structural import UnobservedComponents
    except ImportError as error:
        raise ImportError(
            "the Kalman smoother needs statsmodels: pip install 'lsm2[evaluate]', or leave kalman out"
        ) from error
    every = np.concatenate([day[~np.isnan(day)] for day in days])
    scale = float(every.std()) or 1.0
    models = [UnobservedComponents((day - every.mean()) / scale, "local level") for day in days]

    def loss(logs: npt.NDArray[np.float64]) -> float:
        noise, level = np.exp(np.clip(logs, np.log(_LOWEST), np.log(1e2)))
        return -sum(float(model.loglike([noise, level])) for model in models) / len(models)

    found = minimize(
        loss, np.log([0.3, 0.1]), method="Nelder-Mead", options={"maxfev": 80, "xatol": 0.05, "fatol": 0.1}
    )
    noise, level = np.exp(np.clip(found.x, np.log(_LOWEST), np.log(1e2)))
    return float(level / noise)


def smoothed_level(seen: IntArray, values: FloatArray, ratio: float) -> npt.NDArray[np.float64]:
    """Smoothed mean of the level at the observed minutes, the first level unknown (diffuse).

    It minimises ``sum((y - level)**2) + sum(diff(level)**2 / (ratio * diff(time)))``.

    Args:
        seen: (n,) minutes, ascending.
        values: (n,) values.
        ratio: Variance of the level's step in a minute over that of the noise.

    Examples:
        >>> smoothed_level(np.array([0, 1]), np.array([0.0, 1.0]), 1e9).round(3).tolist()
        [0.0, 1.0]
        >>> smoothed_level(np.array([0, 1]), np.array([0.0, 1.0]), 1e-9).round(3).tolist()
        [0.5, 0.5]
    """
    if len(seen) == 1:
        return np.asarray(values, dtype=np.float64)
    tie = 1 / (ratio * np.diff(seen))  # (n - 1,)
    banded = np.zeros((2, len(seen)))
    banded[0, 1:] = -tie
    banded[1] = 1
    banded[1, :-1] += tie
    banded[1, 1:] += tie
    centre = values.mean()
    return np.asarray(solveh_banded(banded, values - centre, check_finite=False) + centre)


def _draw(train: Sequence[Recordings], name: str, most: int, seed: int) -> list[FloatArray]:
    """Days (1440,) of a channel with 6 hours or more of it (else an hour), one a person, at most ``most``."""
    found: list[FloatArray] = []
    for least in (360, 60, 10):
        for part in train:
            if name not in part.names:
                continue
            values = part.values[:, part.names.index(name)]  # (days, 1440)
            rich = (~np.isnan(values)).sum(axis=1) >= least
            for person, days in part.people():
                own = days.start + np.flatnonzero(rich[days])
                if len(own):
                    found.append(values[part.generator(person, f"level {name}", seed).choice(own)])
        if found:
            break
    order = np.random.default_rng(seed).permutation(len(found))[:most]
    return [found[i].astype(np.float64) for i in order]
