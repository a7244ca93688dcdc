"""What the name of a download's file says: its contrast, or that it is a brain mask or something else."""

from __future__ import annotations

import re

from brain_bundles.data.bids import FOLDERS
from brain_bundles.data.contrast_spellings import split_contrast
from brain_bundles.prepare.scans import MASK

_BRAIN_MASK = re.compile(r"(.*?)(?:^|[-_. ])(?:desc-)?brain[-_]?mask", re.IGNORECASE)


def contrast_of(stem: str) -> tuple[str, str] | None:
    """What a file is by the end of its name without .nii.gz, and the rest of the name; None for an unknown ending.

    It is a contrast of :data:`~brain_bundles.data.bids.FOLDERS`, ``brain mask``, or a phrase, such as "a segmentation".
    """
    if match := _BRAIN_MASK.fullmatch(stem):
        return MASK, match[1]
    found, rest = split_contrast(f"{stem}.nii.gz")
    return None if found is None else (found, rest)


def is_contrast(found: str) -> bool:
    """Return True for a contrast, False for a brain mask or another kind of file."""
    return re.sub(r"^([a-z]+-[A-Za-z0-9]+_)+", "", found) in FOLDERS or found in FOLDERS


def stem_of(name: str) -> str | None:
    """Name of a NIfTI file without its ending, in any case; None for other files."""
    match = re.fullmatch(r"(.+?)\.nii(\.gz)?", name, re.IGNORECASE)
    return match[1] if match and not name.startswith(".") else None
