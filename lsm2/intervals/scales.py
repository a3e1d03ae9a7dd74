"""The scale in which a channel's errors are taken: its own units, or their logarithm."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from lsm2.aim import Normalisation
from lsm2.channels import Channel

_SMALLEST_FOR_LOG = 1e-6


class Scale(BaseModel):
    """A channel's transform and the ends of its valid range.

    >>> scale = Scale(transform="log1p", minimum=0, maximum=400)
    >>> scale.out_of(scale.into(np.array([3.0, 500.0]))).round(3).tolist()
    [3.0, 400.0]
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    transform: Literal["identity", "log1p", "log"]
    minimum: float
    maximum: float

    @classmethod
    def of(cls, channel: Channel, constants: Normalisation) -> Scale:
        """The network's own transform; for counts that it leaves as they are (OpenMHC's), log1p."""
        transform = constants.transform
        if transform == "identity" and channel.kind == "count":
            transform = "log1p"
        return cls(transform=transform, minimum=channel.minimum, maximum=channel.maximum)

    def into(self, values: np.ndarray) -> np.ndarray:
        """Own units, moved into the valid range, to the transformed scale, float64."""
        values = np.clip(np.asarray(values, np.float64), self.minimum, self.maximum)
        if self.transform == "log1p":
            return np.log1p(values)
        return np.log(np.maximum(values, _SMALLEST_FOR_LOG)) if self.transform == "log" else values

    def out_of(self, values: np.ndarray) -> np.ndarray:
        """The way back, within the valid range."""
        if self.transform != "identity":
            values = np.expm1(values) if self.transform == "log1p" else np.exp(values)
        return np.clip(values, self.minimum, self.maximum)

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends of the valid range in the transformed scale."""
        low, high = self.into(np.array([self.minimum, self.maximum]))
        return float(low), float(high)
