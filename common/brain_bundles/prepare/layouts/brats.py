"""BraTS of any year: a folder per patient (2018 to 2021), or per patient and time (since 2023).

2018 to 2021: ``BraTS2021_00000/BraTS2021_00000_t1ce.nii.gz``, in folders such as HGG. Since 2023:
``BraTS-GLI-00000-000/BraTS-GLI-00000-000-t1c.nii.gz``, whose last number is the visit.
"""

from __future__ import annotations

import re
from pathlib import Path

from brain_bundles.prepare.layouts.files import images, known_contrast, walk
from brain_bundles.prepare.layouts.table import add_row, number_or_text, read_cells
from brain_bundles.prepare.scans import Download, Scan, label

_OLD = re.compile(r"(brats[a-z0-9]*(?:_[A-Za-z0-9]+)+)_(?:t1|t1ce|t2|flair|seg)$", re.IGNORECASE)
_NEW = re.compile(r"(brats-[a-z]+-[a-z0-9]+)-(\d+)-(?:t1n|t1c|t2w|t2f|seg)$", re.IGNORECASE)
_ID_COLUMNS = (
    "brats18id",
    "brats19id",
    "brats20id",
    "brats21id",
    "brats_2019_subject_id",
    "brats_2020_subject_id",
    "id",
)


def matches(root: Path) -> bool:
    """True if there is an image with a name of BraTS."""
    return any(_OLD.match(stem) or _NEW.match(stem) for _, stem in images(root))


def read(root: Path, work_dir: Path) -> Download:
    """Read the images, and ages from survival_data.csv or the like where there is one."""
    download = Download()
    for path, stem in images(root):
        old, new = _OLD.match(stem), _NEW.match(stem)
        if not old and not new:
            download.left_out.append(("not a name of BraTS", str(path)))
        elif found := known_contrast(path, stem, download):
            name = new or old
            assert name is not None
            session = f"ses-{new[2]}" if new else None
            download.scans.append(Scan(f"sub-{label(name[1])}", session, found[0], path))
    there = {scan.participant_id for scan in download.scans}
    for path in walk(root):
        if path.suffix.lower() == ".csv" and "surviv" in path.name.lower():
            for cells in read_cells(path):
                text = next((cells[name] for name in _ID_COLUMNS if cells.get(name)), "")
                if text and (person := f"sub-{label(text)}") in there:
                    add_row(download, person, {"age": number_or_text(cells.get("age"))}, path.name)
    return download
