"""The checkpoints that come with the package."""

from __future__ import annotations

from pathlib import Path

from lsm2.checkpoint.native import CONFIG

_WEIGHTS = Path(__file__).resolve().parent.parent / "weights"


def names() -> list[str]:
    """Names of the checkpoints that come with the package."""
    return sorted(path.parent.name for path in _WEIGHTS.glob(f"*/{CONFIG}"))


def find(name: str) -> Path | None:
    """The folder of a shipped checkpoint, or None."""
    return _WEIGHTS / name if name in names() else None
