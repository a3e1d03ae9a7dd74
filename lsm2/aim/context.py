"""What a decoder query knows: of its own channel the interpolation of the visible minutes and where they lie;
and if the config says so, of the other channels the visible minutes of its patch, and the person's usual day.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lsm2.aim.config import AIMConfig
from lsm2.aim.normalisation import Normaliser
from lsm2.aim.usual import USUAL_FEATURES, sums_or_none, usual_day


@dataclass(frozen=True)
class Context:
    """Features of all channels and minutes of a batch of windows, from visible minutes alone."""

    base: Tensor
    """(days, channels, minutes) own units: linear interpolation, edges held; the train mean where nothing is
    visible. With the usual day, it falls back to that (else to the visible mean) away from visible minutes.
    """
    base_z: Tensor
    """The same in network units."""
    near: Tensor
    """(days, channels, slots, (2 n + 1) patch_minutes) interpolation of a patch and its n neighbours,
    network units.
    """
    near_visible: Tensor
    """Beside it, 1 where the minute is visible."""
    distance: Tensor
    """(days, channels, slots, 2, patch_minutes) minutes to the previous and the next visible one, log scale,
    0 to 1.
    """
    far: Tensor
    """(days, channels, slots, 2 m + 1) visible mean of the patches around, network units, 0 where none is
    visible.
    """
    far_visible: Tensor
    """Beside it, the visible share of those patches."""
    across: Tensor | None
    """(days, slots, features) visible minutes of all channels in a patch, network units, their flags, and the
    channels' usual day if the config has it; None where queries do not see other channels.
    """
    usual: Tensor | None
    """(days, channels, slots, USUAL_FEATURES) of the usual day, None where queries do not see it."""

    def of(self, day: Tensor, channel: Tensor, slot: Tensor) -> Tensor:
        """Feature rows (tokens, features) of the tokens (day, channel, slot); zeros for channels without
        visible minute and usual day.
        """
        distance = self.distance[day, channel, slot].flatten(1)
        parts = [self.near[day, channel, slot], self.near_visible[day, channel, slot], distance]
        parts += [self.far[day, channel, slot], self.far_visible[day, channel, slot]]
        if self.usual is not None:
            parts.append(self.usual[day, channel, slot])
        return torch.cat(parts, dim=1)


def context_features(config: AIMConfig) -> int:
    """Number of features of a query."""
    near = (2 * config.query_neighbours + 1) * config.patch_minutes
    far = 2 * config.query_patches + 1
    return 2 * near + 2 * config.patch_minutes + 2 * far + (USUAL_FEATURES if config.usual_day else 0)


def across_features(config: AIMConfig) -> int:
    """Number of features that a query has of all channels together."""
    return config.channels * (2 * config.patch_minutes + (USUAL_FEATURES if config.usual_day else 0))


def neighbours(visible: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of the previous and the next visible minute, the minute itself included.

    Args:
        visible: (..., minutes) bool.

    Returns:
        Two integer tensors (..., minutes); -1 where there is no previous one, ``minutes`` where there is no
        next one.
    """
    minutes = visible.shape[-1]
    position = torch.arange(minutes, device=visible.device)
    before = torch.where(visible, position, -1).cummax(-1).values
    after = torch.where(visible, position, minutes).flip(-1).cummin(-1).values.flip(-1)
    return before, after


def distinct(numbers: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The distinct ones of ``numbers`` (n,), which are below ``count``, ascending, and the position of each
    number among them: :func:`torch.unique` without sorting.
    """
    there = torch.zeros(count, dtype=torch.bool, device=numbers.device)
    there[numbers] = True
    return there.nonzero()[:, 0], (there.cumsum(0) - 1)[numbers]


def minutes_away(visible: Tensor) -> Tensor:
    """Minutes to the nearest visible one of the same channel, infinite where there is none.

    Args:
        visible: (..., minutes) bool.
    """
    minutes = visible.shape[-1]
    before, after = neighbours(visible)
    position = torch.arange(minutes, device=visible.device)
    left = torch.where(before < 0, torch.inf, (position - before).float())
    return torch.minimum(left, torch.where(after >= minutes, torch.inf, (after - position).float()))


def interpolate(values: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Linear interpolation between the visible neighbours, edges held.

    Args:
        values: (..., minutes), anything finite where not visible.
        before: from :func:`neighbours`.
        after: from :func:`neighbours`.

    Returns:
        (..., minutes); arbitrary where a row has no visible minute.
    """
    minutes = values.shape[-1]
    position = torch.arange(minutes, device=values.device)
    left = values.gather(-1, before.clamp_min(0))
    right = values.gather(-1, after.clamp_max(minutes - 1))
    left, right = torch.where(before < 0, right, left), torch.where(after >= minutes, left, right)
    share = (position - before) / (after - before).clamp_min(1)
    return torch.lerp(left, right, share.clamp(0, 1).to(values.dtype))


def build_context(
    values: Tensor,
    visible: Tensor,
    config: AIMConfig,
    normaliser: Normaliser,
    usual: Tensor | None = None,
    reversion: Tensor | None = None,
) -> Context:
    """Everything that queries need, for a batch of windows.

    Args:
        values: (days, channels, minutes) own units; what stands in invisible minutes is never read.
        visible: (days, channels, minutes) bool, observed and not hidden.
        config: dimensions.
        normaliser: the channels' constants.
        usual: (days, channels, slots, 3) sums over the person's other days
            (:func:`lsm2.aim.usual.usual_sums`); None for a person without.
        reversion: (channels,) minutes away from visible ones in which the interpolation falls back to the
            usual level by a factor e; None to hold it.
    """
    minutes, patch = config.window_minutes, config.patch_minutes
    values = torch.where(visible, values, 0.0)
    any_visible = visible.any(-1, keepdim=True)  # (days, channels, 1)
    before, after = neighbours(visible)
    centre = normaliser.denormalise(torch.zeros_like(values[..., :1]))
    base = torch.where(any_visible, interpolate(values, before, after), centre)
    base_z = torch.where(any_visible, normaliser.normalise(base), 0.0)
    position = torch.arange(minutes, device=values.device)
    gaps = torch.stack(
        [
            torch.where(before < 0, minutes, position - before),
            torch.where(after >= minutes, minutes, after - position),
        ],
        dim=-2,
    )
    distance = torch.log1p(gaps.to(values.dtype)) / math.log1p(minutes) * any_visible[:, :, None, :]
    distance = distance.unflatten(-1, (-1, patch)).transpose(2, 3)

    flags = visible.to(values.dtype)
    z = normaliser.normalise(values) * flags
    count = flags.unflatten(-1, (-1, patch)).sum(-1)  # (days, channels, slots)
    mean = z.unflatten(-1, (-1, patch)).sum(-1) / count.clamp_min(1)
    levels = None
    if config.usual_day:
        levels = usual_day(sums_or_none(usual, values, config), config, normaliser)
        seen = flags.sum(-1, keepdim=True).clamp_min(1)  # (days, channels, 1)
        own = torch.where(any_visible, values.sum(-1, keepdim=True) / seen, centre)
        own_z = z.sum(-1, keepdim=True) / seen
        own = torch.where(levels.known, levels.level, own).repeat_interleave(patch, -1)
        own_z = torch.where(levels.known, levels.level_z, own_z).repeat_interleave(patch, -1)
        held = any_visible.to(values.dtype)
        if reversion is not None:
            held = held * torch.exp(-torch.minimum(*gaps.unbind(-2)) / reversion[:, None])
        base, base_z = own + held * (base - own), own_z + held * (base_z - own_z)
    margin, reach = config.query_neighbours * patch, config.query_patches

    def around(x: Tensor, width: int, step: int, mode: str = "constant") -> Tensor:
        return functional.pad(x, (width, width), mode=mode).unfold(-1, 2 * width + step, step)

    across = None
    if config.query_channels:
        sides = [x.unflatten(-1, (-1, patch)).transpose(1, 2).flatten(2) for x in (z, flags)]
        if levels is not None:
            sides.append(levels.features.transpose(1, 2).flatten(2))
        across = torch.cat(sides, dim=-1)
    return Context(
        base=base,
        base_z=base_z,
        near=around(base_z, margin, patch, "replicate"),
        near_visible=around(flags, margin, patch),
        distance=distance,
        far=around(mean, reach, 1),
        far_visible=around(count / patch, reach, 1),
        across=across,
        usual=None if levels is None else levels.features,
    )
