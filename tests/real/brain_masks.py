"""Methods of brain extraction on the heads of older adults: Dice against the reference masks, and seconds.

python tests/real/brain_masks.py REFERENCES [METHOD ...]

``REFERENCES`` is the folder that segmenter_references.py wrote.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
from brain_bundles.data.read_image import read_image
from brain_bundles.transforms.brain_extraction import METHODS, BrainExtractionError, extract_brain


def main(references: Path, methods: list[str]) -> None:
    print("| method | contrast | Dice, mean (least) | volume, found / reference | seconds | failed |")
    print("|---|---|---|---|---|---|")
    for method in methods:
        for contrast in ("T1w", "FLAIR"):
            root = references / f"heads_{contrast}"
            dice, volumes, seconds, failed = [], [], [], 0
            for path in sorted(root.glob(f"sub-*/anat/*_{contrast}.nii.gz")):
                image = read_image(path)
                name = path.name.split("_")[0]
                true = np.asarray(nib.load(root / f"derivatives/manual/{name}/anat/{name}_dseg.nii.gz").dataobj) > 0
                began = time.perf_counter()
                try:
                    mask, _ = extract_brain(image.voxels, image.affine, contrast, method=method)
                except BrainExtractionError as error:
                    failed += 1
                    print(name, error, file=sys.stderr)
                    continue
                seconds.append(time.perf_counter() - began)
                dice.append(2 * (mask & true).sum() / (mask.sum() + true.sum()))
                volumes.append(mask.sum() / true.sum())
            print(
                f"| {method} | {contrast} | {np.mean(dice):.3f} ({np.min(dice):.3f}) | {np.mean(volumes):.3f} "
                f"| {np.mean(seconds):.1f} | {failed} |",
                flush=True,
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or list(METHODS))
