"""Which scale of intensities spreads least between people, and which do lesions move least?

    BRAIN_BUNDLES_REAL_DATA=FOLDER python tests/benchmarks/intensity_scale.py [HEALTHY ILL ...]

For each scale of :class:`~brain_bundles.transforms.ScaleForeground`: the level of white and of grey matter in real
people, and how far a lesion moves the level of white matter. White and grey matter are those of the reference
segmentation (oasis); of the others, those of the tissue model of metrics/tissue.py in the T1w image, after its
correction of the bias, in the contrast-enhanced one where the T1w image shows no grey and white matter. HEALTHY and ILL
are phantoms of one seed (``python -m brain_bundles phantom DIR --anatomies MAPS --seed 5``, with ``--tumour_probability
1`` or ``--stroke_probability 1`` for ILL).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from brain_bundles.data.bids import image_path, segmentation_path
from brain_bundles.data.read_image import read_values
from brain_bundles.metrics.tissue import fit_tissue_model, remove_bias
from brain_bundles.transforms import ScaleForeground, image_preprocessing
from brain_bundles.transforms.intensity import SCALES
from brain_bundles.transforms.read_image import meta_tensor
from monai.data import MetaTensor
from monai.transforms import Compose, ResampleToMatch
from numpy.typing import NDArray
from scipy import ndimage

CONTRASTS = ("T1w", "FLAIR", "T2w", "ce-gadolinium_T1w")
BRATS = {"T1w": ("t1", "t1n"), "T2w": ("t2", "t2w"), "FLAIR": ("flair", "t2f"), "ce-gadolinium_T1w": ("t1ce", "t1c")}
SPACING, SIZE = 2.0, (80, 96, 80)
NO_CONTRAST_IN_T1W = "BraTS-MET-99001-000"  # looked at: a mask of white matter with half of the cortex in it
Mask = NDArray[np.bool_]


@dataclass
class Person:
    """Unscaled volumes (1, D, H, W) on the models' grid, and masks (D, H, W) of white and grey matter and lesions."""

    name: str
    volumes: dict[str, MetaTensor]
    white: Mask
    grey: Mask
    lesion: Mask | None


def load(name: str, paths: Mapping[str, Path], tissue: Path | None = None, lesion: Path | None = None) -> Person:
    steps = image_preprocessing(list(paths), SPACING, SIZE, warn_cut=None).transforms[:-1]  # all but the scale
    item = Compose(list(steps))({key: str(path) for key, path in paths.items()})
    volumes: dict[str, MetaTensor] = {key: item[key] for key in paths}

    def labels(path: Path) -> NDArray[np.float32]:
        read = meta_tensor(read_values(path), path)
        return ResampleToMatch(mode="nearest", padding_mode="zeros")(read, img_dst=volumes["T1w"])[0].numpy().round()

    ill = None if lesion is None else labels(lesion) > 0
    if tissue is not None:
        found = labels(tissue)
        white, grey = found == 3, found == 2
    else:
        white, grey = classify(volumes["T1w"][0].numpy())
    if ill is not None:
        near = ndimage.binary_dilation(ill, iterations=2)
        white, grey = white & ~near, grey & ~near
    return Person(name, volumes, white, grey, ill)


def classify(image: NDArray[np.float32]) -> tuple[Mask, Mask]:
    """Voxels that are nearly pure white and nearly pure grey matter, without the outermost layer of the brain."""
    brain = ndimage.binary_fill_holes(image > 0)
    core = ndimage.binary_erosion(brain)
    even = remove_bias(image, brain, fit_tissue_model(image[core]), SPACING)
    model = fit_tissue_model(even[core])
    quarter = (model.wm - model.gm) / 4
    white = core & (even > model.wm - quarter) & (even < model.wm + 2 * quarter)
    return white, core & (np.abs(even - model.gm) < quarter)


def real_people(root: Path) -> Iterator[Person]:
    for folder in sorted((root / "t1_flair" / "derivatives" / "preproc").glob("sub-*")):
        yield load(
            f"t1_flair {folder.name}",
            {c: folder / "anat" / f"{folder.name}_{c}.nii.gz" for c in ("T1w", "FLAIR")},
        )
    for folder in sorted((root / "oasis").glob("sub-*")):
        anat = folder / "anat"
        tissue = anat / f"{folder.name}_label-tissue_dseg.nii.gz"
        yield load(f"oasis {folder.name}", {"T1w": anat / f"{folder.name}_T1w.nii.gz"}, tissue)
    for folder in sorted(path for path in (root / "brats").iterdir() if path.name != NO_CONTRAST_IN_T1W):
        files = {path.name.removesuffix(".nii.gz").replace("_", "-").split("-")[-1]: path for path in folder.iterdir()}
        paths = {c: next(files[end] for end in ends if end in files) for c, ends in BRATS.items()}
        yield load(f"brats {folder.name}", paths, lesion=files.get("seg"))
    for name, sub in (("ms", "sub-07"), ("stroke", "sub-01")):
        anat = root / name / sub / "anat"
        paths = {c: path for c in CONTRASTS if (path := anat / f"{sub}_{c}.nii.gz").is_file()}
        lesion = root / name / "derivatives" / "lesions" / sub / "anat" / f"{sub}_dseg.nii.gz"
        yield load(f"{name} {sub}", paths, lesion=lesion if lesion.is_file() else None)


def scaled(scale: str, volume: torch.Tensor, without: Mask | None = None) -> NDArray[np.float32]:
    """Scaled volume (D, H, W); ``without`` becomes background before the scale is found."""
    if without is not None:
        volume = volume * torch.from_numpy(~without)[None]
    return np.asarray(ScaleForeground(scale)(volume)[0])


def spread(values: list[float]) -> str:
    array = np.array(values)
    sd = array.std(ddof=1)
    return f"{array.mean():.3f} ± {sd:.3f} ({100 * sd / array.mean():.1f} %)"


def print_levels(people: list[Person]) -> None:
    print("| contrast, people | scale | white matter | grey matter |\n| --- | --- | --- | --- |")
    for contrast in CONTRASTS:
        having = [person for person in people if contrast in person.volumes]
        for scale in SCALES:
            levels = [
                (image[p.white].mean(), image[p.grey].mean())
                for p in having
                for image in [scaled(scale, p.volumes[contrast])]
            ]
            cells = [spread([float(one) for one in found]) for found in zip(*levels, strict=True)]
            print(f"| {contrast}, {len(having)} | {scale} | {' | '.join(cells)} |", flush=True)


def print_real_lesions(people: list[Person]) -> None:
    print(f"\n| person, lesion | contrast | {' | '.join(SCALES)} |\n| --- | --- |{' --- |' * len(SCALES)}")
    for person in people:
        if person.lesion is None:
            continue
        size = person.lesion.sum() * SPACING**3 / 1000
        for contrast, volume in person.volumes.items():
            moved = [
                scaled(scale, volume)[person.white].mean() / scaled(scale, volume, person.lesion)[person.white].mean()
                - 1
                for scale in SCALES
            ]
            cells = " | ".join(f"{100 * one:+.1f} %" for one in moved)
            print(f"| {person.name}, {size:.1f} mL | {contrast} | {cells} |", flush=True)


def phantom_levels(folder: Path, contrast: str) -> dict[str, NDArray[np.float64]]:
    """Level of white matter by scale, one number per subject; it is that of the segmentation."""
    found: dict[str, list[float]] = {scale: [] for scale in SCALES}
    for path in sorted(folder.glob("sub-*")):
        file = image_path(folder, path.name, contrast)
        volume = meta_tensor(read_values(file), file)
        labels = read_values(segmentation_path(folder, path.name, "phantom")).voxels.round()
        for scale in SCALES:
            found[scale].append(float(scaled(scale, volume)[labels == 3].mean()))
    return {scale: np.array(values) for scale, values in found.items()}


def print_phantoms(healthy: Path, ill: list[Path]) -> None:
    print(f"\n| phantoms | contrast | {' | '.join(SCALES)} |\n| --- | --- |{' --- |' * len(SCALES)}")
    for contrast in CONTRASTS:
        before = phantom_levels(healthy, contrast)
        for folder in ill:
            after = phantom_levels(folder, contrast)
            moved = {scale: 100 * np.abs(after[scale] / before[scale] - 1) for scale in SCALES}
            cells = " | ".join(f"{moved[scale].mean():.1f}, at most {moved[scale].max():.1f} %" for scale in SCALES)
            print(f"| {folder.name} | {contrast} | {cells} |", flush=True)


def main(folders: list[str]) -> None:
    torch.set_num_threads(1)
    if root := os.environ.get("BRAIN_BUNDLES_REAL_DATA"):
        people = list(real_people(Path(root)))
        print_levels(people)
        print_real_lesions(people)
    if folders:
        print_phantoms(Path(folders[0]), [Path(folder) for folder in folders[1:]])


if __name__ == "__main__":
    main(sys.argv[1:])
