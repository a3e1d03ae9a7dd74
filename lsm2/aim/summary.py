"""What tokens say in embeddings: the encoder's output and the token's own minutes, read for what they tell.

The encoder serves a decoder whose queries hold visible minutes, levels and the usual day themselves, so its
output need not keep them, and loses much of them in training. The summary is learnt afterwards, without
labels, to make means of tokens over times of any length tell what was recorded then
(:mod:`lsm2.training.summary`). Fills do not depend on it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from lsm2.aim.config import AIMConfig

_HARMONICS = 8
"""Of the day, in which a token knows its time."""
_CHANNEL_DIM = 32


class Summary(nn.Module):
    """A layer on each token by itself, so that embeddings stay means of tokens."""

    centre: Tensor
    spread: Tensor

    def __init__(self, config: AIMConfig) -> None:
        super().__init__()
        self.slots, dim = config.slots, config.encoder_dim
        minutes = config.patch_minutes * (2 if config.minute_flags else 1)
        self.channel = nn.Embedding(config.channels, _CHANNEL_DIM)
        self.up = nn.Linear(dim + minutes + _CHANNEL_DIM + 2 * _HARMONICS, config.summary)
        self.down = nn.Linear(config.summary, dim)
        self.skip = nn.Linear(dim, dim, bias=False)
        self.register_buffer("centre", torch.zeros(dim))
        self.register_buffer("spread", torch.ones(()))

    def forward(self, output: Tensor, inputs: Tensor, token: Tensor, start: Tensor) -> Tensor:
        """What tokens say.

        Args:
            output: (..., dim) the encoder's.
            inputs: (..., features) of :class:`lsm2.aim.model.Tokens`.
            token: (...,) channel-major token numbers.
            start: Clock slot of the window's start, broadcast to ``token``.

        Returns:
            (..., dim).
        """
        output = (output.float() - self.centre) / self.spread
        slot = ((token + start) % self.slots)[..., None]
        angle = slot * torch.arange(1, _HARMONICS + 1, device=token.device) * (2 * math.pi / self.slots)
        around = [output, inputs, self.channel(token // self.slots), angle.sin(), angle.cos()]
        hidden = functional.gelu(self.up(torch.cat(around, dim=-1)))
        said: Tensor = self.down(hidden) + self.skip(output)
        return said
