"""Does the quality score tell heads from what is none? A table of scores, and pictures of every real scan.

python tests/real/segmenter_quality.py REAL OUT [--weights PATH]

``REAL`` is the folder of the real scans. OUT/quality.md has the score of each scan and of each damaged or wrong image,
or why it was refused; OUT/NAME.png shows what was found in each scan.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from brain_bundles.data.brain_classes import class_indices
from brain_bundles.data.read_image import read_image, to_ras
from brain_bundles.transforms import NoHeadError
from brain_bundles.transforms.scan_segmenter import load_segmenter
from brain_bundles.visualize.montage import save_montage
from brain_bundles.visualize.overlay import overlay
from scipy import ndimage

Image = tuple[np.ndarray, np.ndarray]
SETS = {
    "t1_flair": "t1_flair/sub-*/anat/*.nii.gz",
    "t1_flair brains": "t1_flair/derivatives/preproc/*/anat/*[Rw].nii.gz",
    "oasis": "oasis/sub-*/anat/*_T1w.nii.gz",
    "clinical": "clinical/sub-*/**/*.nii.gz",
    "whole_head": "whole_head/**/*.nii.gz",
    "brats": "brats/**/*.nii.gz",
    "ms": "ms/sub-*/anat/*.nii.gz",
    "stroke": "stroke/sub-*/**/*.nii.gz",
}
NO_IMAGES = ("seg", "mask", "label", "lesion")


def wrong_images(head: Image) -> Iterator[tuple[str, Image]]:
    """What is no head, or not as its header says."""
    rng, affine = np.random.default_rng(0), np.diag([2.0, 2, 2, 1])
    shape = (100, 110, 100)
    grid = np.stack(np.meshgrid(*(np.arange(n) - n / 2 for n in shape), indexing="ij")) * 2.0
    x, y, z = grid
    yield "noise", (np.hypot(*rng.normal(size=(2, *shape))).astype(np.float32), affine)
    ball = np.linalg.norm(grid, axis=0) < 75
    yield "a ball with noise", ((100 * ball + 5 * np.hypot(*rng.normal(size=(2, *shape)))).astype(np.float32), affine)
    leg = np.hypot(x, y) < 60
    bone = np.hypot(x, y + 8) < np.where(abs(z) < 25, 32, 18)
    marrow = np.hypot(x, y + 8) < np.where(abs(z) < 25, 29, 12)
    knee = 60.0 * leg - 50 * bone + 100 * marrow - 70 * (marrow & (abs(z) < 3))
    texture = ndimage.gaussian_filter(rng.normal(size=shape), 2) * 40 * leg
    yield "a knee", (np.hypot(knee + texture, 4 * rng.normal(size=shape)).astype(np.float32), affine)
    voxels, own = head
    size = np.array(voxels.shape) - 1
    for name, flip in (
        ("upside down", (1, 1, -1)),
        ("upside down and back to front", (1, -1, -1)),
        ("back to front", (-1, -1, 1)),
    ):
        # The world is turned, not the voxels: a header that lies.
        centre = own[:3, :3] @ (size / 2) + own[:3, 3]
        turn = np.eye(4)
        turn[:3, :3] = np.diag(flip)
        turn[:3, 3] = centre - np.diag(flip) @ centre
        yield f"a head {name} in its header", (voxels, turn @ own)
    yield "a head lying on its side in its header", (voxels, _quarter_turn(own, size))
    yield "voxels half as large as they are", (voxels, own @ np.diag([0.5, 0.5, 0.5, 1]))
    yield "voxels twice as large as they are", (voxels, own @ np.diag([2.0, 2, 2, 1]))
    yield "a head blurred by 8 mm", (ndimage.gaussian_filter(voxels, 8 / 2.355 / 2), own)
    yield "shuffled slices", (voxels[:, :, np.random.default_rng(1).permutation(voxels.shape[2])], own)


def _quarter_turn(affine: np.ndarray, size: np.ndarray) -> np.ndarray:
    centre = affine[:3, :3] @ (size / 2) + affine[:3, 3]
    turn = np.eye(4)
    turn[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    turn[:3, 3] = centre - turn[:3, :3] @ centre
    return turn @ affine


def main(real: Path, out: Path, weights: str | None) -> None:
    """Score all images."""
    warnings.simplefilter("ignore")
    out.mkdir(parents=True, exist_ok=True)
    segmenter = load_segmenter(weights)
    lines = ["| set | image | quality | lowest groups, or why it was refused |", "| --- | --- | --- | --- |"]

    def score(group: str, name: str, image: Image, picture: bool) -> None:
        try:
            found = segmenter(*image, minimum_quality=0.0)
        except NoHeadError as error:
            lines.append(f"| {group} | {name} | refused | {error} |")
        else:
            groups = sorted((value, key) for key, value in found.quality.items() if key != "quality")
            low = ", ".join(f"{key} {value:.2f}" for value, key in groups[:3])
            lines.append(f"| {group} | {name} | {found.quality['quality']:.3f} | {low} |")
            if picture:
                grey = image[0] / max(float(np.percentile(image[0], 99.5)), 1e-6)
                shown = [np.repeat(grey.clip(0, 1)[..., None], 3, -1), overlay(grey, class_indices(found.numbers))]
                spacing = np.linalg.norm(image[1][:3, :3], axis=0).tolist()
                save_montage(out / f"{name}.png", shown, [name, "found"], spacing=spacing, columns=1)
        print(lines[-1], flush=True)

    for group, pattern in SETS.items():
        for path in sorted(real.glob(pattern)):
            if not any(word in path.name.lower() for word in NO_IMAGES):
                image = to_ras(read_image(path))
                name = f"{group}_{path.name.removesuffix('.gz').removesuffix('.nii')}".replace(" ", "_")
                score(group, name, (image.voxels, image.affine), group not in ("t1_flair brains", "oasis"))
    head = to_ras(read_image(real / "t1_flair/sub-01/anat/sub-01_T1w.nii.gz"))
    for name, image in wrong_images((head.voxels, head.affine)):
        score("wrong", name, image, False)
    (out / "quality.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("real", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--weights")
    given = parser.parse_args()
    main(given.real, given.out, given.weights)
