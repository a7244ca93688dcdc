"""What a label map gives to every person made from it: level sets of its boundaries, and the motion of its ventricles.

A boundary is the zero of a signed distance (mm, negative inside). Moving it along its normal is a change of the level,
which costs nothing; widening ventricles push their surroundings away, which is a motion. Array axes are RAS; positions
are voxels of the map at 1 mm, cropped to ``box``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy import ndimage

from brain_bundles.phantom.deformation import flow
from brain_bundles.phantom.heads.distance import outside_distance, signed_distance
from brain_bundles.phantom.heads.label_map import LabelMap, extent
from brain_bundles.phantom.heads.structures import CODE, SHEETS

MARGIN_MM = 12
SMOOTHING_MM = 0.6  # of the level sets: steps of the voxels are no anatomy
HULL_CLOSING_MM = 9.0  # closes sulci and the fissure: the surface that wraps the brain
HULL_GAP_MM = 1.2  # CSF between the wrapping surface and the skull, at least
UNKNOWN_GAP_MM = 2.5  # the same where a map has no CSF
FAT_DEPTH_MM = 9.0  # below the skin, skin included
LEAST_CSF = 0.02  # of the brain; a map with less has none around the brain
VENTRICLE_REACH_MM = 34.0  # the widening fades out here
WIDENING_STEP_MM = 1.5
WIDENINGS = 16  # steps to either side
STEP = 2  # smooth fields are kept at every second millimetre
MOTION_STEP = 4  # and motions at every fourth
# How far the surface of each structure recedes when CSF grows, relative to the cortex.
RECESSION = {"brainstem": 0.2, "cerebellar_cortex": 0.5, "cerebellar_white_matter": 0.5, "optic_chiasm": 0.2}
# Right side, in the frame of the MNI152 template; left is the mirror image. By the Harvard-Oxford subcortical atlas.
MNI_CENTRES_MM = {
    "thalamus": (11.0, -19.0, 7.0),
    "caudate": (13.0, 9.0, 10.0),
    "putamen": (25.0, 1.0, 0.0),
    "pallidum": (20.0, -4.0, -1.0),
    "hippocampus": (26.0, -22.0, -14.0),
    "amygdala": (23.0, -4.0, -18.0),
    "accumbens": (9.0, 12.0, -7.0),
}


@dataclass(frozen=True)
class Surroundings:
    """The whole head of a map, uncropped.

    Attributes:
        codes: (D, H, W) uint8; soft tissue near the skin is fat, below it is muscle.
        uniform: (D, H, W) bool, where all neighbours have the same code.
        offset: (3,) voxels from the cropped map to this one.
    """

    map_codes: torch.Tensor
    offset: torch.Tensor

    # Both at their first use: most populations show brains alone.
    @cached_property
    def codes(self) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(_with_fat(self.map_codes.numpy())))

    @cached_property
    def uniform(self) -> torch.Tensor:
        return _uniform(self.codes.numpy())


@dataclass(frozen=True)
class HeadAtlas:
    """One head, ready to be deformed.

    Attributes:
        regions: (D, H, W) uint8 code of the tissue, CSF and ventricles filled by their nearest tissue; the whole of a
            sheet (``SHEETS``) has the code of its white matter.
        uniform: (D, H, W) bool, where all neighbours have the same region.
        right: (D, H, W) uint8, 1 on the right side.
        levels: (3, D, H, W) distances to the lateral ventricles; to tissue and lateral ventricles; to everything
            except cortex.
        smooth: (5, D/2, H/2, W/2) distance to the map's own intracranial space; to the surface that wraps the brain;
            recession relative to the cortex; distance to the lateral ventricles; distance to the middle plane.
        fluid: (D, H, W) uint8 code of the fluid: third or fourth ventricle, choroid plexus, or CSF elsewhere.
        widening: (2 WIDENINGS + 1, 3, D/4, H/4, W/4) displacement in mm, for each step of widening.
        centre: (3,) voxel of the centre of the intracranial space.
        frame: (3, 3) rotation: directions in the frame of the template, as rows, times ``frame`` are those of the map.
        surroundings: what is around the brain, or None for a map of a brain alone.
    """

    regions: torch.Tensor
    uniform: torch.Tensor
    right: torch.Tensor
    levels: torch.Tensor
    smooth: torch.Tensor
    fluid: torch.Tensor
    widening: torch.Tensor
    centre: torch.Tensor
    frame: torch.Tensor
    surroundings: Surroundings | None


def build_atlas(head: LabelMap) -> HeadAtlas:
    """Distances and motions of one head."""
    # A map may end at the brain; what wraps the brain needs room.
    head_codes, has_head = head.codes, head.has_head
    head = LabelMap(np.pad(head.codes, MARGIN_MM), np.pad(head.right, MARGIN_MM, mode="edge"), has_head)
    inside = head.is_in("grey", "white", "ventricle", "csf")
    tissue = head.is_in("grey", "white")
    box = tuple(slice(max(0, low - MARGIN_MM), high + MARGIN_MM + 1) for low, high in extent(inside))
    inside, tissue, codes, right = inside[box], tissue[box], head.codes[box], head.right[box]
    nearest = ndimage.distance_transform_edt(~tissue, return_distances=False, return_indices=True)
    filled, side = codes[tuple(nearest)], right[tuple(nearest)]
    ventricle = head.is_in("ventricle")[box]
    brain = tissue | ventricle
    cortical = np.isin(filled, [CODE["cortex"], CODE["cerebellar_cortex"]])
    levels = np.stack([signed_distance(mask, smoothing=SMOOTHING_MM) for mask in (ventricle, brain, ~cortical)])

    coarse = (slice(None, None, STEP),) * 3
    distance = signed_distance(brain[coarse], spacing=STEP)
    # A closing by distances: everything within reach of the brain, minus what is within reach of the rest.
    hull = HULL_CLOSING_MM - outside_distance(distance < HULL_CLOSING_MM, STEP)
    hull = np.where(hull <= 0, hull, outside_distance(hull > 0, STEP))
    hull = ndimage.gaussian_filter(hull, 1.0)
    skull = hull - UNKNOWN_GAP_MM
    if (inside & ~brain).sum() > LEAST_CSF * brain.sum():
        skull = signed_distance(_solid(inside[coarse] | (hull < 0)), spacing=STEP, smoothing=SMOOTHING_MM)
    recession = np.ones(len(CODE) + 1, dtype=np.float32)
    for name, value in RECESSION.items():
        recession[CODE[name]] = value
    recessions = ndimage.gaussian_filter(recession[filled[coarse]], 2.0)
    wall = ndimage.gaussian_filter(levels[0], 1.0)
    middle = signed_distance(side[coarse], spacing=STEP, smoothing=4.0)
    smooth = np.stack([skull, hull - HULL_GAP_MM, recessions, wall[coarse], middle]).astype(np.float32)

    regions = filled.copy()
    for grey, white in SHEETS.items():
        regions[filled == CODE[grey]] = CODE[white]
    fluid = np.full(codes.shape, CODE["csf"], dtype=np.uint8)
    for name in ("third_ventricle", "fourth_ventricle", "choroid_plexus"):
        fluid[ndimage.gaussian_filter((codes == CODE[name]).astype(np.float32), 0.7) > 0.5] = CODE[name]
    frame = template_frame(filled, side)
    turned = np.argwhere(skull < 0) * STEP @ frame.T
    centre = (turned.min(0) + turned.max(0)) / 2 @ frame
    surroundings = None
    if has_head:
        offset = torch.tensor([float(axis.start - MARGIN_MM) for axis in box])
        surroundings = Surroundings(torch.from_numpy(head_codes.copy()), offset)
    return HeadAtlas(
        regions=torch.from_numpy(regions),
        uniform=_uniform(regions),
        right=torch.from_numpy(side.astype(np.uint8)),
        levels=torch.from_numpy(levels.astype(np.float32)),
        smooth=torch.from_numpy(smooth),
        fluid=torch.from_numpy(fluid),
        widening=_widenings(levels[0]),
        centre=torch.from_numpy(centre.astype(np.float32)),
        frame=torch.from_numpy(frame.astype(np.float32)),
        surroundings=surroundings,
    )


def _uniform(codes: np.ndarray) -> torch.Tensor:
    """True where a voxel and all its neighbours have one code."""
    return torch.from_numpy(_extreme(np.maximum, codes) == _extreme(np.minimum, codes))


def _extreme(larger: np.ufunc, codes: np.ndarray) -> np.ndarray:
    """Maximum or minimum of each voxel and its 26 neighbours; three times as fast as scipy's filters for bytes."""
    for axis in range(codes.ndim):
        here = np.moveaxis(codes, axis, 0)
        found = here.copy()
        larger(found[1:], here[:-1], out=found[1:])
        larger(found[:-1], here[1:], out=found[:-1])
        codes = np.moveaxis(found, 0, axis)
    return np.ascontiguousarray(codes)


def _with_fat(codes: np.ndarray) -> np.ndarray:
    """Codes with the soft tissue near the skin as fat; below it is muscle."""
    depth = outside_distance(codes[::STEP, ::STEP, ::STEP] > 0, STEP)
    shallow = (depth < FAT_DEPTH_MM).repeat(STEP, 0).repeat(STEP, 1).repeat(STEP, 2)
    shallow = shallow[tuple(slice(size) for size in codes.shape)]
    return np.where((codes == CODE["soft_tissue"]) & shallow, np.uint8(CODE["fat"]), codes)


def template_frame(codes: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Rotation from the frame of the MNI template to that of the map, by the centres of deep structures (Kabsch 1976).

    Heads lie in a scanner as is comfortable; images of models are aligned. Centres that a map lacks are left out.
    """
    found, expected = [], []
    for name, (x, y, z) in MNI_CENTRES_MM.items():
        voxels = np.argwhere(codes == CODE[name])
        on_the_right = right[tuple(voxels.T)]
        for is_right in (False, True):
            if (side := on_the_right == is_right).sum() > 50:
                found.append(voxels[side].mean(0))
                expected.append((x if is_right else -x, y, z))
    if len(found) < 3:
        return np.eye(3)
    there, here = np.array(expected), np.array(found)
    u, _, v = np.linalg.svd((there - there.mean(0)).T @ (here - here.mean(0)))
    return u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v))]) @ v


def _solid(inside: np.ndarray) -> np.ndarray:
    """The largest piece of a mask, closed over single voxels, without holes."""
    closed = ndimage.binary_opening(inside, iterations=1) | ndimage.binary_closing(inside, iterations=1) & inside
    pieces, count = ndimage.label(closed)
    if count > 1:
        closed = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    return ndimage.binary_fill_holes(closed)


def _widenings(ventricle_distance: np.ndarray) -> torch.Tensor:
    """Where a point of the widened or narrowed brain looks up the map, as displacements for every step."""
    wall = ndimage.gaussian_filter(ventricle_distance, 1.5, truncate=3.0)[::STEP, ::STEP, ::STEP]
    fade = 0.5 + 0.5 * np.cos(np.pi * np.clip(wall / VENTRICLE_REACH_MM, 0.0, 1.0))
    gradient = np.stack(np.gradient(wall, STEP))
    velocity = -gradient / np.maximum(1.0, np.sqrt((gradient**2).sum(0))) * fade
    kept = torch.from_numpy(velocity.astype(np.float32))
    axes = [torch.arange(0, size, MOTION_STEP, dtype=torch.float32) for size in ventricle_distance.shape]
    start = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    shifts = {0: torch.zeros_like(start)}
    for sign in (-1, 1):
        points = start
        for step in range(1, WIDENINGS + 1):
            points = flow(points, kept, sign * WIDENING_STEP_MM, step=STEP)
            shifts[sign * step] = points - start
    return torch.stack([shifts[step].movedim(-1, 0) for step in range(-WIDENINGS, WIDENINGS + 1)])
