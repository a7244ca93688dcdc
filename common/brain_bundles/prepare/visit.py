"""The steps of one visit: from scans as they are to registered contrasts on one grid, brain-extracted."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from brain_bundles.prepare.bias_field import correct_bias_field
from brain_bundles.prepare.heads import Head, VisitError, brain_of, choose_reference, read_head, read_masks
from brain_bundles.prepare.options import Options
from brain_bundles.prepare.registration import displacement, register
from brain_bundles.prepare.resample import make_grid, resample
from brain_bundles.prepare.scans import Scan, Visit
from brain_bundles.prepare.volume import Volume
from brain_bundles.transforms.brain_extraction import object_mask

# The comparison of two contrasts takes the brain with this margin: its edge helps, while skin and neck move, and fat
# of skull and scalp is shifted in the image.
_MARGIN_MM = 3.0
# Contrasts that were on one grid before stay as they are if the found transform moves the brain by less, mm.
_ALREADY_REGISTERED_MM = 0.5
# Beyond these a registration looks doubtful: shift of the brain after the centres are on each other, and coverage.
_DOUBTFUL_DEGREES, _DOUBTFUL_COVERAGE = 40.0, 0.9


@dataclass(frozen=True)
class Prepared:
    """A prepared visit.

    Attributes:
        heads: contrast -> its head with the volume on the common grid and the steps.
        heads_whole: contrast -> the same before the mask, for the picture.
        mask: brain mask on that grid, None without extraction.
        warnings: what looks doubtful.
    """

    heads: dict[str, Head]
    heads_whole: dict[str, Volume]
    mask: NDArray[np.bool_] | None
    warnings: list[str]


def prepare_visit(visit: Visit, first: Scan | None, options: Options) -> Prepared:
    """Take one visit through all steps.

    Args:
        visit: the scans.
        first: reference contrast of the person's first visit, to which this visit is registered; None for the first.
        options: settings.

    Raises:
        ValueError: if a file cannot be used, or the brain cannot be extracted.
    """
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        heads = {name: read_head(scan, scratch, turn=options.reorient) for name, scan in visit.scans.items()}
        masks = read_masks(visit, scratch, turn=options.reorient)
        reference = choose_reference(heads, masks, options)
        warnings: list[str] = []
        mask, how = brain_of(reference, masks, options)
        warnings += [
            f"mask {name} lies on no contrast's grid, so it is not used" for name in how.get("MasksOnOtherGrids", ())
        ]
        inside = object_mask(reference.volume.data, reference.volume.affine) if mask is None else mask
        if not inside.any():
            raise VisitError(f"{reference.scan.path}: nothing stands out from the background.")
        if options.registration:
            for head in heads.values():
                if head is not reference:
                    _register(head, reference, inside, warnings)
        if options.bias_field:
            for head in heads.values():
                region = inside if head is reference else _on(head, reference, inside)
                if region.any():
                    head.volume = correct_bias_field(head.volume, region)
                    head.steps.append({"Step": "bias field", "Method": "N4"})
        to_first = np.eye(4)
        axes = _axes(reference.volume)
        if first is not None and options.registration:
            start = read_head(first, scratch, turn=options.reorient)
            found = register(reference.volume, start.volume, _grow(inside, reference.volume))
            to_first, axes = found.matrix, _axes(start.volume)
        grid = _grid(reference.volume, to_first, axes, options.spacing)
        return _finish(heads, reference, mask, how, grid, to_first, first, warnings)


def _register(head: Head, reference: Head, inside: NDArray[np.bool_], warnings: list[str]) -> None:
    found = register(reference.volume, head.volume, _grow(inside, reference.volume))
    moved = displacement(found.matrix, inside, reference.volume.affine)
    stays = head.volume.same_grid(reference.volume) and moved < _ALREADY_REGISTERED_MM
    head.to_reference = np.eye(4) if stays else found.matrix
    step = {
        "Step": "registration",
        "Method": "rigid, Mattes mutual information",
        "To": reference.scan.contrast,
        "Matrix": np.round(head.to_reference, 6).tolist(),
        "MeanDisplacement": round(0.0 if stays else moved, 3),
        "MutualInformation": [round(value, 4) for value in found.mutual_information],
    }
    head.steps.append({**step, "Applied": not stays})
    angle = np.degrees(np.arccos(np.clip((np.trace(head.to_reference[:3, :3]) - 1) / 2, -1, 1)))
    if angle > _DOUBTFUL_DEGREES:
        warnings.append(f"{head.scan.path.name}: registration turned it by {angle:.0f} degrees; look at the picture")


def _finish(
    heads: dict[str, Head],
    reference: Head,
    mask: NDArray[np.bool_] | None,
    how: dict[str, Any],
    grid: Volume,
    to_first: NDArray[np.float64],
    first: Scan | None,
    warnings: list[str],
) -> Prepared:
    """Resample every contrast once, and apply the mask."""
    back = np.linalg.inv(to_first).astype(np.float64)  # RAS+ mm of the result to RAS+ mm of the reference
    final_mask = None
    if mask is not None:
        final_mask = _at(reference.volume.with_data(mask), grid, back, smooth=False).data > 0.5
    whole: dict[str, Volume] = {}
    for name, head in heads.items():
        before = head.volume
        head.volume = whole[name] = _at(before, grid, head.to_reference @ back, smooth=True)
        if first is not None and head is reference:
            head.steps.append({"Step": "registration", "To": first.path.name, "Matrix": np.round(to_first, 6).tolist()})
        head.steps.append(
            {
                "Step": "resampling",
                "Spacing": [round(float(mm), 4) for mm in grid.spacing],
                "Interpolation": "none" if head.volume.data is before.data else "cubic B-spline",
            }
        )
        if final_mask is not None:
            head.steps.append({**how, "Applied": head.whole or how["Method"] != "extracted before"})
            if head.steps[-1]["Applied"]:
                head.volume = head.volume.with_data(head.volume.data * final_mask)
            covered = _at(before.with_data(np.ones_like(before.data)), grid, head.to_reference @ back, smooth=False)
            share = float((covered.data[final_mask] > 0.5).mean())
            head.steps[-1]["CoveredByTheScan"] = round(share, 4)
            if share < _DOUBTFUL_COVERAGE:
                warnings.append(f"{head.scan.path.name}: the scan covers {share:.0%} of the brain, the rest is 0")
    return Prepared(heads, whole, final_mask, warnings)


def _at(volume: Volume, grid: Volume, matrix: NDArray[np.float64], *, smooth: bool) -> Volume:
    """The volume on the grid, without interpolation where each voxel stays the same."""
    voxels = np.linalg.inv(volume.affine) @ matrix @ grid.affine
    if volume.data.shape == grid.data.shape and np.allclose(voxels, np.eye(4), rtol=0, atol=1e-3):
        return grid.with_data(volume.data)
    return resample(volume, grid, matrix, smooth=smooth)


def _grid(reference: Volume, to_first: NDArray[np.float64], axes: NDArray[np.float64], spacing: float | None) -> Volume:
    if spacing is not None:
        return make_grid(reference, to_first, axes, spacing)
    # Without a spacing the voxels stay where they are, only their place in the world is told anew.
    return Volume(reference.data, to_first @ reference.affine)


def _axes(volume: Volume) -> NDArray[np.float64]:
    u, _, vt = np.linalg.svd(volume.affine[:3, :3] / volume.spacing)
    return u @ vt


def _on(head: Head, reference: Head, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask of the reference on the grid of another contrast."""
    back = np.linalg.inv(head.to_reference).astype(np.float64)
    return resample(reference.volume.with_data(inside), head.volume, back, smooth=False).data > 0.5


def _grow(mask: NDArray[np.bool_], volume: Volume) -> NDArray[np.bool_]:
    distance = ndimage.distance_transform_edt(~mask, sampling=volume.spacing)
    return distance <= _MARGIN_MM
