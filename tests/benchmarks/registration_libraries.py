"""Rigid registration of real scans by SimpleITK (as ``prepare`` has it) and by ANTs: error in mm, and seconds.

Usage: registration_libraries.py REAL [--pairs N] [--kind raw|moved]     (REAL has brats, ms, stroke and t1_flair)
ANTs needs ``pip install antspyx``.

Moved pairs, at 2 mm: two contrasts that lie on one grid; one is turned by up to 15 degrees and shifted by up to 20 mm,
so the truth is known, as far as the two lay on each other. Raw pairs: T1w and FLAIR as scanned. The truth comes from
the ready-made pair, of which each image is registered to its raw one, of the same contrast. The error is the mean
distance over the brain. Beside it stands how well the strong edges agree within the brain (Dice), which does not know
that truth.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from brain_bundles.prepare.registration import displacement, register
from brain_bundles.prepare.resample import make_grid, resample
from brain_bundles.prepare.volume import Volume, read_volume, reorient, to_lps
from monai.utils import optional_import
from numpy.typing import NDArray
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).parents[1] / "real"))
from prepare_figures import agreement

ants, has_ants = optional_import("ants")
Matrix = NDArray[np.float64]
# Stem of the moving image, and the contrast of the fixed one as the file's name has it.
MOVED = [
    ("brats/BraTS-MET-99001-000/BraTS-MET-99001-000-t2w", "t1n"),
    ("brats/BraTS2021_99002/BraTS2021_99002_flair", "t1"),
    ("ms/sub-07/anat/sub-07_T2w", "T1w"),
    ("ms/sub-07/anat/sub-07_FLAIR", "T1w"),
    ("stroke/sub-01/anat/sub-01_T2w", "T1w"),
    ("stroke/sub-01/anat/sub-01_FLAIR", "T1w"),
]


def with_simpleitk(fixed: Volume, moving: Volume, mask: NDArray[np.bool_]) -> Matrix:
    return register(fixed, moving, mask).matrix


def with_ants(fixed: Volume, moving: Volume, mask: NDArray[np.bool_] | None) -> Matrix:
    """ANTs's own settings for a rigid registration."""
    images = [_ants_image(fixed), _ants_image(moving)]
    region = {} if mask is None else {"mask": _ants_image(fixed.with_data(mask)), "mask_all_stages": True}
    found = ants.registration(*images, "Rigid", random_seed=1, **region)
    transform = ants.read_transform(found["fwdtransforms"][0])
    centre = np.asarray(transform.fixed_parameters)
    rotation, shift = np.reshape(transform.parameters[:9], (3, 3)), np.asarray(transform.parameters[9:])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, shift + centre - rotation @ centre
    return to_lps(matrix)


def _ants_image(volume: Volume) -> Any:
    lps = np.diag([-1.0, -1.0, 1.0])
    direction = lps @ volume.affine[:3, :3] / volume.spacing
    origin = (lps @ volume.affine[:3, 3]).tolist()
    return ants.from_numpy(volume.data, origin=origin, spacing=volume.spacing.tolist(), direction=direction)


def grown(mask: Volume, mm: float = 3.0) -> NDArray[np.bool_]:
    return ndimage.distance_transform_edt(mask.data < 0.5, sampling=mask.spacing) <= mm


def moved_pairs(real: Path) -> Iterator[tuple[str, Volume, Volume, Volume, Matrix]]:
    """Name, fixed and moving image, brain mask of the fixed one, true transform (RAS+ mm, fixed to moving)."""
    draw = np.random.default_rng(0)
    for stem, reference in MOVED:
        path = real / f"{stem}.nii.gz"
        contrast = re.split("[-_]", stem)[-1]
        first = path.with_name(path.name.replace(f"{contrast}.nii", f"{reference}.nii"))
        fixed, moving = (reorient(read_volume(file))[0] for file in (first, path))
        grid = make_grid(fixed, np.eye(4), np.eye(3), 2.0)
        centre = grid.affine[:3, :3] @ (np.array(grid.data.shape) / 2) + grid.affine[:3, 3]
        truth = rigid(draw.uniform(-15, 15, 3), draw.uniform(-20, 20, 3), centre)
        still = resample(fixed, grid, np.eye(4))
        mask = resample(fixed.with_data(fixed.data > 0), grid, np.eye(4), smooth=False)
        yield path.name, still, resample(moving, grid, np.linalg.inv(truth)), mask, truth


def raw_pairs(real: Path) -> Iterator[tuple[str, Volume, Volume, Volume, Matrix]]:
    for folder in sorted((real / "t1_flair").glob("sub-*")):
        person = folder.name
        ready = real / "t1_flair" / "derivatives" / "preproc" / person / "anat"
        t1, flair = (read_volume(ready / f"{person}_{name}.nii.gz") for name in ("T1w", "FLAIR"))
        mask = read_volume(ready / f"{person}_desc-brain_mask.nii.gz")
        raw = [read_volume(folder / "anat" / f"{person}_{name}.nii.gz") for name in ("T1w", "FLAIR")]
        to_raw = [register(one, other, grown(mask)).matrix for one, other in zip((t1, flair), raw, strict=True)]
        back = np.linalg.inv(to_raw[0])
        yield person, *raw, resample(mask, raw[0], back, smooth=False), to_raw[1] @ back


def rigid(degrees: NDArray[np.float64], shift: NDArray[np.float64], centre: NDArray[np.float64]) -> Matrix:
    matrix = np.eye(4)
    for axis, angle in enumerate(np.radians(degrees)):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(4)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    matrix[:3, 3] = shift + centre - matrix[:3, :3] @ centre
    return matrix


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path)
    parser.add_argument("--kind", choices=("raw", "moved"))
    parser.add_argument("--pairs", type=int, default=99, help="compare at most these of each kind")
    options = parser.parse_args()
    libraries: dict[str, Callable[..., Matrix]] = {"SimpleITK": with_simpleitk}
    if has_ants:
        libraries["ANTs, in the mask"] = with_ants
        libraries["ANTs, whole image"] = lambda fixed, moving, _: with_ants(fixed, moving, None)
    for kind, pairs in (("raw", raw_pairs), ("moved", moved_pairs)):
        if options.kind not in (None, kind):
            continue
        found: dict[str, list[tuple[float, ...]]] = {name: [] for name in libraries}
        for number, (pair, fixed, moving, mask, truth) in enumerate(pairs(options.real)):
            if number == options.pairs:
                break
            inner = ndimage.binary_erosion(mask.data > 0.5, iterations=2)
            print(kind, pair, "truth", f"edges {agreement(fixed, resample(moving, fixed, truth), inner):.3f}", sep="\t")
            for name, library in libraries.items():
                began = time.perf_counter()
                matrix = library(fixed, moving, grown(mask))
                seconds = time.perf_counter() - began
                error = displacement(np.linalg.inv(truth) @ matrix, mask.data > 0.5, fixed.affine)
                edges = agreement(fixed, resample(moving, fixed, matrix), inner)
                found[name].append((error, edges, seconds))
                print(kind, pair, name, f"{error:.3f} mm, edges {edges:.3f}, {seconds:.1f} s", sep="\t", flush=True)
        for name, rows in found.items():
            errors, alike, seconds = np.array(rows).T
            text = f"median {np.median(errors):.3f} mm, largest {errors.max():.3f} mm, edges {alike.mean():.3f}"
            print(f"{kind}, {name}, {len(rows)} pairs: {text}, {np.mean(seconds):.1f} s each", flush=True)


if __name__ == "__main__":
    main()
