"""A folder of NIfTI files whose names end in the contrast, or a folder per patient with T1.nii.gz."""

from __future__ import annotations

from pathlib import Path

from brain_bundles.prepare.layouts.files import images, known_contrast
from brain_bundles.prepare.layouts.table import add_table
from brain_bundles.prepare.scans import Download, Scan, label


def matches(root: Path) -> bool:
    """True if there is a NIfTI file."""
    return any(True for _ in images(root))


def read(root: Path, work_dir: Path) -> Download:
    """Read the images. What stands before the contrast names the person; if nothing does, the folder does.

    ``participants.tsv`` or ``participants.csv`` in the folder has ages and sexes.
    """
    download = Download()
    for path, stem in images(root):
        if found := known_contrast(path, stem, download):
            contrast, rest = found
            name = rest.strip("-_. ").removeprefix("sub-") or path.parent.relative_to(root).as_posix()
            if not name or name == ".":
                download.left_out.append(("no name of a person", str(path)))
                continue
            person, session = _visit(name)
            download.scans.append(Scan(person, session, contrast, path))
    for table in (root / "participants.tsv", root / "participants.csv"):
        if table.is_file():
            add_table(download, table)
            break
    return download


def _visit(name: str) -> tuple[str, str | None]:
    person, _, session = name.partition("_ses-")
    return f"sub-{label(person)}", f"ses-{label(session)}" if session else None
