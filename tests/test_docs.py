"""The documentation site's own code: complete reference, links turned, nothing linked or loaded in vain."""

from __future__ import annotations

import logging
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import lsm2

pytest.importorskip("mkdocs", reason="needs pip install 'lsm2[docs]'")
pytest.importorskip("griffe", reason="needs pip install 'lsm2[docs]'")
DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def hooks() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(DOCS / "hooks.py")))


@pytest.fixture(scope="module")
def docstrings() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(DOCS / "docstrings.py")))


def test_the_reference_has_every_public_name(hooks: SimpleNamespace) -> None:
    from lsm2 import evaluation, figures, scale, sklearn, training

    text = "".join(page for place, (page, _) in hooks.generated().items() if place.startswith("reference/"))
    listed = {line[4:] for line in text.splitlines() if line.startswith("::: ")}
    names = {f"lsm2.{name}" for name in lsm2.__all__ if name != "__version__"}
    for module in (evaluation, figures, scale, sklearn, training):
        names |= {f"{module.__name__}.{name}" for name in module.__all__}
    assert names <= listed


def test_cards_examples_and_results_have_pages(hooks: SimpleNamespace) -> None:
    pages = hooks.generated()
    assert {"models/lsm2-small.md", "models/lsm2-small/sleep.md", "examples/fill_gaps.md"} <= set(pages)
    nav = hooks._expand([{"Results": ["results/"]}, {"Cards": "models/"}])
    assert nav[0]["Results"][0] == "results/index.md"
    tables = {page for item in nav[0]["Results"][1:] for page in item.values()}
    assert tables == {path.relative_to(DOCS).as_posix() for path in (DOCS / "results").glob("**/*.md")}
    cards = nav[1]["Cards"]
    assert cards.index("models/lsm2-small/sleep.md") < cards.index("models/lsm2-small-open.md")


@pytest.mark.parametrize(
    ("target", "origin", "place", "expected"),
    [
        ("filling.md#how", "docs/report.md", "report.md", "filling.md#how"),
        ("../examples/fill_gaps.py", "docs/cohort.md", "cohort.md", "examples/fill_gaps.md"),
        ("../../lsm2/weights/lsm2-small/README.md", "docs/a/b.md", "a/b.md", "../models/lsm2-small.md"),
        ("docs/openmhc.md#how-exact", "README.md", "results/index.md", "../openmhc.md#how-exact"),
        ("../lsm2-small/README.md", "lsm2/weights/x/README.md", "models/x.md", "lsm2-small.md"),
        ("https://arxiv.org/abs/2506.05321", "docs/paper.md", "paper.md", "https://arxiv.org/abs/2506.05321"),
        ("#top", "docs/paper.md", "paper.md", "#top"),
    ],
)
def test_links_of_the_repository_become_links_of_the_site(
    hooks: SimpleNamespace, target: str, origin: str, place: str, expected: str
) -> None:
    assert hooks.turned(target, origin, place) == expected


def test_a_link_to_what_the_site_lacks_is_a_warning(
    hooks: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        hooks.turned("../pyproject.toml", "docs/paper.md", "paper.md")
    assert "docs/paper.md: the link to ../pyproject.toml leads to no page" in caplog.text


def test_figures_stand_under_their_table(hooks: SimpleNamespace) -> None:
    page: Any = SimpleNamespace(file=SimpleNamespace(src_uri="results/probes/table.md"), meta={"tags": []})
    text = hooks.on_page_markdown("# Probes\n\n[curve]: removed.png\n", page, None, None)
    assert text.endswith("## Figures\n\n![few labels](few-labels.png)\n\n![removed](removed.png)\n")
    assert "[curve]: removed.png" in text and page.meta == {}


def test_a_page_that_loads_from_elsewhere_is_a_warning(
    hooks: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    page: Any = SimpleNamespace(file=SimpleNamespace(src_uri="paper.md"))
    with caplog.at_level(logging.WARNING):
        hooks.on_post_page('<a href="https://arxiv.org">x</a><img src="figures/day.png">', page, None)
        assert caplog.text == ""
        hooks.on_post_page('<script src="//cdn.example.org/x.js"></script>', page, None)
    assert "paper.md: loads from another host" in caplog.text


def test_arguments_that_share_an_entry_are_separated(docstrings: SimpleNamespace) -> None:
    text = "Do.\n\nArgs:\n    a, b: Two\n        lines.\n    c: One.\n\nReturns:\n    x, y: As they are."
    expected = (
        "Do.\n\nArgs:\n    a: Two\n        lines.\n    b: Two\n        lines.\n    c: One.\n\nReturns:\n"
    )
    assert docstrings.separate(text) == expected + "    x, y: As they are."


def test_roles_become_links_where_there_is_a_page(docstrings: SimpleNamespace) -> None:
    assert docstrings.link("embed") == "[`embed`][lsm2.embed]"
    assert docstrings.link("lsm2.Model.save") == "[`lsm2.Model.save`][lsm2.Model.save]"
    assert docstrings.link("lsm2.sklearn.split") == "[`lsm2.sklearn.split`][lsm2.sklearn.split]"
    assert docstrings.link("_hidden") == "`_hidden`"
