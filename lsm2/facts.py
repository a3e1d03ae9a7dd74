"""What a model is, for people and for ``lsm2 info``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsm2.checkpoint import shipped

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
        "probes": [] if model.folder is None else _probes(model.folder),
        "training": config.training,
    }


def _probes(folder: Path) -> list[dict[str, Any]]:
    """The probes that lie beside the weights, with the score that decides."""
    from lsm2.probe.files import read_probe

    found = []
    for name, place in shipped.probe_folders(folder).items():
        probe = read_probe(place)
        measure = "auroc" if probe.task == "classification" else "pearson_r"
        scores = probe.metrics_.get(measure, {})
        found.append(
            {
                "name": name,
                "level": probe.level,
                "tells": ", ".join(map(str, probe.classes_)) or str(probe.config.label),
                "score": measure,
                **{key: scores.get(key) for key in ("value", "low", "high")},
                "people": probe.metrics_.get("people"),
            }
        )
    return found
