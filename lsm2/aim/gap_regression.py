"""Minute-wise regression of a channel on its own visible minutes around a gap.

Close to visible minutes the large network adds little to interpolation but what noise and short-lived effort
leave behind, and of few people it learns even that by heart. A small regression that sees the levels on both
sides of the gap at several lengths, and is the same at every minute of the day, carries over to new people.
This is an extension: the paper has nothing like it.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from lsm2.aim.config import AIMConfig
from lsm2.aim.context import distinct, interpolate, neighbours
from lsm2.aim.normalisation import Normaliser
from lsm2.aim.reading import corrected_count, corrected_logit
from lsm2.aim.regression import LARGEST_LEVEL, Layers, clock_waves
from lsm2.aim.usual import USUAL_FEATURES, sums_or_none, usual_day

_LENGTHS = (1, 3, 10, 30, 90, 300)
"""Minutes of the stretches at each edge of a gap, from the last visible minute on."""
_UNEVEN = (3, 5)
"""Of which of them jumps and levels in own units are told too, by position."""
_SIDE_FEATURES = 2 * len(_LENGTHS) + 2 * len(_UNEVEN)
_FEATURES = 2 * (2 + _SIDE_FEATURES) + USUAL_FEATURES + 9
_DROPOUT = 0.05
SITUATIONS, ONE_SIDED = 3, 2
"""How many :func:`situations` there are, and that of minutes with visible ones on one side at most."""
USUAL_SHARE, USUAL_MINUTES = 0.5, 40.0
"""How much a regression counts next to visible minutes, and how fast that falls, where nothing tells."""


class Surroundings:
    """Looks at what a channel's visible minutes around single hidden ones are.

    Args:
        values: (days, channels, minutes) own units; what stands in invisible minutes is never read.
        visible: (days, channels, minutes) bool.
        usual: (days, channels, slots, 3) sums over the person's other days; None for none.
        start: (days,) clock slot at which each window begins.
        config: Dimensions.
        normaliser: The channels' constants.
    """

    def __init__(
        self,
        values: Tensor,
        visible: Tensor,
        usual: Tensor | None,
        start: Tensor,
        config: AIMConfig,
        normaliser: Normaliser,
    ) -> None:
        self._config, self._start, self._scale = config, start, normaliser.scale[:, 0]
        self._rows = values.shape[0] * values.shape[1]
        values = torch.where(visible, values, 0.0)
        flags = visible.to(values.dtype)
        z = normaliser.normalise(values) * flags
        level = (values / normaliser.scale).clamp(-LARGEST_LEVEL, LARGEST_LEVEL)
        pairs = functional.pad(flags[..., 1:] * flags[..., :-1], (1, 0))
        jumps = functional.pad(z.diff(dim=-1).abs(), (1, 0)) * pairs
        sums = torch.stack([flags, z, level, pairs, jumps], dim=2)  # (days, channels, 5, minutes)
        # Summed up once: any stretch is a difference.
        wide = torch.float32 if values.device.type == "mps" else torch.float64
        self._summed = functional.pad(sums.to(wide).cumsum(-1), (1, 0)).transpose(2, 3).flatten(0, 2)
        before, after = neighbours(visible)
        base = interpolate(values, before, after)
        self._minutes = base.flatten(), normaliser.normalise(base).flatten()
        self._edges = before.flatten(), after.flatten()
        usual = usual_day(sums_or_none(usual, values, config), config, normaliser).features
        self._usual = usual.flatten(0, 2)

    def at(self, day: Tensor, channel: Tensor | int, minute: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The minutes ``minute`` (n,) of the channels ``channel`` (n,), or of one, of the windows ``day``
        (n,), in which they have a visible one.

        Returns:
            Features (n, features), levels relative to the interpolation, and the interpolation in own and in
            network units, both (n,).
        """
        window, patch = self._config.window_minutes, self._config.patch_minutes
        row = day * self._config.channels + channel
        place = row * window + minute
        base, base_z = (x[place] for x in self._minutes)
        features = []
        for edges, step in zip(self._edges, (-1, 1), strict=True):
            edge = edges[place]
            there = (edge >= 0) & (edge < window)
            # All minutes of a gap have the same edges.
            gap, which = distinct(row * (window + 2) + edge + 1, self._rows * (window + 2))
            means, others = self._side(gap // (window + 2), gap % (window + 2) - 1, step)
            means, known = means[which].unbind(-1)
            away = torch.log1p((minute - edge).abs().to(base.dtype)) / math.log(window)
            side = [away[:, None], (means - base_z[:, None]) * known, others[which]]
            features += [there[:, None].to(base.dtype), torch.cat(side, dim=1) * there[:, None]]
        whole = self._summed[row * (window + 1) + window].to(base.dtype)
        mean, jump = whole[:, 1] / whole[:, 0].clamp_min(1), whole[:, 4] / whole[:, 3].clamp_min(1)
        usual = self._usual[place // patch]
        for level, amount in ((0, 1), (2, 3)):
            usual[:, level] = torch.where(usual[:, amount] > 0, usual[:, level] - base_z, 0.0)
        own = [base_z, mean - base_z, jump, whole[:, 0] / window, base / self._scale[channel]]
        clock = clock_waves(self._start[day], minute, self._config)
        features += [usual, torch.stack(own, dim=1).to(base.dtype), clock.to(base.dtype)]
        return torch.cat(features, dim=1), base, base_z

    def _side(self, row: Tensor, edge: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """What lies beyond an edge (n,) of a channel of a window: means and whether they are known (n,
        lengths, 2), and the rest.
        """
        window = self._config.window_minutes
        length = torch.tensor(_LENGTHS, device=edge.device)
        near, far = edge[:, None], edge[:, None] + step * (length - 1)
        low = torch.minimum(near, far).clamp(0, window)
        high = torch.maximum((torch.maximum(near, far) + 1).clamp(0, window), low)
        first = row[:, None] * (window + 1)
        sums = (self._summed[first + high] - self._summed[first + low]).to(self._usual.dtype)
        count, z, level, pairs, jumps = sums.unbind(-1)  # each (n, lengths)
        means = torch.stack([z / count.clamp_min(1), (count > 0).to(z.dtype)], dim=-1)
        uneven = list(_UNEVEN)
        others = [
            count / length,
            (jumps / pairs.clamp_min(1))[:, uneven],
            (level / count.clamp_min(1))[:, uneven],
        ]
        return means, torch.cat(others, dim=1)


class GapRegression(nn.Module):
    """A regression for each channel on its own surroundings, and how much it counts."""

    share: Tensor
    minutes: Tensor

    def __init__(self, config: AIMConfig) -> None:
        super().__init__()
        self.outputs = [n.output for n in config.normalisation]
        self.channels = nn.ModuleList(
            Layers(_FEATURES, config.gap_regression, 3, _DROPOUT) for _ in range(config.channels)
        )
        self.register_buffer("share", torch.full((config.channels, SITUATIONS), USUAL_SHARE))
        self.register_buffer("minutes", torch.full((config.channels, SITUATIONS), USUAL_MINUTES))

    def begin(self) -> None:
        """Answer the interpolation at first."""
        for own in self.channels:
            cast(Layers, own).begin()

    def weight(self, away: Tensor, channel: Tensor, situation: Tensor) -> Tensor:
        """How much the regression counts beside the network, see :func:`near_weight`.

        Args:
            away: (n, patch) minutes to the nearest visible one of the own channel.
            channel: (n,) its position.
            situation: (n, patch) from :func:`situations`.
        """
        which = channel[:, None], situation
        return near_weight(away, self.share[which], self.minutes[which])

    def forward(
        self, channel: int, looked: tuple[Tensor, Tensor, Tensor], normaliser: Normaliser
    ) -> tuple[Tensor, Tensor]:
        """Answers for one channel.

        Args:
            channel: Its position.
            looked: From :meth:`Surroundings.at`.
            normaliser: The channels' constants.

        Returns:
            The mean in own units (a probability for binary channels; not clipped), and the median in network
            units (for binary channels: nothing), both (n,).
        """
        x, base, base_z = looked
        shift, rise, gain = cast(Layers, self.channels[channel])(x).float().unbind(1)
        scale = normaliser.scale[channel]
        if self.outputs[channel] == "binary":
            mean = torch.sigmoid(corrected_logit(base, rise))
        elif self.outputs[channel] == "count":
            mean = corrected_count(base, gain, rise, scale)
        else:
            mean = base + scale * rise
        return mean, base_z + shift


def situations(visible: Tensor, heard: Tensor) -> Tensor:
    """What else is known at each minute.

    Args:
        visible: (..., minutes) bool, of the own channel.
        heard: Of the same shape: whether another channel is visible nearby
            (:func:`lsm2.aim.regression.others_nearby`).

    Returns:
        Integers of the same shape: 0 between visible minutes, 1 where others are heard too, 2 before the
        first or after the last visible minute.
    """
    before, after = neighbours(visible)
    return torch.where((before < 0) | (after >= visible.shape[-1]), ONE_SIDED, heard.long())


def near_weight(away: Tensor, share: Tensor, minutes: Tensor) -> Tensor:
    """How much a regression on the own surroundings counts beside the network: ``share * exp(-away /
    minutes)``; nothing where no minute is visible.

    Args:
        away: Minutes to the nearest visible one of the own channel (:func:`lsm2.aim.context.minutes_away`).
        share: Weight next to visible minutes.
        minutes: How far it falls by a factor e; all three of shapes that broadcast.
    """
    return share * torch.exp(-away / minutes)
