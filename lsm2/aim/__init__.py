"""The method: masks, tokens, encoder and decoder in pure torch; knows nothing of frames, people or
calendars.
"""

from lsm2.aim.config import AIMConfig, Normalisation
from lsm2.aim.masks import MaskConfig, artificial_mask, target_weights
from lsm2.aim.model import AIM, Encoded
from lsm2.aim.reading import Reading

__all__ = [
    "AIM",
    "AIMConfig",
    "Encoded",
    "MaskConfig",
    "Normalisation",
    "Reading",
    "artificial_mask",
    "target_weights",
]
