"""Answers of a network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_RISE_SHIFT = 4.0
"""Where zero lies on the softplus of what is added to an interpolated count: it can hardly be lowered."""
_PROBABILITY_MARGIN = 0.002
"""Interpolated probabilities are kept so far from 0 and 1."""


@dataclass(frozen=True)
class Reading:
    """Answers for the minutes of n tokens."""

    day: Tensor
    """(n,)"""
    token: Tensor
    """(n,)"""
    mean: Tensor
    """(n, patch_minutes) own units; a probability for binary channels. Not clipped to the valid range."""
    median: Tensor
    """(n, patch_minutes) own units."""
    median_z: Tensor
    """(n, patch_minutes) network units."""
    logit: Tensor
    """(n, patch_minutes) of binary channels; meaningless for others."""


def corrected_count(base: Tensor, gain: Tensor, rise: Tensor, scale: Tensor) -> Tensor:
    """The interpolated ``base`` of a count (own units), times up to two by ``gain``, plus the channel's scale
    by ``rise``; zeros of both change nothing.
    """
    least = functional.softplus(rise.new_tensor(-_RISE_SHIFT))
    return base * 2 * torch.sigmoid(gain) + scale * (functional.softplus(rise - _RISE_SHIFT) - least)


def corrected_logit(base: Tensor, shift: Tensor) -> Tensor:
    """The interpolated probability ``base`` as a logit, moved."""
    return torch.logit(base.clamp(_PROBABILITY_MARGIN, 1 - _PROBABILITY_MARGIN)) + shift
