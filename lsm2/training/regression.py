"""The second stage of pretraining: small regressions, from the same windows, once the network is learnt.

Those on the other channels are learnt on minutes whose channel is taken as missing all day, and some of the
others too; those on the own surroundings on what gaps, tokens, slots and sides hide.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional

from lsm2.aim import AIM, artificial_mask
from lsm2.aim.context import minutes_away
from lsm2.aim.gap_regression import Surroundings
from lsm2.aim.regression import ChannelRegression, Minutes, Rows
from lsm2.aim.usual import USUAL_SUMS, sums_around, usual_sums
from lsm2.training.config import PretrainConfig
from lsm2.training.dataset import Batch
from lsm2.training.feed import Drawn, Feed, MemoryFeed
from lsm2.training.trainer import Trainer

_PROFILE_BATCHES = 64
"""Batches that the train people's day is found from."""
_PROFILE_SLOTS = 3
"""Slots on either side that belong to a time of the day."""
_PROFILE_PRIOR = 1.0
"""Slots of the mean of all times that count beside them: where few were recorded, they tell little."""
_MINUTES = 64
"""Minutes of a window that a step looks at."""
_CHANNEL_MINUTES = 32
"""Minutes of a channel of a window that a step looks at."""
_NEARER = 0.85
"""Hidden minutes are drawn as (1 + minutes to the nearest visible one) ** -this."""
_SOME_HIDDEN = 0.3
"""How often the other channels have holes beside their own."""
_NO_FAMILY = 0.7
"""How often the channels of the target's own family are missing with it."""
_MISSING = 0.4
"""How often any other family is missing, in half of the rows."""


class _StageTrainer(Trainer):
    """Learns one of the network's regressions and leaves the rest as it is.

    Args:
        config: What to do; steps, learning rate and average are this stage's own.
        model: The network.
        feed: Windows of the train people; those after the config's steps are drawn.
        groups: (channels,) family number of each channel.
        rank, world: Which process of how many, where each draws windows of its own.
    """

    name: ClassVar[str]
    """Which regression of the network."""
    channels: ClassVar[int]
    """Of how many channels a day must have minutes, to be drawn."""

    def __init__(
        self, config: PretrainConfig, model: AIM, feed: Feed, groups: Tensor, rank: int = 0, world: int = 1
    ) -> None:
        own = {"steps": config.regression_steps, "learning_rate": 2e-3, "final_learning_rate": 0.0}
        own |= {"warmup_steps": 50, "ema": 0.995}
        stage = config.model_copy(update=own)
        if isinstance(feed, MemoryFeed):
            feed = feed.of_people_alike(self.channels)
        if not feed.divided:  # it is quick enough for all processes to do the same
            rank, world = 0, 1
        learnt = model.regressions[self.name].requires_grad_(True).train()
        super().__init__(stage, model, feed, groups, rank, world, learnt=learnt)
        self.first_step = config.steps

    def _backward(self, drawn: list[Drawn]) -> Tensor:
        batch, generator = Batch.join([one.batch for one in drawn]), drawn[0].generator
        losses = self._losses(batch, generator)
        if not losses:
            return torch.zeros((), device=self.device)
        loss = torch.stack(losses).mean() / self.world
        loss.backward()
        return loss.detach()

    def _losses(self, batch: Batch, generator: torch.Generator) -> list[Tensor]:
        """Loss of each channel with something to learn from."""
        raise NotImplementedError

    def _loss_of(
        self, channel: int, answers: tuple[Tensor, Tensor], truth: Tensor, truth_z: Tensor
    ) -> Tensor:
        mean, median_z = answers
        if self.model.config.normalisation[channel].output == "binary":
            return functional.binary_cross_entropy(mean, truth.clamp(0, 1))
        squared = ((mean - truth) / self.model.normaliser.scale[channel]) ** 2
        return ((median_z - truth_z).abs() + squared).mean()


class ChannelTrainer(_StageTrainer):
    """Learns the regressions on the other channels."""

    name = "regression"
    channels = 2

    def __init__(
        self, config: PretrainConfig, model: AIM, feed: Feed, groups: Tensor, rank: int = 0, world: int = 1
    ) -> None:
        super().__init__(config, model, feed, groups, rank, world)
        self.learnt: ChannelRegression
        self.learnt.profile.copy_(self._profile())

    def _profile(self) -> Tensor:
        """Means of train people (channels, slots, 2) by the clock; days without one tell nothing of it."""
        network = self.model.config
        sums = torch.zeros(network.channels, network.slots, USUAL_SUMS, device=self.device)
        for number in range(_PROFILE_BATCHES):
            for drawn in self.feed.draw(self.first_step + number):
                batch = drawn.batch.to(self.device)
                known = batch.target & batch.clock[:, None, None]
                own = usual_sums(batch.values, known, network, self.model.normaliser)
                clock = torch.arange(network.slots, device=self.device) - batch.start[:, None]
                sums += own[torch.arange(len(own))[:, None], :, clock % network.slots].sum(0).movedim(0, 1)
        if self.world > 1:
            dist.all_reduce(sums)
        every = sums.sum(1, keepdim=True)
        mean = every[..., 1:] / every[..., :1].clamp_min(1)
        near = sums_around(sums, _PROFILE_SLOTS)
        prior = _PROFILE_PRIOR * every[..., :1] / network.slots
        return (near[..., 1:] + prior * mean) / (near[..., :1] + prior).clamp_min(1)

    def _losses(self, batch: Batch, generator: torch.Generator) -> list[Tensor]:
        hidden = artificial_mask(
            batch.observed, self.config.masks, self.config.patch_minutes, self.groups, generator
        )
        some = torch.rand(len(hidden), 1, 1, generator=generator) < _SOME_HIDDEN
        visible = batch.observed & ~(hidden & some)
        score = torch.rand(len(hidden), hidden.shape[-1], generator=generator) * batch.target.any(1)
        best, minute = score.topk(_MINUTES, dim=1)
        chosen = (best > 0) & (batch.observed.any(-1).sum(1, keepdim=True) > 1)
        day, minute = chosen.nonzero(as_tuple=True)[0].to(self.device), minute[chosen].to(self.device)
        batch = batch.to(self.device)
        network, constants = self.model.config, self.model.normaliser
        given = batch.values, visible.to(self.device), batch.usual, batch.start, network, constants
        looked = Minutes(*given, self.learnt.profile, own_level=False).at(day, minute)
        truth, truth_z = (x[day, :, minute] for x in (batch.values, constants.normalise(batch.values)))
        wanted = batch.target[day, :, minute]
        losses = []
        for channel in range(network.channels):
            kept = self._kept(looked, channel, generator)
            rows = (wanted[:, channel] & kept.any(1)).nonzero()[:, 0]
            if not len(rows):
                continue
            own = looked.keep(kept)
            answers = self.learnt(channel, own, constants, rows)
            losses.append(self._loss_of(channel, answers, truth[rows, channel], truth_z[rows, channel]))
        return losses

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


class GapTrainer(_StageTrainer):
    """Learns the regressions on the channels' own surroundings."""

    name = "gap_regression"
    channels = 1

    def _losses(self, batch: Batch, generator: torch.Generator) -> list[Tensor]:
        masks = self.config.masks
        masks = masks.model_copy(update={"channels": 0.0, "gaps": max(masks.gaps, 1.0)})
        hidden = artificial_mask(batch.observed, masks, self.config.patch_minutes, self.groups, generator)
        visible = batch.observed & ~hidden
        wanted = batch.target & hidden & visible.any(-1, keepdim=True)
        # A draw without replacement: the first of waiting times with these rates.
        chance = wanted * (1 + minutes_away(visible).clamp_max(hidden.shape[-1])) ** -_NEARER
        waiting = torch.empty_like(chance).exponential_(generator=generator) / chance
        first, minute = waiting.topk(_CHANNEL_MINUTES, dim=-1, largest=False)
        day, channel, place = first.isfinite().nonzero(as_tuple=True)
        minute = minute[day, channel, place].to(self.device)
        day, channel = day.to(self.device), channel.to(self.device)
        batch = batch.to(self.device)
        network, constants = self.model.config, self.model.normaliser
        around = Surroundings(
            batch.values, visible.to(self.device), batch.usual, batch.start, network, constants
        )
        truth, truth_z = (x[day, channel, minute] for x in (batch.values, constants.normalise(batch.values)))
        losses = []
        for own in channel.unique().tolist():
            rows = (channel == own).nonzero()[:, 0]
            looked = around.at(day[rows], own, minute[rows])
            answers = self.learnt(own, looked, constants)
            losses.append(self._loss_of(own, answers, truth[rows], truth_z[rows]))
        return losses
