"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside a file, with its ending; then rename it, or remove it after an error.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "table.md")) as temporary:
    ...         _ = temporary.write_text("whole")
    ...     sorted(os.listdir(folder)), Path(folder, "table.md").read_text()
    (['table.md'], 'whole')
    """
    handle, name = tempfile.mkstemp(prefix=".", suffix=f".{path.name}", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
