"""What a decoder query knows: of its own channel the interpolation of the visible minutes and where they lie,
and of the other channels, if the config says so, the visible minutes of its patch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lsm2.aim.config import AIMConfig
from lsm2.aim.normalisation import Normaliser


@dataclass(frozen=True)
class Context:
    """Features of all channels and minutes of a batch of windows, from visible minutes alone."""

    base: Tensor
    """(days, channels, minutes) own units: linear interpolation, edges held; the train mean where nothing is
    visible.
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
    """(days, channels, 2, minutes) minutes to the previous and the next visible one, log scale, 0 to 1."""
    far: Tensor
    """(days, channels, slots, 2 m + 1) visible mean of the patches around, network units, 0 where none is
    visible.
    """
    far_visible: Tensor
    """Beside it, the visible share of those patches."""
    across: Tensor | None
    """(days, slots, 2 channels patch_minutes) visible minutes of all channels in a patch, network units, and
    their flags; None where queries do not see other channels.
    """

    def of(self, day: Tensor, channel: Tensor, slot: Tensor, patch: int) -> Tensor:
        """Feature rows (tokens, features) of the tokens (day, channel, slot); zeros for channels without
        visible minute.
        """
        own = (slot[:, None] * patch + torch.arange(patch, device=slot.device))[
            :, None, :
        ]  # (tokens, 1, patch)
        distance = self.distance[day, channel].gather(2, own.expand(-1, 2, -1)).flatten(1)
        parts = [self.near[day, channel, slot], self.near_visible[day, channel, slot], distance]
        parts += [self.far[day, channel, slot], self.far_visible[day, channel, slot]]
        return torch.cat(parts, dim=1)


def context_features(config: AIMConfig) -> int:
    """Number of features of a query."""
    near = (2 * config.query_neighbours + 1) * config.patch_minutes
    return 2 * near + 2 * config.patch_minutes + 2 * (2 * config.query_patches + 1)


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


def build_context(values: Tensor, visible: Tensor, config: AIMConfig, normaliser: Normaliser) -> Context:
    """Everything that queries need, for a batch of windows.

    Args:
        values: (days, channels, minutes) own units; what stands in invisible minutes is never read.
        visible: (days, channels, minutes) bool, observed and not hidden.
        config: dimensions.
        normaliser: the channels' constants.
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

    flags = visible.to(values.dtype)
    z = normaliser.normalise(values) * flags
    count = flags.unflatten(-1, (-1, patch)).sum(-1)  # (days, channels, slots)
    mean = z.unflatten(-1, (-1, patch)).sum(-1) / count.clamp_min(1)
    margin, reach = config.query_neighbours * patch, config.query_patches

    def around(x: Tensor, width: int, step: int, mode: str = "constant") -> Tensor:
        return functional.pad(x, (width, width), mode=mode).unfold(-1, 2 * width + step, step)

    across = None
    if config.query_channels:
        sides = [x.unflatten(-1, (-1, patch)).transpose(1, 2).flatten(2) for x in (z, flags)]
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
    )
