"""The wheel holds what it must, and works where the checkout is not."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHIPPED = ("lsm2-small", "lsm2-small-open")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (path,) = place.glob("*.whl")
    return path


def test_it_holds_weights_configs_licences_and_types(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert {
        "lsm2/py.typed",
        *(f"lsm2/report/templates/{name}" for name in ("page.html", "index.html", "report.css", "report.js")),
        *(f"lsm2/training/{name}.json" for name in SHIPPED),
        *(
            f"lsm2/weights/{name}/{file}"
            for name in SHIPPED
            for file in (
                "config.json",
                "model.safetensors",
                "README.md",
                "intervals.json",
                "intervals.safetensors",
            )
        ),
    } <= set(names)
    assert "License-Expression: Apache-2.0 AND CC-BY-NC-SA-4.0 AND CC-BY-4.0" in metadata
    assert {name.rsplit("/", 1)[-1] for name in names if "/licenses/" in name} == {
        "LICENSE",
        "LICENSE-WEIGHTS",
    }
    assert [name for name in names if not name.startswith(("lsm2/", "lsm2-"))] == []
    assert [name for name in names if name.endswith((".pyc", ".pt", ".ckpt", ".parquet"))] == []


def test_it_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < 25e6  # bytes


def test_it_works_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site), str(wheel)],
        check=True,
    )
    # -P and PYTHONSAFEPATH are 3.11's; a directory of its own and the site first on the path do for all.
    environment = {**os.environ, "PYTHONPATH": str(site)}

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("-c", "import lsm2; print(lsm2.__file__)").strip() == str(site / "lsm2" / "__init__.py")
    assert "heart_rate" in run("-m", "lsm2", "info")
    said = run("-m", "lsm2", "demo", "-o", "out")
    assert "SIMULATED" in said
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"recording.parquet", "embeddings.parquet", "filled.parquet", "day.png"}
