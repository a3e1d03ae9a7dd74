"""What MkDocs adds to docs/: pages made from the code, the weights, the examples and the results.

Links in Markdown are written for the repository, so that they work there; those that leave docs/ are turned
to the site's page of the same file. A link to nothing is a warning, which ``mkdocs build --strict`` refuses.
"""

from __future__ import annotations

import ast
import logging
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
log = logging.getLogger("mkdocs.hooks.lsm2")

# Pages of the API reference: the public names of lsm2, and the modules whose names are listed as they are.
NAMES = {
    "recordings": (
        "Recordings",
        "embed reconstruct predict coverage describe mask_nonwear simulate write_report",
    ),
    "models": ("Models", "load_model Model calibrate finetune"),
    "probes": ("Probes", "fit_probe load_probe Probe"),
    "readers": (
        "Readers",
        "read_apple_health read_fitbit read_garmin read_empatica read_oura read_health_connect "
        "read_samsung read_actigraph read_table",
    ),
    "channels": ("Channels", "CHANNELS Channel Schema"),
}
MODULES = {
    "figures": "lsm2/figures/__init__.py",
    "sklearn": "lsm2/sklearn.py",
    "evaluation": "lsm2/evaluation/__init__.py",
    "training": "lsm2/training/__init__.py",
    "scale": "lsm2/scale/__init__.py",
}
LINK = re.compile(r"(\]\(|^\[[^\]]+\]: )([^)\s]+)", re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the generated pages into the navigation."""
    config.nav = _expand(config.nav or [])
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to the site."""
    for place, (text, _) in generated().items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links at the site's own pages, and show the figures that lie beside a table of results."""
    place = page.file.src_uri
    page.meta.pop("tags", None)
    origin = generated().get(place, ("", f"docs/{place}"))[1]
    folder = ROOT / posixpath.dirname(origin)
    if re.fullmatch(r"docs/results/[^/]+/table\.md", origin):
        figures = sorted(path.name for path in folder.glob("*.png"))
        pictures = "\n\n".join(f"![{name[:-4].replace('-', ' ')}]({name})" for name in figures)
        markdown += f"\n\n## Figures\n\n{pictures}\n" if figures else ""
    return LINK.sub(lambda link: link.group(1) + turned(link.group(2), origin, place), markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Refuse a page that would load anything from another host."""
    for tag in re.findall(r"<(?:script|img|iframe|link)\b[^>]*>", output):
        if re.search(r"(?:src|href)=[\"']?(?:https?:)?//", tag) and "canonical" not in tag:
            log.warning("%s: loads from another host: %s", page.file.src_uri, tag)
    return output


def turned(target: str, origin: str, place: str) -> str:
    """Return a link of the repository's file ``origin`` as one of the site's page ``place``."""
    if re.match(r"[a-z]+:|#", target):
        return target
    path, hash_, anchor = target.partition("#")
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))
    pages = {source: page for page, (_, source) in generated().items()}
    there = pages.get(wanted) or (wanted.removeprefix("docs/") if wanted.startswith("docs/") else None)
    if there is None:
        log.warning("%s: the link to %s leads to no page of the site", origin, target)
        return target
    return posixpath.relpath(there, posixpath.dirname(place) or ".") + hash_ + anchor


_pages: dict[str, tuple[str, str]] = {}


def generated() -> dict[str, tuple[str, str]]:
    """Return {page: (Markdown, the repository's file that it is made of)}."""
    if not _pages:
        _pages.update(_reference() | _copies() | _examples())
        _pages["results/index.md"] = (_results(), "README.md")
    return _pages


def _expand(nav: list[Any]) -> list[Any]:
    """Replace ``folder/`` by its pages."""
    result: list[Any] = []
    for item in nav:
        ((title, value),) = item.items() if isinstance(item, dict) else [(None, item)]
        if isinstance(value, list):
            value = _expand(value)
        elif value.endswith("/"):
            pages = _folder(value)
            if title is None:
                result += pages
                continue
            value = pages
        result.append(value if title is None else {title: value})
    return result


def _folder(folder: str) -> list[Any]:
    titles = _tables() if folder == "results/" else {}
    pages = {*titles, *(page for page in generated() if page.startswith(folder))}
    order = [f"{folder}{name}.md" for name in ("index", *NAMES, *MODULES)]

    def place(page: str) -> tuple[int, list[str]]:
        return order.index(page) if page in order else len(order), page[:-3].split("/")

    return [{titles[page]: page} if page in titles else page for page in sorted(pages, key=place)]


def public_names(path: str) -> list[str]:
    """Return ``__all__`` of a module, read without importing it."""
    for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    raise PluginError(f"{path} has no __all__")


def _reference() -> dict[str, tuple[str, str]]:
    placed = [name for _, names in NAMES.values() for name in names.split()]
    public = [name for name in public_names("lsm2/__init__.py") if name != "__version__"]
    if sorted(placed) != sorted(public):
        raise PluginError(f"docs/hooks.py, NAMES: misses or has too much of {set(placed) ^ set(public)}")
    pages = {}
    for page, (title, names) in NAMES.items():
        text = f"# {title}\n\n" + (_channels() if page == "channels" else "")
        text += "".join(f"::: lsm2.{name}\n{_options(name)}\n" for name in names.split())
        pages[f"reference/{page}.md"] = (text, "lsm2/__init__.py")
    for module, path in MODULES.items():
        text = f"# lsm2.{module}\n\n::: lsm2.{module}\n    options:\n      members: []\n"
        text += "      show_root_heading: false\n      show_root_toc_entry: false\n\n"
        text += "".join(f"::: lsm2.{module}.{name}\n{_options(name)}\n" for name in public_names(path))
        pages[f"reference/{module}.md"] = (text, path)
    return pages


def _options(name: str) -> str:
    return "    options:\n      show_attribute_values: false\n" if name.isupper() else ""


def _channels() -> str:
    from lsm2.channels import CHANNELS

    rows = ["| channel | unit | kind | family | valid | also known as |", "|---|---|---|---|---|---|"]
    for channel in CHANNELS.values():
        aliases = ", ".join(f"`{alias}`" for alias in channel.aliases)
        low, high = channel.minimum, channel.maximum
        rows.append(
            f"| `{channel.name}` | {channel.unit} | {channel.kind} | {channel.family} "
            f"| {low:g} to {high:g} | {aliases} |"
        )
    return "\n".join(rows) + "\n\n"


def _copies() -> dict[str, tuple[str, str]]:
    """Model cards and the changelog."""
    pages = {"changelog.md": "CHANGELOG.md"}
    for card in sorted((ROOT / "lsm2" / "weights").glob("**/README.md")):
        parts = card.relative_to(ROOT / "lsm2" / "weights").parent.parts
        name = "/".join(part for part in parts if part != "probes")
        pages[f"models/{name}.md"] = card.relative_to(ROOT).as_posix()
    return {page: ((ROOT / path).read_text(encoding="utf-8"), path) for page, path in pages.items()}


def _examples() -> dict[str, tuple[str, str]]:
    pages = {}
    for path in sorted((ROOT / "examples").glob("*.py")):
        code = path.read_text(encoding="utf-8")
        title = path.stem.replace("_", " ").capitalize().replace("health", "Health")
        text = f"# {title}\n\n`examples/{path.name}`\n\n```python\n{code}```\n"
        pages[f"examples/{path.stem}.md"] = (text, f"examples/{path.name}")
    return pages


def _results() -> str:
    """The README's results, which the evaluate commands wrote, and a list of all pages of results."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = readme.split("<!-- results:begin -->")[1].split("<!-- results:end -->")[0]
    lines = [f"- [{title}](docs/{page})" for page, title in _tables().items()]
    numbers = sorted(path.name for path in (ROOT / "docs" / "results").glob("*.json"))
    files = ", ".join(f"[{name}](docs/results/{name})" for name in numbers)
    return (
        "# Results\n\nEach page is what a command wrote; command, machine and date stand on it.\n\n"
        + "\n".join(lines)
        + f"\n\nNumbers of benchmarks: {files}.\n\n## In short\n\n{block}\n"
    )


def _tables() -> dict[str, str]:
    """Return {page: title} of the results; several have the same heading, so the title says which."""
    found = {}
    for path in sorted((ROOT / "docs" / "results").glob("**/*.md")):
        page = path.relative_to(ROOT / "docs")
        heading = path.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ")
        found[page.as_posix()] = f"{heading} ({Path(page.parts[1]).stem})"
    return found
