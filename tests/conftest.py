"""Tiny networks and the folder of shared recordings."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lsm2 import Model
from lsm2.aim import AIM, AIMConfig, Normalisation
from lsm2.channels import Schema
from lsm2.checkpoint import CheckpointConfig

CHANNELS = ("heart_rate", "steps", "calories", "mets", "sleep_asleep")
SHARED = Path(__file__).resolve().parents[2] / "shared"


def tiny_config(**changes: object) -> AIMConfig:
    """A network of a few thousand parameters over CHANNELS, with all extensions unless changed."""
    normalisation = (
        Normalisation(mean=75, std=15, clip=6, scale=15, minimum=25, maximum=250),
        Normalisation(
            transform="log1p", mean=0.7, std=1.4, clip=6, scale=22, output="count", minimum=0, maximum=400
        ),
        Normalisation(
            transform="log1p", mean=0.9, std=0.4, clip=6, scale=1.4, output="count", minimum=0, maximum=50
        ),
        Normalisation(transform="log1p", mean=0.9, std=0.4, clip=6, scale=1.3, minimum=0, maximum=30),
        Normalisation(mean=0.3, output="binary", minimum=0, maximum=1),
    )
    fields: dict[str, object] = {
        "normalisation": normalisation,
        "encoder_dim": 24,
        "encoder_depth": 2,
        "encoder_heads": 3,
        "decoder_dim": 16,
        "decoder_depth": 2,
        "decoder_heads": 2,
        "decoder": "cross",
        "positions": "learned",
        "clock": True,
        "minute_flags": True,
        "correction": True,
        "read_out": "mean_and_median",
    }
    return AIMConfig(**(fields | changes))  # type: ignore[arg-type]


def tiny_network(seed: int = 0, **changes: object) -> AIM:
    """A tiny network with random weights everywhere, the zero-initialised head included."""
    torch.manual_seed(seed)
    network = AIM(tiny_config(**changes))
    for parameter in network.parameters():
        if parameter.ndim >= 2:
            torch.nn.init.normal_(parameter, std=0.2)
    return network.eval()


def tiny_model(**changes: object) -> Model:
    network = tiny_network(**changes)
    config = CheckpointConfig(
        name="tiny", licence="Apache-2.0", channels=Schema.from_names(CHANNELS), network=network.config
    )
    return Model(network, config, device="cpu")


@pytest.fixture
def model() -> Model:
    return tiny_model()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of open recordings and golden answers, which a fresh clone does not have."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared (open recordings), which is not beside this checkout")
    return SHARED
