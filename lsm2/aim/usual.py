"""A person's usual day: what a decoder query knows of the channel on the person's other days."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lsm2.aim.config import AIMConfig
from lsm2.aim.normalisation import Normaliser

USUAL_SUMS = 3
"""Numbers that :func:`usual_sums` gives for a slot."""
USUAL_FEATURES = 4
"""Features that a query has of a channel's usual day."""
EXPECTATION_FEATURES, BETWEEN_Z = 6, 3
"""Features of what train people let expect of a channel, and the place of the one an answer begins with."""
_PRIOR_MINUTES = 60.0
"""Minutes of a channel that a person's level is trusted by half."""
MOST_DAYS = 8
"""More days than these count as so many: networks are trained with up to so many."""


@dataclass(frozen=True)
class UsualDay:
    """Levels of each channel at each slot of the clock over a person's other days; zeros where they have
    nothing.
    """

    known: Tensor
    """(days, channels, 1) bool: the channel was recorded on another day."""
    level: Tensor
    """(days, channels, slots) own units: mean around this time of the day, else of all times."""
    level_z: Tensor
    """The same in network units (the mean of the transformed values)."""
    features: Tensor
    """(days, channels, slots, USUAL_FEATURES) both means in network units, and of how much they are."""


def expected_day(others: Tensor, own: Tensor, profile: Tensor, start: Tensor, config: AIMConfig) -> Tensor:
    """What the train people's day, moved to a person's own level, lets expect of each channel.

    A mean over a person's other minutes tells the time of the day at which they were recorded as much as the
    person: an evening's heart rate is none to fill a night with. So the level is judged against that of train
    people at the same times.

    Args:
        others: (days, channels, slots, 3) sums of :func:`usual_sums` over the person's other days, slots in
            the window's order.
        own: The same of the window's own visible minutes, which tell of the level alone.
        profile: (channels, slots, 2) means of train people by the clock, network units and own units over the
            channel's scale.
        start: (days,) clock slot at which each window begins.
        config: Dimensions.

    Returns:
        (days, channels, slots, EXPECTATION_FEATURES): in network units the train people's day; the same at
        the person's level, in network units and in own units over the channel's scale; between that and the
        person's own minutes around this time of other days, likewise (the first at BETWEEN_Z); and how much
        the level rests on.
    """
    slots = config.slots
    turn = (torch.arange(slots, device=start.device) + start[:, None]) % slots  # (days, slots)
    profile = profile.to(others.dtype)[:, turn].movedim(1, 0)  # (days, channels, slots, 2)
    sums = others + own
    count = sums[..., :1].sum(2)
    offset = (sums[..., 1:] - sums[..., :1] * profile).sum(2) / (count + _PRIOR_MINUTES)
    expected = profile + offset[:, :, None]
    near = sums_around(others, config.usual_patches)
    minutes = (2 * config.usual_patches + 1) * config.patch_minutes
    between = (near[..., 1:] + minutes * expected) / (near[..., :1] + minutes)  # they count as one more day
    amount = torch.log1p((count / config.window_minutes).clamp_max(MOST_DAYS))
    known = amount[:, :, None].expand_as(profile[..., :1])
    return torch.cat([profile[..., :1], expected, between, known], dim=-1)


def with_unseen_times(
    others: Tensor, own: Tensor, profile: Tensor, start: Tensor, config: AIMConfig, normaliser: Normaliser
) -> Tensor:
    """Add a day as train people let expect it at the times of the day at which nothing of a person was ever
    seen.

    Who never wears the watch at night has a usual night of nothing, and would be given days for nights.

    Args:
        others: (days, channels, slots, 3) sums of :func:`usual_sums` over the person's other days, slots in
            the window's order.
        own: The same of the window's own visible minutes.
        profile: (channels, slots, 2) of train people, see :func:`expected_day`.
        start: (days,) clock slot at which each window begins.
        config: Dimensions.
        normaliser: The channels' constants.

    Returns:
        The sums ``others``, with a day's minutes at the expected level in slots around which there is no
        minute of the channel, on any day; channels without any minute are left alone.
    """
    level_z, level = expected_day(others, own, profile, start, config)[..., 1:3].unbind(-1)
    limits = normaliser.minimum, normaliser.maximum  # (channels, 1) each
    level = level.clamp(*(limit / normaliser.scale for limit in limits))
    level_z = level_z.clamp(*(normaliser.normalise(limit) for limit in limits))
    day = config.patch_minutes * torch.stack([torch.ones_like(level), level_z, level], dim=-1)
    count = (others + own)[..., :1]
    unseen = (sums_around(count, config.usual_patches) < 0.5) & (count.sum(2, keepdim=True) > 0.5)
    return others + day * unseen


def sums_around(sums: Tensor, reach: int) -> Tensor:
    """Sums (..., slots, k) that hold those of so many slots on either side too, around the clock."""
    rows = sums.movedim(-1, -2)
    padded = functional.pad(rows.flatten(0, -2)[None], (reach, reach), mode="circular")[0]
    return padded.unfold(-1, 2 * reach + 1, 1).sum(-1).view_as(rows).movedim(-1, -2)


def usual_sums(values: Tensor, visible: Tensor, config: AIMConfig, normaliser: Normaliser) -> Tensor:
    """What a day adds to the usual day of its person.

    Args:
        values: (days, channels, minutes) own units; what stands in invisible minutes is never read.
        visible: (days, channels, minutes) bool.
        config: dimensions.
        normaliser: the channels' constants.

    Returns:
        (days, channels, slots, 3): visible minutes, and the sums of their values in network units and in own
        units over the channel's scale.
    """
    values = torch.where(visible, values, 0.0)
    z = normaliser.normalise(values) * visible
    parts = [visible.to(values.dtype), z, values / normaliser.scale]
    return torch.stack([x.unflatten(-1, (config.slots, -1)).sum(-1) for x in parts], dim=-1)


def sums_or_none(sums: Tensor | None, values: Tensor, config: AIMConfig) -> Tensor:
    """The sums given, or those of people without other days, for windows ``values`` (days, channels,
    minutes).
    """
    return values.new_zeros(*values.shape[:2], config.slots, USUAL_SUMS) if sums is None else sums


def usual_day(sums: Tensor, config: AIMConfig, normaliser: Normaliser) -> UsualDay:
    """Levels from sums (days, channels, slots, 3) over a person's other days, slots in the window's order."""
    around = config.usual_patches
    by_slot = sums.movedim(-1, 2)  # (days, channels, 3, slots)
    near = sums_around(sums, around).movedim(-1, 2)
    near = near.where(near[:, :, :1] > 0.5, 0.0)
    every = by_slot.sum(-1, keepdim=True)
    known, known_near = every[:, :, 0] > 0.5, near[:, :, 0] > 0.5
    mean_near = near[:, :, 1:] / near[:, :, :1].clamp_min(1)
    mean_every = every[:, :, 1:] / every[:, :, :1].clamp_min(1) * known[:, :, None]
    level_z, level = torch.where(known_near[:, :, None], mean_near, mean_every).unbind(2)
    minutes = (2 * around + 1) * config.patch_minutes
    features = [
        mean_near[:, :, 0],
        torch.log1p((near[:, :, 0] / minutes).clamp_max(MOST_DAYS)),
        mean_every[:, :, 0].expand_as(level),
        torch.log1p((every[:, :, 0] / config.window_minutes).clamp_max(MOST_DAYS)).expand_as(level),
    ]
    return UsualDay(known, level * normaliser.scale, level_z, torch.stack(features, dim=-1))
