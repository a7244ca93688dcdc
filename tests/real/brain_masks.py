"""Methods of brain extraction on real heads: Dice against reference masks, or against each other, and seconds.

    python tests/real/brain_masks.py REFERENCES [--methods segmenter deepbet]
    python tests/real/brain_masks.py --scans HEAD_T1w.nii.gz ... [--picture PATH]

REFERENCES is the folder that segmenter_references.py wrote. ``--scans`` have no reference: Dice is between the first
method and each other one, and the picture shows the brain of each method.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from brain_bundles.data.read_image import Image, read_image, to_ras
from brain_bundles.transforms.brain_extraction import METHODS, BrainExtractionError, Mask, extract_brain
from brain_bundles.visualize import save_montage


def dice(one: Mask, other: Mask) -> float:
    return 2 * float((one & other).sum() / (one.sum() + other.sum()))


def timed_mask(image: Image, contrast: str, method: str) -> tuple[Mask, float]:
    began = time.perf_counter()
    mask, _ = extract_brain(image.voxels, image.affine, contrast, method=method)
    return mask, time.perf_counter() - began


def against_references(references: Path, methods: Sequence[str]) -> None:
    print("| method | contrast | Dice, mean (least) | volume, found / reference | seconds | failed |")
    print("| --- | --- | --- | --- | --- | --- |")
    for method, contrast in product(methods, ("T1w", "FLAIR")):
        root = references / f"heads_{contrast}"
        scores, volumes, seconds, failed = [], [], [], 0
        for path in sorted(root.glob(f"sub-*/anat/*_{contrast}.nii.gz")):
            name = path.name.split("_")[0]
            true = np.asarray(nib.load(root / f"derivatives/manual/{name}/anat/{name}_dseg.nii.gz").dataobj) > 0
            try:
                mask, taken = timed_mask(read_image(path), contrast, method)
            except BrainExtractionError as error:
                failed += 1
                print(name, error, file=sys.stderr)
                continue
            seconds.append(taken)
            scores.append(dice(mask, true))
            volumes.append(mask.sum() / true.sum())
        cells = [method, contrast]
        if scores:
            cells += [f"{np.mean(scores):.3f} ({np.min(scores):.3f})", f"{np.mean(volumes):.3f}"]
            cells += [f"{np.mean(seconds):.1f}"]
        else:
            cells += ["", "", ""]
        print("| " + " | ".join([*cells, str(failed)]) + " |", flush=True)


def against_each_other(scans: Sequence[Path], methods: Sequence[str], picture: Path | None) -> None:
    print("| scan | method | volume, mL | Dice with the first method | seconds |")
    print("| --- | --- | --- | --- | --- |")
    shown, labels, spacings = [], [], []
    for path in scans:
        image = to_ras(read_image(path))
        spacing = np.linalg.norm(image.affine[:3, :3], axis=0)
        millilitres = float(spacing.prod()) / 1000
        first: Mask | None = None
        for method in methods:
            mask, taken = timed_mask(image, "T1w", method)
            first = mask if first is None else first
            name = path.name.removesuffix(".nii.gz")
            print(
                f"| {name} | {method} | {mask.sum() * millilitres:.0f} | {dice(mask, first):.3f} | {taken:.1f} |",
                flush=True,
            )
            # Half as bright outside, so that the border shows on both sides.
            scaled = image.voxels / np.percentile(image.voxels, 99.5)
            shown.append(torch.from_numpy((scaled.clip(0, 1) * np.where(mask, 1.0, 0.35)).astype(np.float32)))
            labels.append(f"{name}, {method}")
            spacings.append(spacing)
    if picture:
        save_montage(picture, shown, labels, spacing=spacings, columns=len(methods))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("references", type=Path, nargs="?")
    parser.add_argument("--scans", type=Path, nargs="+", default=[])
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    if given.references:
        against_references(given.references, given.methods)
    if given.scans:
        against_each_other(given.scans, given.methods, given.picture)


if __name__ == "__main__":
    main()
