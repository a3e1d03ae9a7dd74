"""What the rounds of a protocol hide, drawn once and kept in files.

Every method of a run, and every later run over the same directory, sees the same hidden minutes, whatever
becomes of the code that draws them. A recording that is no longer the one they were drawn for is noticed.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lsm2.files import replacing

from .protocols import Protocol
from .recordings import BoolArray, Recordings

_FORMAT = 1


def file_name(*parts: str) -> str:
    """Names as one file name: letters, digits and points stay.

    Examples:
        >>> file_name("made up", "random 80 %")
        'made-up--random-80-percent'
    """
    words = (part.replace("%", "percent") for part in parts)
    plain = ("".join(c if c.isalnum() or c in "._" else " " for c in word) for word in words)
    return "--".join("-".join(word.split()) for word in plain)


class MaskStore:
    """Masks in a directory: one compressed file per data set, protocol and seed, a bit per minute.

    Args:
        directory: Where the files are; made when the first is written. None keeps nothing: masks are drawn
            anew, which gives the same ones.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory

    def rounds(
        self, recordings: Recordings, days: BoolArray, name: str, protocol: Protocol, *, seed: int
    ) -> list[BoolArray]:
        """Return what each round hides, (days, channels, 1440), from the file or drawn and written.

        Args:
            recordings: What to hide in.
            days: (days,) the days drawn.
            name: The protocol's name.
            protocol: Its rounds.
            seed: Seed of the draws.

        Raises:
            ValueError: The file is damaged, or was drawn for other recordings.
        """
        if self.directory is None:
            return [hide(recordings, days, seed=seed) for hide in protocol.rounds]
        path = self.directory / f"{file_name(recordings.dataset, name, f'seed{seed}')}.npz"
        key = {
            "format": _FORMAT,
            "dataset": recordings.dataset,
            "recordings": recordings.fingerprint,
            "channels": list(recordings.names),
            "people": len(recordings.participants),
            "days": np.flatnonzero(days).tolist(),
            "protocol": name,
            "rounds": len(protocol.rounds),
            "seed": seed,
        }
        if path.exists():
            return _read(path, key, recordings)
        drawn = [hide(recordings, days, seed=seed) for hide in protocol.rounds]
        _write(path, key, drawn)
        return drawn


def _write(path: Path, key: dict[str, object], drawn: list[BoolArray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    bits = np.packbits(np.stack(drawn), axis=-1)  # (rounds, days, channels, 180)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, key=np.array(json.dumps(key)), hidden=bits)


def _read(path: Path, key: dict[str, object], recordings: Recordings) -> list[BoolArray]:
    try:
        with np.load(path) as file:
            stored = json.loads(str(file["key"]))
            bits: npt.NDArray[np.uint8] = file["hidden"]
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise ValueError(f"{path}: is damaged ({error}); delete it, and it is drawn again") from error
    if stored != key:
        changed = [part for part in key if stored.get(part) != key[part]]
        raise ValueError(
            f"{path}: was drawn for another {', '.join(changed)} of {recordings.dataset}; choose another "
            "output directory, or delete this one to draw anew"
        )
    hidden = np.unpackbits(bits, axis=-1, count=recordings.values.shape[-1]).astype(bool)
    return list(hidden)
