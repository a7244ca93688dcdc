"""The template that every phantom deforms: tissue fractions and motion fields from the MNI152 2009a maps.

Array axes are RAS: D runs to the right, H to the front, W to the top. Positions are in millimetres from the centre of
the brain's bounding box, so a phantom is brain-centred by construction.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

# Channels of ``Atlas.tissue``. CSF outside the lateral ventricles is the rest of the intracranial mask.
TISSUES = ("grey_matter", "white_matter", "lateral_ventricles", "intracranial")

# The lateral ventricles are one connected component per side from 0.4 up; at 0.3 they leak into cisterns.
CSF_THRESHOLD = 0.4
MIDLINE_GAP_MM = 1  # the septum; cutting here separates left from right
THIRD_VENTRICLE_HALF_WIDTH_MM = 4  # below z = 14 mm (MNI) the CSF beside the midline is the third ventricle
THIRD_VENTRICLE_TOP_MM = 14
MIN_DEPTH_MM = 12  # ventricles lie deeper than this below the brain's surface, sulci mostly do not
VENTRICLE_SEEDS_MM = ((-8, 10, 15), (8, 10, 15))  # MNI coordinates inside the left and the right frontal horn
VENTRICLE_REACH_MM = 34.0  # the widening fades out here, well before the cortex
WALL_CSF_RAMP = (0.25, 0.65)
SULCAL_CSF_THRESHOLD = 0.2  # sulci are blurred in an average brain; a higher level would miss most of them
CORTEX_REACH_MM = 3.0  # about the thickness of the cortex: thinning moves its outer face and leaves the inner one
FIELD_STEP = 2  # motion fields are smooth: every second millimetre is enough


@dataclass(frozen=True)
class Atlas:
    """The template at 1 mm.

    Attributes:
        tissue: (4, D, H, W) fractions in [0, 1], channels ``TISSUES``, blurred to the voxel size of the phantom.
        ventricle_velocity: (3, D/2, H/2, W/2) unit motion (mm per mm) that widens the lateral ventricles.
        cortex_velocity: (3, D/2, H/2, W/2) unit motion that pulls the outer face of the cortex inwards.
        ventricle_distance: (1, D/2, H/2, W/2) distance outside the lateral ventricles in mm, negative inside.
        centre: (3,) voxel coordinates of the centre of the brain's bounding box.
    """

    tissue: torch.Tensor
    ventricle_velocity: torch.Tensor
    cortex_velocity: torch.Tensor
    ventricle_distance: torch.Tensor
    centre: torch.Tensor


def _load_maps() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Grey matter, white matter and brain mask of the MNI152 2009a template at 1 mm, and their affine."""
    try:
        from nilearn import datasets
    except ImportError as error:
        raise ImportError(
            "The phantom population needs the maps that come with nilearn: pip install nilearn scipy."
        ) from error
    grey = datasets.load_mni152_gm_template(resolution=1)
    white = datasets.load_mni152_wm_template(resolution=1)
    mask = datasets.load_mni152_brain_mask(resolution=1)
    maps = [np.asarray(image.dataobj, dtype=np.float32) for image in (grey, white, mask)]
    return maps[0], maps[1], maps[2], grey.affine


def lateral_ventricles(csf: np.ndarray, mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The paired CSF components beside the midline, as a boolean (D, H, W) array.

    Args:
        csf: (D, H, W) CSF fraction at 1 mm.
        mask: (D, H, W) brain mask.
        affine: voxel to MNI millimetres, diagonal.
    """
    to_mm = [affine[axis, 3] + affine[axis, axis] * np.arange(csf.shape[axis]) for axis in range(3)]
    x, _, z = np.meshgrid(*to_mm, indexing="ij", sparse=True)
    candidate = (csf > CSF_THRESHOLD) & (ndimage.distance_transform_edt(mask > 0.5) > MIN_DEPTH_MM)
    candidate &= ~((np.abs(x) <= THIRD_VENTRICLE_HALF_WIDTH_MM) & (z < THIRD_VENTRICLE_TOP_MM))
    candidate &= np.abs(x) >= MIDLINE_GAP_MM
    components, _ = ndimage.label(candidate)
    seeds = np.rint((np.asarray(VENTRICLE_SEEDS_MM) - affine[:3, 3]) / np.diag(affine)[:3]).astype(int)
    return np.isin(components, [components[tuple(seed)] for seed in seeds])


def _signed_distance(inside: np.ndarray) -> np.ndarray:
    """Millimetres to the boundary of a mask at 1 mm, positive outside."""
    return (ndimage.distance_transform_edt(~inside) - ndimage.distance_transform_edt(inside)).astype(np.float32)


def _unit_gradient(distance: np.ndarray, smoothing_mm: float) -> np.ndarray:
    """Direction away from a surface, (3, D, H, W). Smoothing makes it 0 on the medial axis, where it is undefined."""
    gradient = np.stack(np.gradient(ndimage.gaussian_filter(distance, smoothing_mm)))
    return gradient / np.maximum(1.0, np.sqrt((gradient**2).sum(0)))


def _subsample(field: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(
        np.ascontiguousarray(field[..., ::FIELD_STEP, ::FIELD_STEP, ::FIELD_STEP], dtype=np.float32)
    )


@functools.lru_cache(maxsize=1)
def _fields() -> tuple[np.ndarray, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Parts of the atlas that do not depend on the voxel size of the phantom."""
    grey, white, mask, affine = _load_maps()
    csf = np.clip(mask - grey - white, 0.0, 1.0)
    inside = lateral_ventricles(csf, mask, affine)
    # The wall's partial volume belongs to the ventricle as well. The wall of an average brain is blurred over several
    # millimetres, a person's is not. Widening would stretch the blur, so the ramp of the CSF fraction is made steep.
    lower, upper = WALL_CSF_RAMP
    ventricles = np.clip((csf - lower) / (upper - lower), 0.0, 1.0) * ndimage.binary_dilation(inside, iterations=2)
    remaining = np.minimum(1.0, (1.0 - ventricles) / np.maximum(grey + white, 1e-3))
    tissue = np.stack([grey * remaining, white * remaining, ventricles, mask])
    csf = np.clip(mask - tissue[:3].sum(0), 0.0, 1.0)  # from here on without the ventricles

    ventricle_distance = ndimage.gaussian_filter(_signed_distance(ventricles > 0.5), 1.0)
    fade = 0.5 + 0.5 * np.cos(np.pi * np.clip(ventricle_distance / VENTRICLE_REACH_MM, 0.0, 1.0))
    # A point of the widened brain looks up the atlas nearer to the ventricle, so the motion is against the gradient.
    ventricle_velocity = -_unit_gradient(ventricle_distance, 1.5) * fade

    # Only the outer surface: filled ventricles keep their wall.
    cortex_distance = _signed_distance((mask > 0.5) & (csf < SULCAL_CSF_THRESHOLD))
    cortex_velocity = _unit_gradient(cortex_distance, 0.7) * np.exp(-((cortex_distance / CORTEX_REACH_MM) ** 2))

    extent = np.argwhere(mask > 0.5)
    centre = torch.tensor((extent.min(0) + extent.max(0)) / 2, dtype=torch.float32)
    fields = (ventricle_velocity, cortex_velocity, ventricle_distance[None])
    velocity, thinning, distance = (_subsample(field) for field in fields)
    return tissue, velocity, thinning, distance, centre


@functools.lru_cache(maxsize=2)
def load_atlas(spacing: float) -> Atlas:
    """Load the template, blurred to voxels of ``spacing`` mm, so that sampling gives partial volumes.

    Raises:
        ImportError: if nilearn is missing.
    """
    tissue, ventricle_velocity, cortex_velocity, ventricle_distance, centre = _fields()
    if spacing > 1.0:
        full_width = (spacing**2 - 1.0) ** 0.5  # a box of 1 mm is already in the data
        sigma = full_width / (2.0 * (2.0 * np.log(2.0)) ** 0.5)
        tissue = np.stack([ndimage.gaussian_filter(channel, sigma) for channel in tissue])
    return Atlas(torch.from_numpy(tissue), ventricle_velocity, cortex_velocity, ventricle_distance, centre)
