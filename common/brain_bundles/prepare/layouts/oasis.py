"""OASIS-1: OAS1_0001_MR1/ with RAW and PROCESSED, in discs or not, and oasis_cross-sectional.csv.

The images are Analyze files without an orientation.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import nibabel as nib
import numpy as np

from brain_bundles.prepare.layouts.files import walk
from brain_bundles.prepare.layouts.table import add_row, number_or_text, read_cells
from brain_bundles.prepare.scans import Download, Scan

_VISIT = re.compile(r"OAS1_(\d{4})_MR(\d)$")
# Axes of the sagittal images in RAS+: the first runs to the front, the second to the top, the third to the left. Files
# do not say so; it is how FSL, FreeSurfer and Clinica users read them.
_AXES = np.array([[0, 0, -1], [1, 0, 0], [0, 1, 0]], dtype=float)


def matches(root: Path) -> bool:
    """True if there is a folder of an OASIS-1 visit."""
    return any(_VISIT.match(path.name) for path in [*root.glob("*"), *root.glob("*/*"), root] if path.is_dir())


def read(root: Path, work_dir: Path) -> Download:
    """Read one T1w image per visit: the mean of its scans in native space (SUBJ_111), else the first raw scan."""
    download = Download()
    folders = sorted(path for path in [root, *root.rglob("*")] if path.is_dir() and _VISIT.match(path.name))
    for folder in folders:
        name = _VISIT.match(folder.name)
        assert name is not None
        headers = [path for path in walk(folder) if path.suffix.lower() == ".hdr"]
        mean = [path for path in headers if path.parent.name == "SUBJ_111"]
        raw = [path for path in headers if path.parent.name == "RAW"]
        if not mean + raw:
            download.left_out.append(("no SUBJ_111 and no RAW image", str(folder)))
            continue
        path = (mean + raw)[0]
        scan = Scan(f"sub-OAS1{name[1]}", f"ses-{name[2]}", "T1w", path, functools.partial(oriented, path))
        download.scans.append(scan)
    there = {scan.participant_id for scan in download.scans}
    for table in sorted(path for path in walk(root) if path.suffix == ".csv" and "oasis" in path.name.lower()):
        for cells in read_cells(table):
            found = _VISIT.match(cells.get("id", ""))
            if found and (person := f"sub-OAS1{found[1]}") in there:
                row = {"age": number_or_text(cells.get("age")), "sex": cells.get("m/f") or None}
                add_row(download, person, row, table.name)
    return download


def oriented(path: Path, scratch: Path) -> Path:
    """The Analyze image as NIfTI with its true axes, its middle in the world's origin."""
    image = nib.loadsave.load(path)
    data = np.asarray(image.dataobj)  # type: ignore[attr-defined]
    data = data.reshape(data.shape[:3])
    zooms = np.array([float(mm) for mm in image.header.get_zooms()[:3]])  # type: ignore[attr-defined]
    affine = np.eye(4)
    affine[:3, :3] = _AXES * zooms
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(data.shape) - 1) / 2)
    target = scratch / f"{path.stem}.nii.gz"
    nib.loadsave.save(nib.nifti1.Nifti1Image(data, affine), target)
    return target
