"""The contrast that a file's name says. The one place that knows spellings here."""

from __future__ import annotations

import re

# The end of a name -> what it is, in lower case.
_SPELLINGS = {
    "t1": "T1w", "t1w": "T1w", "t1n": "T1w", "mprage": "T1w", "mpr": "T1w", "spgr": "T1w", "bravo": "T1w",
    "t1ce": "ce-gadolinium_T1w", "t1c": "ce-gadolinium_T1w", "t1gd": "ce-gadolinium_T1w", "t1post": "ce-gadolinium_T1w",
    "t2": "T2w", "t2w": "T2w",
    "flair": "FLAIR", "t2f": "FLAIR", "t2flair": "FLAIR", "t2-flair": "FLAIR", "t2_flair": "FLAIR",
    "pd": "PDw", "pdw": "PDw",
    "mra": "angio", "tof": "angio", "angio": "angio",
    "swi": "swi",
    "brain_mask": "brain mask", "brainmask": "brain mask",
    "seg": "segmentation", "dseg": "segmentation", "probseg": "segmentation", "segmentation": "segmentation",
    "mask": "mask",
}  # fmt: skip


def contrast_of(stem: str) -> tuple[str, str] | None:
    """What a file is by the end of its name without .nii.gz, and the rest of the name; None for an unknown ending."""
    for ending in sorted(_SPELLINGS, key=len, reverse=True):
        if match := re.fullmatch(rf"(.*?)(?:^|[-_. ]){re.escape(ending)}", stem, re.IGNORECASE):
            return _SPELLINGS[ending], match[1]
    return None


def stem_of(name: str) -> str | None:
    """Name of a NIfTI file without its ending, in any case; None for other files."""
    match = re.fullmatch(r"(.+?)\.nii(\.gz)?", name, re.IGNORECASE)
    return match[1] if match and not name.startswith(".") else None
