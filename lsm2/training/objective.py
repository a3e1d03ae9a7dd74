"""The loss: only minutes that were hidden and really observed; a mean per channel, then over channels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lsm2.aim import AIM, Reading


def channel_losses(model: AIM, reading: Reading, values: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of the loss of each channel.

    The median is learnt by absolute error in network units, the mean by squared error in own units divided by
    the channel's standard deviation, probabilities by cross-entropy. A network with one read-out learns
    squared error in network units (as LSM-2 does).

    Args:
        model: For its constants.
        reading: Answers to the tokens with a target minute.
        values: (days, channels, minutes) own units, finite.
        weights: (days, channels, minutes), 0 where a minute is no target.

    Returns:
        (channels,) float32.
    """
    config = model.config
    channel = reading.token // config.slots

    def rows(x: Tensor) -> Tensor:
        return x.unflatten(-1, (config.slots, -1)).flatten(1, 2)[reading.day, reading.token]  # (n, patch)

    truth, truth_z, weight = rows(values), rows(model.normaliser.normalise(values)), rows(weights)
    kinds = [n.output == "binary" for n in config.normalisation]
    binary = torch.tensor(kinds, device=truth.device)[channel][:, None]
    if config.read_out == "value":
        error = (reading.median_z - truth_z) ** 2
    else:
        scale = model.normaliser.scale[channel]
        error = (reading.median_z - truth_z).abs() + ((reading.mean - truth) / scale) ** 2
    cross_entropy = functional.binary_cross_entropy_with_logits(
        reading.logit, truth.clamp(0, 1), reduction="none"
    )
    error = torch.where(binary, cross_entropy, error) * weight
    return torch.zeros(config.channels, device=error.device).index_add_(0, channel, error.sum(1))


def total_loss(sums: Tensor, totals: Tensor) -> Tensor:
    """Mean over the channels that have targets of (sum of the loss / sum of the weights).

    Args:
        sums: (channels,) from :func:`channel_losses`, of a part of the batch or all of it.
        totals: (channels,) sums of the weights over the whole batch.
    """
    present = totals > 0
    return torch.where(present, sums / totals.clamp_min(1e-12), 0.0).sum() / present.sum().clamp_min(1)
