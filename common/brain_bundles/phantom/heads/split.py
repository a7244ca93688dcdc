"""Which label maps train, validate and test: fixed, so that no two experiments disagree."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from brain_bundles.utils.seeding import derive_seed

# The 25 maps of SynthSeg (training_seg_01 to 20) and SynthSR (brain1 to 5); the other 17 train.
HELD_OUT: Mapping[str, str] = {
    **dict.fromkeys(("training_seg_03", "training_seg_11", "training_seg_18", "brain2"), "val"),
    **dict.fromkeys(("training_seg_05", "training_seg_08", "training_seg_20", "brain4"), "test"),
}
PUBLISHED = (*(f"training_seg_{i:02d}" for i in range(1, 21)), *(f"brain{i}" for i in range(1, 6)))
SHARE_VAL, SHARE_TEST = 0.16, 0.16  # of other people's maps, by a hash of the name: 4 of 25
ENDINGS = (".nii.gz", ".nii", ".mgz")


def anatomy_name(path: str | os.PathLike[str]) -> str:
    """Name of an anatomy: the file's name without its ending and ``_labels``.

    FreeSurfer and FastSurfer call the file of everybody ``aseg.mgz`` or alike in ``SUBJECT/mri``: there it is the
    subject's name.
    """
    path = Path(path)
    name = path.name
    for ending in ENDINGS:
        name = name.removesuffix(ending)
    if path.parent.name == "mri":
        return path.parent.parent.name
    return name.removesuffix("_labels")


def split_of(name: str) -> str:
    """Split of an anatomy, "train", "val" or "test". Its mirror image has the same name, so it stays on its side."""
    if name in PUBLISHED:
        return HELD_OUT.get(name, "train")
    position = derive_seed("anatomy split", name) / 2**63
    return "val" if position < SHARE_VAL else "test" if position < SHARE_VAL + SHARE_TEST else "train"


def find_label_maps(folder: str | os.PathLike[str]) -> dict[str, Path]:
    """Label maps in a folder and below it, by the name of the anatomy, sorted.

    In a FreeSurfer or FastSurfer subject (``SUBJECT/mri``) the first of aparc+aseg, aparc.DKTatlas+aseg.deep and aseg
    is taken.

    Raises:
        FileNotFoundError: if there is no such folder or no map in it.
        ValueError: if two files have one name.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder; anatomies are label maps (.nii.gz, .nii, .mgz) in a folder.")
    found: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        if path.name.endswith(ENDINGS) and path.is_file() and not path.name.startswith("."):
            if path.parent.name == "mri" and path.name not in SURFER_FILES:
                continue
            found.setdefault(anatomy_name(path), []).append(path)
    if not found:
        raise FileNotFoundError(f"{root}: no label map (.nii.gz, .nii, .mgz) in the folder.")
    maps = {}
    for name, paths in sorted(found.items()):
        paths = sorted(paths, key=lambda path: SURFER_FILES.index(path.name) if path.name in SURFER_FILES else 0)
        if len(paths) > 1 and paths[0].parent.name != "mri":
            raise ValueError(f"{root}: two maps are called {name}: {', '.join(map(str, paths))}; rename one.")
        maps[name] = paths[0]
    return maps


SURFER_FILES = ("aparc+aseg.mgz", "aparc.DKTatlas+aseg.deep.mgz", "aparc.DKTatlas+aseg.mapped.mgz", "aseg.mgz")
