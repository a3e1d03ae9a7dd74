"""Contrastive pretraining of the encoder, a baseline for masked autoencoding.

Two altered views of each window are to be told from the views of all other windows of the batch by their
embeddings (SimCLR, arXiv 2002.05709: normalised temperature-scaled cross-entropy behind a projection
head, which is not kept).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

from lsm2.aim import AIM, artificial_mask
from lsm2.training.config import ContrastiveConfig, PretrainConfig
from lsm2.training.dataset import Batch, Recordings, Windows
from lsm2.training.feed import Drawn, Feed
from lsm2.training.pooled import embed_padded
from lsm2.training.trainer import Trainer


@dataclass(frozen=True)
class View:
    """Windows as the network is to see them."""

    values: Tensor
    """(windows, channels, minutes) own units."""
    visible: Tensor
    """(windows, channels, minutes) bool."""
    start: Tensor
    """(windows,) clock slot of the first minute."""


def draw_view(
    batch: Batch, model: AIM, config: PretrainConfig, groups: Tensor, generator: torch.Generator
) -> View:
    """Alter windows: turned by up to ``shift_minutes``, noise on the values (not of binary channels), and
    tokens, time slots or channels dropped as ``config.masks`` says.
    """
    options = config.contrastive or ContrastiveConfig()
    windows, channels, minutes = batch.values.shape
    most = options.shift_minutes
    turn = torch.randint(-most, most + 1, (windows, 1), generator=generator)
    minute = ((torch.arange(minutes) + turn) % minutes)[:, None, :].expand(-1, channels, -1)
    values, observed = batch.values.gather(2, minute), batch.observed.gather(2, minute)
    noise = options.jitter * torch.randn(values.shape, generator=generator)
    normaliser = model.normaliser
    device = normaliser.mean.device
    moved = normaliser.denormalise(normaliser.normalise(values.to(device)) + noise.to(device))
    binary = torch.tensor([n.output == "binary" for n in model.config.normalisation])[:, None]
    values = torch.where(binary, values, moved.cpu())
    hidden = artificial_mask(observed, config.masks, model.config.patch_minutes, groups, generator)
    return View(values, observed & ~hidden, batch.start)


def contrast(first: Tensor, second: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Cross-entropy of finding the other view of each window among all views, and how often it is nearest.

    Args:
        first, second: (windows, dim) projections of both views.
        temperature: Of the cosine similarities.

    >>> one = torch.eye(4)
    >>> loss, found = contrast(one, one, 0.1)
    >>> float(loss) < 0.01, float(found)
    (True, 1.0)
    """
    windows = len(first)
    z = functional.normalize(torch.cat([first, second]).float(), dim=1)
    similarity = (z @ z.T / temperature).masked_fill(torch.eye(2 * windows, dtype=torch.bool), -torch.inf)
    other = torch.arange(2 * windows).roll(windows)
    found = (similarity.argmax(1) == other).float().mean()
    return functional.cross_entropy(similarity, other), found


class ContrastiveTrainer(Trainer):
    """Learns to recognise altered windows; for configs with ``contrastive``; else as :class:`Trainer`."""

    def __init__(
        self, config: PretrainConfig, model: AIM, feed: Feed, groups: Tensor, rank: int, world: int
    ) -> None:
        width = model.config.encoder_dim
        options = config.contrastive or ContrastiveConfig()
        head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, options.projection_dim))
        head = head.to(next(model.parameters()).device)
        both = nn.ModuleDict({"network": model, "head": head})
        super().__init__(config, model, feed, groups, rank, world, learnt=both)
        self.head, self.options = head, options

    def _backward(self, drawn: list[Drawn]) -> Tensor:
        """As :class:`Trainer`; the loss needs all projections at once, so they are computed without gradient
        first, and again, a part at a time, for the gradient of each part.
        """
        (one,) = drawn
        batch = one.batch
        views = [draw_view(batch, self.model, self.config, self.groups, one.generator) for _ in range(2)]
        parts = [self._micro_batches(view.visible) for view in views]
        with torch.no_grad():
            z = torch.zeros(2, len(batch.values), self.options.projection_dim)
            for side, view in enumerate(views):
                for rows in parts[side]:
                    z[side, rows] = self._project(view, rows).cpu()
        if self.world > 1:
            z = z.to(self.device)
            dist.all_reduce(z)
        z = z.cpu().requires_grad_()
        loss, _ = contrast(z[0], z[1], self.options.temperature)
        (slope,) = torch.autograd.grad(loss, z)
        for side, view in enumerate(views):
            for rows in parts[side]:
                projected = self._project(view, rows)
                projected.backward(slope[side, rows].to(projected))
        return loss.detach().to(self.device) / self.world

    def _project(self, view: View, rows: Tensor) -> Tensor:
        """Projections (rows, projection_dim) float32 of some windows."""
        projected: Tensor = self.head(self._embed(view, rows))
        return projected.float()

    def _embed(self, view: View, rows: Tensor) -> Tensor:
        values, visible, start = (x[rows].to(self.device) for x in (view.values, view.visible, view.start))
        with torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.config.precision == "bfloat16"
        ):
            return embed_padded(self.model, values, visible, start, self.config.drop_fraction)

    def validation(self, recordings: Recordings) -> Callable[[AIM, list[str]], dict[str, float]]:
        """On two fixed views of windows of valid people: the ``loss``, and ``found``, how often the other
        view is nearest. Both depend on how many windows there are.
        """
        config = self.config
        windows = Windows(config, recordings, self.model.config)
        count = min(config.valid_windows, len(windows.usable))
        chance = windows.chance.numpy()
        rows = windows.usable[
            np.random.default_rng(config.seed).choice(len(chance), count, replace=False, p=chance)
        ]
        batch = windows.windows(rows, np.zeros(count, dtype=int), np.zeros(count, dtype=bool))
        generator = torch.Generator().manual_seed(config.seed)
        views = [draw_view(batch, self.model, config, self.groups, generator) for _ in range(2)]

        @torch.no_grad()
        def scores(model: AIM, names: list[str]) -> dict[str, float]:
            z = [
                torch.cat([self._project(view, some).cpu() for some in torch.arange(count).split(16)])
                for view in views
            ]
            loss, found = contrast(z[0], z[1], self.options.temperature)
            return {"loss": float(loss), "found": float(found)}

        return scores
