"""On a GPU the same answers: on a real one where there is one, and on a stand-in everywhere."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import lsm2
from lsm2.aim.packing import Packed, _firsts, has_lengths
from lsm2.engine import make_engine
from tests.conftest import tiny_network
from tests.dense import write_release
from tests.gpu_standin import EFFICIENT, FLASH, Away, gpu
from tests.test_aim import FORMS, days

real = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
PLACES = ["stand-in", pytest.param("GPU", marks=real)]
PRECISIONS = {"float32": 1e-4, "bfloat16": 0.1}
"""Typical difference, as a share of the spread; between days much alike bfloat16 shows on any device."""


@contextmanager
def on(place: str, without: tuple[str, ...] = ()) -> Iterator[list[str] | None]:
    has_lengths.cache_clear(), _firsts.cache_clear()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "CUDA is not available or torch_xla is imported")
            with gpu(without) if place == "stand-in" else nullcontext() as asked:
                yield asked
    finally:
        has_lengths.cache_clear(), _firsts.cache_clear()


def near(found: Any, expected: Any, precision: str) -> None:
    found, expected = (np.asarray(x, dtype=float) for x in (found, expected))
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    difference = np.sqrt(np.nanmean((found - expected) ** 2))
    assert difference <= PRECISIONS[precision] * np.nanstd(expected)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("form", FORMS)
def test_networks_answer_alike(form: dict[str, object], precision: str, place: str) -> None:
    values, observed, _ = days()
    observed[2] = False  # a day without an observed token
    x = torch.where(observed, values, torch.nan).numpy()
    every, options = np.ones(len(x), bool), {"batch_size": None, "progress": False}
    answers = {}
    for device in ("cpu", "cuda"):
        with on(place) if device == "cuda" else nullcontext():
            # heads as wide as GPUs take them
            network = tiny_network(encoder_dim=32, encoder_heads=2, decoder_dim=16, decoder_heads=2, **form)
            engine = make_engine(network, device, "float32" if device == "cpu" else precision)
            answers[device] = (
                engine.embed(x, every, **options),
                *engine.reconstruct(x, np.isnan(x), points=("mean", "median"), **options),
            )
    for found, expected in zip(answers["cuda"], answers["cpu"], strict=True):
        near(found, expected, precision)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_shipped_weights_answer_alike(precision: str, place: str) -> None:
    df = lsm2.simulate(participants=2, days=2)

    def asked(model: lsm2.Model) -> list[pd.DataFrame]:
        return [
            model.embed(df),
            model.embed(df, level="hour"),
            model.reconstruct(df, interval=0.9),
            model.reconstruct(df, point="median", channels="all"),
            model.reconstruct(df, summary="day"),
        ]

    expected = asked(lsm2.load_model(device="cpu"))
    with on(place):
        model = lsm2.load_model(device="cuda", precision=precision)
        assert model.device == "cuda"
        found = asked(model)
    for a, b in zip(found, expected, strict=True):
        assert a.index.equals(b.index) and list(a) == list(b)
        a, b = a.select_dtypes("number"), b.select_dtypes("number")
        scale = b.std().where(b.std() > 0, 1)
        near((a - b.mean()) / scale, (b - b.mean()) / scale, precision)


@pytest.mark.parametrize("place", PLACES)
def test_openmhc_weights_answer_alike(place: str, tmp_path: Path) -> None:
    write_release(tmp_path, dim=32, heads=2, decoder_dim=16, decoder_heads=2)
    df = lsm2.simulate(participants=2, days=2)
    expected = lsm2.load_model(tmp_path, device="cpu")
    embeddings, filled = expected.embed(df), expected.reconstruct(df)
    with on(place):
        model = lsm2.load_model(tmp_path, device="cuda")
        near(model.embed(df).filter(regex="^e"), embeddings.filter(regex="^e"), "float32")
        near(model.reconstruct(df).select_dtypes("number"), filled.select_dtypes("number"), "float32")


def test_batches_on_gpus_are_larger_but_not_without_end() -> None:
    network = tiny_network()
    near = make_engine(network, "cpu")
    there = replace(near, device=torch.device("cuda"))
    full, sparse = np.full(1000, 700), np.full(1000, 1)
    assert [len(batch) for batch in near._batches(full, None)][1] in (5, 6)
    assert [len(batch) for batch in there._batches(full, None)][1] in (46, 47)
    assert max(len(batch) for batch in there._batches(sparse, None)) <= 256
    assert sorted(np.concatenate(there._batches(sparse, None))) == list(range(1000))


LENGTHS = ((3, 0, 40, 1), (7, 5, 0, 33))


def attended(place: str, dtype: torch.dtype, without: tuple[str, ...] = ()) -> tuple[Any, Any, Any]:
    queries, keys = LENGTHS
    generator = torch.Generator().manual_seed(1)
    q, k, v = (torch.randn(sum(n), 3 * 16, generator=generator) for n in (queries, keys, keys))
    with torch.inference_mode():
        expected = Packed(queries, keys).attend(q, k, v, 3)
        with on(place, without) as asked:
            there = (x.to("cuda", dtype) for x in (q, k, v))
            found = Packed(queries, keys).attend(*there, 3).cpu().float()
    return found, expected, asked


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_days_of_any_lengths_share_one_call(dtype: torch.dtype, place: str) -> None:
    found, expected, asked = attended(place, dtype)
    torch.testing.assert_close(found, expected, rtol=3e-2, atol=1e-5 if dtype == torch.float32 else 3e-2)
    assert not found[3:43].any() and found[43:].any()  # the day in between has no key
    if asked is not None:
        assert asked == [EFFICIENT if dtype == torch.float32 else FLASH] * 2  # once to try, once for all days


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_without_the_kernels_days_are_computed_one_by_one(dtype: torch.dtype) -> None:
    found, expected, asked = attended("stand-in", dtype, without=(FLASH, EFFICIENT))
    torch.testing.assert_close(found, expected, rtol=3e-2, atol=1e-5 if dtype == torch.float32 else 3e-2)
    assert len(asked) == 1


def test_kernels_that_are_wrong_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.gpu_standin._attention", lambda _, query, *__: query)
    found, expected, asked = attended("stand-in", torch.float32)
    torch.testing.assert_close(found, expected)
    assert len(asked) == 1


def test_the_stand_in_refuses_what_a_gpu_refuses() -> None:
    near_one = torch.ones(3)
    with gpu():
        there = near_one.to("cuda")
        assert isinstance(there, Away) and there.device.type == "cuda"
        for mistake in (
            lambda: there + near_one,
            lambda: near_one[there > 0],
            lambda: torch.cat([there, near_one]),
            lambda: there.numpy(),
            lambda: there.__setitem__(slice(3), near_one),
            lambda: torch.where(there > 0, near_one, 0.0),
        ):
            with pytest.raises((RuntimeError, TypeError)):
                mistake()
        assert (there * torch.tensor(2.0)).cpu().tolist() == [2, 2, 2]  # as CUDA does
