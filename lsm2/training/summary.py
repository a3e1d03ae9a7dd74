"""Another part of the second stage: the summary learns to make means of tokens tell what was recorded.

The encoder is done, so a stock of windows, most with something hidden, goes through it once. From the mean of
the tokens of a patch, of an hour and of the whole window a linear map is to tell, of each channel, level,
spread, jumps and quantiles of the minutes there, and of the window the mean at each hour, hidden minutes
among them. Means are standardised and noise is added to them before that: what a channel's statistics share,
such as its level, then takes up much of an embedding, and probes find it from few people.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

from lsm2.aim import AIM, artificial_mask
from lsm2.aim.prepared import prepare
from lsm2.training.config import PretrainConfig
from lsm2.training.dataset import Batch
from lsm2.training.feed import Feed
from lsm2.training.trainer import Trainer

_STOCK = 6144
"""Windows that go through the encoder; fewer where they hold more tokens than this:"""
_STOCK_TOKENS = 4_000_000
_WINDOWS = 64
"""Windows of a step."""
_HIDDEN = 0.75
"""How often a window of the stock has something hidden."""
_SPANS = 512
"""Patches, and hours, of a step."""
_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_STATISTICS = 3 + len(_QUANTILES)
_HOUR = 60
_HOURS = 24
_HOURLY_WEIGHT = 0.25
_MOST = 4.0
"""Standard deviations that a statistic may be from its mean."""
_SHORT_WEIGHT = 0.5
"""What patches and hours weigh beside whole windows, each."""
_NOISE = 1.0
"""Standard deviation of the noise on standardised means."""
_SEEN_FOR_SCALES = 1024
"""Windows that the statistics' means and standard deviations are found from."""


def statistics(z: Tensor) -> Tensor:
    """Mean, standard deviation, mean jump between neighbours and quantiles (..., 10) of minutes (...,
    minutes), of which NaN are missing; NaN where they cannot be told.
    """
    mean = z.nanmean(-1)
    spread = ((z - mean[..., None]) ** 2).nanmean(-1).sqrt()
    jump = z.diff(dim=-1).abs().nanmean(-1)
    quantiles = z.nanquantile(torch.tensor(_QUANTILES, device=z.device), dim=-1)
    return torch.stack([mean, spread, jump, *quantiles], dim=-1)


class _Stock:
    """Windows as the encoder leaves them, in half precision, and what is to be told of them; in memory."""

    def __init__(self, model: AIM, config: PretrainConfig, feed: Feed, groups: Tensor) -> None:
        ready = prepare(model.eval(), torch.float32)
        network = model.config
        parts: list[tuple[Tensor, ...]] = []
        windows = tokens = 0
        while windows < _STOCK and tokens < _STOCK_TOKENS:
            for drawn in feed.draw(config.steps + windows // config.batch_windows):
                batch, generator = drawn.batch, drawn.generator
                hidden = artificial_mask(
                    batch.observed, config.masks, config.patch_minutes, groups, generator
                )
                some = torch.rand(len(hidden), 1, 1, generator=generator) < _HIDDEN
                for rows in torch.arange(len(hidden)).split(config.micro_windows):
                    parts.append(self._encoded(ready, batch, batch.observed & ~(hidden & some), rows))
                    tokens += len(parts[-1][0])
                windows += len(hidden)
        columns = list(zip(*parts, strict=True))
        del parts
        self.output, self.inputs, self.token, self.weight, self.start, self.z, count = (
            torch.cat(columns.pop(0)) for _ in range(len(columns))
        )
        self.first = functional.pad(count.cumsum(0), (1, 0))
        self.usable = count.nonzero()[:, 0]
        self.slots, self.patch = network.slots, network.patch_minutes
        hour = max(_HOUR // self.patch, 1)
        self.lengths = {"patch": 1} | ({"hour": hour} if hour > 1 and not self.slots % hour else {})

    @staticmethod
    @torch.no_grad()
    def _encoded(ready: AIM, batch: Batch, visible: Tensor, rows: Tensor) -> tuple[Tensor, ...]:
        device = ready.mask_token.device
        values, seen, start = (x[rows].to(device) for x in (batch.values, visible, batch.start))
        tokens = ready.tokenise(values, seen)
        encoded = ready.encode_tokens(tokens, start)
        inputs = tokens.inputs[encoded.day, encoded.token]
        z = torch.where(batch.target[rows].to(device), ready.normaliser.normalise(values), torch.nan)
        halves = encoded.output.half(), inputs.half(), encoded.token.int(), encoded.weight.half()
        return *(x.cpu() for x in (*halves, start, z.half())), torch.tensor(encoded.lengths)

    def take(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Outputs, inputs, numbers and weights of the tokens of windows, and their places in ``windows``."""
        first, count = self.first[windows], self.first[windows + 1] - self.first[windows]
        place = torch.repeat_interleave(torch.arange(len(windows)), count)
        row = torch.arange(len(place)) + (first - count.cumsum(0) + count)[place]
        halves = self.output[row], self.inputs[row], self.weight[row]
        output, inputs, weight = (x.float() for x in halves)
        return output, inputs, self.token[row].long(), weight, place

    def of_spans(self, windows: Tensor, span: Tensor, length: int) -> Tensor:
        """Statistics (n, channels, 10) of the ``span``-th (n,) ``length`` slots of ``windows`` (n,)."""
        minutes = length * self.patch
        minute = span[:, None] * minutes + torch.arange(minutes)
        return statistics(self.z[windows[:, None], :, minute].float().movedim(1, 2))

    def of_windows(self, windows: Tensor) -> Tensor:
        """Statistics (n, channels, 10), and means of each hour of the clock (n, channels, 24)."""
        z = self.z[windows].float()
        by_slot = z.unflatten(-1, (self.slots, -1)).nanmean(-1)
        clock = (torch.arange(self.slots) - self.start[windows][:, None]) % self.slots
        by_slot = by_slot.gather(2, clock[:, None].expand_as(by_slot))
        hour = torch.arange(self.slots) * _HOURS // self.slots
        hourly = torch.stack([by_slot[..., hour == number].nanmean(-1) for number in range(_HOURS)], dim=-1)
        return torch.cat([statistics(z), hourly], dim=-1)


class _Told(nn.Module):
    """A linear map from means of tokens to standardised statistics of each channel; not kept."""

    mean: Tensor
    std: Tensor
    weight: Tensor

    def __init__(self, dim: int, examples: Tensor) -> None:
        super().__init__()
        known = ~examples.isnan()
        count = known.sum(0)
        mean = examples.nan_to_num().sum(0) / count.clamp_min(1)
        variance = ((examples - mean) ** 2).nan_to_num().sum(0) / count.clamp_min(1)
        self.register_buffer("mean", mean)
        self.register_buffer("std", torch.where(variance > 1e-6, variance.sqrt(), torch.nan))
        self.standard = nn.BatchNorm1d(dim, affine=False, momentum=0.05)
        self.linear = nn.Linear(dim, mean.numel())
        hourly = max(mean.shape[-1] - _STATISTICS, 0)
        weight = torch.cat([torch.ones(_STATISTICS), torch.full((hourly,), _HOURLY_WEIGHT)])
        self.register_buffer("weight", weight)

    def forward(self, pooled: Tensor, truth: Tensor) -> Tensor:
        """Squared error of ``truth`` (n, channels, statistics) told from ``pooled`` (n, dim)."""
        x = self.standard(pooled)
        told = self.linear(x + _NOISE * torch.randn_like(x)).unflatten(-1, self.mean.shape)
        wanted = ((truth - self.mean) / self.std).clamp(-_MOST, _MOST)
        known = ~wanted.isnan() * self.weight
        error = ((told - wanted.nan_to_num()) ** 2 * known).sum((0, 2))
        total = known.sum((0, 2))
        return (error / total.clamp_min(1e-6)).sum() / (total > 0).sum().clamp_min(1)


def _pooled(output: Tensor, weight: Tensor, group: Tensor, groups: int) -> Tensor:
    total = output.new_zeros(groups, output.shape[1]).index_add(0, group, output * weight[:, None])
    mass = output.new_zeros(groups).index_add(0, group, weight)
    return total / mass.clamp_min(1e-12)[:, None]


class SummaryTrainer(Trainer):
    """Learns the summary and leaves the rest of the network as it is.

    Args:
        config: What to do; steps, learning rate and average are this stage's own.
        model: The network, with a summary.
        feed: Windows of the train people; those after the config's steps are drawn.
        groups: (channels,) family number of each channel.
        rank, world: Which process of how many, where each draws windows of its own.
    """

    name: ClassVar[str] = "summary"

    def __init__(
        self, config: PretrainConfig, model: AIM, feed: Feed, groups: Tensor, rank: int = 0, world: int = 1
    ) -> None:
        summary = model.summary
        assert summary is not None  # by the config
        if not feed.divided:  # it is quick enough for all processes to do the same
            rank, world = 0, 1
        self.stock = stock = _Stock(model, config, feed, groups)
        summary.requires_grad_(True).train()
        some = stock.output[::7].float()
        summary.centre.copy_(some.mean(0))
        summary.spread.copy_(some.std(0).mean())
        self.summary = summary
        self.told = self._maps(model.config.encoder_dim, config.seed).to(summary.centre.device)
        learnt = nn.ModuleDict({"summary": summary, "told": self.told})
        if world > 1:
            for tensor in learnt.state_dict().values():
                dist.broadcast(tensor, 0)
        own = {"steps": config.summary_steps, "learning_rate": 2e-3, "final_learning_rate": 0.0}
        own |= {"warmup_steps": 100, "ema": 0.995, "weight_decay": 0.02}
        stage = config.model_copy(update=own)
        super().__init__(stage, model, feed, groups, rank, world, learnt=learnt)

    def _maps(self, dim: int, seed: int) -> nn.ModuleDict:
        """Maps from the means of windows and of shorter spans, which know how statistics are spread."""
        stock, maps = self.stock, nn.ModuleDict()
        torch.manual_seed(seed)
        some = stock.usable[torch.randperm(len(stock.usable))[:_SEEN_FOR_SCALES]]
        examples = torch.cat([stock.of_windows(part) for part in some.split(_WINDOWS)])
        maps["window"] = _Told(dim, examples)
        for name, length in stock.lengths.items():
            spans = torch.randint(stock.slots // length, (8, len(some)))
            maps[name] = _Told(dim, torch.cat([stock.of_spans(some, span, length) for span in spans]))
        return maps

    def _draw(self, number: int) -> Tensor:
        usable = self.stock.usable
        return usable[torch.randint(len(usable), (_WINDOWS,))]

    def _backward(self, drawn: Tensor) -> Tensor:
        stock, device = self.stock, self.device
        output, inputs, token, weight, place = stock.take(drawn)
        given = output, inputs, token, stock.start[drawn][place]
        said = self.summary(*(x.to(device) for x in given))
        weight = weight.to(device)
        truth = stock.of_windows(drawn).to(device)
        loss = self.told["window"](_pooled(said, weight, place.to(device), len(drawn)), truth)
        for name, length in stock.lengths.items():
            count = stock.slots // length
            span, group = torch.unique(place * count + token % stock.slots // length, return_inverse=True)
            means = _pooled(said, weight, group.to(device), len(span))
            chosen = torch.randperm(len(span))[:_SPANS]
            truth = stock.of_spans(drawn[span[chosen] // count], span[chosen] % count, length).to(device)
            loss = loss + _SHORT_WEIGHT * self.told[name](means[chosen.to(device)], truth)
        loss = loss / self.world
        loss.backward()
        return loss.detach()
