"""The second stage of pretraining: minute-wise regressions on the other channels, once the network is learnt.

They are learnt from the same windows, on minutes whose channel is taken as missing all day: from the other
channels that the window holds, of which some are taken as missing too.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lsm2.aim import AIM, MaskConfig, artificial_mask
from lsm2.aim.context import minutes_away
from lsm2.aim.regression import ChannelRegression, Minutes, Rows, blend_weight, others_nearby
from lsm2.training.config import PretrainConfig
from lsm2.training.dataset import Batch, Recordings, Windows
from lsm2.training.feed import Drawn, Feed, MemoryFeed
from lsm2.training.trainer import Trainer

_MINUTES = 64
"""Minutes of a window that a step looks at."""
_SOME_HIDDEN = 0.3
"""How often the other channels have holes beside their own."""
_NO_FAMILY = 0.7
"""How often the channels of the target's own family are missing with it."""
_MISSING = 0.4
"""How often any other family is missing, in half of the rows."""
_HIDDEN = (
    MaskConfig(tokens=0, slots=0, channels=1),
    MaskConfig(tokens=0, slots=0, channels=0, gaps=1),
    MaskConfig(tokens=0, slots=0, channels=0, sides=1),
)
"""What is hidden of valid people to see how much the regression should count: channels, gaps of any length,
and what comes before or after.
"""
_SHARES = (0.0, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0)
_DISTANCES = (10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)
_BUCKETS = (5.0, 15.0, 60.0, 240.0, 10_000.0)
"""Minutes away from visible ones at which one range of distances ends and the next begins; the last one is of
channels without a visible minute. The others weigh alike: errors close to visible minutes are small.
"""
_PEOPLE = 3
"""Ranges with fewer valid people tell nothing; where none tells, a channel's regression counts as before."""


class RegressionTrainer(Trainer):
    """Learns the network's ``regression`` and leaves the rest as it is.

    Args:
        config: What to do; steps, learning rate and average are this stage's own.
        model: The network.
        feed: Windows of the train people; those after the config's steps are drawn.
        groups: (channels,) family number of each channel.
        rank, world: Which process of how many, where each draws windows of its own.
    """

    def __init__(
        self, config: PretrainConfig, model: AIM, feed: Feed, groups: Tensor, rank: int = 0, world: int = 1
    ) -> None:
        if model.regression is None:
            raise ValueError("the network has no regression to learn; set network.channel_regression")
        self.regression = model.regression.requires_grad_(True).train()
        own = {"steps": config.regression_steps, "learning_rate": 2e-3, "final_learning_rate": 0.0}
        own |= {"warmup_steps": 50, "ema": 0.995}
        stage = config.model_copy(update=own)
        if isinstance(feed, MemoryFeed):
            feed = feed.of_several_channels()
        if not feed.divided:  # it is quick enough for all processes to do the same
            rank, world = 0, 1
        super().__init__(stage, model, feed, groups, rank, world, learnt=self.regression)
        self.first_step = config.steps

    def _backward(self, drawn: list[Drawn]) -> Tensor:
        batch, generator = Batch.join([one.batch for one in drawn]), drawn[0].generator
        hidden = artificial_mask(
            batch.observed, self.config.masks, self.config.patch_minutes, self.groups, generator
        )
        some = torch.rand(len(hidden), 1, 1, generator=generator) < _SOME_HIDDEN
        visible = batch.observed & ~(hidden & some)
        score = torch.rand(len(hidden), hidden.shape[-1], generator=generator) * batch.target.any(1)
        best, minute = score.topk(_MINUTES, dim=1)
        chosen = (best > 0) & (batch.observed.any(-1).sum(1, keepdim=True) > 1)
        day, minute = chosen.nonzero(as_tuple=True)[0].to(self.device), minute[chosen].to(self.device)
        values, target = batch.values.to(self.device), batch.target.to(self.device)
        network, constants = self.model.config, self.model.normaliser
        usual = None if batch.usual is None else batch.usual.to(self.device)
        start = batch.start.to(self.device)
        looked = Minutes(values, visible.to(self.device), usual, start, network, constants).at(day, minute)
        truth, truth_z = (x[day, :, minute] for x in (values, constants.normalise(values)))
        wanted = target[day, :, minute]
        losses = []
        for channel in range(network.channels):
            kept = self._kept(looked, channel, generator)
            rows = (wanted[:, channel] & kept.any(1)).nonzero()[:, 0]
            if not len(rows):
                continue
            own = looked.take(rows).keep(kept[rows])
            mean, median_z = self.regression(channel, own, constants)
            true, true_z = truth[rows, channel], truth_z[rows, channel]
            if network.normalisation[channel].output == "binary":
                losses.append(functional.binary_cross_entropy(mean, true.clamp(0, 1)))
            else:
                squared = ((mean - true) / constants.scale[channel]) ** 2
                losses.append(((median_z - true_z).abs() + squared).mean())
        if not losses:
            return torch.zeros((), device=self.device)
        loss = torch.stack(losses).mean() / self.world
        loss.backward()
        return loss.detach()

    def _kept(self, looked: Rows, channel: int, generator: torch.Generator) -> Tensor:
        """(n, channels) bool: which other channels a row may see."""
        present = looked.present
        count, groups = len(present), self.groups.to(present.device)
        families = int(groups.max()) + 1

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator).to(present.device)

        others = present.clone()
        others[:, channel] = False
        siblings = groups == groups[channel]
        apart = others & ~(siblings & (uniform(count, 1) < _NO_FAMILY))
        missing = (uniform(count, families) < _MISSING) & (uniform(count, 1) < 0.5)
        fewer = apart & ~missing[:, groups]
        some, apart_some = fewer.any(1, keepdim=True), apart.any(1, keepdim=True)
        return torch.where(some, fewer, torch.where(apart_some, apart, others))


@torch.no_grad()
def fit_weights(config: PretrainConfig, model: AIM, valid: Recordings, groups: Tensor) -> None:
    """Find out on valid people how much each channel's regression should count beside the network.

    Channels and gaps are hidden in their windows. The share with the least error in windows without a visible
    minute of the channel is taken; then the distance whose errors elsewhere are least beside those of the
    network alone, as a geometric mean over ranges of distance. Errors are squared errors of the mean in own
    units over the channel's variance plus absolute errors of the median in network units, a mean per person.
    Train people would not do: of them the network knows too much.

    Args:
        config: For the windows.
        model: With a regression, changed in place.
        valid: Recordings of valid people.
        groups: (channels,) family number of each channel.
    """
    regression = model.regression
    if regression is None:
        return
    windows = Windows(config, valid, model.config)
    several = valid.observed(windows.usable).any(-1).sum(1) > 1
    rows = windows.usable[several]
    count = min(4 * config.valid_windows, len(rows))
    rows = np.sort(np.random.default_rng(config.seed).choice(rows, count, replace=False))
    training = model.training
    model.eval()
    before = regression.share.tolist(), regression.minutes.tolist()
    regression.share.zero_()  # the network's own answers are wanted
    found = _Answers(model.config.channels)
    for mask in _HIDDEN:
        generator = torch.Generator().manual_seed(config.seed)
        for some in np.array_split(rows, max(len(rows) // 16, 1)):
            if len(some):
                batch = windows.whole_days(some)
                hidden = artificial_mask(batch.observed, mask, config.patch_minutes, groups, generator)
                found.add(model, regression, batch, hidden, valid.person[some])
    for channel in range(model.config.channels):
        share, minutes = found.best(channel, before[0][channel], before[1][channel])
        regression.share[channel], regression.minutes[channel] = share, minutes
    model.train(training)


class _Answers:
    """Errors of blends of the network's and the regression's answers, by person and channel."""

    def __init__(self, channels: int) -> None:
        self.sums: list[dict[int, np.ndarray]] = [{} for _ in range(channels)]
        """For each channel, person -> (2, ranges, shares, distances) sums of errors, numbers of minutes."""

    def add(
        self, model: AIM, regression: ChannelRegression, batch: Batch, hidden: Tensor, person: np.ndarray
    ) -> None:
        """Answer what is hidden in a batch of windows of ``person`` (windows,)."""
        network, constants, device = model.config, model.normaliser, regression.share.device
        values, observed, start, hidden = (
            x.to(device) for x in (batch.values, batch.observed, batch.start, hidden)
        )
        usual = None if batch.usual is None else batch.usual.to(device)
        visible, wanted = observed & ~hidden, batch.target.to(device) & hidden
        asked = wanted.unflatten(-1, (network.slots, -1)).any(-1).flatten(1)
        reading = model.reconstruct(values, visible, start, asked, usual)
        looked = Minutes(values, visible, usual, start, network, constants)
        away, truth_z = minutes_away(visible), constants.normalise(values)
        heard = wanted & others_nearby(away)
        place = torch.arange(network.patch_minutes, device=device)
        minute = reading.token[:, None] % network.slots * network.patch_minutes + place
        for channel in range(network.channels):
            own = (reading.token // network.slots == channel)[:, None]
            row, column = (own & heard[reading.day[:, None], channel, minute]).nonzero(as_tuple=True)
            if not len(row):
                continue
            day, at = reading.day[row], minute[row, column]
            mean, median_z = regression(channel, looked.at(day, at), constants)
            far = away[day, channel, at].cpu()
            shares, distances = torch.tensor(_SHARES)[:, None], torch.tensor(_DISTANCES)
            weight = blend_weight(far[:, None, None], shares, distances).to(device)
            error = _blended(reading.mean[row, column], mean, weight) - values[day, channel, at, None, None]
            error = (error / constants.scale[channel]) ** 2
            if network.normalisation[channel].output != "binary":
                median = _blended(reading.median_z[row, column], median_z, weight)
                error = error + (median - truth_z[day, channel, at, None, None]).abs()
            self._add(channel, error.cpu().numpy(), person[day.cpu().numpy()], far.numpy())

    def _add(self, channel: int, error: np.ndarray, person: np.ndarray, away: np.ndarray) -> None:
        reach = np.searchsorted(_BUCKETS, away)
        for who, where in set(zip(person.tolist(), reach.tolist(), strict=True)):
            mine = error[(person == who) & (reach == where)]
            none = np.zeros((2, len(_BUCKETS) + 1, len(_SHARES), len(_DISTANCES)))
            sums = self.sums[channel].setdefault(who, none)
            sums[0, where] += mine.sum(0)
            sums[1, where] += len(mine)

    def best(self, channel: int, share: float, minutes: float) -> tuple[float, float]:
        """Share and distance, or those given where few people tell."""
        near, absent = [], None
        for reach in range(len(_BUCKETS) + 1):
            sums = self.sums[channel].values()
            people = [total[reach] / count[reach] for total, count in sums if count[reach].all()]
            if len(people) < _PEOPLE:
                continue
            error = np.log(np.maximum(np.mean(people, axis=0), 1e-4))  # (shares, distances)
            if reach == len(_BUCKETS):
                absent = error[:, 0]  # distance plays no part
            else:
                near.append(error - error[0])  # the first share is none
        if absent is not None:
            share = _SHARES[int(absent.argmin())]
        if near:
            closest = int(np.abs(np.array(_SHARES) - share).argmin())
            minutes = _DISTANCES[int(np.mean(near, axis=0)[closest].argmin())]
        return share, minutes


def _blended(network: Tensor, regression: Tensor, weight: Tensor) -> Tensor:
    """Answers (n,) blended by ``weight`` (n, shares, distances)."""
    one, other = (x[:, None, None].expand_as(weight) for x in (network, regression))
    return torch.lerp(one, other, weight)
