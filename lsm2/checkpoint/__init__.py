"""Files to models and back."""

from lsm2.checkpoint import shipped
from lsm2.checkpoint.card import model_card
from lsm2.checkpoint.load import load
from lsm2.checkpoint.native import (
    CheckpointConfig,
    CheckpointError,
    fingerprint,
    load_checkpoint,
    read_config,
    save_checkpoint,
)
from lsm2.checkpoint.shipped import HEAD, save_probes

__all__ = [
    "HEAD",
    "CheckpointConfig",
    "CheckpointError",
    "fingerprint",
    "load",
    "load_checkpoint",
    "model_card",
    "read_config",
    "save_checkpoint",
    "save_probes",
    "shipped",
]
