"""Answers of a network."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


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
