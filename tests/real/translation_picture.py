"""A real scan translated by the weights that ship, and the true contrasts, as a picture for docs/explanation/limits.md.

    python tests/real/translation_picture.py T1w.nii.gz T2w.nii.gz FLAIR.nii.gz docs/images/real_scan.png

The scans are registered, on one grid and brain-extracted. Names of the files do not matter.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import brain_bundles
from brain_bundles.transforms.preprocessing import image_preprocessing
from brain_bundles.utils import read_recipe
from brain_bundles.visualize import save_montage
from monai.transforms import SaveImage

CONTRASTS = ("T1w", "T2w", "FLAIR")


def main(t1: str, t2: str, flair: str, picture: str) -> None:
    """Write the picture: the three scans, then the T1w on the model's grid and what was made of it."""
    translator = brain_bundles.load("brain_mri_adaptive_translator")
    recipe = read_recipe([Path(translator.root) / "models" / "autoencoder.pt"])
    fine = {"spacing": 1.0, "spatial_size": [2 * size for size in recipe["spatial_size"]]}
    scale = recipe["intensity_scale"]
    scanned = image_preprocessing(CONTRASTS, intensity_scale=scale, **fine)(
        dict(zip(CONTRASTS, (t1, t2, flair), strict=True))
    )
    grid = {"spacing": recipe["spacing"], "spatial_size": recipe["spatial_size"]}
    coarse = image_preprocessing("T1w", intensity_scale=scale, **grid)({"T1w": t1})
    with tempfile.TemporaryDirectory() as folder:
        made = {"T1w": t1}
        for name, image in translator.translate(t1, source="T1w", targets=["T2w", "FLAIR"]).items():
            made[name] = str(Path(folder) / f"{name}.nii.gz")
            SaveImage(print_log=False)(image, filename=made[name].removesuffix(".nii.gz"))
        synthesised = image_preprocessing(CONTRASTS, intensity_scale=None, **fine)(made)
    save_montage(
        picture,
        [*(scanned[name][0] for name in CONTRASTS), coarse["T1w"][0], synthesised["T2w"][0], synthesised["FLAIR"][0]],
        [
            *(f"{name}, scanned" for name in CONTRASTS),
            f"T1w at {recipe['spacing']:g} mm, what the model sees",
            "T2w, synthesised from the T1w",
            "FLAIR, synthesised from the T1w",
        ],
        spacing=[(1.0,) * 3] * 3 + [(recipe["spacing"],) * 3] + [(1.0,) * 3] * 2,
        columns=3,
        dpi=100,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
