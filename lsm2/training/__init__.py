"""Pretraining of the masked autoencoder on canonical recordings."""

from .config import PretrainConfig
from .pretrain import pretrain
from .sources import Source, load_source

__all__ = ["PretrainConfig", "Source", "load_source", "pretrain"]
