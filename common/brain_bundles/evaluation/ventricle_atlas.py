"""Prior of the lateral ventricles, made from the MNI152 2009a tissue maps in nilearn."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import ndimage

from brain_bundles.metrics.atlas_alignment import VentricleAtlas
from brain_bundles.utils.phantom_extra import from_phantom_extra

# Points (mm, MNI space) inside the body of each lateral ventricle and inside the tip of each inferior horn.
_BODY_POINTS = ((9, -5, 24), (-9, -5, 24))
_HORN_POINTS = ((30, -10, -21), (-30, -10, -21))


@lru_cache(maxsize=1)
def load_ventricle_atlas() -> VentricleAtlas:
    """Make the prior at 2 mm from nilearn's own maps, once per process (about a second); no download."""
    datasets = from_phantom_extra("nilearn.datasets")  # imported here, because it takes a second
    grey = datasets.load_mni152_gm_template(resolution=1)
    tissue = np.asarray(grey.dataobj) + np.asarray(datasets.load_mni152_wm_template(resolution=1).dataobj)
    csf = np.clip(1 - tissue, 0, 1) * (np.asarray(datasets.load_mni152_brain_mask(resolution=1).dataobj) > 0)
    to_voxel = np.linalg.inv(grey.affine)

    def component(level: float, point: tuple[int, int, int]) -> np.ndarray:
        labels, _ = ndimage.label(csf > level)
        centre = np.round(to_voxel[:3, :3] @ point + to_voxel[:3, 3]).astype(int)
        window = labels[tuple(slice(c - 3, c + 4) for c in centre)]
        return labels == np.bincount(window[window > 0]).argmax()

    # At 0.7 the bodies are separate from each other and the third ventricle; the thin horns fade out at that level.
    ventricles = np.any([component(0.7, p) for p in _BODY_POINTS] + [component(0.5, p) for p in _HORN_POINTS], axis=0)
    other = (csf > 0.6) & ~ndimage.binary_dilation(ventricles, iterations=3)

    def at_2mm(a: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(a.astype(np.float32), 0.8)[::2, ::2, ::2]

    return VentricleAtlas(at_2mm(ventricles), at_2mm(other), at_2mm(tissue), spacing=2.0)
