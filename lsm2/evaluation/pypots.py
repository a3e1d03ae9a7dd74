"""SAITS and BRITS of PyPOTS, trained on the same people for a stated processor time.

SAITS: Du, Cote and Liu 2023 (arXiv 2202.08635), self-attention over minutes. BRITS: Cao et al. 2018 (arXiv
1805.10572), recurrent in both directions. Both read windows of twelve hours of all channels, standardised by
the train people, and train on squared error. A hidden minute is filled from the window, at 0, 6 or 12
o'clock, in which it lies furthest from an edge: within the day it has three hours or more on both sides.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lsm2.days import DAY

from .baselines import Baseline
from .recordings import BoolArray, FloatArray, Recordings

WINDOW = 720
"""Minutes that the networks read at once."""
BATCH = 16
"""Windows of a step."""
CHUNK = 64
"""Windows between two looks at the clock."""
SECONDS = 600.0
"""Processor time of each training, unless told otherwise."""

Name = Literal["saits", "brits"]
Float32Array = npt.NDArray[np.float32]


def pypots_baseline(
    train: Sequence[Recordings], *, name: Name, seconds: float = SECONDS, seed: int = 0
) -> Baseline:
    """Train a network of PyPOTS; the baseline fills by it.

    Args:
        train: Recordings of train people.
        name: ``saits`` or ``brits``.
        seconds: Processor time to train for; what was begun when it is over is still finished.
        seed: Seed of the weights and of the order of windows.

    Raises:
        ImportError: PyPOTS is not installed.
        ValueError: No train person has a value.
    """
    names = tuple(dict.fromkeys(channel for part in train for channel in part.names))
    if not names:
        raise ValueError(f"{name} has nothing to learn from: no train person has a value")
    network = _network(name, len(names), seed)
    windows = np.concatenate([_windows(_lines(part, names)) for part in train])
    windows = windows[~np.isnan(windows).all(axis=(1, 2))]
    mean = np.nanmean(windows, axis=(0, 1), dtype=np.float64)
    std = np.nanstd(windows, axis=(0, 1), dtype=np.float64)
    std[~(std > 0)] = 1.0
    windows = ((windows - mean) / std).astype(np.float32)
    random = np.random.default_rng(seed)
    until = time.process_time() + seconds
    while True:
        chosen = random.permutation(len(windows))[:CHUNK]
        network.fit({"X": windows[chosen]})  # goes on from the weights and the optimiser's state it has
        if time.process_time() >= until:
            break

    def fill(visible: Recordings, hidden: BoolArray, fallback: FloatArray) -> FloatArray:
        lines = ((_lines(visible, names) - mean) / std).astype(np.float32)
        told = _tell(network, lines, np.logical_or.reduce(hidden, axis=1)) * std + mean
        filled = np.full(hidden.shape, np.nan)
        for position, channel in enumerate(visible.names):
            if channel in names:
                filled[:, position] = told[:, :, names.index(channel)]
        fills = filled[hidden]
        return np.where(np.isnan(fills), np.asarray(fallback)[np.nonzero(hidden)[1]], fills)

    return fill


PYPOTS: Mapping[str, partial[Baseline]] = MappingProxyType(
    {"saits": partial(pypots_baseline, name="saits"), "brits": partial(pypots_baseline, name="brits")}
)
"""Name in tables -> what trains it: takes train people and ``seconds``."""


def _network(name: Name, channels: int, seed: int) -> Any:
    try:
        from pypots.imputation import BRITS, SAITS
        from pypots.nn.modules.loss import MSE
        from pypots.utils.random import set_random_seed
    except ImportError as error:
        raise ImportError(
            f"{name} needs PyPOTS: pip install 'lsm2[pypots]', or leave {name} out of the baselines"
        ) from error
    set_random_seed(seed)
    options: dict[str, Any] = {
        "n_steps": WINDOW,
        "n_features": channels,
        "batch_size": BATCH,
        "epochs": 1,
        "training_loss": MSE,
        "model_saving_strategy": None,
        "verbose": False,
    }
    if name == "brits":
        return BRITS(rnn_hidden_size=64, **options)
    return SAITS(n_layers=2, d_model=64, n_heads=4, d_k=16, d_v=16, d_ffn=128, dropout=0.1, **options)


def _lines(part: Recordings, names: tuple[str, ...]) -> Float32Array:
    """(days, 1440, names) values of the channels learnt, NaN where not there."""
    lines = np.full((len(part), DAY, len(names)), np.nan, np.float32)
    for position, name in enumerate(part.names):
        if name in names:
            lines[:, :, names.index(name)] = part.values[:, position]
    return lines


def _windows(lines: Float32Array) -> Float32Array:
    """(days, 1440, channels) to (days * 2, WINDOW, channels)."""
    return lines.reshape(-1, WINDOW, lines.shape[2])


def _tell(network: Any, lines: Float32Array, asked: BoolArray) -> Float32Array:
    """(days, 1440, channels) what the network makes of the days; NaN in windows that hold nothing.

    Three windows a day, at 0, 6 and 12 o'clock: each tells the minutes that lie deepest in it. ``asked``
    (days, 1440) says where anything is wanted.
    """
    told = np.full(lines.shape, np.nan, np.float32)
    quarter = WINDOW // 4
    for start, first, stop in (
        (0, 0, WINDOW - quarter),
        (WINDOW // 2, WINDOW - quarter, WINDOW + quarter),
        (WINDOW, WINDOW + quarter, DAY),
    ):
        windows = lines[:, start : start + WINDOW]
        chosen = np.flatnonzero(asked[:, first:stop].any(axis=1) & ~np.isnan(windows).all(axis=(1, 2)))
        if len(chosen):
            answer = network.predict({"X": windows[chosen]})["imputation"]
            told[chosen, first:stop] = answer[:, first - start : stop - start]
    return told
