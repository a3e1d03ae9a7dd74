"""What a training run watches: loss and errors of valid people against linear interpolation, on masks drawn
once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lsm2.aim import AIM, AIMConfig, MaskConfig, artificial_mask, target_weights
from lsm2.aim.context import interpolate, neighbours
from lsm2.training.config import PretrainConfig
from lsm2.training.dataset import Batch, Recordings, Windows
from lsm2.training.objective import channel_losses, total_loss

_PROTOCOLS = {
    "gaps_10": MaskConfig(tokens=0, slots=0, channels=0, gaps=1, gap_minutes=(10, 10), gap_share=0.25),
    "gaps_60": MaskConfig(tokens=0, slots=0, channels=0, gaps=1, gap_minutes=(60, 60), gap_share=0.25),
    "gaps_180": MaskConfig(tokens=0, slots=0, channels=0, gaps=1, gap_minutes=(180, 180), gap_share=0.25),
    "tokens_80": MaskConfig(slots=0, channels=0),
}


@dataclass(frozen=True)
class Fixed:
    """Windows and one artificial mask."""

    batch: Batch
    hidden: Tensor


class Validation:
    """Fixed windows and masks of the valid people."""

    def __init__(
        self, config: PretrainConfig, recordings: Recordings, groups: Tensor, network: AIMConfig
    ) -> None:
        self.config = config
        windows = Windows(config, recordings, network)
        rng = np.random.default_rng(config.seed)
        count = min(config.valid_windows, len(windows.usable))
        chance = windows.chance.numpy()
        rows = windows.usable[rng.choice(len(chance), count, replace=False, p=chance)]
        batch = windows.whole_days(rows)
        generator = torch.Generator().manual_seed(config.seed)
        self.sets = {
            name: Fixed(
                batch,
                artificial_mask(
                    batch.observed,
                    masks,
                    config.patch_minutes,
                    groups,
                    generator,
                    imputed=network.missing == "impute",
                ),
            )
            for name, masks in {"train_masks": config.masks, **_PROTOCOLS}.items()
        }

    @torch.no_grad()
    def __call__(self, model: AIM, names: list[str]) -> dict[str, float]:
        """Loss with training masks, and per protocol and channel the error over that of linear interpolation.

        Returns:
            ``loss`` and ``<protocol>/<channel>/{mse,mae}_ratio``.
        """
        results: dict[str, float] = {}
        device = next(model.parameters()).device
        training = model.training
        model.eval()
        for name, fixed in self.sets.items():
            parts = [
                self._errors(model, fixed, slice(i, i + 16), device) for i in range(0, len(fixed.hidden), 16)
            ]
            sums, totals = (torch.stack([p[k] for p in parts]).sum(0) for k in (0, 1))
            if name == "train_masks":
                results["loss"] = float(total_loss(sums, totals))
                continue
            own, line = (torch.stack([p[k] for p in parts]).sum(0) for k in (2, 3))
            for position, channel in enumerate(names):
                if totals[position] > 0 and line[1, position] > 0:
                    results[f"{name}/{channel}/mse_ratio"] = float(own[0, position] / line[0, position])
                    results[f"{name}/{channel}/mae_ratio"] = float(own[1, position] / line[1, position])
        model.train(training)
        return results

    def _errors(
        self, model: AIM, fixed: Fixed, rows: slice, device: torch.device
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Loss sums, weights, and (squared, absolute) errors per channel of the model and of linear
        interpolation.
        """
        batch = fixed.batch
        values, observed, target, start, hidden = (
            x[rows].to(device)
            for x in (batch.values, batch.observed, batch.target, batch.start, fixed.hidden)
        )
        usual = None if batch.usual is None else batch.usual[rows].to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            reading = model.reconstruct_hidden(
                values, observed, hidden, start, self.config.drop_fraction, usual
            )
        weights = target_weights(target, hidden, self.config.distance_exponent)
        weights = weights * target
        sums = channel_losses(model, reading, values, weights)
        visible = observed & ~hidden
        line = interpolate(values * visible, *neighbours(visible))
        scored = target & hidden & visible.any(-1, keepdim=True)
        slots = model.config.slots
        channel = reading.token // slots

        def rows_of(x: Tensor) -> Tensor:
            return x.unflatten(-1, (slots, -1)).flatten(1, 2)[reading.day, reading.token]

        truth, straight, counts = rows_of(values), rows_of(line), rows_of(scored)
        mean = model.normaliser.into_range(reading.mean, channel)
        median = model.normaliser.into_range(reading.median, channel)

        def per_channel(squared: Tensor, absolute: Tensor) -> Tensor:
            zeros = torch.zeros(model.config.channels, device=device)
            return torch.stack(
                [zeros.index_add(0, channel, (x * counts).sum(1)) for x in (squared, absolute)]
            )

        own = per_channel((mean - truth) ** 2, (median - truth).abs())
        linear = per_channel((straight - truth) ** 2, (straight - truth).abs())
        return sums.cpu(), weights.sum((0, 2)).cpu(), own.cpu(), linear.cpu()
