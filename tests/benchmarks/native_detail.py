"""What the detail of the source brings to a translation that is made at 2 mm: the limit, with a perfect translation.

python tests/benchmarks/native_detail.py FOLDER

``FOLDER`` has registered, brain-extracted contrasts of one person at a finer resolution (sub-01_T1w.nii.gz). Each is
taken as the translation of each other one: brought to 2 mm and back, by interpolation alone and with the local slope.
PSNR (dB) and SSIM within the brain, on the scale of the models.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from brain_bundles.data.read_image import read_image
from brain_bundles.transforms import ScaleForeground, image_preprocessing, invert_preprocessing
from brain_bundles.transforms.native_detail import add_detail, local_slope
from monai.metrics.regression import compute_ssim_and_cs

GRID = (96, 112, 96)
SETTINGS = ((1, 3e-4), (1, 1e-3), (1, 4e-3), (2, 1e-3))


def scores(made: torch.Tensor, true: torch.Tensor, inside: torch.Tensor) -> tuple[float, float]:
    error = float((made - true)[inside].square().mean())
    similar, _ = compute_ssim_and_cs(
        made[None] * inside, true[None] * inside, 3, kernel_size=(7, 7, 7), kernel_sigma=(1.5,) * 3, data_range=1.0
    )
    edge = 3  # MONAI leaves out the border that the kernel does not fill
    core = inside[:, edge:-edge, edge:-edge, edge:-edge]
    return -10 * float(np.log10(error)), float(similar[0][core].mean())


def compare(source: Path, target: Path) -> list[tuple[float, float]]:
    """Scores of interpolation alone, and of each setting."""
    both, one = (image_preprocessing(keys, 2.0, GRID, warn_cut=None) for keys in (["image", "label"], "image"))
    item = both({"image": source, "label": target})
    image = one({"image": source})["image"]
    invert = invert_preprocessing(one)

    def back(volume: torch.Tensor) -> torch.Tensor:
        return invert({"image": image, "pred": torch.as_tensor(volume.as_tensor())})["pred"].as_tensor()

    native = torch.from_numpy(read_image(source).voxels)[None]
    true = ScaleForeground()(torch.from_numpy(read_image(target).voxels)[None])
    inside = (native > 0) & (true > 0)
    plain, smooth = back(item["label"]), back(item["image"])
    found = [scores(plain, true, inside)]
    for radius, epsilon in SETTINGS:
        slope = local_slope(item["image"], item["label"], radius=radius, epsilon=epsilon)
        invert_slope = invert({"image": image, "pred": slope})["pred"].as_tensor()
        found.append(scores(add_detail(plain, invert_slope, smooth, native).clamp(0, 1), true, inside))
    return found


def main(folder: Path) -> None:
    files = sorted(folder.glob("*.nii.gz"))
    print("| source | target | interpolated |", " | ".join(f"radius {r}, epsilon {e:g}" for r, e in SETTINGS), "|")
    for source in files:
        for target in files:
            if source != target:
                cells = [f"{psnr:.2f} dB, {ssim:.3f}" for psnr, ssim in compare(source, target)]
                names = (path.name.removesuffix(".nii.gz") for path in (source, target))
                print("|", " | ".join([*names, *cells]), "|", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
