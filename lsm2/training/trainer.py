"""A step of pretraining, the same on one process or on several."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lsm2.aim import AIM, artificial_mask, target_weights
from lsm2.channels import Schema
from lsm2.training.config import PretrainConfig
from lsm2.training.dataset import Batch, Recordings
from lsm2.training.feed import Feed
from lsm2.training.objective import channel_losses, total_loss
from lsm2.training.validation import Validation


def family_groups(schema: Schema) -> Tensor:
    """Family number of each channel (channels,)."""
    families = list(schema.families)
    return torch.tensor([families.index(channel.family) for channel in schema.channels])


def learning_rate(config: PretrainConfig, step: int) -> float:
    """Linear warm-up, then half a cosine down to the final rate."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(config.steps - config.warmup_steps, 1)
    low = config.final_learning_rate
    return low + (config.learning_rate - low) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def _optimiser(model: nn.Module, config: PretrainConfig) -> torch.optim.AdamW:
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas)


class Trainer:
    """Learns to reconstruct what was hidden.

    Args:
        config: What to do.
        model: The network, trained in place.
        feed: Windows of the train people.
        groups: (channels,) from :func:`family_groups`.
        rank, world: Which process of how many.
        learnt: What is learnt; by default all of the network but its second stage, whose turn comes after.
    """

    def __init__(
        self,
        config: PretrainConfig,
        model: AIM,
        feed: Feed,
        groups: Tensor,
        rank: int,
        world: int,
        learnt: nn.Module | None = None,
    ) -> None:
        self.config, self.model, self.feed, self.groups = config, model, feed, groups
        self.rank, self.world = rank, world
        if learnt is None:
            for part in model.second_stage.values():
                part.requires_grad_(False)
        self.learnt = model if learnt is None else learnt
        self.first_step = 0
        self.optimiser = _optimiser(self.learnt, config)
        self.average = (
            {name: p.detach().clone() for name, p in self.learnt.named_parameters()} if config.ema else {}
        )
        self.device = next(model.parameters()).device

    def step(self, number: int) -> float:
        """Draw the batch of step ``number``, learn from it, return its loss."""
        config = self.config
        torch.manual_seed(config.seed * 1_000_003 + number * self.world + self.rank)  # dropout
        drawn = self._draw(number)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(config, number)
        self.optimiser.zero_grad(set_to_none=True)
        loss = self._backward(drawn)
        if self.world > 1:
            self._add_up_gradients()
            dist.all_reduce(loss)
        torch.nn.utils.clip_grad_norm_(self.learnt.parameters(), config.clip_norm)
        self.optimiser.step()
        decay = min(config.ema, (1 + number) / (10 + number))
        with torch.no_grad():
            for name, parameter in self.learnt.named_parameters():
                if name in self.average:
                    self.average[name].lerp_(parameter, 1 - decay)
        return float(loss)

    def _draw(self, number: int) -> Any:
        """What a step learns from."""
        return self.feed.draw(self.first_step + number)

    def _backward(self, drawn: Any) -> Tensor:
        """Gradients of this process's part of the batch; returns its part of the loss."""
        config = self.config
        imputed = self.model.config.missing == "impute"
        patch = config.patch_minutes
        masks = [
            artificial_mask(one.batch.observed, config.masks, patch, self.groups, one.generator, imputed)
            for one in drawn
        ]
        batch, hidden = Batch.join([one.batch for one in drawn]), torch.cat(masks)
        weights = target_weights(batch.observed, hidden, config.distance_exponent) * batch.target
        totals = weights.sum((0, 2)).to(self.device)
        if self.feed.divided and self.world > 1:
            dist.all_reduce(totals)
        loss = torch.zeros((), device=self.device)
        for rows in self._micro_batches((batch.observed | imputed) & ~hidden):
            part = self._loss(batch, hidden, weights, totals, rows)
            part.backward()
            loss += part.detach()
        return loss

    def _add_up_gradients(self) -> None:
        """Sum the gradients of all processes, in one message."""
        parameters = [p for p in self.learnt.parameters() if p.requires_grad]
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters])
        dist.all_reduce(flat)
        for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = part.view_as(parameter)

    def _micro_batches(self, visible: Tensor) -> list[Tensor]:
        """This process's windows, in parts of like length so that little is padded."""
        tokens = visible.unflatten(-1, (-1, self.config.patch_minutes)).any(-1).flatten(1).sum(1)
        order = tokens.argsort(descending=True, stable=True)
        if not self.feed.divided:
            order = order[self.rank :: self.world]
        return list(order.split(self.config.micro_windows))

    def _loss(self, batch: Batch, hidden: Tensor, weights: Tensor, totals: Tensor, rows: Tensor) -> Tensor:
        values, observed, mask, weight, start = (
            x[rows].to(self.device) for x in (batch.values, batch.observed, hidden, weights, batch.start)
        )
        usual = None if batch.usual is None else batch.usual[rows].to(self.device)
        with torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.config.precision == "bfloat16"
        ):
            reading = self.model.reconstruct_hidden(
                values, observed, mask, start, self.config.drop_fraction, usual
            )
        return total_loss(channel_losses(self.model, reading, values, weight), totals)

    def validation(self, recordings: Recordings) -> Callable[[AIM, list[str]], dict[str, float]]:
        """What is watched on valid people: of a network and channel names the ``loss`` and other scores."""
        return Validation(self.config, recordings, self.groups, self.model.config)

    @contextmanager
    def averaged(self) -> Iterator[AIM]:
        """The network with its averaged weights."""
        learnt = dict(self.learnt.named_parameters())
        kept = {name: learnt[name].detach().clone() for name in self.average}
        with torch.no_grad():
            for name, mean in self.average.items():
                learnt[name].copy_(mean)
        yield self.model
        with torch.no_grad():
            for name, own in kept.items():
                learnt[name].copy_(own)
