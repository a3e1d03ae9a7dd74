"""What a model is, for people and for ``lsm2 info``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lsm2.model import Model


def describe(model: Model) -> dict[str, Any]:
    """Facts about a model, ready for JSON; see :meth:`lsm2.Model.info`."""
    config = model.config
    network = config.network
    return {
        "name": config.name,
        "checkpoint": model.hash,
        "licence": config.licence,
        "description": config.description,
        "parameters": sum(p.numel() for p in model.network.parameters()),
        "embedding_width": network.encoder_dim,
        "window_minutes": network.window_minutes,
        "patch_minutes": network.patch_minutes,
        "device": model.device,
        "precision": model.precision,
        "channels": [
            {
                "name": channel.name,
                "unit": channel.unit,
                "kind": channel.kind,
                "family": channel.family,
                "valid_range": [channel.minimum, channel.maximum],
                "normalisation": constants.model_dump(include={"transform", "mean", "std", "clip"}),
            }
            for channel, constants in zip(model.schema.channels, network.normalisation, strict=True)
        ],
        "calibration": None if model.calibration is None else model.calibration.summary(),
        "training": config.training,
    }
