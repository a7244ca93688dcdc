"""Files of a download: images below a folder, members of archives, masks by their ending."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from brain_bundles.prepare.scans import MASK, Download
from brain_bundles.prepare.spelling import contrast_of, is_contrast, stem_of


def walk(root: Path) -> Iterator[Path]:
    """Every file below a folder in order, without hidden ones; links are followed."""
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def images(root: Path) -> Iterator[tuple[Path, str]]:
    """Every NIfTI file below a folder with its name without ending."""
    for path in walk(root):
        if stem := stem_of(path.name):
            yield path, stem


def known_contrast(path: Path, stem: str, download: Download) -> tuple[str, str] | None:
    """Contrast and rest of the name; None for other files, which are noted in ``download``."""
    found = contrast_of(stem)
    if found is None:
        download.left_out.append(("its name does not end in a contrast", str(path)))
    elif found[0] != MASK and not is_contrast(found[0]):
        download.left_out.append((found[0], str(path)))
    else:
        return found
    return None


def unzip(archive: Path, member: str, scratch: Path) -> Path:
    """A file of a zip archive, written into ``scratch``."""
    target = scratch / f"{archive.stem}_{Path(member).name}"
    with zipfile.ZipFile(archive) as file, file.open(member) as source, open(target, "wb") as copy:
        shutil.copyfileobj(source, copy)
    return target


def add_masks(download: Download, ending: str) -> None:
    """Take files as brain masks that lie beside an image and whose names end in ``ending``.

    A mask is of the visit whose image begins as the mask's name does, as far as the contrast; where these are images of
    several people, it is left out and named.
    """
    ending = stem_of(ending) or ending
    masks = [scan for scan in download.scans if scan.path.name.endswith((f"{ending}.nii.gz", f"{ending}.nii"))]
    download.scans = [scan for scan in download.scans if scan not in masks]
    here = [scan for scan in download.scans if scan.fetch is None]
    for folder in sorted({scan.path.parent for scan in [*here, *masks]}):
        for path, stem in images(folder):
            if path.parent != folder or not stem.endswith(ending):
                continue
            start = stem.removesuffix(ending).rstrip("-_. ")
            # p1 is not the beginning of p10; a mask without a name is that of the only person of its folder.
            begins = re.compile(re.escape(start) + r"(?![A-Za-z0-9])" if start else "")
            fitting = [scan for scan in here if scan.path.parent == folder and begins.match(scan.path.name)]
            if len({scan.participant_id for scan in fitting}) == 1:
                download.scans.append(replace(fitting[0], contrast=MASK, path=path, entities={}))
            else:
                download.left_out.append(("a mask of no image", str(path)))
