"""How long `import lsm2` and `lsm2 --help` take, in fresh processes: best of several, in seconds.

    python benchmarks/startup.py

The aims are 0.2 s and 0.5 s. The time of an interpreter that does nothing is printed beside them.
"""

from __future__ import annotations

import subprocess
import sys
import time


def best_seconds(arguments: list[str], repeats: int = 7) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    for what, arguments in (
        ("python -c pass", ["-c", "pass"]),
        ("import lsm2", ["-c", "import lsm2"]),
        ("lsm2 --help", ["-m", "lsm2", "--help"]),
    ):
        print(f"{what}: {best_seconds(arguments):.3f} s")


if __name__ == "__main__":
    main()
