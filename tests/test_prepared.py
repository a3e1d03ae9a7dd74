"""The prepared network answers as the plain one does, on every path it can take."""

from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from lsm2.aim import AIM, prepared
from lsm2.aim.packing import Packed, rounded
from lsm2.aim.prepared import has_fused_linear, prepare
from lsm2.engine import make_engine
from tests.conftest import tiny_network
from tests.test_aim import FORMS, days, every_token

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def answers(network: AIM, precision: str) -> tuple[torch.Tensor, torch.Tensor]:
    values, observed, start = days()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        embedding = network.pool(network.encode(values, observed, start), len(values))
        reading = network.reconstruct(values, observed, start, every_token(network, len(values)))
    return embedding, reading.median_z


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain operators"])
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("form", [*FORMS, {"qkv_bias": False}])
def test_prepared_equals_plain(
    form: dict[str, object], precision: str, fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fused and not has_fused_linear(PRECISIONS[precision]):
        pytest.skip(f"torch has no fused linear layers for {precision} on this processor")
    monkeypatch.setattr(prepared, "has_fused_linear", lambda _: fused)
    network = tiny_network(**form)
    expected = answers(network, "float32")
    found = answers(prepare(network, PRECISIONS[precision]), precision)
    for a, b in zip(found, expected, strict=True):
        if precision == "float32":
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
        else:
            assert float((a - b).norm() / b.norm()) < 2e-2


@pytest.mark.parametrize("fault", ["absent", "raises", "wrong"])
def test_private_operators_that_are_not_right_are_not_used(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pointwise(x: torch.Tensor, *_: Any) -> torch.Tensor:
        if fault == "raises":
            raise RuntimeError("not on this processor")
        return x

    pointwise.binary = pointwise  # type: ignore[attr-defined]
    operators = SimpleNamespace(_reorder_linear_weight=lambda weight: weight, _linear_pointwise=pointwise)
    if fault == "absent":
        del operators._linear_pointwise
    monkeypatch.setattr(torch.ops, "mkldnn", operators)
    has_fused_linear.cache_clear()
    assert not has_fused_linear(torch.float32)
    has_fused_linear.cache_clear()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_engine_follows_changes_of_its_weights_and_can_be_copied(precision: str) -> None:
    engine = make_engine(tiny_network(), "cpu", precision)
    values, observed, _ = days()
    x = torch.where(observed, values, torch.nan).numpy()
    options: dict[str, Any] = {"batch_size": None, "progress": False}
    every = np.ones(len(x), bool)
    first = engine.embed(x, every, **options)
    for twin in (copy.deepcopy(engine), pickle.loads(pickle.dumps(engine))):
        assert np.array_equal(twin.embed(x, every, **options), first)
    with torch.no_grad():
        engine.network.encoder.norm.bias.add_(1.0)
    moved = engine.embed(x, every, **options)
    np.testing.assert_allclose(moved, first + 1.0, rtol=0, atol=1e-5)
    fresh = make_engine(copy.deepcopy(engine.network), "cpu", precision).embed(x, every, **options)
    assert np.array_equal(moved, fresh)


def test_reconstruction_by_the_engine_is_that_of_the_network() -> None:
    network = tiny_network()
    values, observed, start = days()
    x = torch.where(observed, values, torch.nan).numpy()
    engine = make_engine(network, "cpu")
    fills = engine.reconstruct(
        x, np.ones(x.shape, bool), points=("median",), clip=False, batch_size=None, progress=False
    )[0]
    with torch.inference_mode():
        reading = network.reconstruct(values, observed, 0 * start, every_token(network, len(x)))
    expected = np.empty_like(fills).reshape(len(x), network.config.tokens, -1)
    expected[reading.day, reading.token] = reading.median
    np.testing.assert_allclose(fills, expected.reshape(fills.shape), rtol=1e-4, atol=1e-3)


def test_matrix_products_come_in_few_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each new number of tokens kernels are made and kept: gigabytes, in the end."""
    for count in (1, 31, 32, 33, 500, 4095, 4096, 5000):
        rows = torch.arange(count)[:, None]
        filled = rounded(rows)
        assert torch.equal(filled[:count], rows) and (filled[count:] == count - 1).all()
        assert len(filled) - count <= max(31, count / 16)
    assert len({len(rounded(torch.empty(count, 1))) for count in range(1, 8192)}) < 110
    assert len(rounded(torch.empty(0, 3))) == 0
    sizes = set()
    product = torch.nn.functional.linear

    def noted(x: torch.Tensor, *others: Any) -> torch.Tensor:
        sizes.add(x.shape[0])
        return product(x, *others)

    monkeypatch.setattr(prepared, "has_fused_linear", lambda _: False)
    monkeypatch.setattr(torch.nn.functional, "linear", noted)
    engine = make_engine(tiny_network())
    random = np.random.default_rng(0)
    values = random.uniform(40, 90, (40, 5, 1440)).astype(np.float32)
    values[random.random(values.shape) < np.linspace(0.3, 1, 40)[:, None, None]] = np.nan
    options = {"batch_size": 1, "progress": False}
    engine.embed(values, np.ones(40, bool), **options)
    engine.reconstruct(values, np.isnan(values), points=["mean"], **options)
    assert sizes <= {len(rounded(torch.empty(count, 1))) for count in range(1, 2000)}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_prepared_stack_leaves_what_it_is_given_as_it_is(precision: str) -> None:
    network = tiny_network()
    x = torch.randn(8, network.config.encoder_dim)
    given = x.clone()
    with torch.inference_mode():
        prepare(network, PRECISIONS[precision]).encoder(x, Packed.of([5, 3]))
    assert torch.equal(x, given)


@pytest.mark.parametrize(
    ("known", "precision"),
    [
        ({"amx_tile": True, "avx512_bf16": True, "avx512_fp16": True}, "bfloat16"),
        ({"avx512_bf16": True, "avx512_fp16": True}, "float32"),  # Intel's, AMX hidden by a virtual machine
        ({"avx512_bf16": True, "avx512_fp16": False}, "bfloat16"),  # AMD's
        ({"avx2": True}, "float32"),
    ],
)
def test_auto_takes_bfloat16_where_it_is_faster(
    known: dict[str, bool], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
    assert make_engine(tiny_network(), "cpu", "auto").precision == precision
