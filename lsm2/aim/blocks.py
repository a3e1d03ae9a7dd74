"""Transformer blocks over any layout of days."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lsm2.aim.config import AIMConfig
from lsm2.aim.packing import Layout


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, dim: int, heads: int, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """(..., tokens, dim) to the same shape."""
        query, key, value = self.qkv(x).chunk(3, dim=-1)
        return self.proj(layout.attend(query, key, value, self.heads))


class CrossAttention(nn.Module):
    """Multi-head attention from queries to the encoder's tokens."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, memory: Tensor, layout: Layout) -> Tensor:
        """Queries (..., queries, dim) and memory (..., keys, dim) to (..., queries, dim)."""
        key, value = self.kv(memory).chunk(2, dim=-1)
        return self.proj(layout.attend(self.q(x), key, value, self.heads))


class Block(nn.Module):
    """Pre-norm transformer block; ``cross=True`` attends to a memory instead of itself."""

    def __init__(self, dim: int, heads: int, config: AIMConfig, *, cross: bool = False) -> None:
        super().__init__()
        hidden, dropout = int(dim * config.mlp_ratio), config.dropout
        self.norm1 = nn.LayerNorm(dim)
        self.attn = CrossAttention(dim, heads) if cross else Attention(dim, heads, config.qkv_bias)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(
            nn.Linear(dim, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, dim),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor, layout: Layout, memory: Tensor | None = None) -> Tensor:
        """(..., tokens, dim) to the same shape."""
        inner = self.norm1(x)
        x = x + (self.attn(inner, layout) if memory is None else self.attn(inner, memory, layout))
        return x + self.mlp(self.norm2(x))


class Stack(nn.Module):
    """Blocks and a final norm."""

    def __init__(self, depth: int, dim: int, heads: int, config: AIMConfig, *, cross: bool = False) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(dim, heads, config, cross=cross) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)

    def forward(
        self,
        x: Tensor,
        layout: Layout,
        memory: Tensor | None = None,
        asked: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """(..., tokens, dim) to the same shape, or to (n, dim) of the tokens ``asked`` for (days, tokens)."""
        for block in self.blocks:
            x = block(x, layout, memory)
        return self.norm(x if asked is None else x[asked])


def sincos(positions: int, dim: int) -> Tensor:
    """Fixed positions (positions, dim): concat(sin, cos) with omega = 10000^(-k / (dim / 2)), k < dim / 2."""
    omega = 1.0 / 10000 ** (torch.arange(dim // 2, dtype=torch.float64) / (dim / 2))
    angle = torch.arange(positions, dtype=torch.float64)[:, None] * omega
    return torch.cat([angle.sin(), angle.cos()], dim=1).float()


class Positions(nn.Module):
    """Channel part + time part of a token's position, and the wall clock where the config asks for it."""

    table: Tensor

    def __init__(self, config: AIMConfig, dim: int) -> None:
        super().__init__()
        self.slots = config.slots
        self.learned = config.positions == "learned"
        if self.learned:
            self.channel = nn.Parameter(0.02 * torch.randn(config.channels, dim))
            self.slot = nn.Parameter(0.3 * sincos(config.slots, dim))  # near slots start out alike
        else:
            time = sincos(config.slots, dim // 2).repeat(config.channels, 1)
            channel = sincos(config.channels, dim // 2).repeat_interleave(config.slots, 0)
            self.register_buffer("table", torch.cat([channel, time], dim=1), persistent=False)
        self.clock = nn.Parameter(torch.zeros(config.slots, dim)) if config.clock else None

    def forward(self, token: Tensor, start: Tensor) -> Tensor:
        """Positions of channel-major token numbers; ``start`` (broadcast to ``token``): the clock slot of
        the window's start.
        """
        if self.learned:
            position = self.channel[token // self.slots] + self.slot[token % self.slots]
        else:
            position = self.table[token]
        if self.clock is not None:
            position = position + self.clock[(token + start) % self.slots]
        return position
