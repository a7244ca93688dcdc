"""Datasets that the segmenter can be scored on, from the real scans: labels on the grid of the scans, as BIDS.

python tests/real/segmenter_references.py REAL OUT

``REAL`` is the folder of the real scans. Three datasets are written into ``OUT``, with scans as links:

- ``heads``: T1w and FLAIR of 15 older adults as scanned. The segmentation of the preprocessed brains is carried over by
  a rigid registration of each raw scan to the preprocessed one.
- ``brains``: the preprocessed, brain-extracted scans with the same labels.
- ``oasis``: 15 young adults, brain-extracted, manual labels. Cortex that the tissue labels call CSF is 1000. The same
  with FreeSurfer's numbers, without CSF, stands beside it as ``freesurfer``.

Numbers of heads and brains: 1 lateral ventricles, 2 third and fourth, 3 the rest of the brain with the CSF of its
sulci, 4 the rest of the mask. Volumes of the brain without CSF stand in participants.tsv, which is copied.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from brain_bundles.data.brain_classes import BRAIN_CLASSES
from brain_bundles.prepare.registration import register
from brain_bundles.prepare.volume import Volume, read_volume
from scipy import ndimage

CSF, CORTEX_CSF = 4, 1000
CORTEX = list(range(100, 208))
# Class of the segmenter -> numbers of the manual labels.
OASIS = {
    "white_matter": [44, 45],
    "cortex": CORTEX,
    "lateral_ventricle": [49, 50, 51, 52],
    "third_ventricle": [4],
    "fourth_ventricle": [11],
    "cerebellar_white_matter": [40, 41],
    "cerebellar_cortex": [38, 39, 71, 72, 73],
    "thalamus": [59, 60],
    "caudate": [36, 37],
    "putamen": [57, 58],
    "pallidum": [55, 56],
    "accumbens": [23, 30],
    "hippocampus": [47, 48],
    "amygdala": [31, 32],
    "brainstem": [35],
    "ventral_diencephalon": [61, 62],
    "csf": [46],
}
DESCRIPTION = '{"Name": "labels for the segmenter", "BIDSVersion": "1.10.0"}'


def write(
    out: Path, name: str, contrast: str, scan: Path, labels: np.ndarray, affine: np.ndarray, participants: Path
) -> None:
    """One person of one dataset: each contrast is a dataset, as labels lie on its grid."""
    root = out / f"{name}_{contrast}"
    link = root / scan.parent.parent.name / "anat" / scan.name
    link.parent.mkdir(parents=True, exist_ok=True)
    (root / "dataset_description.json").write_text(DESCRIPTION, encoding="utf-8")
    shutil.copy(participants, root / "participants.tsv")
    link.unlink(missing_ok=True)
    link.symlink_to(scan.resolve())
    write_labels(root, "manual", scan.parent.parent.name, labels, affine)


def write_labels(root: Path, kind: str, person: str, labels: np.ndarray, affine: np.ndarray) -> None:
    """A segmentation of one person as a derivative."""
    file = root / "derivatives" / kind / person / "anat" / f"{person}_dseg.nii.gz"
    file.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(labels.astype(np.int16), affine), file)


def freesurfer(labels: np.ndarray) -> np.ndarray:
    """FreeSurfer's numbers of manual labels; both sides get that of the left. CSF is labelled in parts, so left out."""
    found = np.zeros_like(labels)
    for name, numbers in OASIS.items():
        if name != "csf":
            found[np.isin(labels, numbers)] = BRAIN_CLASSES[name].left[0]
    return found


def carried(labels: np.ndarray, affine: np.ndarray, to: Volume, matrix: np.ndarray) -> np.ndarray:
    """Labels on the grid of ``to``, by the largest fraction; ``matrix`` leads from their RAS+ mm to its own."""
    there = np.linalg.inv(affine) @ np.linalg.inv(matrix) @ to.affine
    best, most = np.zeros(to.data.shape, dtype=np.int16), np.full(to.data.shape, 0.0)
    for number in np.unique(labels):
        part = ndimage.affine_transform(
            (labels == number).astype(np.float32), there[:3, :3], there[:3, 3], to.data.shape, order=1
        )
        larger = part > most
        best[larger], most[larger] = number, part[larger]
    return best


def older_adults(real: Path, out: Path) -> None:
    """Heads and brains of t1_flair."""
    table = real / "t1_flair" / "participants.tsv"
    for folder in sorted((real / "t1_flair").glob("sub-*")):
        own = real / "t1_flair/derivatives/preproc" / folder.name / "anat"
        mask = read_volume(own / f"{folder.name}_desc-brain_mask.nii.gz")
        dseg = read_volume(own / f"{folder.name}_dseg.nii.gz").data.astype(np.int16)
        labels = np.where((dseg == 0) & (mask.data > 0), CSF, dseg)
        near = ndimage.binary_dilation(mask.data > 0, iterations=3)
        for contrast in ("T1w", "FLAIR"):
            brain = own / f"{folder.name}_{contrast}.nii.gz"
            raw = folder / "anat" / f"{folder.name}_{contrast}.nii.gz"
            write(out, "brains", contrast, brain, labels, mask.affine, table)
            scan = read_volume(raw)
            found = register(read_volume(brain), scan, near)
            write(out, "heads", contrast, raw, carried(labels, mask.affine, scan, found.matrix), scan.affine, table)
        print(folder.name, flush=True)


def young_adults(real: Path, out: Path) -> None:
    """Oasis; cortex without the CSF of the tissue labels."""
    for folder in sorted((real / "oasis").glob("sub-*")):
        own = folder / "anat"
        manual = read_volume(own / f"{folder.name}_label-neuromorphometrics_dseg.nii.gz")
        tissue = read_volume(own / f"{folder.name}_label-tissue_dseg.nii.gz").data
        labels = manual.data.astype(np.int16)
        labels[(labels >= 100) & (tissue <= 1)] = CORTEX_CSF
        scan = own / f"{folder.name}_T1w.nii.gz"
        write(out, "oasis", "T1w", scan, labels, manual.affine, real / "oasis" / "participants.tsv")
        write_labels(out / "oasis_T1w", "freesurfer", folder.name, freesurfer(labels), manual.affine)


if __name__ == "__main__":
    older_adults(Path(sys.argv[1]), Path(sys.argv[2]))
    young_adults(Path(sys.argv[1]), Path(sys.argv[2]))
