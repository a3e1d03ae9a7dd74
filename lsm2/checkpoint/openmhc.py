"""OpenMHC's releases: a Lightning checkpoint, the statistics of its normalisation, and a manifest.

The format is that of the OpenMHC project (github.com/AshleyLab/OpenMHC): ``openmhc_manifest.json`` names a
``.ckpt`` and a JSON file of statistics. The network is rebuilt from the checkpoint's ``hyper_parameters``;
the manifest's ``arch`` is documentation. Nothing of Lightning is needed, and nothing is unpickled but tensors
and plain values.
"""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from lsm2.aim import AIM, AIMConfig, Normalisation
from lsm2.channels import OPENMHC
from lsm2.checkpoint.card import card_licence, model_card
from lsm2.checkpoint.native import (
    CARD,
    CheckpointConfig,
    CheckpointError,
    check_tensors,
    problems_of,
    save_checkpoint,
)

MANIFEST, STATISTICS = "openmhc_manifest.json", "normalization_stats.json"
_KIND, _VERSIONS = "lsm2", (1, 2)
_PREFIX = "model."
_HEART_RATE = OPENMHC.index("watch_hr")
_SLOWEST_PER_MINUTE = 10.0  # a mean heart rate below this is one per second, as HealthKit counts
_DAMAGE = (
    *(OSError, RuntimeError, EOFError, LookupError, ValueError, AttributeError, TypeError),
    zipfile.BadZipFile,
)
_NAMES = {1440: "openmhc-daily", 10080: "openmhc-weekly"}


@dataclass(frozen=True)
class Release:
    """Where the parts of a release are."""

    checkpoint: Path
    statistics: Path | None
    """None: the network was trained on raw values."""
    card: Path
    provenance: dict[str, Any]


class _Shape(BaseModel):
    """The arguments of the network among a checkpoint's ``hyper_parameters``."""

    model_config = ConfigDict(extra="ignore")

    seq_length: int
    patch_size: int
    in_channels: int
    embed_dim: int
    depth: int
    num_heads: int
    decoder_embed_dim: int
    decoder_depth: int
    decoder_num_heads: int
    mlp_ratio: float = 4.0
    qkv_bias: bool = True
    norm_pix_loss: bool = False
    use_hybrid_loss: bool = True
    continuous_channels: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)


class _Statistics(BaseModel):
    """Means and standard deviations of the channels that are standardised; the others stay as they are."""

    model_config = ConfigDict(extra="ignore")

    means: list[float]
    stds: list[float]
    channels: tuple[int, ...]
    epsilon: float = Field(default=1e-8, ge=0)


def is_release(path: Path) -> bool:
    """Whether a path looks like a release: a folder with a manifest or one ``.ckpt``, or a ``.ckpt``."""
    if path.is_dir():
        return (path / MANIFEST).is_file() or len(list(path.glob("*.ckpt"))) == 1
    return path.is_file() and path.suffix == ".ckpt"


def find_release(path: Path) -> Release:
    """Find the parts of a release.

    Args:
        path: A folder with a manifest, a folder with one ``.ckpt``, or a ``.ckpt``; the last two with
            ``normalization_stats.json`` beside it.

    Raises:
        FileNotFoundError: A part is not there.
        CheckpointError: The manifest is damaged, of another kind or version, or names files outside.
    """
    folder = path if path.is_dir() else path.parent
    manifest = read_manifest(folder / MANIFEST)
    if path.is_dir() and manifest is None:
        path = next(iter(path.glob("*.ckpt")))
    if manifest is not None and (path.is_dir() or path.name == manifest["checkpoint"]):
        names = [manifest["checkpoint"], manifest.get("normalization_stats")]
    else:
        names = [path.name, STATISTICS]
    parts = [None if name is None else folder / name for name in names]
    for part in parts:
        if part is not None and not part.is_file():
            raise FileNotFoundError(
                f"{folder} holds no {part.name}, which the release needs; get it where the rest came from"
            )
    checkpoint, statistics = parts
    provenance = (manifest or {}).get("provenance") or {}
    return Release(checkpoint or path, statistics, folder / CARD, provenance)


def read_manifest(path: Path) -> dict[str, Any] | None:
    """Read and check a manifest; None where there is none.

    Raises:
        CheckpointError: It is damaged, of another kind or version, or names files outside of its folder.
    """
    if not path.is_file():
        return None
    manifest = _read_json(path)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("checkpoint"), str):
        raise CheckpointError(f"{path} names no checkpoint; get the release again")
    if manifest.get("kind") != _KIND:
        raise CheckpointError(
            f"{path} is of kind {manifest.get('kind')!r}; of OpenMHC's models lsm2 reads kind {_KIND!r} "
            "(daily and weekly)"
        )
    if manifest.get("spec_version", 1) not in _VERSIONS:
        raise CheckpointError(
            f"{path} has spec_version {manifest['spec_version']!r}; this release of lsm2 reads 1 and 2: "
            "update lsm2"
        )
    for key in ("checkpoint", "normalization_stats"):
        name = manifest.get(key)
        if name is not None and (
            not isinstance(name, str) or Path(name).is_absolute() or ".." in Path(name).parts
        ):
            raise CheckpointError(f"{path} names {key} {name!r}, which is no file inside the release")
    return manifest


def read_release(path: Path) -> tuple[AIM, CheckpointConfig, str]:
    """Read a release into a float32 network in evaluation mode on the CPU.

    Args:
        path: As for :func:`find_release`.

    Returns:
        The network, its config, and the text of the model card.

    Raises:
        FileNotFoundError: A part is not there.
        CheckpointError: A file is damaged; the checkpoint would need unknown classes to be unpickled (they
            are named); its arguments or statistics are not usable; its tensors do not match (all that are
            missing, unexpected or misshapen are listed).
    """
    release = find_release(path)
    content = _load(release.checkpoint)
    hyper = content.get("hyper_parameters")
    state = content.get("state_dict")
    if not isinstance(hyper, dict) or not isinstance(state, dict):
        raise CheckpointError(
            f"{release.checkpoint} holds no hyper_parameters and state_dict: it is no Lightning checkpoint "
            "of an OpenMHC model"
        )
    shape = _shape(release.checkpoint, hyper)
    statistics = _statistics(release.statistics) if release.statistics else None
    card = release.card.read_text(encoding="utf-8") if release.card.is_file() else None
    config = CheckpointConfig(
        name=_NAMES.get(shape.seq_length, f"openmhc-{shape.seq_length}"),
        licence=(card_licence(card) if card else None) or "unknown",
        description="A masked autoencoder of the OpenMHC project (LSM-2) over 19 HealthKit channels.",
        channels=OPENMHC,
        network=_network(release.checkpoint, shape, statistics),
        training={
            "source": "github.com/AshleyLab/OpenMHC",
            "provenance": _plain(release.provenance),
            "epoch": content.get("epoch"),
            "step": content.get("global_step"),
            "hyper_parameters": _plain(hyper),
        },
    )
    network = AIM(config.network)
    wanted = {_theirs(name): tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    wanted[_PATCHES] = (shape.embed_dim, 1, shape.patch_size)
    check_tensors(f"{release.checkpoint} does not match its hyper_parameters", state, wanted)
    tensors = {name: state[_theirs(name)].float() for name in network.state_dict()}
    tensors["patch_embed.weight"] = tensors["patch_embed.weight"][:, 0]
    network.load_state_dict(tensors)
    return network.eval(), config, card or model_card(config)


def convert(path: Path, directory: Path) -> None:
    """Write a release as a checkpoint of our own: ``config.json``, ``model.safetensors``, ``README.md``.

    Args:
        path: As for :func:`find_release`.
        directory: Made if needed.

    Raises:
        As :func:`read_release`.
    """
    network, config, card = read_release(path)
    save_checkpoint(directory, network, config, card=card)


_PATCHES = f"{_PREFIX}patch_embed.proj.weight"


def _theirs(name: str) -> str:
    """The name of one of our tensors in their checkpoint."""
    return _PREFIX + name.replace("patch_embed.", "patch_embed.proj.")


def _load(path: Path) -> dict[str, Any]:
    is_zip = zipfile.is_zipfile(path)
    try:
        if is_zip:  # torch does not look at the check sums
            with zipfile.ZipFile(path) as archive:
                broken = archive.testzip()
            if broken:
                raise ValueError(f"the check sum of {broken} is wrong")
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except UnpicklingError as error:
        classes = sorted(set(re.findall(r"GLOBAL ([\w.]+)", str(error))))
        if classes:
            raise CheckpointError(
                f"{path} is refused: to read it, {', '.join(classes)} would have to be unpickled, which can "
                "run any code. Only tensors and plain values are read; ask for a checkpoint without it."
            ) from None
        raise CheckpointError(_damaged(path, error)) from None
    except PermissionError:
        raise
    except _DAMAGE as error:
        raise CheckpointError(_damaged(path, error)) from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not a Lightning checkpoint")
    return content


def _damaged(path: Path, error: Exception) -> str:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return f"{path} is damaged, cut short, or no checkpoint ({reason}); get it again"


def _shape(path: Path, hyper: dict[str, Any]) -> _Shape:
    try:
        shape = _Shape.model_validate(hyper)
    except ValidationError as error:
        raise CheckpointError(f"{path}: hyper_parameters are not usable: {problems_of(error)}") from None
    if shape.in_channels != len(OPENMHC):
        raise CheckpointError(
            f"{path} reads {shape.in_channels} channels; lsm2 knows OpenMHC's models of {len(OPENMHC)}"
        )
    if shape.norm_pix_loss:
        raise CheckpointError(
            f"{path} was trained with norm_pix_loss: its answers cannot be brought back to own units"
        )
    rotary = [key for key, value in hyper.items() if "rope" in str(key).lower() and value]
    if rotary:
        raise CheckpointError(f"{path} uses {', '.join(rotary)}, which lsm2 does not compute")
    return shape


def _statistics(path: Path) -> _Statistics:
    try:
        statistics = _Statistics.model_validate(_read_json(path))
    except ValidationError as error:
        raise CheckpointError(f"{path} is not usable: {problems_of(error)}") from None
    count = min(len(statistics.means), len(statistics.stds))
    wrong = [
        channel
        for channel in statistics.channels
        if not (0 <= channel < min(count, len(OPENMHC))) or not statistics.stds[channel] > 0
    ]
    if wrong:
        raise CheckpointError(f"{path} gives no mean and positive std for channels {wrong}; get it again")
    return statistics


def _network(path: Path, shape: _Shape, statistics: _Statistics | None) -> AIMConfig:
    rows = []
    for position, channel in enumerate(OPENMHC.channels):
        mean, std, epsilon = 0.0, 1.0, 0.0
        if statistics and position in statistics.channels:
            mean, std, epsilon = statistics.means[position], statistics.stds[position], statistics.epsilon
        if position == _HEART_RATE and 0 < mean < _SLOWEST_PER_MINUTE:
            mean, std, epsilon = 60 * mean, 60 * std, 60 * epsilon
            warnings.warn(
                f"{path.name}: the mean heart rate of its statistics is {mean / 60:.2f}, so it is per "
                "second; lsm2 reads watch_hr in beats/min and converts",
                UserWarning,
                stacklevel=2,
            )
        binary = shape.use_hybrid_loss and position not in shape.continuous_channels
        rows.append(
            Normalisation(
                mean=mean,
                std=std,
                epsilon=epsilon,
                output="binary" if binary else "continuous",
                minimum=channel.minimum,
                maximum=channel.maximum,
            )
        )
    try:
        return AIMConfig(
            normalisation=tuple(rows),
            window_minutes=shape.seq_length,
            patch_minutes=shape.patch_size,
            encoder_dim=shape.embed_dim,
            encoder_depth=shape.depth,
            encoder_heads=shape.num_heads,
            decoder_dim=shape.decoder_embed_dim,
            decoder_depth=shape.decoder_depth,
            decoder_heads=shape.decoder_num_heads,
            mlp_ratio=shape.mlp_ratio,
            qkv_bias=shape.qkv_bias,
            all_minutes_required=tuple(i for i in range(len(OPENMHC)) if i != _HEART_RATE),
            observed_share_pooling=False,
        )
    except ValidationError as error:
        raise CheckpointError(f"{path}: hyper_parameters are not usable: {problems_of(error)}") from None


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path} is no JSON ({error}); the file is damaged, get it again") from None


def _plain(value: Any) -> Any:
    """A value as JSON has it; what JSON does not know becomes text."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Tensor):
        return value.tolist()
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
