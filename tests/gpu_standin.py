"""A stand-in for a GPU where there is none: tensors that say they are on ``cuda:0``, computed on the CPU.

It refuses what CUDA refuses (operations between tensors of both places, NumPy on what is away, lengths of the
wrong kind), and answers for the kernels of attention over days of any lengths, with NaN wherever those leave
memory as it was. What it cannot show: that the real kernels run, how fast, and gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CROSSING = ("aten::_to_copy", "aten::copy_")
"""What may read from one place and write to the other."""
FLASH, EFFICIENT = (f"aten::_{kind}_attention_forward" for kind in ("flash", "efficient"))


class Away(Tensor):
    """A tensor on ``cuda:0``; ``held`` has its numbers.

    The methods below are those that torch's own binding would ask a CUDA driver about.
    """

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Away:
        return Tensor._make_wrapper_subclass(  # type: ignore[attr-defined, no-any-return]
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device="cuda:0",
        )

    def __init__(self, held: Tensor) -> None:
        self.held = held

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Away({self.held})"

    def __invert__(self) -> Tensor:
        return torch.bitwise_not(self)

    def __getitem__(self, key: Any) -> Tensor:
        return Away(self.held[tree_map(_held, key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(value, Tensor) and not isinstance(value, Away) and value.ndim:
            raise RuntimeError("a tensor on cuda:0 is filled from one on the CPU")
        self.held[tree_map(_held, key)] = _held(value)

    def nonzero(self, *, as_tuple: bool = False) -> Any:
        found = torch.ops.aten.nonzero(self)
        return found.unbind(1) if as_tuple else found

    def float(self) -> Tensor:  # type: ignore[override]
        return torch.ops.aten._to_copy(self, dtype=torch.float32)  # type: ignore[no-any-return]

    def double(self) -> Tensor:  # type: ignore[override]
        return torch.ops.aten._to_copy(self, dtype=torch.float64)  # type: ignore[no-any-return]

    def cpu(self) -> Tensor:  # type: ignore[override]
        return torch.ops.aten._to_copy(self, device="cpu")  # type: ignore[no-any-return]

    def new_tensor(self, data: Any) -> Tensor:  # type: ignore[override]
        return Away(self.held.new_tensor(data))

    def tolist(self) -> Any:
        return self.held.tolist()

    def item(self) -> Any:
        return self.held.item()


class _Mode(TorchDispatchMode):
    def __init__(self, without: tuple[str, ...], asked: list[str]) -> None:
        super().__init__()
        self.without, self.asked = without, asked

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name
        if name in (FLASH, EFFICIENT):
            self.asked.append(name)
            if name in self.without:
                raise NotImplementedError(f"{name} is not on this device")
        return _run(func, args, kwargs or {})


def _held(x: Any) -> Any:
    return x.held if isinstance(x, Away) else torch.device("cpu") if isinstance(x, torch.device) else x


def _away(x: Any) -> Any:
    return Away(x) if isinstance(x, Tensor) and not isinstance(x, Away) else x


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = func._schema.name
    if name == "aten::_has_compatible_shallow_copy_type":
        return False
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    away = [x for x in tensors if isinstance(x, Away)]
    near = [x for x in tensors if x.ndim and not isinstance(x, Away)]
    indexed = name.startswith("aten::index") and isinstance(args[0], Away)  # indices may be on the CPU
    if away and near and name not in CROSSING and not indexed:
        raise RuntimeError(f"{name}: tensors on cuda:0 and on the CPU, {[tuple(x.shape) for x in tensors]}")
    if name in (FLASH, EFFICIENT):
        out = _away(_attention(name, *tree_map(_held, args)))
        return (out,) * 5 if name == FLASH else (*(out,) * 4, 0, 0)  # all but the first are not asked for
    devices = [x for x in (*args, *kwargs.values()) if isinstance(x, torch.device)]
    out = func(*tree_map(_held, args), **tree_map(_held, kwargs))
    if func._schema.is_mutable:
        return kwargs["out"] if "out" in kwargs else args[0]
    there = devices[0].type == "cuda" if devices else any(x.ndim for x in away) or bool(away and not near)
    return tree_map(_away, out) if there else out


def _attention(name: str, query: Tensor, key: Tensor, value: Tensor, *rest: Any) -> Tensor:
    """Days of any lengths, end to end; NaN where the kernels would write nothing."""
    if name == EFFICIENT:
        assert rest[0] is None, "no bias"
        query, key, value, rest = *(x.squeeze(0) for x in (query, key, value)), rest[1:]
    elif query.dtype not in (torch.bfloat16, torch.float16):
        raise RuntimeError("FlashAttention only supports fp16 and bf16 data type")
    q_firsts, k_firsts, q_longest, k_longest = rest[:4]
    assert {x.ndim for x in (query, key, value)} == {3} and query.shape[-1] % 8 == 0
    assert q_firsts.dtype == k_firsts.dtype == torch.int32 and len(q_firsts) == len(k_firsts)
    out = torch.full_like(query, torch.nan)
    sizes = q_firsts.diff().tolist(), k_firsts.diff().tolist()
    assert max(sizes[0]) == q_longest and max(sizes[1]) == k_longest
    for day, (q_size, k_size) in enumerate(zip(*sizes, strict=True)):
        if q_size and k_size:
            q, k = slice(q_firsts[day], q_firsts[day + 1]), slice(k_firsts[day], k_firsts[day + 1])
            parts = (x.transpose(0, 1) for x in (query[q], key[k], value[k]))
            out[q] = functional.scaled_dot_product_attention(*parts).transpose(0, 1)
    return out[None] if name == EFFICIENT else out


@contextmanager
def gpu(without: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """``cuda`` is a device in here, for inference, without the kernels named; yields those asked for."""
    plain: Callable[..., Tensor] = torch.tensor
    asked: list[str] = []

    def tensor(data: Any, *, device: Any = None, **options: Any) -> Tensor:
        made = plain(data, **options)
        return made if device is None else made.to(device)

    replaced = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with (
            mock.patch.object(torch.cuda, "_lazy_init", lambda: None),
            mock.patch.object(torch, "tensor", tensor),
            mock.patch.object(Tensor, "pin_memory", lambda self: self),
            torch.inference_mode(),
            _Mode(without, asked),
        ):
            yield asked
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(replaced)
