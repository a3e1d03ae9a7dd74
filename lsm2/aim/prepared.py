"""A network made ready for inference: the computation of :mod:`lsm2.aim.blocks`, weights prepared once.

Weights are brought to the precision of the computation, and on CPUs into oneDNN's own layout; there the bias,
the exact GELU and the residual sum are part of the matrix product. The operators of torch for this are
private: where they are missing or answer wrongly, plain ones take their place.
"""

from __future__ import annotations

from copy import copy
from functools import lru_cache
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from lsm2.aim.blocks import Attention, Block, Stack
from lsm2.aim.model import AIM
from lsm2.aim.packing import Layout, Packed


class Linear:
    """A linear layer at a precision, with what follows it."""

    def __init__(self, layer: nn.Linear, precision: torch.dtype) -> None:
        bias = layer.bias
        self.precision = precision
        self.weight = layer.weight.detach().to(precision)
        self.bias = None if bias is None else bias.detach().to(precision)
        self.fused = self.weight.device.type == "cpu" and has_fused_linear(precision)
        if self.fused:
            self.weight = torch.ops.mkldnn._reorder_linear_weight(self.weight)

    def __call__(self, x: Tensor) -> Tensor:
        """(..., features) to (..., outputs)."""
        if self.fused:
            return _fused(x, self.weight, self.bias, "none")
        return functional.linear(x, self.weight, self.bias)

    def gelu(self, x: Tensor) -> Tensor:
        """The same, through the exact GELU."""
        if self.fused:
            return _fused(x, self.weight, self.bias, "gelu")
        return functional.gelu(functional.linear(x, self.weight, self.bias))

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """The same, added to ``other`` (..., outputs), in place where that is of a higher precision."""
        if other.dtype != self.precision:
            return other.add_(self(x))
        if self.fused:
            return _fused_sum(x, other, self.weight, self.bias)
        return other + functional.linear(x, self.weight, self.bias)


def _fused(x: Tensor, weight: Tensor, bias: Tensor | None, then: str) -> Tensor:
    return cast(Tensor, torch.ops.mkldnn._linear_pointwise(x, weight, bias, then, [], "none"))


def _fused_sum(x: Tensor, other: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return cast(Tensor, torch.ops.mkldnn._linear_pointwise.binary(x, other, weight, bias, "add"))


@lru_cache(maxsize=2)
def has_fused_linear(precision: torch.dtype) -> bool:
    """Whether torch's private operators for oneDNN are there and right, found out by trying."""
    if not torch.backends.mkldnn.is_available():
        return False
    generator = torch.Generator().manual_seed(0)
    x, other, weight = (torch.randn(32, 32, generator=generator).to(precision) for _ in range(3))
    bias = other[0]
    with torch.inference_mode():
        plain = functional.linear(x.float(), weight.float(), bias.float())
        expected = plain, functional.gelu(plain), plain + other.float()
        try:
            packed = torch.ops.mkldnn._reorder_linear_weight(weight)
            answers = (
                _fused(x, packed, bias, "none"),
                _fused(x, packed, bias, "gelu"),
                _fused_sum(x, other, packed, bias),
            )
        except (AttributeError, NotImplementedError, RuntimeError, TypeError):
            return False
    loose = 1e-5 if precision == torch.float32 else 2e-2
    pairs = zip(answers, expected, strict=True)
    return all(torch.allclose(a.float(), b, rtol=loose, atol=10 * loose) for a, b in pairs)


class _Norm:
    """A norm of float32, its answer at a precision."""

    def __init__(self, norm: nn.LayerNorm, precision: torch.dtype) -> None:
        self.shape, self.epsilon, self.precision = norm.normalized_shape, norm.eps, precision
        self.weight, self.bias = (p.detach().float() for p in (norm.weight, norm.bias))

    def __call__(self, x: Tensor) -> Tensor:
        normed = functional.layer_norm(x, self.shape, self.weight, self.bias, self.epsilon)
        return normed.to(self.precision)


class _Block:
    """A block; ``split`` keeps the queries of self-attention apart, so that few tokens may ask all."""

    def __init__(self, block: Block, precision: torch.dtype, split: bool = False) -> None:
        attention = block.attn
        self.heads = attention.heads
        self.norm1, self.norm2 = _Norm(block.norm1, precision), _Norm(block.norm2, precision)
        self.qkv = self.q = self.kv = None
        if isinstance(attention, Attention) and split:
            self.q, self.kv = (Linear(part, precision) for part in _split(attention.qkv))
        elif isinstance(attention, Attention):
            self.qkv = Linear(attention.qkv, precision)
        else:
            self.q, self.kv = Linear(attention.q, precision), Linear(attention.kv, precision)
        self.proj = Linear(attention.proj, precision)
        up, _, _, down, _ = block.mlp  # GELU between, dropout does nothing here
        self.up, self.down = Linear(cast(nn.Linear, up), precision), Linear(cast(nn.Linear, down), precision)

    def __call__(self, x: Tensor, layout: Layout, memory: Tensor | None) -> Tensor:
        inner = self.norm1(x)
        if self.qkv is not None:
            query, key, value = self.qkv(inner).chunk(3, dim=-1)
        else:
            assert self.q is not None and self.kv is not None and memory is not None  # one or the other
            query, (key, value) = self.q(inner), self.kv(memory).chunk(2, dim=-1)
        x = self.proj.plus(layout.attend(query, key, value, self.heads), x)
        return self.down.plus(self.up.gelu(self.norm2(x)), x)


class PreparedStack(nn.Module):
    """A :class:`~lsm2.aim.blocks.Stack` at a precision, without gradient and dropout; with ``split``, of a
    self-attention stack whose last block computes only the tokens asked for.

    The sums of blocks' answers are float32 at any precision: most of them is the same for all tokens, and
    what tells tokens apart would drown in its rounding.
    """

    def __init__(self, stack: Stack, precision: torch.dtype, split: bool = False) -> None:
        super().__init__()
        self.precision = precision
        *blocks, last = cast(list[Block], list(stack.blocks))
        self.blocks = [_Block(block, precision) for block in blocks]
        self.last = _Block(last, precision, split)
        self.norm = _Norm(stack.norm, torch.float32)

    def forward(
        self,
        x: Tensor,
        layout: Layout,
        memory: Tensor | None = None,
        asked: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """As :meth:`lsm2.aim.blocks.Stack.forward`, float32."""
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(torch.float32, memory_format=torch.contiguous_format, copy=True)  # summed up in place
            memory = None if memory is None else memory.to(self.precision).contiguous()
            for block in self.blocks:
                x = block(x, layout, memory)
            if memory is None and self.last.qkv is None:
                memory = self.last.norm1(x)
                if asked is not None:
                    layout = Packed.of(
                        torch.bincount(asked[0], minlength=len(x)).tolist(), [x.shape[1]] * len(x)
                    )
                    memory, x = memory.flatten(0, 1), x[asked]
            x = self.last(x, layout, memory)
            return self.norm(x)


def _split(qkv: nn.Linear) -> tuple[nn.Linear, nn.Linear]:
    """The projection to queries, and that to keys and values."""
    dim, parts = qkv.in_features, []
    for rows in (slice(dim), slice(dim, None)):
        part = nn.Linear(dim, len(qkv.weight[rows]), bias=qkv.bias is not None, device="meta")
        part.weight = nn.Parameter(qkv.weight[rows], requires_grad=False)
        if qkv.bias is not None:
            part.bias = nn.Parameter(qkv.bias[rows], requires_grad=False)
        parts.append(part)
    return parts[0], parts[1]


def prepare(network: AIM, precision: torch.dtype) -> AIM:
    """A network of the same answers for inference alone; it shares all but the stacks with ``network``.

    Args:
        network: Any; later changes of its weights may or may not reach the prepared one.
        precision: ``torch.float32`` or ``torch.bfloat16``.
    """
    ready = copy(network)
    ready._modules = dict(network._modules)
    ready._modules["encoder"] = PreparedStack(network.encoder, precision)
    ready._modules["decoder"] = PreparedStack(network.decoder, precision, split=True)
    return ready


class Preparation:
    """Keeps the prepared form of a network, and makes it anew when a weight has changed.

    It stays behind when its owner is copied or pickled, since oneDNN's layouts can be neither.
    """

    def __init__(self) -> None:
        self._made: tuple[tuple[object, ...], AIM] | None = None

    def __reduce__(self) -> tuple[type[Preparation], tuple[()]]:
        return Preparation, ()

    def of(self, network: AIM, precision: torch.dtype) -> AIM:
        """The prepared form of ``network`` as it is now."""
        weights = [p for stack in (network.encoder, network.decoder) for p in stack.parameters()]
        state = (precision, *((p.data_ptr(), 0 if p.is_inference() else p._version) for p in weights))
        if self._made is None or self._made[0] != state:
            self._made = state, prepare(network, precision)
        return self._made[1]
