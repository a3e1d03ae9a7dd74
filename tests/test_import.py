"""`import lsm2` is light, and its names are there."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lsm2

HEAVY = ("torch", "pandas", "sklearn", "matplotlib", "pyarrow", "scipy", "huggingface_hub")


def loaded_after(code: str) -> set[str]:
    """Run code in a fresh interpreter and return which heavy packages it brought in."""
    script = (
        f"import sys\n{code}\nprint(*(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "code",
    ["import lsm2", "import lsm2; dir(lsm2); lsm2.__version__", "import lsm2.cli", "import lsm2.channels"],
)
def test_import_brings_in_nothing_heavy(code: str) -> None:
    assert loaded_after(code) == set()


def test_help_brings_in_nothing_heavy() -> None:
    assert loaded_after("from lsm2.cli import main; main(['--help']); main(['embed', '--help'])") == set()


def test_the_check_above_sees_what_is_loaded() -> None:
    assert "pandas" in loaded_after("import lsm2; lsm2.simulate")


@pytest.mark.parametrize("name", lsm2.__all__)
def test_every_public_name_resolves_and_is_listed(name: str) -> None:
    assert getattr(lsm2, name) is not None
    assert name in dir(lsm2)


def test_functions_stay_functions_once_their_modules_are_imported() -> None:
    modules = "lsm2, lsm2.simulation, lsm2.api, lsm2.days"
    code = f"import {modules}; print(callable(lsm2.simulate), callable(lsm2.coverage))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'embedd'.*embed, fit_probe, load_model"):
        lsm2.embedd  # noqa: B018
