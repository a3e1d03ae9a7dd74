"""Embeddings with gradients: what the encoder's output is pooled to, in batches of padded windows."""

from __future__ import annotations

from torch import Tensor

from lsm2.aim import AIM


def embed_padded(
    network: AIM, values: Tensor, visible: Tensor, start: Tensor, drop_fraction: float = 0.98
) -> Tensor:
    """Mean over visible tokens, weighted as the network's embeddings are.

    Args:
        network: The network.
        values: (windows, channels, minutes) own units; anything finite where not visible.
        visible: (windows, channels, minutes) bool.
        start: (windows,) clock slot of the first minute.
        drop_fraction: Share of all tokens left out of the computation, hidden ones first and never another.

    Returns:
        (windows, dim) float32; zeros for a window without a visible token.
    """
    output, token, seen = network.encode_padded(values, visible, start, drop_fraction)
    tokens = network.tokenise(values, visible)
    if network.summary is not None:
        inputs = tokens.inputs.gather(1, token[:, :, None].expand(-1, -1, tokens.inputs.shape[-1]))
        output = network.summary(output, inputs, token, start[:, None])
    weight = seen * network.weights(tokens).gather(1, token)
    total = (output.float() * weight[:, :, None]).sum(1)
    return total / weight.sum(1, keepdim=True).clamp_min(1e-12)
