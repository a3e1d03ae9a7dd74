"""Files to models and back."""

from . import shipped
from .card import model_card
from .native import (
    CheckpointConfig,
    CheckpointError,
    fingerprint,
    load_checkpoint,
    read_config,
    save_checkpoint,
)

__all__ = [
    "CheckpointConfig",
    "CheckpointError",
    "fingerprint",
    "load_checkpoint",
    "model_card",
    "read_config",
    "save_checkpoint",
    "shipped",
]
