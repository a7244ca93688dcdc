"""The pages build as a site without a warning, with every card, the notebook and every public name."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

for package in ("mkdocs", "material", "mkdocstrings", "griffe"):
    pytest.importorskip(package, reason="the extra docs is not installed")
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))
import griffe_extension  # noqa: E402
import site_hooks  # noqa: E402


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def page(site: Path, name: str) -> str:
    return (site / name).read_text(encoding="utf-8")


def test_every_page_is_there(site):
    pages = [path.relative_to(DOCS) for path in DOCS.rglob("*.md")]
    assert len(pages) > 70
    wanted = [path.with_name("index.html") if path.name == "README.md" else path.with_suffix(".html") for path in pages]
    wanted += [Path("cards") / f"{path.parts[-3]}.html" for path in ROOT.glob("bundles/*/docs/README.md")]
    assert [str(path) for path in [*wanted, Path("tutorials/python.html")] if not (site / path).is_file()] == []


def test_nothing_of_the_tools_is_copied(site):
    assert not [*site.rglob("*.py"), *site.rglob("config_words.json")]


def test_pages_load_nothing_from_elsewhere(site):
    loaded = {
        link
        for path in site.rglob("*.html")
        for link in re.findall(r"<(?:script|img|link)[^>]*(?:src|href)=\"?(https?:[^\" >]*)", path.read_text("utf-8"))
    }
    assert loaded == set()


@pytest.mark.parametrize("path", sorted((DOCS / "reference" / "python").glob("*.md")), ids=lambda path: path.stem)
def test_every_public_name_has_its_docstring(site, path):
    names = [
        f"{module}.{name}"
        for module in re.findall(r"^::: (\S+)", path.read_text(encoding="utf-8"), flags=re.M)
        for name in importlib.import_module(module).__all__
        if not isinstance(getattr(importlib.import_module(module), name), (str, int, float, tuple, dict, frozenset))
    ]
    html = page(site, f"reference/python/{'index' if path.stem == 'README' else path.stem}.html")
    assert [name for name in names if f'id="{name}"' not in html] == []
    assert names or path.stem == "README"


def test_every_command_is_listed(site):
    from brain_bundles.cli.command_line import COMMANDS

    html = page(site, "reference/commands.html")
    missing = [name for name, one in COMMANDS.items() if f'id="{one.__module__}.{one.__name__}"' not in html]
    assert missing == []
    assert all(f"<code>{name}</code>" in html for name in COMMANDS)


def test_a_notebook_becomes_text_and_code():
    text = (
        '{"cells": [{"cell_type": "markdown", "source": ["# A\\n", "b"]}, {"cell_type": "code", "source": ["c = 1"]}]}'
    )
    assert site_hooks.notebook(text) == "# A\nb\n\n```python\nc = 1\n```\n"


def test_links_to_cards_and_notebook_lead_to_their_pages():
    here = SimpleNamespace(file=SimpleNamespace(src_uri="how-to/segment_scans.md"))
    text = "[a](../../bundles/brain_mri_segmenter/docs/README.md) [b](../tutorials/python.ipynb) [c](../README.md)"
    assert (
        site_hooks.on_page_markdown(text, here)
        == "[a](../cards/brain_mri_segmenter.md) [b](../tutorials/python.md) [c](../README.md)"
    )


def test_roles_become_code():
    text = "See :class:`~brain_bundles.data.BidsIndex` and :func:`a.b`, not a:b: or ``c``."
    assert griffe_extension.without_roles(text) == "See `BidsIndex` and `a.b`, not a:b: or ``c``."
