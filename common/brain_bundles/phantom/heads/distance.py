"""Euclidean distances of masks, in millimetres."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def _edt() -> object:
    try:
        import edt  # here: a bundle that samples brains imports this package and needs no distances
    except ImportError as error:
        raise ImportError("Label maps need the package edt: pip install edt (it is in the extra phantom).") from error
    return edt


def outside_distance(mask: np.ndarray, spacing: float = 1.0) -> np.ndarray:
    """Distance of each voxel inside of a mask to the nearest one outside, 0 outside."""
    return _edt().edt(np.ascontiguousarray(mask), anisotropy=(spacing,) * 3, parallel=1)  # type: ignore[attr-defined]


def signed_distance(inside: np.ndarray, *, spacing: float = 1.0, smoothing: float = 0.0) -> np.ndarray:
    """Distance to the boundary of a mask, negative inside; smoothed by a Gaussian of ``smoothing`` mm."""
    mask = np.ascontiguousarray(inside)
    distance = -_edt().sdf(mask, anisotropy=(spacing,) * 3, parallel=1)  # type: ignore[attr-defined]
    return ndimage.gaussian_filter(distance, smoothing / spacing, truncate=3.0) if smoothing else distance
