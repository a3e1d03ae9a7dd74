"""Layouts of the same attention: padded days with a mask, and packed days without one.

A layout knows which tokens belong to which day; a block of the network only asks it to ``attend``. Packed
days hold observed tokens alone, end to end, so that nothing is computed for what the sensor did not record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, groupby
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

_LEAST_STEP = 32


def rounded(rows: Tensor) -> Tensor:
    """Rows (n, ...), on CPUs with the last one repeated until n is one of few sizes.

    For each new number of rows oneDNN makes kernels anew and keeps a thousand: that takes time, and hundreds
    of megabytes. At most a sixteenth, or 31 rows, are added.
    """
    count = len(rows)
    if not count or rows.device.type != "cpu":
        return rows
    spare = -count % max(_LEAST_STEP, 2 ** (count.bit_length() - 5))
    return torch.cat([rows, rows[-1:].expand(spare, *rows.shape[1:])]) if spare else rows


class Layout(Protocol):
    """Attention between the queries and the keys of each day."""

    def attend(self, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        """Scaled dot-product attention inside each day; ``query``, ``key``, ``value`` have heads * width as
        last axis.
        """
        ...


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """The fused kernel over (days, heads, tokens, width)."""
    if query.device.type == "cpu" and query.dtype == torch.float32:
        # A tenth faster than on strided heads, copies included; bfloat16 is repacked by the kernel itself.
        query, key, value = query.contiguous(), key.contiguous(), value.contiguous()
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def _attend_lengths(
    query: Tensor, key: Tensor, value: Tensor, queries: tuple[int, ...], keys: tuple[int, ...]
) -> Tensor:
    """A GPU's kernels over days of any lengths, end to end: (all tokens, heads, width).

    Flash attention for half precision, the memory-efficient kernel for float32. Undefined without keys.
    """
    firsts = _firsts(queries, query.device), _firsts(keys, query.device)
    longest = max(queries), max(keys)
    if query.dtype == torch.float32:
        packed = (x[None] for x in (query, key, value))
        out = torch.ops.aten._efficient_attention_forward(*packed, None, *firsts, *longest, 0.0, 0)[0]
        return out.squeeze(0)
    return torch.ops.aten._flash_attention_forward(query, key, value, *firsts, *longest, 0.0, False, False)[0]


@lru_cache(maxsize=8)  # each layer of a batch asks for the same
def _firsts(lengths: tuple[int, ...], device: torch.device) -> Tensor:
    """(days + 1,) where each day begins, and where the last one ends."""
    return torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=device)


@lru_cache(maxsize=8)
def has_lengths(device: torch.device, dtype: torch.dtype, width: int) -> bool:
    """Whether torch's private operators for days of any lengths are there and right, found out by trying."""
    if device.type == "cpu":
        return False
    generator, queries, keys = torch.Generator().manual_seed(0), (5, 40), (33, 7)
    query, key, value = (
        torch.randn(sum(n), 2, width, generator=generator).to(device, dtype) for n in (queries, keys, keys)
    )
    with torch.inference_mode():
        try:
            out = _attend_lengths(query, key, value, queries, keys)
        except (AttributeError, NotImplementedError, RuntimeError, TypeError):
            return False
        days = zip(*(x.split(n) for x, n in ((query, queries), (key, keys), (value, keys))), strict=True)
        plain = torch.cat([_attend(*(x.transpose(0, 1) for x in day)).transpose(0, 1) for day in days])
    loose = 1e-4 if dtype == torch.float32 else 2e-2
    return torch.allclose(out.float(), plain.float(), rtol=loose, atol=loose)


def _split_heads(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)  # (days, heads, tokens, width)


def _join_heads(x: Tensor) -> Tensor:
    return x.transpose(-3, -2).flatten(-2)  # (days, tokens, heads * width)


@dataclass(frozen=True)
class Padded:
    """Days padded to one length: tensors are (days, tokens, dim); ``visible`` (days, keys) marks the keys to
    attend to.
    """

    visible: Tensor | None = None

    def attend(self, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        """Attention over visible keys; see :class:`Layout`."""
        query, key, value = (_split_heads(x, heads) for x in (query, key, value))
        mask = None if self.visible is None else self.visible[:, None, None, :]
        if query.device.type == "cpu" and torch.is_grad_enabled():
            # On CPUs the backward pass of the fused kernel is two to four times slower than these products.
            scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
            if mask is not None:
                scores = scores + torch.zeros_like(mask, dtype=scores.dtype).masked_fill(~mask, -1e9)
            out = scores.softmax(-1).to(value.dtype) @ value
        else:
            out = _attend(query, key, value, mask)
        return _join_heads(out)


@dataclass(frozen=True)
class PackedQueries:
    """Queries end to end (all queries, dim), keys padded (days, keys, dim): only the attention itself is
    padded.
    """

    day: Tensor
    """(all queries,) ascending."""
    place: Tensor
    """(all queries,) position among the queries of the day."""
    keys: Padded
    width: int
    """Queries that a day is padded to."""

    @classmethod
    def of(cls, day: Tensor, counts: Tensor, visible: Tensor, multiple: int = 1) -> PackedQueries:
        """``counts`` (days,) queries a day, whose days are ``day``; ``visible`` (days, keys); width a
        multiple.
        """
        place = torch.arange(len(day), device=day.device) - (counts.cumsum(0) - counts)[day]
        return cls(day, place, Padded(visible), -(-int(counts.max()) // multiple) * multiple)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        """Attention to the visible keys of the query's own day; see :class:`Layout`."""
        padded = query.new_zeros(len(key), self.width, query.shape[-1]).index_put(
            (self.day, self.place), query
        )
        return self.keys.attend(padded, key, value, heads)[self.day, self.place]


@dataclass(frozen=True)
class Packed:
    """Days end to end: tensors are (all tokens, dim); the lengths say how many queries and keys each day
    has. What comes after the last day (:func:`rounded`) attends to nothing.
    """

    queries: tuple[int, ...]
    keys: tuple[int, ...]

    @classmethod
    def of(cls, queries: Sequence[int], keys: Sequence[int] | None = None) -> Packed:
        """Self-attention over ``queries`` tokens a day, or cross-attention to ``keys`` tokens a day."""
        return cls(tuple(queries), tuple(queries if keys is None else keys))

    def attend(self, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        """Attention inside each day without a mask; see :class:`Layout`.

        On GPUs all days share one call, elsewhere neighbouring days of the same size.
        """
        if not torch.is_grad_enabled() and any(self.queries) and any(self.keys):
            width = query.shape[-1] // heads
            if has_lengths(query.device, query.dtype, width):
                q, k, v = (x.unflatten(-1, (heads, width)) for x in (query, key, value))
                out = _attend_lengths(q, k, v, self.queries, self.keys).flatten(1)
                return out if all(self.keys) else self._without_keys_zero(out)
        out = torch.empty_like(query)
        q_from = k_from = 0
        for (q_len, k_len), run in groupby(zip(self.queries, self.keys, strict=True)):
            days = len(list(run))
            q_to, k_to = q_from + days * q_len, k_from + days * k_len
            if q_len and k_len:
                attended = _attend(
                    _split_heads(query[q_from:q_to].unflatten(0, (days, q_len)), heads),
                    _split_heads(key[k_from:k_to].unflatten(0, (days, k_len)), heads),
                    _split_heads(value[k_from:k_to].unflatten(0, (days, k_len)), heads),
                )
                out[q_from:q_to] = _join_heads(attended).flatten(0, 1)
            elif q_len:
                out[q_from:q_to] = 0
            q_from, k_from = q_to, k_to
        out[q_from:] = 0
        return out

    def _without_keys_zero(self, out: Tensor) -> Tensor:
        answered = torch.tensor([keys > 0 for keys in self.keys], device=out.device)
        sizes = torch.tensor(self.queries, device=out.device)
        return torch.where(answered.repeat_interleave(sizes)[:, None], out, 0)
