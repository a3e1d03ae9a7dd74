"""How errors of minutes in one gap hang together: a mixture of exponentially falling correlations."""

from __future__ import annotations

import numpy as np

from lsm2.intervals.tables import Table, Where

TIMES = (0.0, 2.0, 8.0, 32.0, 128.0, 512.0)
"""Minutes over which the parts of a mixture fall to 1/e; the first part is noise of each minute."""
LAGS = (1, 2, 4, 8, 15, 30, 60, 120, 240)
_GRID = np.array([0.0, 0.25, 0.5, 0.7, 0.85, 0.95, 1.0])
_PAIRS = 2000
_DRAWS = 4
_FEWEST_PAIRS = 200
_TIED = 0.2
"""Share of minutes at the lower end of the range from which on scores of truths say too little."""


def decay(times: tuple[float, ...] = TIMES) -> np.ndarray:
    """What remains of each part of a mixture after a minute, float64 (parts,)."""
    return np.array([0.0 if time == 0 else np.exp(-1 / time) for time in times])


def pairs(gap: np.ndarray, minute: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of minutes of the same gap number that lie so many minutes apart."""
    key = gap * 4096 + minute
    order = np.argsort(key)
    sought = key[order] + lag
    found = np.searchsorted(key, sought, sorter=order)
    there = found < len(key)
    there[there] = key[order[found[there]]] == sought[there]
    return order[there], order[found[there]]


def mixture(correlations: dict[int, float]) -> tuple[float, ...]:
    """Weights of TIMES, sum 1, whose correlations come nearest to those given by lag.

    >>> weights = mixture({lag: float(np.exp(-lag / 32)) for lag in LAGS})
    >>> [round(weight, 2) for weight in weights]
    [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    """
    from scipy.optimize import nnls

    lags = np.array([0, *correlations])
    basis = decay()[None, :] ** lags[:, None]
    importance = np.array([10.0, *(1.0 for _ in correlations)])
    target = np.array([1.0, *correlations.values()])
    weights, _ = nnls(basis * importance[:, None], target * importance)
    return tuple(float(weight) for weight in weights / weights.sum())


def of_errors(
    gap: np.ndarray, minute: np.ndarray, weight: np.ndarray, error: np.ndarray, spread: np.ndarray
) -> dict[int, float]:
    """Correlation of errors in own units, in units of their spread, by lag; all arrays (minutes,)."""
    found = {}
    for lag in LAGS:
        first, second = pairs(gap, minute, lag)
        if len(first) >= _FEWEST_PAIRS:
            joint = np.sqrt(weight[first] * weight[second])
            expected = joint @ (spread[first] * spread[second])
            if expected > 0:
                found[lag] = float(np.clip(joint @ (error[first] * error[second]) / expected, 0, 1))
    return found or {1: 0.0}


def of_ranks(
    table: Table,
    where: Where,
    gap: np.ndarray,
    minute: np.ndarray,
    weight: np.ndarray,
    error: np.ndarray,
    random: np.random.Generator,
    *,
    binary: bool = False,
) -> dict[int, float]:
    """Correlation of the normal scores behind the minutes, by lag.

    It is that of the truths' own scores. Where many of them are ties, as a count's zeros are, it is the one
    at which minutes drawn through the table's quantiles vary together as much as the errors do.
    """
    tied = binary or where.mix(table.floor) @ weight > _TIED * weight.sum()
    truth = table.scale.out_of(where.base) + error
    found = {}
    for lag in LAGS:
        first, second = pairs(gap, minute, lag)
        if len(first) < _FEWEST_PAIRS:
            continue
        share = weight[first] / weight[first].sum()
        some = random.choice(len(first), size=min(_PAIRS, len(first)), replace=False, p=share)
        first, second = first[some], second[some]
        if tied:
            found[lag] = _matching(table, where, first, second, error, random, binary)
        else:
            one, other = (_scores(table, where.take(at), truth[at], random) for at in (first, second))
            found[lag] = float(np.corrcoef(one, other)[0, 1])
    return found or {1: 0.0}


def _scores(table: Table, where: Where, truth: np.ndarray, random: np.random.Generator) -> np.ndarray:
    from scipy.special import ndtri

    return np.asarray(ndtri(np.clip(table.rank(truth, where, random.random(len(truth))), 1e-4, 1 - 1e-4)))


def _matching(
    table: Table,
    where: Where,
    first: np.ndarray,
    second: np.ndarray,
    error: np.ndarray,
    random: np.random.Generator,
    binary: bool,
) -> float:
    """The correlation of scores at which drawn minutes vary together as the errors of these pairs do."""
    from scipy.special import ndtr

    target = float(np.mean(error[first] * error[second]))
    answer = table.scale.out_of(where.base)
    one, other = where.take(np.tile(first, _DRAWS)), where.take(np.tile(second, _DRAWS))
    mean_one, mean_other = answer[np.tile(first, _DRAWS)], answer[np.tile(second, _DRAWS)]
    a, b = random.standard_normal((2, len(mean_one)))
    drawn = draw(table, ndtr(a), one, binary=binary) - mean_one
    shared = []
    for correlation in _GRID:
        mixed = ndtr(correlation * a + np.sqrt(1 - correlation**2) * b)
        shared.append(float(np.mean(drawn * (draw(table, mixed, other, binary=binary) - mean_other))))
    return float(np.interp(target, np.maximum.accumulate(shared), _GRID))


def draw(table: Table, rank: np.ndarray, where: Where, *, binary: bool) -> np.ndarray:
    """Values (minutes,) in own units at ranks; of a binary channel 0 or 1, as likely as its answer says."""
    if binary:
        return (rank > 1 - table.scale.out_of(where.base)).astype(np.float64)
    return table.draw(rank, where)


def spread_of_sum(spread: np.ndarray, weights: tuple[float, ...]) -> np.ndarray:
    """Standard deviation of sums of errors with a mixture's correlation.

    Args:
        spread: (sums, minutes) standard deviation of each minute's error, 0 where there is none.
        weights: Of the mixture.
    """
    spread = np.asarray(spread, np.float64)
    remains = decay()
    variance = (spread**2).sum(axis=1)
    before = np.zeros((len(spread), len(remains)))  # what earlier minutes still weigh
    for minute in range(spread.shape[1]):
        now = spread[:, minute]
        variance += 2 * now * (before @ np.asarray(weights))
        before = (before + now[:, None]) * remains
    return np.asarray(np.sqrt(variance))


def stationary(noise: np.ndarray) -> np.ndarray:
    """The processes behind a mixture, of variance 1: white noise (minutes, days, parts) to its shape."""
    remains = decay()
    gain = np.sqrt(1 - remains**2)
    result = np.empty_like(noise)
    result[0] = noise[0]
    for minute in range(1, len(noise)):
        result[minute] = result[minute - 1] * remains + noise[minute] * gain
    return result
