"""Names to models: shipped checkpoints, folders, OpenMHC releases, the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from lsm2.aim import AIM
from lsm2.checkpoint import hub, shipped
from lsm2.checkpoint.native import CARD, CONFIG, CheckpointConfig, load_checkpoint
from lsm2.checkpoint.openmhc import is_release, read_release


def load(
    name: str | Path,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
) -> tuple[AIM, CheckpointConfig, str | None, Path]:
    """Load a checkpoint by name: a shipped one, then what lies at that path, then a name on the hub.

    Args:
        name: See :func:`lsm2.load_model`.
        revision: Branch, tag or commit on the hub.
        cache_dir: Where downloads are kept; None for the hub's own place.
        local_files_only: Never touch the network.

    Returns:
        The network in evaluation mode on the CPU, its config, the text of its model card, and the folder in
        which a calibration of its intervals may lie.

    Raises:
        FileNotFoundError: There is nothing of that name; lists the shipped ones.
        CheckpointError: What is there is damaged or of no known form.
        ValueError: A revision is given for what does not come from the hub.
    """
    if not isinstance(name, (str, Path)) or not str(name):
        raise ValueError(
            f"a model is named by a name or a path, not by {name!r}; shipped: {', '.join(shipped.names())}"
        )
    place = shipped.find(name) if isinstance(name, str) else None
    if place is None:
        path = Path(name).expanduser()
        place = path if path.exists() else None
    if place is not None:
        if revision is not None:
            raise ValueError(f"revision={revision!r} is for models on the hub; {name} is a local checkpoint")
        return _load_local(place)
    stem = str(name).split("@")[0]
    if shipped.find(stem) is not None:
        raise FileNotFoundError(
            f"{stem} comes with the package and has no revisions; leave {str(name)[len(stem) :]!r} out"
        )
    wanted = hub.parse(name, revision) if isinstance(name, str) else None
    if wanted is None:
        raise FileNotFoundError(
            f"no checkpoint {str(name)!r}: it is neither a folder or .ckpt, nor one of the shipped ones "
            f"({', '.join(shipped.names())}), nor a name on the hub ({', '.join(hub.HUB_NAMES)}, or "
            "'organisation/repository')"
        )
    return _load_local(hub.fetch(wanted, cache_dir=cache_dir, local_files_only=local_files_only))


def _load_local(path: Path) -> tuple[AIM, CheckpointConfig, str | None, Path]:
    if (path / CONFIG).is_file():
        network, config = load_checkpoint(path)
        card = path / CARD
        return network, config, card.read_text(encoding="utf-8") if card.is_file() else None, path
    if is_release(path):
        return *read_release(path), path if path.is_dir() else path.parent
    if path.is_dir():
        held = sorted(part.name for part in path.iterdir())
        raise FileNotFoundError(
            f"{path} is no checkpoint: it has no {CONFIG}, and is no OpenMHC release; it holds "
            f"{', '.join(held[:8]) or 'nothing'}"
        )
    raise FileNotFoundError(
        f"{path} is no checkpoint: name the folder that holds {CONFIG}, an OpenMHC release, or a .ckpt"
    )
