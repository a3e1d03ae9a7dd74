"""How much minute-wise regressions count beside the network, found out on valid people.

Train people would not do: of them the network knows too much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import torch
from torch import Tensor

from lsm2.aim import AIM, MaskConfig, Reading, artificial_mask
from lsm2.aim.context import minutes_away
from lsm2.aim.gap_regression import ONE_SIDED, SITUATIONS, Surroundings, near_weight, situations
from lsm2.aim.regression import Layers, Minutes, blend_weight, others_nearby
from lsm2.training.config import PretrainConfig
from lsm2.training.dataset import Batch, Recordings, Windows

_CHANNELS = MaskConfig(tokens=0, slots=0, channels=1)
_GAPS = MaskConfig(tokens=0, slots=0, channels=0, gaps=1)
_SIDES = MaskConfig(tokens=0, slots=0, channels=0, sides=1)
_TOKENS = MaskConfig(slots=0, channels=0, token_fraction=(0.3, 0.85))
_SHARES = (0.0, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0)
_DISTANCES = (10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)
_BUCKETS = (5.0, 15.0, 60.0, 240.0, 10_000.0)
"""Minutes away from visible ones at which one range of distances ends and the next begins; the last one is of
channels without a visible minute. The others weigh alike: errors close to visible minutes are small.
"""
_PEOPLE = 3
"""Ranges with fewer valid people tell nothing; where none tells, a channel's regression counts as before."""
_MOST = 0.9
"""How much of the best gain is enough."""
_DAYS = 8
"""Days of a person that gaps are hidden in, at most."""


def leave_out_unlearnt(model: AIM) -> None:
    """Let those regressions count for nothing whose channel no train person has as they need it."""
    for regression in model.regressions.values():
        for channel, layers in enumerate(regression.channels):
            if not cast(Layers, layers).learnt:
                regression.share[channel] = 0


@torch.no_grad()
def fit_weights(config: PretrainConfig, model: AIM, valid: Recordings, groups: Tensor) -> None:
    """Find out on valid people how much each channel's regressions should count beside the network.

    Gaps, tokens and sides are hidden in their days, then also channels. For the regression on the own
    surroundings, the share and the distance are taken whose errors are least beside those of the network
    alone, as a geometric mean over ranges of distance, in each of its situations. For
    the one on the other channels, the share with the least error in windows without a visible minute of the
    channel is taken, then the distance whose errors elsewhere are least, apart for minutes between visible
    ones and for those with visible ones on one side. Errors are squared errors of the
    mean in own units over the channel's variance plus absolute errors of the median in network units, per
    person.

    Args:
        config: For the windows.
        model: With regressions, changed in place.
        valid: Recordings of valid people.
        groups: (channels,) family number of each channel.
    """
    training = model.training
    model.eval()
    windows = Windows(config, valid, model.config)
    every = range(model.config.channels)
    gaps, others = model.gap_regression, model.regression
    before = None if others is None else (others.share.tolist(), others.minutes.tolist())
    if others is not None:
        others.share.zero_()  # answers without it are wanted
    if gaps is not None:
        usual = gaps.share.tolist(), gaps.minutes.tolist()
        gaps.share.zero_()
        found = [[_Errors() for _ in range(SITUATIONS)] for _ in every]
        rows = _some_days(windows, config.seed)
        for asked in _hide(config, model, windows, rows, groups, (_GAPS, _SIDES, _TOKENS)):
            around = Surroundings(*asked.given, model.config, model.normaliser)
            situation = asked.situation
            for channel in every:
                row, column, day, minute = asked.minutes(channel, asked.visible.any(-1, keepdim=True))
                if not len(row):
                    continue
                answers = gaps(channel, around.at(day, channel, minute), model.normaliser)
                errors = asked.errors(channel, row, column, answers, near_weight)
                own = situation[day, channel, minute]
                for which in range(SITUATIONS):
                    part = (own == which).nonzero()[:, 0]
                    found[channel][which].add(*(x[part.cpu().numpy()] for x in errors))
        for channel in every:
            for which in range(SITUATIONS):
                best = found[channel][which].best_near(usual[0][channel][which], usual[1][channel][which])
                gaps.share[channel, which], gaps.minutes[channel, which] = best
    if others is not None and before is not None:
        apart = [(_Errors(), _Errors()) for _ in every]
        for asked in _hide(
            config, model, windows, _days_of_several(windows, config), groups, (_CHANNELS, _GAPS, _SIDES)
        ):
            looked = Minutes(*asked.given, model.config, model.normaliser, others.profile)
            one_sided = asked.situation == ONE_SIDED
            for channel in every:
                row, column, day, minute = asked.minutes(channel, asked.heard)
                if not len(row):
                    continue
                answers = others(channel, looked.at(day, minute), model.normaliser)
                errors = asked.errors(channel, row, column, answers, blend_weight)
                for side in (False, True):
                    own_side = (one_sided[day, channel, minute] == side).cpu().numpy()
                    apart[channel][side].add(*(x[own_side] for x in errors))
        for channel in every:
            share = apart[channel][True].best_share(before[0][channel])
            others.share[channel] = share
            for side in (False, True):
                distance = apart[channel][side].best_distance(share, before[1][channel][side])
                others.minutes[channel, int(side)] = distance
    model.train(training)


def _some_days(windows: Windows, seed: int) -> np.ndarray:
    """Some days of each person."""
    random = np.random.default_rng(seed)
    shuffled = random.permutation(windows.usable)
    person = windows.person[shuffled]
    order = np.argsort(person, kind="stable")
    _, first, count = np.unique(person[order], return_index=True, return_counts=True)
    turn = np.arange(len(order)) - np.repeat(first, count)
    return np.sort(shuffled[order[turn < _DAYS]])


def _days_of_several(windows: Windows, config: PretrainConfig) -> np.ndarray:
    """Days with several channels."""
    rows = windows.of_people_alike(2).usable
    count = min(4 * config.valid_windows, len(rows))
    return np.sort(np.random.default_rng(config.seed).choice(rows, count, replace=False))


@dataclass(frozen=True)
class _Asked:
    """Days of which minutes were hidden, and the network's answers."""

    model: AIM
    batch: Batch
    visible: Tensor
    wanted: Tensor
    """(days, channels, minutes) bool: hidden and really observed."""
    away: Tensor
    heard: Tensor
    reading: Reading
    person: np.ndarray

    @cached_property
    def truth_z(self) -> Tensor:
        """Values in network units (days, channels, minutes)."""
        return self.model.normaliser.normalise(self.batch.values)

    @property
    def situation(self) -> Tensor:
        """What else is known at each minute (days, channels, minutes)."""
        return situations(self.visible, self.heard)

    @property
    def given(self) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
        """Values, what is visible, usual sums and starts."""
        return self.batch.values, self.visible, self.batch.usual, self.batch.start

    def minutes(self, channel: int, where: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Rows and columns of the reading that are wanted minutes of a channel, their days and minutes."""
        network, reading = self.model.config, self.reading
        place = torch.arange(network.patch_minutes, device=where.device)
        minute = reading.token[:, None] % network.slots * network.patch_minutes + place
        own = (reading.token // network.slots == channel)[:, None]
        wanted = (self.wanted & where)[reading.day[:, None], channel, minute]
        row, column = (own & wanted).nonzero(as_tuple=True)
        return row, column, reading.day[row], minute[row, column]

    def errors(
        self,
        channel: int,
        row: Tensor,
        column: Tensor,
        answers: tuple[Tensor, Tensor],
        weight: Callable[[Tensor, Tensor, Tensor], Tensor],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Errors (n, shares, distances) of blends, person and minutes away of each minute."""
        network, constants = self.model.config, self.model.normaliser
        minute = self.reading.token[row] % network.slots * network.patch_minutes + column
        day = self.reading.day[row]
        truth = self.batch.values[day, channel, minute]
        far = self.away[day, channel, minute]
        shares = torch.tensor(_SHARES, device=far.device)[:, None]
        counts = weight(far[:, None, None], shares, torch.tensor(_DISTANCES, device=far.device))
        blended = _blended(self.reading.mean[row, column], answers[0], counts)
        error = ((blended - truth[:, None, None]) / constants.scale[channel]) ** 2
        if network.normalisation[channel].output != "binary":
            truth_z = self.truth_z[day, channel, minute]
            median = _blended(self.reading.median_z[row, column], answers[1], counts)
            error = error + (median - truth_z[:, None, None]).abs()
        return error.cpu().numpy(), self.person[day.cpu().numpy()], far.cpu().numpy()


def _hide(
    config: PretrainConfig,
    model: AIM,
    windows: Windows,
    rows: np.ndarray,
    groups: Tensor,
    masks: tuple[MaskConfig, ...],
) -> Iterator[_Asked]:
    """Answers of the network to what each of the masks hides in the days ``rows``."""
    device = model.normaliser.scale.device
    for mask in masks:
        generator = torch.Generator().manual_seed(config.seed)
        for some in np.array_split(rows, max(len(rows) // 16, 1)):
            if not len(some):
                continue
            batch = windows.whole_days(some)
            hidden = artificial_mask(batch.observed, mask, config.patch_minutes, groups, generator)
            batch = batch.to(device)
            hidden = hidden.to(device)
            visible, wanted = batch.observed & ~hidden, batch.target & hidden
            asked = wanted.unflatten(-1, (model.config.slots, -1)).any(-1).flatten(1)
            reading = model.reconstruct(batch.values, visible, batch.start, asked, batch.usual)
            away = minutes_away(visible)
            yield _Asked(
                model, batch, visible, wanted, away, others_nearby(away), reading, windows.person[some]
            )


class _Errors:
    """Errors of blends of the network's and a regression's answers for one channel, by person."""

    def __init__(self) -> None:
        self._sums: dict[int, np.ndarray] = {}
        """Person -> (2, ranges, shares, distances) sums of errors, numbers of minutes."""

    def add(self, error: np.ndarray, person: np.ndarray, away: np.ndarray) -> None:
        """Errors (n, shares, distances) of minutes of ``person`` (n,), ``away`` (n,) from visible ones."""
        reach = np.searchsorted(_BUCKETS, away)
        for who, where in set(zip(person.tolist(), reach.tolist(), strict=True)):
            mine = error[(person == who) & (reach == where)]
            none = np.zeros((2, len(_BUCKETS) + 1, len(_SHARES), len(_DISTANCES)))
            sums = self._sums.setdefault(who, none)
            sums[0, where] += mine.sum(0)
            sums[1, where] += len(mine)

    def _by_range(self) -> tuple[list[np.ndarray], np.ndarray | None]:
        """Logarithms of errors (shares, distances): beside no share for each range that tells, and in windows
        without a visible minute.
        """
        near, absent = [], None
        for reach in range(len(_BUCKETS) + 1):
            sums = self._sums.values()
            people = [total[reach] / count[reach] for total, count in sums if count[reach].all()]
            if len(people) < _PEOPLE:
                continue
            error = np.log(np.maximum(np.mean(people, axis=0), 1e-4))
            if reach == len(_BUCKETS):
                absent = error
            else:
                near.append(error - error[0])  # the first share is none
        return near, absent

    def best_share(self, share: float) -> float:
        """Share of a regression that counts far away, or that given where few people tell."""
        _, absent = self._by_range()
        return share if absent is None else _SHARES[int(absent[:, 0].argmin())]  # distance plays no part

    def best_distance(self, share: float, minutes: float) -> float:
        """Distance of a regression that counts so much far away, or that given where few people tell."""
        near, _ = self._by_range()
        if not near:
            return minutes
        closest = int(np.abs(np.array(_SHARES) - share).argmin())
        return _DISTANCES[int(np.mean(near, axis=0)[closest].argmin())]

    def best_near(self, share: float, minutes: float) -> tuple[float, float]:
        """Share and distance of a regression that counts close by, or those given where few people tell: the
        least share, then distance, that brings most of what the best ones bring.
        """
        near, _ = self._by_range()
        if not near:
            return share, minutes
        gain = -np.mean(near, axis=0)
        place, distance = np.argwhere(gain >= _MOST * gain.max())[0]
        return _SHARES[place], _DISTANCES[distance]


def _blended(network: Tensor, regression: Tensor, weight: Tensor) -> Tensor:
    """Answers (n,) blended by ``weight`` (n, shares, distances)."""
    one, other = (x[:, None, None].expand_as(weight) for x in (network, regression))
    return torch.lerp(one, other, weight)
