"""Probes to files and back: ``probe.json`` and ``probe.safetensors`` in a folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from lsm2.checkpoint import CheckpointError, shipped
from lsm2.checkpoint.native import problems_of
from lsm2.checkpoint.shipped import PROBE
from lsm2.files import replacing
from lsm2.probe.linear import Linear
from lsm2.probe.probe import Probe, ProbeConfig

WEIGHTS = "probe.safetensors"


def save_probe(probe: Probe, path: str | Path) -> Path:
    """Write a probe; see :meth:`Probe.save`."""
    folder = Path(path).expanduser()
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; name a folder to write the probe into")
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"weights": probe.linear.weights, "bias": probe.linear.bias}
    arrays = {name: np.ascontiguousarray(array, np.float64) for name, array in arrays.items()}
    config = probe.config.model_copy(update={"fingerprint": _fingerprint(arrays)})
    with replacing(folder / WEIGHTS) as temporary:
        save_file(arrays, temporary)
    with replacing(folder / PROBE) as temporary:
        temporary.write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return folder


def load_probe(name_or_path: str | Path) -> Probe:
    """Load a probe.

    Args:
        name_or_path: The name of a probe that comes with a shipped checkpoint (``"name"`` or
            ``"checkpoint/name"``), or a folder that :meth:`Probe.save` wrote.

    Returns:
        The probe; its ``oof_`` is None.

    Raises:
        FileNotFoundError: There is no such probe; lists the shipped ones.
        CheckpointError: A file is damaged or altered, or the two do not fit together.

    Example:
        >>> import lsm2, pandas as pd, tempfile
        >>> days = lsm2.embed(lsm2.simulate(participants=4, days=2, seed=1))
        >>> probe = lsm2.fit_probe(days, pd.Series([21, 35, 47, 60], days.index.levels[0]), cv=2)
        >>> folder = probe.save(tempfile.mkdtemp())
        >>> lsm2.load_probe(folder).predict(days).equals(probe.predict(days))
        True
    """
    return read_probe(find_probe(name_or_path))


def find_probe(name_or_path: str | Path, checkpoint: Path | None = None) -> Path:
    """The folder of a probe: of this checkpoint's folder, of a shipped one, or at that path.

    Raises:
        TypeError: It is no name.
        FileNotFoundError: There is none; lists those that there are.
    """
    if not isinstance(name_or_path, (str, Path)) or not str(name_or_path):
        raise TypeError(f"a probe is a Probe, a name or a folder, not {name_or_path!r}")
    known = {} if checkpoint is None else shipped.probe_folders(checkpoint)
    for name in shipped.names():
        for probe, folder in shipped.probe_folders(shipped.find(name) or Path()).items():
            known.setdefault(probe, folder)
            known[f"{name}/{probe}"] = folder
    if isinstance(name_or_path, str) and name_or_path in known:
        return known[name_or_path]
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return path
    if path.is_file():
        raise FileNotFoundError(f"{path} is a file; name the folder that Probe.save wrote")
    there = ", ".join(known) if known else "none"
    raise FileNotFoundError(
        f"no probe {str(name_or_path)!r}: there is no such folder, and none of that name is shipped "
        f"(shipped: {there}). Fit one with lsm2.fit_probe."
    )


def read_probe(folder: Path) -> Probe:
    """Read a probe's folder; raises as :func:`load_probe`."""
    path, again = folder / PROBE, "; save the probe again"
    if not path.is_file():
        held = ", ".join(sorted(part.name for part in folder.iterdir())[:8]) or "nothing"
        raise FileNotFoundError(f"{folder} is no probe: it has no {PROBE}; it holds {held}")
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path} is no JSON ({error}){again}") from None
    if isinstance(fields, dict) and fields.get("version", 1) != 1:
        raise CheckpointError(
            f"{path} has version {fields['version']!r}, this release reads version 1; update lsm2"
        )
    try:
        config = ProbeConfig.model_validate(fields)
    except ValidationError as error:
        raise CheckpointError(f"{path} is not a valid probe: {problems_of(error)}{again}") from None
    numbers = folder / WEIGHTS
    if not numbers.is_file():
        raise FileNotFoundError(f"no {WEIGHTS} in {folder}; the probe is incomplete{again}")
    try:
        arrays = load_file(numbers)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{numbers} is damaged or cut short ({error}){again}") from None
    shapes = {"weights": (config.outputs, len(config.features)), "bias": (config.outputs,)}
    for name, shape in shapes.items():
        array = arrays.get(name)
        if array is None or array.shape != shape or not np.isfinite(array).all():
            raise CheckpointError(
                f"{numbers} does not fit its {PROBE}: {name} should be finite and of shape {shape}{again}"
            )
    if config.fingerprint is not None and config.fingerprint != _fingerprint(arrays):
        raise CheckpointError(f"{numbers} was altered or damaged since it was written{again}")
    return Probe(config, Linear(arrays["weights"].astype(np.float64), arrays["bias"].astype(np.float64)))


def _fingerprint(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in ("weights", "bias"):
        digest.update(f"{name}{arrays[name].shape}{arrays[name].dtype}".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()[:16]
