"""The checkpoints that come with the package."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from lsm2.checkpoint.native import CONFIG

PROBES, PROBE, HEAD = "probes", "probe.json", "head"
_WEIGHTS = Path(__file__).resolve().parent.parent / "weights"


def names() -> list[str]:
    """Names of the checkpoints that come with the package."""
    return sorted(path.parent.name for path in _WEIGHTS.glob(f"*/{CONFIG}"))


def find(name: str) -> Path | None:
    """The folder of a shipped checkpoint, or None."""
    return _WEIGHTS / name if name in names() else None


def probe_folders(checkpoint: Path) -> dict[str, Path]:
    """Folders of the probes in a checkpoint's folder, by name."""
    return {path.parent.name: path.parent for path in sorted(checkpoint.glob(f"{PROBES}/*/{PROBE}"))}


def save_probes(source: Path | None, head: Any, target: Path) -> None:
    """Copy the probes of one checkpoint's folder, if it has any, into another's; a head is written beside."""
    for name, folder in ({} if source is None else probe_folders(source)).items():
        if (target / PROBES / name).resolve() != folder.resolve():
            shutil.copytree(folder, target / PROBES / name, dirs_exist_ok=True)
    if head is not None:
        head.save(target / PROBES / HEAD)
