"""Names to checkpoint folders."""

from __future__ import annotations

from pathlib import Path

from lsm2.checkpoint.native import CONFIG

_WEIGHTS = Path(__file__).resolve().parent.parent / "weights"


def names() -> list[str]:
    """Names of the checkpoints that come with the package."""
    return sorted(path.parent.name for path in _WEIGHTS.glob(f"*/{CONFIG}"))


def find(name: str | Path) -> Path:
    """The folder of a shipped checkpoint, or the folder itself.

    Raises:
        FileNotFoundError: Neither; lists the shipped ones.
    """
    if isinstance(name, str) and name in names():
        return _WEIGHTS / name
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / CONFIG).is_file():
            raise FileNotFoundError(f"{folder} is no checkpoint: it has no {CONFIG}")
        return folder
    raise FileNotFoundError(
        f"no checkpoint {str(name)!r}: it is neither a folder nor one of the shipped ones "
        f"({', '.join(names())})"
    )
