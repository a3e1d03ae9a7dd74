"""Pretraining of the masked autoencoder on canonical recordings."""

from lsm2.training.config import PretrainConfig
from lsm2.training.pretrain import pretrain
from lsm2.training.sources import Source, load_source

__all__ = ["PretrainConfig", "Source", "load_source", "pretrain"]
