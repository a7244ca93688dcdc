"""Made-up heads: ellipsoids of scalp, skull, fluid and brain, as in a scanner of that contrast."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter

SHAPE = (96, 120, 120)
# Intensities of fat, skull, fluid, grey matter and white matter.
TISSUES = {
    "T1w": (900, 60, 160, 420, 640),
    "T2w": (700, 60, 900, 520, 330),
    "PDw": (650, 60, 560, 700, 560),
    "FLAIR": (500, 50, 80, 520, 380),
    "ce-gadolinium_T1w": (900, 60, 180, 440, 670),
}


def radius(points, axes, centre=(0.0, 0.0, 0.0)):
    return np.sqrt(sum(((p - c) / a) ** 2 for p, a, c in zip(points, axes, centre, strict=True)))


def head(contrast="T1w", *, matrix=None, seed=0, spacing=2.0, shape=SHAPE):
    """Image (D, H, W) int16, its affine, and the true brain mask.

    ``matrix`` moves the head in the world, RAS+ mm.
    """
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = [-n * spacing / 2 for n in shape]
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"))
    world = np.einsum("ij,jabc->iabc", affine[:3, :3], grid) + affine[:3, 3][:, None, None, None]
    back = np.linalg.inv(np.eye(4) if matrix is None else matrix)
    x, y, z = np.einsum("ij,jabc->iabc", back[:3, :3], world) + back[:3, 3][:, None, None, None]
    fat, skull, fluid, grey, white = TISSUES[contrast]
    scalp, bone, inner = (
        radius((x, y, z), axes, (0, 0, dz))
        for axes, dz in (((85, 105, 112), 0), ((79, 99, 76), 20), ((73, 92, 70), 20))
    )
    cortex = radius((x, y, z), (69, 87, 66), (0, 0, 20))
    folds = 0.05 * np.cos(x / 4) * np.cos(y / 4.5) * np.cos(z / 5)
    image = np.where(scalp < 1, fat * (0.55 + 0.25 * np.cos(y / 14) * np.cos(z / 17)), 0.0)
    image = np.where((bone < 1) & (z > -46), skull, image)
    image = np.where(inner < 1, fluid, image)
    image = np.where(cortex + folds < 1, grey, image)
    image = np.where(cortex + 2.5 * folds < 0.86, white, image)
    for side in (-1, 1):  # lateral ventricles and deep grey matter, unlike on the two sides
        ventricle = radius((x, y, z), (7, 30 + 3 * side, 11), (side * 12, -4, 26))
        image = np.where(ventricle < 1, fluid, image)
        image = np.where(radius((x, y, z), (8, 15, 9), (side * 26, 6 + 2 * side, 18)) < 1, grey, image)
    rng = np.random.default_rng(seed)
    image = gaussian_filter(image, 0.7)
    image = np.hypot(image + rng.normal(0, 8, shape), rng.normal(0, 8, shape))
    return image.astype(np.int16), affine, inner < 1


def save_head(path: Path, contrast="T1w", **options):
    """Write a head; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image, affine, _ = head(contrast, **options)
    nib.save(nib.Nifti1Image(image, affine), path)


def rigid(degrees=(0.0, 0.0, 0.0), shift=(0.0, 0.0, 0.0)):
    """A (4, 4) rigid transform of RAS+ mm."""
    matrix = np.eye(4)
    for axis, angle in enumerate(np.radians(degrees)):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix[:3, :3] = turn @ matrix[:3, :3]
    matrix[:3, 3] = shift
    return matrix
