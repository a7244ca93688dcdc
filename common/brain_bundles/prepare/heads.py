"""The scans of one visit as volumes, with the mask of the brain in the reference contrast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brain_bundles.data.anatomy import is_whole_head
from brain_bundles.data.checks import image_problem
from brain_bundles.prepare.options import Options
from brain_bundles.prepare.scans import Scan, Visit
from brain_bundles.prepare.volume import Volume, read_volume, reorient
from brain_bundles.transforms.brain_extraction import background_of, extract_brain, object_mask

# Two masks or images lie on one grid if no entry of their affines differs by more, mm.
GRID_TOLERANCE = 1e-2


class VisitError(ValueError):
    """Raised for a visit that cannot be prepared; the message names the file."""


@dataclass
class Head:
    """One contrast on its way through the steps.

    Attributes:
        scan: where it comes from.
        volume: the image as it is now.
        whole: True for a whole head, False for a brain that was extracted before.
        steps: what was done, for the sidecar.
        to_reference: (4, 4), RAS+ mm of the reference contrast to RAS+ mm of this image.
    """

    scan: Scan
    volume: Volume
    whole: bool
    steps: list[dict[str, Any]] = field(default_factory=list)
    to_reference: NDArray[np.float64] = field(default_factory=lambda: np.eye(4))


def read_head(scan: Scan, scratch: Path, *, turn: bool = True) -> Head:
    """Read and check a scan, set its background to 0, turn its axes to RAS.

    Raises:
        VisitError: if the file cannot be used.
    """
    path = scan.file(scratch)
    if problem := image_problem(path):
        raise VisitError(f"{problem[0]}: {problem[1].replace(str(path), str(scan.path))}")
    volume = read_volume(path)
    head = Head(scan, volume, False)
    if turn:
        head.volume, before = reorient(volume)
        head.steps.append({"Step": "reorient", "From": before, "To": "RAS"})
    air = constant_background(head.volume.data)
    if air:
        head.volume = head.volume.with_data(head.volume.data - air)
        head.steps.append({"Step": "background", "Subtracted": air})
    head.volume = head.volume.with_data(np.maximum(head.volume.data, 0))  # magnitudes; below 0 is ringing of a filter
    head.whole = is_whole_head(head.volume.data, head.volume.affine)
    return head


def constant_background(data: NDArray[np.float32]) -> float:
    """The one value of the air where that is not 0, as after a scaling to [-1, 1]; 0 where there is none."""
    air = background_of(data)
    return air if air != 0 and float((data == air).mean()) > 0.1 else 0.0


def read_masks(visit: Visit, scratch: Path, *, turn: bool = True) -> dict[str, Volume]:
    """The visit's brain masks by the names of their files."""
    masks = {scan.path.name: read_volume(scan.file(scratch)) for scan in visit.masks}
    return {name: reorient(mask)[0] if turn else mask for name, mask in masks.items()}


def choose_reference(heads: Mapping[str, Head], masks: Mapping[str, Volume], options: Options) -> Head:
    """The contrast that the others are registered to: one on whose grid a mask lies comes first."""
    masked = [
        name for name, head in heads.items() if any(m.same_grid(head.volume, GRID_TOLERANCE) for m in masks.values())
    ]
    return heads[options.reference_of(masked or list(heads))]


def brain_of(
    head: Head, masks: Mapping[str, Volume], options: Options
) -> tuple[NDArray[np.bool_] | None, dict[str, Any]]:
    """Mask of the brain on the grid of ``head``, and how it was found. None leaves a head as it is.

    Raises:
        BrainExtractionError: if the brain of a whole head cannot be extracted.
    """
    step: dict[str, Any] = {"Step": "brain extraction"}
    if options.extract_brain == "false":
        return None, step
    for name, mask in masks.items():
        if mask.same_grid(head.volume, GRID_TOLERANCE):
            return mask.data > 0, {**step, "Method": "mask", "Mask": name}
    if masks:
        step["MasksOnOtherGrids"] = sorted(masks)
    if options.extract_brain == "auto" and not head.whole:
        return object_mask(head.volume.data, head.volume.affine), {**step, "Method": "extracted before"}
    contrast = head.scan.contrast
    found, method = extract_brain(
        head.volume.data,
        head.volume.affine,
        contrast,
        method=options.extraction_method,
        segmenter=options.segmenter,
    )
    return found, {**step, "Method": method, "On": contrast}
