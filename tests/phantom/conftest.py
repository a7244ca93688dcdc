"""Fixtures for the tests of the phantoms; a small head as a label map, made here so that no real map is needed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from brain_bundles.phantom.heads import HeadAtlas, build_atlas, read_label_map

SHAPE = (96, 116, 100)
CENTRE = (48, 58, 52)
# Name, number on the left, number on the right, centre to the right of the middle, radii; later ones lie on top.
DEEP = (
    ("thalamus", 10, 49, (8, -8, 4), (5, 8, 5)),
    ("caudate", 11, 50, (9, 9, 9), (3, 7, 4)),
    ("putamen", 12, 51, (17, 3, 0), (4, 9, 6)),
    ("pallidum", 13, 52, (13, 0, -1), (2, 5, 4)),
    ("hippocampus", 17, 53, (18, -12, -10), (3, 8, 3)),
    ("amygdala", 18, 54, (16, 0, -12), (3, 4, 3)),
    ("accumbens", 26, 58, (6, 10, -2), (2, 3, 2)),
    ("ventricle", 4, 43, (5, 0, 12), (3, 15, 5)),
    ("choroid plexus", 31, 63, (5, -8, 12), (1, 3, 1)),
)


def ellipsoid(centre: tuple[float, ...], radii: tuple[float, ...]) -> np.ndarray:
    """Level of an ellipsoid around CENTRE + ``centre``: below 1 inside."""
    axes = np.meshgrid(*(np.arange(n, dtype=float) for n in SHAPE), indexing="ij", sparse=True)
    parts = zip(axes, CENTRE, centre, radii, strict=True)
    return np.sqrt(sum(((x - middle - c) / r) ** 2 for x, middle, c, r in parts))


def small_head() -> np.ndarray:
    """Numbers of a head of about a third of a person's volume, RAS, 1 mm: folded cortex, deep structures, skull."""
    x, y, z = (np.arange(n, dtype=float) - c for n, c in zip(SHAPE, CENTRE, strict=True))
    x, y, z = x[:, None, None], y[None, :, None], z[None, None, :]
    right = np.broadcast_to(x > 0, SHAPE)
    folds = 0.05 * np.sin(y / 2.8) * np.sin(z / 3.1) + 0.04 * np.cos(x / 2.6 + z / 4)
    head = np.zeros(SHAPE, dtype=np.int32)
    head[ellipsoid((0, 0, 0), (46, 56, 49)) < 1] = 511
    head[ellipsoid((0, 0, 0), (44, 54, 47)) < 1] = 507
    head[ellipsoid((0, 0, 0), (41, 50, 43)) < 1] = 515
    head[ellipsoid((0, 0, 0), (38, 47, 40)) < 1] = 24
    brain = ellipsoid((0, 2, 3), (35, 42, 34)) + folds
    head[brain < 1] = np.where(right, 42, 3)[brain < 1]
    white = brain + 0.5 * folds < 0.8
    head[white] = np.where(right, 41, 2)[white]
    cerebellum = ellipsoid((0, -26, -26), (22, 13, 10))
    head[cerebellum < 1] = np.where(right, 47, 8)[cerebellum < 1]
    head[cerebellum < 0.6] = np.where(right, 46, 7)[cerebellum < 0.6]
    head[ellipsoid((0, -8, -22), (6, 6, 16)) < 1] = 16
    head[ellipsoid((0, -5, 0), (1.5, 9, 6)) < 1] = 14
    for _, left_number, right_number, (cx, cy, cz), radii in DEEP:
        head[ellipsoid((-cx, cy, cz), radii) < 1] = left_number
        head[ellipsoid((cx, cy, cz), radii) < 1] = right_number
    return head


def write_map(path: Path, numbers: np.ndarray, affine: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(numbers.astype(np.int16), np.eye(4) if affine is None else affine), path)
    return path


@pytest.fixture(scope="session")
def numbers() -> np.ndarray:
    return small_head()


@pytest.fixture(scope="session")
def anatomies(tmp_path_factory: pytest.TempPathFactory, numbers: np.ndarray) -> Path:
    """A folder with three maps that a dataset of all splits needs: names of published maps decide their splits."""
    folder = tmp_path_factory.mktemp("anatomies")
    for name in ("training_seg_01", "training_seg_03", "training_seg_05"):
        write_map(folder / f"{name}.nii.gz", numbers)
    return folder


@pytest.fixture(scope="session")
def atlas(anatomies: Path) -> HeadAtlas:
    torch.set_num_threads(1)
    return build_atlas(read_label_map(anatomies / "training_seg_01.nii.gz"))


def digest(folder: Path) -> dict[str, str]:
    """Hash of every file below ``folder``."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
