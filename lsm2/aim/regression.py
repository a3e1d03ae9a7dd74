"""Minute-wise regression of a channel on the other channels, for minutes far from its own visible ones.

A token of ten minutes tells little of single minutes of the *other* channels, and few people wear several
sensors. A small regression that sees the other channels minute by minute, and is the same at every minute of
the day, carries over to new people where the large network does not. This is an extension: the paper has
nothing like it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from lsm2.aim.config import AIMConfig
from lsm2.aim.normalisation import Normaliser
from lsm2.aim.usual import (
    BETWEEN_Z,
    EXPECTATION_FEATURES,
    USUAL_FEATURES,
    expected_day,
    sums_or_none,
    usual_day,
)

_STRETCHES = ((0, 0), (2, 2), (7, 7), (30, 30), (120, 120), (5, -1), (-1, 5), (15, -1), (-1, 15))
"""Minutes before and after a minute that means are taken over, beside the window. The last four leave the
minute out: the heart follows effort by minutes.
"""
_ENDS = {end for before, after in _STRETCHES for end in (-before, after + 1)}
"""Minutes away at which stretches begin or end."""
_SHARES = (0, 2, 4)
"""Stretches of which the visible share is told, beside that of the window."""
_NEAR_MINUTES = 2
"""Another channel must be visible within so many minutes, and nearer than the own one, for the regression to
have a say.
"""
_CHANNEL_FEATURES = 2 * (len(_STRETCHES) + 1) + len(_SHARES) + 1
_CLOCK_FEATURES = 4
LARGEST_LEVEL = 10.0
_DROPOUT = 0.2
USUAL_SHARE, USUAL_MINUTES = 0.7, 60.0
"""How much a regression counts far from visible minutes, and how far that is, where nothing tells."""


@dataclass(frozen=True)
class Rows:
    """What the regressions see of n minutes; each channel's part stands alone and can be left out."""

    features: Tensor
    """(n, features) of each channel visible means in network units and in own units over the channel's scale,
    and shares, zeros where nothing is visible; of each channel the usual day; time of the day, as two
    harmonics; and room for what is expected of the own channel.
    """
    expected: Tensor
    """(n, channels, EXPECTATION_FEATURES) of what train people let expect."""

    @property
    def channels(self) -> Tensor:
        """(n, channels, features) visible means and shares, a view."""
        count = self.expected.shape[1]
        return self.features[:, : count * _CHANNEL_FEATURES].unflatten(1, (count, -1))

    def keep(self, channels: Tensor) -> Rows:
        """The same, with nothing visible of other channels than ``channels`` (n, channels) bool."""
        kept = replace(self, features=self.features.clone())
        kept.channels.mul_(channels[:, :, None])
        return kept

    @property
    def present(self) -> Tensor:
        """(n, channels) bool: visible at any minute of the window."""
        return self.channels[:, :, -1] > 0

    def of(self, own: int, which: Tensor | None) -> Tensor:
        """(m, features) that the regression of the channel ``own`` sees of the minutes ``which`` (m,), or of
        all.
        """
        if which is None:
            which = torch.arange(len(self.features), device=self.features.device)
        features = self.features.index_select(0, which)
        features[:, own * _CHANNEL_FEATURES : (own + 1) * _CHANNEL_FEATURES] = 0
        features[:, -EXPECTATION_FEATURES:] = self.expected[which, own]
        return features


class Minutes:
    """Looks at single minutes of a batch of windows.

    Args:
        values: (days, channels, minutes) own units; what stands in invisible minutes is never read.
        visible: (days, channels, minutes) bool.
        usual: (days, channels, slots, 3) sums over the person's other days; None for none.
        start: (days,) clock slot at which each window begins.
        config: Dimensions.
        normaliser: The channels' constants.
        profile: (channels, slots, 2) of train people, see :func:`lsm2.aim.usual.expected_day`.
        own_level: Whether a channel's own visible minutes tell of its level.
    """

    def __init__(
        self,
        values: Tensor,
        visible: Tensor,
        usual: Tensor | None,
        start: Tensor,
        config: AIMConfig,
        normaliser: Normaliser,
        profile: Tensor,
        own_level: bool = True,
    ) -> None:
        self._config, self._start = config, start
        values = torch.where(visible, values, 0.0)
        flags = visible.to(values.dtype)
        level = (values / normaliser.scale).clamp(-LARGEST_LEVEL, LARGEST_LEVEL)
        sums = torch.stack([flags, normaliser.normalise(values) * flags, level], dim=2)
        # Summed up once: any stretch is a difference. (days, channels, 3, minutes + 1)
        wide = torch.float32 if values.device.type == "mps" else torch.float64
        summed = functional.pad(sums.to(wide).cumsum(-1), (1, 0))
        usual = sums_or_none(usual, values, config)
        patch = config.patch_minutes
        own = (summed[..., patch::patch] - summed[..., :-1:patch]).movedim(2, -1).float()
        own = own if own_level else torch.zeros_like(own)
        expected = expected_day(usual, own, profile, start, config)
        # Rows of what is looked up together, of all channels: a minute's sums, a slot's features.
        self._summed = summed.permute(0, 3, 2, 1).flatten(2).flatten(0, 1)
        self._usual, self._expected = (
            x.transpose(1, 2).flatten(2).flatten(0, 1)
            for x in (usual_day(usual, config, normaliser).features, expected)
        )

    def at(self, day: Tensor, minute: Tensor) -> Rows:
        """The minutes ``minute`` (n,) of the windows ``day`` (n,)."""
        window, patch, slots = self._config.window_minutes, self._config.patch_minutes, self._config.slots
        first = day * (window + 1)
        until = {end: self._summed.index_select(0, first + (minute + end).clamp(0, window)) for end in _ENDS}
        sums = [(until[after + 1] - until[-before]).float() for before, after in _STRETCHES]
        sums.append(self._summed.index_select(0, first + window).float())
        count, level_z, level = torch.stack(sums, dim=1).chunk(3, dim=-1)  # each (n, stretches, channels)
        some = count.clamp_min(1)
        lengths = count.new_tensor([*(1 + sum(_STRETCHES[i]) for i in _SHARES), window])
        share = count[:, [*_SHARES, len(_STRETCHES)]] / lengths[:, None]
        channels = torch.cat([level_z / some, level / some, share], dim=1).transpose(1, 2).flatten(1)
        slot = day * slots + minute // patch
        clock = clock_waves(self._start[day], minute, self._config).to(share.dtype)
        room = share.new_zeros(len(day), EXPECTATION_FEATURES)
        return Rows(
            torch.cat([channels, self._usual.index_select(0, slot), clock, room], dim=1),
            self._expected.index_select(0, slot).unflatten(1, (-1, EXPECTATION_FEATURES)),
        )


def clock_waves(start: Tensor, minute: Tensor, config: AIMConfig) -> Tensor:
    """Time of the day as two harmonics (n, 4), of minutes (n,) of windows that begin at the slots (n,)."""
    angle = (start * config.patch_minutes + minute) * (2 * math.pi / config.window_minutes)
    return torch.stack([wave(k * angle) for k in (1, 2) for wave in (torch.sin, torch.cos)], dim=-1)


class Layers(nn.Module):
    """Two hidden layers and a linear path beside them, for one channel."""

    def __init__(self, features: int, width: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(features, width), nn.Linear(width, width)
        self.out, self.line = nn.Linear(width, outputs), nn.Linear(features, outputs, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(n, features) to (n, outputs)."""
        inner = functional.gelu(self.first(self.dropout(x)))
        inner = functional.gelu(self.second(self.dropout(inner)))
        return self.out(self.dropout(inner)) + self.line(x)

    def begin(self) -> None:
        """Answer zeros at first."""
        for layer in (self.out, self.line):
            nn.init.zeros_(layer.weight)

    @property
    def learnt(self) -> bool:
        """Whether anything was learnt since."""
        return bool(self.out.weight.any() or self.line.weight.any())


class ChannelRegression(nn.Module):
    """A regression for each channel on all others and the person's other days, and how much it counts."""

    profile: Tensor
    share: Tensor
    minutes: Tensor
    """(channels, 2) between visible minutes, and with visible ones on one side."""

    def __init__(self, config: AIMConfig) -> None:
        super().__init__()
        self.outputs = [n.output for n in config.normalisation]
        features = config.channels * (_CHANNEL_FEATURES + USUAL_FEATURES) + _CLOCK_FEATURES
        features += EXPECTATION_FEATURES
        self.channels = nn.ModuleList(
            Layers(features, config.channel_regression, 2, _DROPOUT) for _ in range(config.channels)
        )
        self.register_buffer("profile", torch.zeros(config.channels, config.slots, 2))
        self.register_buffer("share", torch.full((config.channels,), USUAL_SHARE))
        self.register_buffer("minutes", torch.full((config.channels, 2), USUAL_MINUTES))

    def begin(self) -> None:
        """Answer what is expected at first."""
        for own in self.channels:
            cast(Layers, own).begin()

    def weight(self, away: Tensor, channel: Tensor, one_sided: Tensor) -> Tensor:
        """How much the regression counts beside the network, see :func:`blend_weight`.

        Args:
            away: (n, patch) minutes to the nearest visible one of the own channel.
            channel: (n,) its position.
            one_sided: (n, patch) bool: no minute is visible before it, or none after it.
        """
        minutes = self.minutes[channel[:, None], one_sided.long()]
        return blend_weight(away, self.share[channel, None], minutes)

    def forward(
        self, channel: int, rows: Rows, normaliser: Normaliser, which: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Answers for one channel, of which nothing in the window is read but its level.

        Args:
            channel: Its position.
            rows: From :meth:`Minutes.at`.
            normaliser: The channels' constants.
            which: (n,) of which rows; None for all.

        Returns:
            The mean in own units (a probability for binary channels; not clipped), and the median in network
            units (for binary channels: nothing), both (n,).
        """
        x = rows.of(channel, which)
        shift, rise = cast(Layers, self.channels[channel])(x).float().unbind(1)
        level = x[:, BETWEEN_Z - EXPECTATION_FEATURES]
        scale = normaliser.scale[channel]
        if self.outputs[channel] == "binary":
            mean = torch.sigmoid(rise)
        elif self.outputs[channel] == "count":
            mean = scale * functional.softplus(rise)
        else:
            own = torch.full_like(level, channel, dtype=torch.long)
            mean = normaliser.denormalise(level[:, None], own)[:, 0] + scale * rise
        return mean, level + shift


def blend_weight(away: Tensor, share: Tensor, minutes: Tensor) -> Tensor:
    """How much a regression counts beside the network: ``share * (1 - exp(-away / minutes))``.

    Args:
        away: Minutes to the nearest visible one of the own channel (:func:`lsm2.aim.context.minutes_away`).
        share: Weight far from visible minutes.
        minutes: How far that is; all three of shapes that broadcast.
    """
    return share * -torch.expm1(-away / minutes)


def others_nearby(away: Tensor) -> Tensor:
    """Where a regression has a say: another channel is visible within a few minutes, and nearer than the own
    one. At the edges of a gap of all channels the own visible minutes tell more.

    Args:
        away: (days, channels, minutes) from :func:`lsm2.aim.context.minutes_away`.

    Returns:
        bool of the same shape.
    """
    nearest = away.amin(1, keepdim=True)
    return (nearest <= _NEAR_MINUTES) & (nearest < away)
