"""Artificial masks of pretraining, the tokens that are dropped, and how target minutes are weighted.

A mask is drawn over *observed* tokens, channels and minutes of each window; its union with the inherited mask
is what the encoder does not see (LSM-2, arXiv 2506.05321, section 3.2). Minute masks and short gaps are an
extension.
"""

from __future__ import annotations

import math

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from lsm2.aim.context import minutes_away

STRATEGIES = ("tokens", "slots", "channels", "gaps", "sides")


class MaskConfig(BaseModel):
    """Which artificial masks pretraining draws, one a window."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: float = Field(default=1.0, ge=0)
    """Relative frequency of hiding random tokens."""
    slots: float = Field(default=1.0, ge=0)
    """... of hiding random time slots, all channels at once."""
    channels: float = Field(default=1.0, ge=0)
    """... of hiding channels or families for the whole window; windows of one channel draw ``gaps`` instead.
    """
    gaps: float = Field(default=0.0, ge=0)
    """... of hiding blocks of minutes of one common length, in all channels or some."""
    sides: float = Field(default=0.0, ge=0)
    """... of hiding everything before or everything after a random minute, in all families or some."""
    token_fraction: tuple[float, float] = (0.8, 0.8)
    """Range of the share of observed tokens that ``tokens`` hides."""
    slot_fraction: tuple[float, float] = (0.5, 0.5)
    channel_fraction: float = Field(default=0.5, gt=0, lt=1)
    gap_minutes: tuple[int, int] = (1, 360)
    """Range of block lengths, drawn log-uniformly."""
    gap_share: float = Field(default=0.35, gt=0, lt=1)
    """Largest share of the window that the blocks may cover."""

    @model_validator(mode="after")
    def _some(self) -> MaskConfig:
        if not any(getattr(self, name) for name in STRATEGIES):
            raise ValueError(f"at least one of the frequencies {STRATEGIES} must be above 0")
        return self


def kept_tokens(visible: Tensor, drop_fraction: float, multiple: int = 1) -> Tensor:
    """Tokens that stay in the computation when a fixed fraction is dropped, masked ones first.

    Never more are dropped than the fewest masked in the batch, so that no visible token is lost.

    Args:
        visible: (days, tokens) bool.
        drop_fraction: share of all tokens to drop, 0 to 1.
        multiple: the number kept is rounded up to a multiple of it.

    Returns:
        (days, kept) token numbers: each day's visible ones, then as many masked ones as the fixed size asks
        for.
    """
    tokens = visible.shape[1]
    fewest_masked = tokens - int(visible.sum(1).max())
    kept = tokens - min(int(drop_fraction * tokens), fewest_masked)
    kept = min(-(-kept // multiple) * multiple, tokens)
    return visible.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :kept]


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator)


def _largest(score: Tensor, count: Tensor) -> Tensor:
    """True at the ``count`` (days,) largest scores of each row."""
    rank = score.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return rank < count[:, None]


def _share_of(candidates: Tensor, share: Tensor, generator: torch.Generator) -> Tensor:
    """A random subset of each row's candidates (days, n) bool: ``share`` (days,) of them, rounded at random,
    one left out.
    """
    total = candidates.sum(1)
    wanted = (share * total + _uniform((len(total),), generator)).floor().long()
    score = torch.where(candidates, _uniform(tuple(candidates.shape), generator), -1.0)
    return _largest(score, torch.minimum(wanted, total - 1)) & candidates


def _between(bounds: tuple[float, float], rows: int, generator: torch.Generator) -> Tensor:
    return bounds[0] + (bounds[1] - bounds[0]) * _uniform((rows,), generator)


def _hide_groups(recorded: Tensor, groups: Tensor, fraction: float, generator: torch.Generator) -> Tensor:
    """Hide a share of the recorded groups of channels; at least one hidden, at least one left. (days,
    channels) bool.
    """
    members = torch.zeros(int(groups.max()) + 1, len(groups)).index_put_(
        (groups, torch.arange(len(groups))), torch.ones(1)
    )
    present = (recorded.float() @ members.T) > 0  # (days, groups)
    share = torch.full((len(recorded),), fraction)
    chosen = _share_of(present, share, generator)
    none = ~chosen.any(1) & (present.sum(1) > 1)
    first = _largest(torch.where(present, _uniform(tuple(present.shape), generator), -1.0), none.long())
    return ((chosen | first).float() @ members) > 0


def _gaps(minutes: int, days: int, config: MaskConfig, generator: torch.Generator) -> Tensor:
    """Blocks of one length a window: (days, minutes) bool."""
    low, high = config.gap_minutes
    length = (
        torch.exp(_between((math.log(low), math.log(high + 1)), days, generator))
        .floor()
        .long()
        .clamp(low, high)
    )
    most = (config.gap_share * minutes / length).clamp(1, 24)
    count = (1 + (most - 1) * _uniform((days,), generator)).round().long()
    start = (_uniform((days, 24), generator) * minutes).long()
    used = torch.arange(24) < count[:, None]
    edges = torch.zeros(days, minutes + 1)
    edges.scatter_add_(1, start, used.float())
    edges.scatter_add_(1, (start + length[:, None]).clamp_max(minutes), -used.float())
    return edges.cumsum(1)[:, :minutes] > 0.5


def artificial_mask(
    observed: Tensor,
    config: MaskConfig,
    patch_minutes: int,
    groups: Tensor,
    generator: torch.Generator,
    imputed: bool = False,
) -> Tensor:
    """Minutes to hide from the encoder, in addition to what is missing.

    Args:
        observed: (days, channels, minutes) bool; every day has at least one observed minute.
        config: the strategies and their frequencies.
        patch_minutes: minutes of a token.
        groups: (channels,) family number of each channel.
        generator: the only source of randomness (on the CPU).
        imputed: What is missing is imputed, stands among the tokens and is hidden like any other.

    Returns:
        (days, channels, minutes) bool. At least one observed token of each window keeps all its minutes.
    """
    device = observed.device
    observed = torch.ones_like(observed, device="cpu") if imputed else observed.cpu()
    days, channels, minutes = observed.shape
    patches = observed.unflatten(-1, (-1, patch_minutes)).any(-1)  # (days, channels, slots)
    recorded = patches.any(-1)  # (days, channels)
    frequency = torch.tensor([getattr(config, name) for name in STRATEGIES], dtype=torch.float)
    strategy = torch.multinomial(frequency, days, replacement=True, generator=generator)
    one_channel = (recorded.sum(1) < 2) & (strategy == STRATEGIES.index("channels"))
    strategy = torch.where(one_channel, STRATEGIES.index("gaps"), strategy)

    def chosen(name: str) -> Tensor:
        return (strategy == STRATEGIES.index(name))[:, None, None]

    flat = patches.flatten(1)
    tokens = _share_of(flat, _between(config.token_fraction, days, generator), generator).view_as(patches)
    slots = _share_of(patches.any(1), _between(config.slot_fraction, days, generator), generator)
    by_family = _hide_groups(recorded, groups, config.channel_fraction, generator)
    by_channel = _hide_groups(recorded, torch.arange(channels), config.channel_fraction, generator)
    family = (_uniform((days,), generator) < 0.5)[:, None] & by_family.any(1, keepdim=True)
    whole = torch.where(family, by_family, by_channel)
    gaps = _gaps(minutes, days, config, generator)
    some = _uniform((days, channels), generator) < 0.5
    some = some | (_uniform((days,), generator) < 0.5)[:, None] | ~(some & recorded).any(1, keepdim=True)
    last = (_between((0.25, 0.95), days, generator) * minutes).long()
    minute = torch.arange(minutes)
    side = torch.where(
        _uniform((days, 1), generator) < 0.5, minute >= last[:, None], minute < minutes - last[:, None]
    )
    of_side = by_family | (_uniform((days, 1), generator) < 0.5) | ~by_family.any(1, keepdim=True)

    by_patch = (chosen("tokens") & tokens) | (chosen("slots") & slots[:, None, :])
    hidden = by_patch.repeat_interleave(patch_minutes, -1)
    hidden = hidden | (chosen("channels") & whole[:, :, None])
    hidden = (
        hidden
        | (chosen("gaps") & gaps[:, None, :] & some[:, :, None])
        | (chosen("sides") & side[:, None, :] & of_side[:, :, None])
    )

    # One observed token keeps all its minutes, wherever a mask would leave nothing to see.
    left = (observed & ~hidden).unflatten(-1, (-1, patch_minutes)).any(-1).flatten(1)
    score = torch.where(flat, _uniform(tuple(flat.shape), generator), -1.0)
    rescued = _largest(score, (~left.any(1)).long()) & flat
    hidden &= ~rescued.view_as(patches).repeat_interleave(patch_minutes, -1)
    return hidden.to(device)


def target_weights(observed: Tensor, hidden: Tensor, exponent: float) -> Tensor:
    """Weight of each target minute: (1 + minutes to the nearest visible one) ** -exponent; 0 where nothing is
    to be learnt.

    Args:
        observed: (days, channels, minutes) bool.
        hidden: the artificial mask, same shape.
        exponent: 0 counts all targets alike; 0.5 keeps long gaps from drowning short ones, whose errors
            are smaller.

    Returns:
        (days, channels, minutes) float32.
    """
    target = observed & hidden
    if exponent == 0:
        return target.float()
    away = minutes_away(observed & ~hidden).clamp_max(observed.shape[-1])
    return target * (1.0 + away) ** -exponent
