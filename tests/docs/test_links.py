"""Links of every page lead somewhere in the checkout, and so do the names of pages in code, configs and cards."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CARDS = sorted(ROOT.glob("bundles/*/docs/README.md"))
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *DOCS.rglob("*.ipynb"), *CARDS])
NAMED = re.compile(r"\bdocs/(?:tutorials|how-to|reference|explanation|training|images)/[\w/-]+\.\w+")


def prose(path: Path) -> str:
    """The text of a page or of a notebook's cells, without code blocks and code spans."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    text = re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "code", text)


def links(text: str) -> list[str]:
    """Targets within the checkout, as they are written."""
    targets = re.findall(r"\]\(<?([^)\s>]+)", text)
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def anchors(path: Path) -> set[str]:
    """The anchors that headings have on a forge: lower case, no punctuation, a hyphen for each space."""
    text = re.sub(r"^ *```.*?^ *```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.+?) *$", text, flags=re.M):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        assert slug not in found, f"{path}: two headings have the anchor {slug}, which sites number in different ways"
        found.add(slug)
    return found


def broken(path: Path, text: str) -> Iterator[str]:
    for link in links(text):
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists():
            yield f"{link}: no such file"
        elif anchor and (target.suffix != ".md" or anchor not in anchors(target)):
            yield f"{link}: no such heading"


@pytest.mark.parametrize("path", PAGES, ids=[str(path.relative_to(ROOT)) for path in PAGES])
def test_links_lead_to_files_and_headings(path):
    assert list(broken(path, prose(path))) == []


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "there.md").write_text("# A title\n\n## Its 2nd part, `quoted`\n\n```\n# no heading\n```\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) ![b](gone.png) [c](there.md#its-2nd-part-quoted) [d](there.md#no-heading) [e](#here)\n"
        "# Here\n`[f](gone.md)` [g](https://example.org/gone.md)\n```\n[h](gone.md)\n```\n"
    )
    assert list(broken(page, prose(page))) == ["gone.png: no such file", "there.md#no-heading: no such heading"]


def test_names_of_pages_in_code_and_configs_exist():
    paths = [path for folder in ("common", "bundles", "tests", ".github") for path in (ROOT / folder).rglob("*")]
    paths += [ROOT / "pyproject.toml", ROOT / "Makefile", ROOT / "mkdocs.yml", ROOT / "CONTRIBUTING.md"]
    named = {
        name
        for path in paths
        if path.suffix in {".py", ".json", ".toml", ".yml", ".md", ".sh"} or path.name == "Makefile"
        if not {"output", "data", "cache"} & set(path.relative_to(ROOT).parts[2:3])  # what runs have written
        for name in NAMED.findall(path.read_text(encoding="utf-8"))
    }
    assert len(named) > 10
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


@pytest.mark.parametrize("path", CARDS, ids=[path.parts[-3] for path in CARDS])
def test_a_card_links_to_nothing_outside_of_its_zip(path):
    """A zip has no page of the collection: cards name these in words."""
    bundle = path.parents[1]
    assert [link for link in links(prose(path)) if bundle not in (path.parent / link).resolve().parents] == []


def test_every_picture_is_on_a_page():
    shown = {
        (path.parent / link).resolve()
        for path in PAGES
        for link in re.findall(r"\]\(([^)\s]+)", path.read_text(encoding="utf-8"))
    }
    assert [path.name for path in sorted((DOCS / "images").iterdir()) if path not in shown] == []
