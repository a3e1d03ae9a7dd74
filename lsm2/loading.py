"""Names to models; the default one is loaded once."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from lsm2.checkpoint import load
from lsm2.intervals import load_calibration
from lsm2.model import Model


def load_model(
    name: str | Path = "lsm2-small",
    *,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "float32",
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
) -> Model:
    """Load a model.

    Args:
        name: A shipped checkpoint's name (``"lsm2-small"``); a folder with ``config.json`` and
            ``model.safetensors``; an OpenMHC release: its folder, or a ``.ckpt`` with
            ``normalization_stats.json`` beside it; a name on the Hugging Face hub: ``"openmhc-daily"``,
            ``"openmhc-weekly"``, ``"org/repo"`` or ``"hf://org/repo"``, each with ``@revision`` if wanted.
            What lies on disk goes before the hub, and only a hub name makes use of the network.
        revision: Branch, tag or commit on the hub; None for the main branch as it was when first loaded.
        device: ``"auto"`` (CUDA where there is one, else the CPU) or a torch device.
        precision: ``"float32"``, so that numbers agree across machines; ``"bfloat16"``; ``"auto"`` for
            bfloat16 where the hardware is faster in it (AMX, AMD with AVX512-BF16, GPUs).
        cache_dir: Where downloads are kept; None for the hub's own place (``HF_HOME``, ``HF_HUB_CACHE``).
        local_files_only: Take what is in the cache and never touch the network.

    Returns:
        The model, in float32 weights, ready for inference.

    Raises:
        FileNotFoundError: Nothing of that name (the shipped ones are listed), or no such repository or
            revision on the hub.
        CheckpointError: A file is damaged, holds classes that would have to be unpickled (they are named), or
            its tensors do not match its config (they are listed).
        PermissionError, ConnectionError: The hub refuses access, or cannot be reached.
        ValueError: The device or precision is not known.

    Example:
        >>> import lsm2
        >>> lsm2.load_model("lsm2-small").config.licence
        'CC-BY-NC-SA-4.0'
    """
    network, config, card, folder = load(
        name, revision=revision, cache_dir=cache_dir, local_files_only=local_files_only
    )
    return Model(
        network,
        config,
        device=device,
        precision=precision,
        card=card,
        calibration=load_calibration(folder),
        folder=folder,
    )


@lru_cache(maxsize=1)
def _default() -> Model:
    return load_model()


def resolve(model: Model | str | Path | None) -> Model:
    """Return the model that an argument ``model=`` means: None is the shipped default, loaded once.

    Raises:
        TypeError: It is neither a model, a name, a folder nor None.
        FileNotFoundError, CheckpointError: As for :func:`load_model`.
    """
    if model is None:
        return _default()
    if isinstance(model, Model):
        return model
    check_model(model)
    return load_model(model)


def check_model(model: object) -> None:
    """Refuse what no argument ``model=`` means."""
    if model is not None and not isinstance(model, (Model, str, Path)):
        raise TypeError(f"model is a Model, a name, a folder or None, not {type(model).__name__}")
