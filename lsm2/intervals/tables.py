"""Tables of error quantiles of one channel, by what drives the error, smoothed over sparse buckets.

A minute's bucket is its company (see :class:`Cells`), its distance to observed minutes and its predicted
level. A table holds the share of minutes at the lower end of the valid range (a count's zeros), quantiles of
the error of the others, and the error's spread; between distances and between levels it is interpolated.
Errors of channels on their own scale are taken in units of a power of the channel's restlessness nearby.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lsm2.intervals.scales import Scale
from lsm2.intervals.surroundings import Cells

LEVELS = np.array(
    [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075]
    + [round(0.1 + 0.05 * k, 2) for k in range(17)]
    + [0.925, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995, 0.9975, 0.999]
)
"""Quantile levels of the tables; between them, and from the outermost to the ends of the valid range, they
are interpolated.
"""
DISTANCES = 2.0 ** np.arange(-1, 10)
"""Centres of the distance buckets, minutes; a last bucket holds minutes without any observed one around."""
_REMOTE = 8
"""Rows of DISTANCES from which on (64 minutes) errors stand in for those without any observed minute."""
_COMPANY = 3
_LEVELS_OF_ANSWER = 6
_SOLID_MINUTES = 8.0
"""A person counts n / (n + this) in a bucket of n minutes."""
_SOLID_PEOPLE = 6.0
"""A bucket of p people counts p / (p + this) beside the wider one around it."""
_RESTLESS_POWER = 0.3
_LEAST_RESTLESS = 0.3
"""Share of the typical restlessness that is added to each."""


@dataclass(frozen=True)
class Minutes:
    """Hidden or missing minutes of one channel, (minutes,) each."""

    answer: np.ndarray
    """The answer ``point="mean"``, own units."""
    distance: np.ndarray
    company: np.ndarray
    restless: np.ndarray

    @classmethod
    def of(cls, cells: Cells, mean: np.ndarray, rows: np.ndarray) -> Minutes:
        """Some of the cells, all of one channel."""
        return cls(mean[rows], cells.distance[rows], cells.company[rows], cells.restless[rows])

    def take(self, where: np.ndarray) -> Minutes:
        """Those at a mask or at positions."""
        return Minutes(self.answer[where], self.distance[where], self.company[where], self.restless[where])

    def __len__(self) -> int:
        return len(self.answer)


@dataclass(frozen=True)
class Where:
    """Minutes among the buckets of a table."""

    bucket: np.ndarray
    """int64 (minutes, 4)"""
    weight: np.ndarray
    """float64 (minutes, 4), sum 1."""
    base: np.ndarray
    """float64 (minutes,), the answer in the transformed scale."""
    stretch: np.ndarray
    """float64 (minutes,), what errors are multiplied by."""

    def take(self, rows: np.ndarray) -> Where:
        """Those at a mask or at positions."""
        return Where(self.bucket[rows], self.weight[rows], self.base[rows], self.stretch[rows])

    def mix(self, table: np.ndarray) -> np.ndarray:
        """A number per bucket (buckets,) to a number per minute."""
        return np.asarray((table[self.bucket] * self.weight).sum(1))


@dataclass(frozen=True)
class Table:
    """Errors of one channel; its buckets are (company, distances + 1, levels), flattened."""

    scale: Scale
    restless: float
    """Typical restlessness, own units; 0 where it plays no part."""
    centres: np.ndarray
    """float64 (levels,), ascending: predicted levels in the transformed scale."""
    floor: np.ndarray
    """float64 (buckets,), share of minutes at the lower end of the range."""
    errors: np.ndarray
    """float64 (buckets, len(LEVELS)): of the others, quantiles of truth minus answer, both transformed."""
    spread: np.ndarray
    """float64 (buckets,): root mean square error of the answer in own units."""
    corrected: np.ndarray
    """float64 (len(LEVELS),): the level at which the table is read for each of LEVELS, so that people it has
    not seen are covered.
    """

    def where(self, minutes: Minutes) -> Where:
        """Find minutes among the buckets."""
        base, distance = self.scale.into(minutes.answer), minutes.distance
        count = len(self.centres)
        low, share = _between(self.centres, base)
        place = np.log2(np.clip(distance, DISTANCES[0], DISTANCES[-1]))
        near, part = _between(np.log2(DISTANCES), place)
        alone = ~np.isfinite(distance)
        near = np.where(alone, len(DISTANCES), near)
        part = np.where(alone, 0.0, part)
        row = (minutes.company.astype(np.int64) * (len(DISTANCES) + 1) + near) * count + low
        # a step to the next distance only where there is one: from the last row it would be another company's
        across = np.where(part > 0, count, 0)
        up = np.where(share > 0, 1, 0)
        bucket = np.stack([row, row + up, row + across, row + across + up], axis=1)
        weight = np.stack(
            [(1 - part) * (1 - share), (1 - part) * share, part * (1 - share), part * share], axis=1
        )
        return Where(bucket, weight, base, _stretch(minutes.restless, self.restless))

    def quantile(self, level: np.ndarray | float, where: Where) -> np.ndarray:
        """Quantiles of minutes in own units, within the valid range and rising with the level.

        Args:
            level: (minutes,) or one number, nominal, 0 to 1.
            where: The minutes, from :meth:`where`.
        """
        read = np.broadcast_to(np.interp(level, [0, *LEVELS, 1], [0, *self.corrected, 1]), len(where.base))
        return self.scale.out_of(self._read(read, where))

    def draw(self, rank: np.ndarray, where: Where) -> np.ndarray:
        """Values at ranks, in own units, from the table as it is and between its outermost levels.

        Widened levels are for promises about single people; drawn minutes should spread as minutes do, and
        their sums be right. Beyond the outermost levels nothing is known but the valid range.
        """
        return self.scale.out_of(self._read(np.clip(rank, LEVELS[0], LEVELS[-1]), where))

    def interval(self, level: float, where: Where) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds of minutes in own units.

        Both tails miss alike, except where the lower bound is the end of the valid range, as with counts that
        are mostly 0: what its tail does not use goes to the upper one. Bounds of a higher level enclose those
        of a lower one.
        """
        tail = (1 - level) / 2
        # the nominal level up to which quantiles lie at the lower end
        floor = np.interp(where.mix(self.floor), [0, *self.corrected, 1], [0, *LEVELS, 1])
        top = np.where(floor >= tail, np.maximum(level, 1 - floor), 1 - tail)
        return self.quantile(tail, where), self.quantile(top, where)

    def _read(self, level: np.ndarray, where: Where) -> np.ndarray:
        """Quantiles at uncorrected levels, in the transformed scale."""
        low, high = self.scale.ends
        floor = where.mix(self.floor)
        above = np.clip((level - floor) / np.maximum(1 - floor, 1e-9), 0, 1)
        place, part = _between(LEVELS, above)
        error = ((self.errors[where.bucket, place[:, None]] * (1 - part)[:, None]) * where.weight).sum(1)
        upper = np.minimum(place + 1, len(LEVELS) - 1)
        error += ((self.errors[where.bucket, upper[:, None]] * part[:, None]) * where.weight).sum(1)
        value = np.clip(where.base + error * where.stretch, low, high)
        first, last = LEVELS[0], LEVELS[-1]
        value = np.where(above < first, low + (value - low) * above / first, value)
        value = np.where(above > last, high - (high - value) * (1 - above) / (1 - last), value)
        return np.where(level <= floor, low, value)

    def rank(self, truth: np.ndarray, where: Where, draw: np.ndarray) -> np.ndarray:
        """The uncorrected level of each truth, 0 to 1; ties at the lower end are drawn from their range.

        Args:
            truth: (minutes,) own units.
            where: The minutes.
            draw: (minutes,) uniform random numbers, for ties.
        """
        low, high = self.scale.ends
        floor = where.mix(self.floor)
        value = self.scale.into(truth)
        nodes = np.empty((len(truth), len(LEVELS) + 2))
        nodes[:, 0], nodes[:, -1] = low, high
        nodes[:, 1:-1] = np.clip(
            where.base[:, None]
            + (self.errors[where.bucket] * where.weight[:, :, None]).sum(1) * where.stretch[:, None],
            low,
            high,
        )
        levels = np.concatenate([[0.0], LEVELS, [1.0]])
        upper = np.clip((nodes <= value[:, None]).sum(1), 1, nodes.shape[1] - 1)
        rows = np.arange(len(truth))
        start, stop = nodes[rows, upper - 1], nodes[rows, upper]
        part = np.divide(value - start, stop - start, out=np.ones(len(truth)), where=stop > start)
        above = levels[upper - 1] + np.clip(part, 0, 1) * (levels[upper] - levels[upper - 1])
        return np.where(value <= low, draw * floor, floor + (1 - floor) * above)


def _between(nodes: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The node below each value and how far, 0 to 1, it is to the next; held beyond the ends."""
    if len(nodes) == 1:
        return np.zeros(len(values), np.int64), np.zeros(len(values))
    place = np.clip(np.searchsorted(nodes, values, side="right") - 1, 0, len(nodes) - 2)
    part = (values - nodes[place]) / (nodes[place + 1] - nodes[place])
    return place, np.clip(part, 0.0, 1.0)


def _stretch(restless: np.ndarray, typical: float) -> np.ndarray:
    if not typical:
        return np.ones(len(restless))
    known = np.where(np.isnan(restless), typical, restless).astype(np.float64)
    return np.asarray(((known / typical + _LEAST_RESTLESS) / (1 + _LEAST_RESTLESS)) ** _RESTLESS_POWER)


def fit_table(scale: Scale, person: np.ndarray, minutes: Minutes, truth: np.ndarray) -> Table:
    """Fit a table to hidden minutes.

    Within a bucket people weigh alike, and buckets of few people lean on wider ones around them.

    Args:
        scale: Of the channel.
        person: (minutes,) whose they are.
        minutes: What was answered, and where.
        truth: (minutes,) own units.
    """
    _, person = np.unique(person, return_inverse=True)
    base, value = scale.into(minutes.answer), scale.into(truth)
    known = minutes.restless[~np.isnan(minutes.restless)]
    typical = float(np.median(known)) if scale.transform == "identity" and len(known) else 0.0
    centres = _centres(base, person)
    off = (value - base) / _stretch(minutes.restless, typical)
    order = np.argsort(off, kind="stable")  # once for all buckets
    distance = minutes.distance
    near = np.rint(np.log2(np.clip(distance, DISTANCES[0], DISTANCES[-1])) + 1).astype(np.int64)
    pool = _Pool(
        person=person[order],
        error=off[order],
        at_floor=value[order] <= scale.ends[0],
        square=((truth - minutes.answer)[order]).astype(np.float64) ** 2,
        row=np.where(np.isfinite(distance), near, len(DISTANCES))[order],
        level=np.abs(base[:, None] - centres).argmin(1)[order],
        company=minutes.company[order],
    )
    shape = (_COMPANY, len(DISTANCES) + 1, len(centres))
    floor, spread = np.empty(shape), np.empty(shape)
    errors = np.empty((*shape, len(LEVELS)))
    everything = _Estimate.of(pool)
    remote = pool.take(pool.row >= _REMOTE)
    furthest = _Estimate.of(remote) if len(remote) else everything
    for d in range(shape[1]):
        alone = d == len(DISTANCES)
        reach = 0 if alone else 2
        far = pool.take((np.abs(pool.row - d) <= reach) & ((pool.row == len(DISTANCES)) == alone))
        for k in range(shape[2]):
            wide = far.take(np.abs(far.level - k) <= 1)
            close = wide.take((np.abs(wide.row - d) <= 1) & (wide.level == k))
            shared = [furthest if alone else everything, _Estimate.of(wide), _Estimate.of(close)]
            for c in range(_COMPANY):
                mine = close.take(close.company == c)
                own = [_Estimate.of(part) for part in (mine, mine.take(mine.row == d))]
                floor[c, d, k], spread[c, d, k], errors[c, d, k] = _lean([*shared, *own])
    return Table(
        scale=scale,
        restless=typical,
        centres=centres,
        floor=floor.reshape(-1),
        errors=errors.reshape(-1, len(LEVELS)),
        spread=spread.reshape(-1),
        corrected=LEVELS.copy(),
    )


@dataclass(frozen=True)
class _Pool:
    """Errors of some minutes, sorted; (minutes,) each."""

    person: np.ndarray
    error: np.ndarray
    at_floor: np.ndarray
    square: np.ndarray
    row: np.ndarray
    level: np.ndarray
    company: np.ndarray

    def __len__(self) -> int:
        return len(self.person)

    def take(self, mask: np.ndarray) -> _Pool:
        """Those at a mask."""
        return _Pool(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class _Estimate:
    """What a pool says, people weighted alike, and how far it is to be trusted."""

    trust: float
    share: float
    variance: float
    trust_above: float
    quantiles: np.ndarray

    @classmethod
    def of(cls, pool: _Pool) -> _Estimate:
        """Estimate from a pool, which may be empty."""
        trust, weight = _weights(pool.person)
        above = ~pool.at_floor
        trust_above, weight_above = _weights(pool.person[above])
        quantiles = np.zeros(len(LEVELS))
        if len(weight_above):
            quantiles = np.interp(LEVELS, np.cumsum(weight_above) - weight_above / 2, pool.error[above])
        return cls(trust, float(weight @ pool.at_floor), float(weight @ pool.square), trust_above, quantiles)


def _lean(estimates: list[_Estimate]) -> tuple[float, float, np.ndarray]:
    """Share at the floor, spread and quantiles of a bucket, from estimates ever closer to it."""
    share, variance, quantiles = estimates[0].share, estimates[0].variance, estimates[0].quantiles
    for estimate in estimates[1:]:
        share += estimate.trust * (estimate.share - share)
        variance += estimate.trust * (estimate.variance - variance)
        quantiles = quantiles + estimate.trust_above * (estimate.quantiles - quantiles)
    return share, float(np.sqrt(variance)), quantiles


def _weights(person: np.ndarray) -> tuple[float, np.ndarray]:
    """How far these minutes are to be trusted, 0 to 1, and the weight of each, sum 1."""
    if not len(person):
        return 0.0, np.zeros(0)
    count = np.bincount(person)
    weight = 1 / (count + _SOLID_MINUTES)
    people = float((count * weight).sum())
    return people / (people + _SOLID_PEOPLE), weight[person] / people


def _centres(base: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Predicted levels, at equal shares of minutes, people weighted alike."""
    if not len(base):
        return np.zeros(1)
    order = np.argsort(base, kind="stable")
    _, weight = _weights(person[order])
    share = (np.arange(_LEVELS_OF_ANSWER) + 0.5) / _LEVELS_OF_ANSWER
    centres = np.interp(share, np.cumsum(weight) - weight / 2, base[order])
    kept = np.concatenate([[True], np.diff(centres) > 1e-6 * (1 + np.ptp(base))])
    return np.asarray(centres[kept])
