"""Hooks of MkDocs: pages that lie elsewhere in the checkout, or are no Markdown, become pages of the site.

A bundle's card is ``bundles/<bundle>/docs/README.md``, and the notebook is shown as text and code. Links to them are
written for the checkout; here they lead to the pages of the site.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
# Path in the checkout -> page of the site.
NOTEBOOK = "docs/tutorials/python.ipynb"
PAGES = {NOTEBOOK: "tutorials/python.md"} | {
    path.relative_to(ROOT).as_posix(): f"cards/{path.parts[-3]}.md" for path in ROOT.glob("bundles/*/docs/README.md")
}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not Markdown files of docs/."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=notebook(text) if source == NOTEBOOK else text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links to those files into links to their pages."""
    here = posixpath.dirname(page.file.src_uri)

    def replaced(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", here, link[1]))
        return f"]({posixpath.relpath(PAGES[target], here or '.')})" if target in PAGES else link[0]

    return re.sub(r"\]\(([^)\s#]+)\)", replaced, markdown)


def notebook(text: str) -> str:
    """A notebook's cells as Markdown, code in blocks; outputs are not kept in the checkout."""
    cells = [("".join(cell["source"]), cell["cell_type"]) for cell in json.loads(text)["cells"]]
    return "\n\n".join(f"```python\n{source}\n```" if kind == "code" else source for source, kind in cells) + "\n"
