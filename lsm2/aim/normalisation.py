"""Own units to network units and back, a channel at a time, in torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lsm2.aim.config import Normalisation

_TRANSFORMS = ("identity", "log1p", "log")
_SMALLEST_FOR_LOG = 1e-6


class Normaliser(nn.Module):
    """Holds the constants of all channels; tensors have the channel axis second to last: (..., channels,
    minutes).
    """

    mean: Tensor
    std: Tensor
    scale: Tensor
    kind: Tensor
    clip: Tensor
    minimum: Tensor
    maximum: Tensor

    def __init__(self, channels: Sequence[Normalisation]) -> None:
        super().__init__()

        def column(values: list[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float32)[:, None]  # (channels, 1)

        infinity = float("inf")
        columns = {
            "mean": column([c.mean for c in channels]),
            "std": column([c.std + c.epsilon for c in channels]),
            "scale": column([c.scale for c in channels]),
            "kind": column([_TRANSFORMS.index(c.transform) for c in channels]),
            "clip": column([infinity if c.clip is None else c.clip for c in channels]),
            "minimum": column([-infinity if c.minimum is None else c.minimum for c in channels]),
            "maximum": column([infinity if c.maximum is None else c.maximum for c in channels]),
        }
        for name, values in columns.items():
            self.register_buffer(name, values, persistent=False)  # they live in config.json

    def normalise(self, values: Tensor) -> Tensor:
        """Own units (..., channels, minutes) to z."""
        moved = torch.where(self.kind == 1, torch.log1p(values.clamp_min(0)), values)
        moved = torch.where(self.kind == 2, torch.log(values.clamp_min(_SMALLEST_FOR_LOG)), moved)
        return torch.maximum(torch.minimum((moved - self.mean) / self.std, self.clip), -self.clip)

    def denormalise(self, z: Tensor, channel: Tensor | None = None) -> Tensor:
        """z to own units. ``channel`` (n,) says the channel of each row of ``z`` (n, minutes); else (...,
        channels, minutes).
        """
        mean, std, kind = (
            part if channel is None else part[channel] for part in (self.mean, self.std, self.kind)
        )
        moved = z * std + mean
        own = torch.where(kind == 1, torch.expm1(moved), moved)
        return torch.where(kind == 2, torch.exp(moved), own)

    def into_range(self, values: Tensor, channel: Tensor) -> Tensor:
        """Clip rows of own-unit values (n, minutes), whose channels are ``channel`` (n,), to the valid
        range.
        """
        return torch.maximum(torch.minimum(values, self.maximum[channel]), self.minimum[channel])

    def possible_median(self, median: Tensor, mean: Tensor, channel: Tensor) -> Tensor:
        """Lower medians (n, minutes) to what they can be beside means of own-unit values in the valid range:
        at most twice as far above the minimum (Markov's inequality).
        """
        least = self.minimum[channel]
        return torch.where(torch.isinf(least), median, torch.minimum(median, least + 2 * (mean - least)))
