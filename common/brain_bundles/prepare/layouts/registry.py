"""The layouts by name, in the order in which they are tried."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from brain_bundles.prepare.layouts import bids, brats, dicom, folder, ixi, oasis, rire, uk_biobank
from brain_bundles.prepare.layouts.files import add_masks
from brain_bundles.prepare.layouts.table import add_table
from brain_bundles.prepare.scans import Download


@dataclass(frozen=True)
class Layout:
    """A layout.

    Attributes:
        matches: True if a folder is of this layout.
        read: folder and a folder for converted images to what is in it.
        looks_like: what a user sees of it, for messages.
    """

    matches: Callable[[Path], bool]
    read: Callable[[Path, Path], Download]
    looks_like: str


LAYOUTS: Mapping[str, Layout] = {
    "ixi": Layout(ixi.matches, ixi.read, "IXI002-Guys-0828-T1.nii.gz, IXI.xls"),
    "oasis": Layout(oasis.matches, oasis.read, "OAS1_0001_MR1/RAW"),
    "uk_biobank": Layout(uk_biobank.matches, uk_biobank.read, "1000001_20252_2_0.zip"),
    "rire": Layout(rire.matches, rire.read, "patient_001/mr_T1/header.ascii"),
    "brats": Layout(
        brats.matches, brats.read, "BraTS2021_00000/BraTS2021_00000_t1.nii.gz, BraTS-GLI-00000-000-t1n.nii.gz"
    ),
    "bids": Layout(bids.matches, bids.read, "sub-01/anat/sub-01_T1w.nii.gz"),
    "dicom": Layout(dicom.matches, dicom.read, "folders of DICOM files"),
    "folder": Layout(folder.matches, folder.read, "name_T1.nii.gz, or a folder per patient with T1.nii.gz"),
}


def detect(root: Path) -> str:
    """Name of the layout of a folder.

    Raises:
        FileNotFoundError: if there is no such folder, or nothing that a layout knows.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder.")
    for name, layout in LAYOUTS.items():
        if layout.matches(root):
            return name
    known = "; ".join(f"{name}: {layout.looks_like}" for name, layout in LAYOUTS.items())
    raise FileNotFoundError(f"{root}: no layout is recognised. Known are {known}.")


def read_download(
    root: Path,
    layout: str | None = None,
    *,
    work_dir: Path,
    table: str | os.PathLike[str] | None = None,
    mask: str | None = None,
) -> Download:
    """Read a download.

    Args:
        root: its folder.
        layout: its layout; None detects it.
        work_dir: folder for images that must be converted to be seen at all (DICOM).
        table: table of ages and sexes that replaces the layout's own.
        mask: ending of the names of brain masks beside the images.

    Raises:
        ValueError: for an unknown layout, or a table that cannot be read.
        FileNotFoundError: see :func:`detect`.
    """
    if layout is not None and layout not in LAYOUTS:
        raise ValueError(f"layout is {layout!r}, known are {', '.join(LAYOUTS)}.")
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder.")
    download = LAYOUTS[layout or detect(root)].read(root, work_dir)
    if table is not None:
        add_table(download, Path(table))
    if mask is not None:
        add_masks(download, mask)
    return download
