"""The method: masks, tokens, encoder and decoder in pure torch; knows nothing of frames, people or calendars."""

from .config import AIMConfig, Normalisation
from .masks import MaskConfig, artificial_mask, target_weights
from .model import AIM, Encoded, Reading

__all__ = ["AIM", "AIMConfig", "Encoded", "MaskConfig", "Normalisation", "Reading", "artificial_mask", "target_weights"]
