"""IXI: a folder per contrast with IXI002-Guys-0828-T1.nii.gz, and IXI.xls or a csv of it."""

from __future__ import annotations

import re
from pathlib import Path

from brain_bundles.prepare.layouts.files import images, known_contrast, walk
from brain_bundles.prepare.layouts.table import add_table
from brain_bundles.prepare.scans import Download, Scan

_NAME = re.compile(r"(IXI\d{3,})-[A-Za-z]+-\d+-", re.IGNORECASE)


def matches(root: Path) -> bool:
    """True if there is an image with a name of IXI."""
    return any(_NAME.match(path.name) for path, _ in images(root))


def read(root: Path, work_dir: Path) -> Download:
    """Read the images and the table, in which sex is 1 for men and 2 for women. Diffusion images are left out."""
    download = Download()
    for path, stem in images(root):
        name = _NAME.match(path.name)
        if name is None:
            download.left_out.append(("not a name of IXI", str(path)))
        elif found := known_contrast(path, stem, download):
            download.scans.append(Scan(_person(name[1]), None, found[0], path))
    for path in walk(root):
        if path.suffix.lower() in (".xls", ".csv", ".tsv") and "ixi" in path.name.lower():
            add_table(download, path, lambda text: _person(text), sexes=("M", "F"))
            break
    return download


def _person(text: str) -> str:
    """sub-IXI002 of "IXI002", and of the 2 in the table."""
    digits = re.sub(r"\D", "", text)
    return f"sub-IXI{int(digits):03d}" if digits else f"sub-{text}"
