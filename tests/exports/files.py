"""Trees of files, as folders and as zips; and ways to break them."""

from __future__ import annotations

import random
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

Files = Mapping[str, "str | bytes"]


def as_bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def write_folder(folder: Path, files: Files) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_bytes(content))
    return folder


def write_zip(path: Path, files: Files, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, as_bytes(content))
    return path


def observed(frame: pd.DataFrame, column: str) -> dict[str, float]:
    """What a column holds, by time of day."""
    found = frame[column].dropna()
    return {str(stamp)[11:16]: float(value) for stamp, value in found.items()}


def check_contract(frame: pd.DataFrame) -> None:
    """What every reader promises of its answer."""
    times = frame.index.get_level_values("timestamp")
    assert frame.index.is_unique
    assert all(dtype == np.float32 for dtype in frame.dtypes)
    assert (times.second == 0).all()
    if isinstance(frame.index, pd.MultiIndex):
        assert list(frame.index.names) == ["participant_id", "timestamp"]
    else:
        assert frame.index.name == "timestamp"
        assert times.is_monotonic_increasing
    assert not np.isinf(frame.to_numpy()).any()


def broken(data: bytes, random_: random.Random) -> bytes:
    """Return bytes cut, shuffled, with noise, or doubled."""
    changed = bytearray(data)
    if len(changed) < 4:
        return bytes(changed)
    low, high = sorted(random_.sample(range(len(changed)), 2))
    how = random_.choice(["cut", "end", "swap", "noise", "double"])
    if how == "cut":
        del changed[low:high]
    elif how == "end":
        del changed[low:]
    elif how == "swap":
        changed[low:high] = bytes(random_.sample(list(changed[low:high]), high - low))
    elif how == "noise":
        for _ in range(random_.randint(1, 20)):
            changed[random_.randrange(len(changed))] = random_.randrange(256)
    else:
        changed[low:low] = changed[low:high]
    return bytes(changed)


def fuzz(read: Callable[..., pd.DataFrame], files: Files, folder: Path, seed: int, rounds: int = 60) -> None:
    """Break one file of an export at a time: a reader gives a frame or a clear error that names a file."""
    random_ = random.Random(seed)
    for turn in range(rounds):
        name = random_.choice(sorted(files))
        root = folder / str(turn)
        root.mkdir()
        write_folder(root, {**files, name: broken(as_bytes(files[name]), random_)})
        for on_error in ("raise", "skip"):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.simplefilter("ignore", UserWarning)
                try:
                    frame = read(root, on_error=on_error)
                except (ValueError, FileNotFoundError) as error:
                    assert str(root) in str(error), error
                else:
                    check_contract(frame)


def check_hostile_archives(read: Callable[..., pd.DataFrame], files: Files, folder: Path) -> None:
    """Archives that point outside, unpack a thousandfold, are cut, damaged or encrypted are refused."""
    name = max(files, key=lambda one: len(files[one]))
    for outside in ("../evil.csv", "/evil.csv", "a/../../evil.json", "..\\evil.csv", "C:/evil.csv"):
        with pytest.raises(ValueError, match="points outside the archive"):
            read(write_zip(folder / "slip.zip", {**files, outside: "x"}))
    whole = write_zip(folder / "whole.zip", files).read_bytes()
    for share in (0.3, 0.9):
        (folder / "cut.zip").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ValueError, match=r"no whole zip archive.*copy it again"):
            read(folder / "cut.zip")
    stored = bytearray(write_zip(folder / "stored.zip", files, zipfile.ZIP_STORED).read_bytes())
    at = stored.index(as_bytes(files[name])) + len(as_bytes(files[name])) - 2
    stored[at] ^= 1
    (folder / "damaged.zip").write_bytes(stored)
    for on_error in ("raise", "skip"):
        with warnings.catch_warnings(), pytest.raises(ValueError, match="archive is damaged"):
            warnings.simplefilter("ignore")
            read(folder / "damaged.zip", on_error=on_error)
    locked = bytearray(whole)
    at = -1
    while (at := locked.find(b"PK\x01\x02", at + 1)) >= 0:
        locked[at + 8] |= 1
    (folder / "locked.zip").write_bytes(locked)
    with pytest.raises(ValueError, match="is encrypted"):
        read(folder / "locked.zip")
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bomb:
        for other, content in files.items():
            if other != name:
                bomb.writestr(other, as_bytes(content))
        with bomb.open(name, "w") as member:
            member.write(as_bytes(files[name]))
            for _ in range(101):
                member.write(b" " * 1_000_000)
    with pytest.raises(ValueError, match="zip bomb"):
        read(folder / "bomb.zip")
