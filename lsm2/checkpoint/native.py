"""Our own checkpoints: ``config.json`` and ``model.safetensors`` in a folder, with the model card beside
them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lsm2.aim import AIM, AIMConfig
from lsm2.channels import Schema
from lsm2.files import replacing

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"


class CheckpointError(ValueError):
    """A checkpoint that cannot be read: says which file, what is wrong with it, and what to do."""


class CheckpointConfig(BaseModel):
    """What travels with the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["lsm2"] = "lsm2"
    version: Literal[1] = 1
    name: str
    licence: str
    """Terms of the weights (not of the code)."""
    description: str = ""
    channels: Schema
    network: AIMConfig
    training: dict[str, Any] = Field(default_factory=dict)
    """How the weights came about; for people, not read by code."""
    fingerprint: str | None = None
    """:func:`fingerprint` of the weights as stored; a file that was altered since is refused."""

    @model_validator(mode="after")
    def _fits(self) -> CheckpointConfig:
        if len(self.channels) != self.network.channels:
            raise ValueError(
                f"{len(self.channels)} channels are described, but the network normalises "
                f"{self.network.channels}"
            )
        return self


def fingerprint(model: AIM, config: CheckpointConfig) -> str:
    """Hash of the weights (as float32), the network and the channels: 16 hex digits, the same after a round
    trip.
    """
    return _hash(model.state_dict(), config)


def _hash(tensors: Mapping[str, Tensor], config: CheckpointConfig) -> str:
    digest = hashlib.sha256()
    for part in (config.network, config.channels):  # without defaults, so that new fields change no old hash
        digest.update(part.model_dump_json(exclude_defaults=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().float().contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def save_checkpoint(
    directory: str | Path,
    model: AIM,
    config: CheckpointConfig,
    *,
    half: bool = False,
    card: str | None = None,
) -> Path:
    """Write a checkpoint folder; each file is written to a temporary name and renamed.

    Args:
        directory: The folder, made if needed; files of a checkpoint that is there are replaced.
        model: The network.
        config: What travels with the weights.
        half: Store half precision (loading gives float32 of the rounded values).
        card: Text of the model card; None keeps one that is there.

    Returns:
        The folder.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    dtype = torch.float16 if half else torch.float32
    tensors = {
        name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in model.state_dict().items()
    }
    config = config.model_copy(update={"fingerprint": _hash(tensors, config)})
    with replacing(directory / WEIGHTS) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})
    with replacing(directory / CONFIG) as temporary:
        temporary.write_text(config.model_dump_json(indent=2) + "\n")
    if card is not None:
        with replacing(directory / CARD) as temporary:
            temporary.write_text(card)
    return directory


def read_config(directory: str | Path) -> CheckpointConfig:
    """Read and check ``config.json``.

    Raises:
        FileNotFoundError: There is none.
        CheckpointError: It is no JSON, of another format or version, or has unknown, missing or wrong fields.
    """
    path = Path(directory) / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"no {CONFIG} in {directory}: not a checkpoint folder")
    try:
        fields = json.loads(path.read_text())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"{path} is no JSON ({error}); the file is damaged, get the checkpoint again"
        ) from None
    if not isinstance(fields, dict) or ("format" not in fields and "network" not in fields):
        kind = fields.get("model_type") if isinstance(fields, dict) else None
        raise CheckpointError(
            f"{path} is not that of an lsm2 checkpoint{f', but of a {kind} model' if kind else ''}; give the "
            "folder that Model.save wrote"
        )
    if fields.get("version", 1) != 1:
        raise CheckpointError(
            f"{path} has version {fields['version']!r}, this release reads version 1; update lsm2"
        )
    try:
        return CheckpointConfig.model_validate(fields)
    except ValidationError as error:
        raise CheckpointError(f"{path} is not a valid checkpoint config: {problems_of(error)}") from None


def problems_of(error: ValidationError) -> str:
    """The first problems that a validation found, in a line."""
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}" for e in error.errors()[:5])


def load_checkpoint(directory: str | Path) -> tuple[AIM, CheckpointConfig]:
    """Read a checkpoint folder into a float32 network in evaluation mode on the CPU.

    Raises:
        FileNotFoundError: A file is missing.
        CheckpointError: A file is damaged, or the tensors do not match the config (all of them are listed).
    """
    directory = Path(directory)
    config = read_config(directory)
    path = directory / WEIGHTS
    if not path.is_file():
        raise FileNotFoundError(f"no {WEIGHTS} in {directory}; the checkpoint is incomplete, get it again")
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path} is damaged or cut short ({error}); get the checkpoint again") from None
    model = AIM(config.network)
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    check_tensors(f"{path} does not match its {CONFIG}", tensors, wanted)
    if config.fingerprint is not None and config.fingerprint != _hash(tensors, config):
        raise CheckpointError(
            f"{path} or its {CONFIG} was altered or damaged since they were written (fingerprint "
            f"{config.fingerprint} expected); get the checkpoint again"
        )
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return model.eval(), config


def check_tensors(complaint: str, tensors: dict[str, Tensor], wanted: dict[str, tuple[int, ...]]) -> None:
    """Compare the tensors of a file with the names and shapes that its config asks for.

    Raises:
        CheckpointError: Lists every missing, unexpected, misshapen or not finite tensor.
    """
    problems = [f"missing {name}" for name in wanted if name not in tensors]
    problems += [f"unexpected {name}" for name in tensors if name not in wanted]
    problems += [
        f"{name} has shape {tuple(tensors[name].shape)}, the config asks for {shape}"
        for name, shape in wanted.items()
        if name in tensors and tuple(tensors[name].shape) != shape
    ]
    problems += [
        f"{name} holds NaN or infinity" for name, tensor in tensors.items() if not tensor.isfinite().all()
    ]
    if problems:
        raise CheckpointError(f"{complaint}: " + "; ".join(problems))
