"""What happens to an image after the scan: a curve of the greys, a brain mask, a field of view that ends too early."""

from __future__ import annotations

import math
from typing import Any

import torch
from monai.transforms.utils_morphological_ops import dilate, erode

from brain_bundles.phantom.acquisition import WHITEST
from brain_bundles.phantom.deformation import random_field
from brain_bundles.phantom.heads.distance import signed_distance
from brain_bundles.phantom.scanner.artefact import Artefact, Settings, Signal
from brain_bundles.phantom.scanner.draws import Range, happens, log_uniform, one_of, uniform


class Gamma(Artefact):
    """A curve of the greys: (value / brightest tissue) to the power of gamma.

    Args:
        gamma: range of the exponent.
        probability: chance that an image has it.
    """

    def __init__(self, gamma: Range = (0.7, 1.4), probability: float = 0.5) -> None:
        super().__init__(probability)
        self.gamma = gamma

    def settings(self, generator: torch.Generator) -> dict[str, Any]:
        return {"gamma": log_uniform(self.gamma, generator)}

    def apply(self, signal: Signal, settings: Settings, generator: torch.Generator) -> Signal:
        return signal.with_volume(WHITEST * (signal.volume.clamp(min=0.0) / WHITEST) ** settings["gamma"])


class BrainMask(Artefact):
    """The mask of a brain extraction: 0 outside. It may be cut too tight or too wide, or without the CSF of sulci.

    A mask that is too wide shows skull and scalp only where the head has them.

    Args:
        margin_mm: range of the distance between the mask and the border of the intracranial space, mm; above 0 the
            mask is too wide. (0, 0) is the intracranial space itself.
        roughness_mm: range of the standard deviation of that distance over the head, mm.
        without_csf: chance that the mask ends at the brain's surface, and CSF of sulci is cut.
        probability: chance that an image has a mask.
    """

    cuts = True
    KNOTS_MM = 20.0
    CLOSING_MM = 5.0  # sulci narrower than twice this stay in a mask that ends at the brain's surface

    def __init__(
        self,
        margin_mm: Range = (-1.5, 3.0),
        roughness_mm: Range = (0.0, 1.0),
        without_csf: float = 0.2,
        probability: float = 1.0,
    ) -> None:
        super().__init__(probability)
        self.margin_mm, self.roughness_mm, self.without_csf = margin_mm, roughness_mm, without_csf

    @property
    def widest_mm(self) -> float:
        """How far beyond the intracranial space a mask may reach, mm."""
        return max(0.0, self.margin_mm[1] + 2.0 * self.roughness_mm[1])

    def settings(self, generator: torch.Generator) -> dict[str, Any]:
        return {
            "margin_mm": uniform(self.margin_mm, generator),
            "roughness_mm": uniform(self.roughness_mm, generator),
            "without_csf": happens(self.without_csf, generator),
        }

    def apply(self, signal: Signal, settings: Settings, generator: torch.Generator) -> Signal:
        inside = signal.inside > 0.5
        if settings["without_csf"]:
            # The closed surface of the brain; it stays inside of the skull.
            size = 2 * max(1, round(self.CLOSING_MM / signal.spacing[0])) + 1
            brain = (signal.tissue > 0.5).float()[None, None]
            inside &= erode(dilate(brain, size), size)[0, 0] > 0
        if settings["margin_mm"] == 0.0 and settings["roughness_mm"] == 0.0:
            return signal.with_volume(signal.volume * inside)
        rough = random_field(
            inside.shape,
            channels=1,
            spacing=signal.spacing[0],
            knot_spacing=self.KNOTS_MM,
            generator=generator,
        )[0]
        margin = settings["margin_mm"] + settings["roughness_mm"] * rough
        kept = border_distance(inside, signal.spacing[0], reach=float(margin.max())) < margin
        return signal.with_volume(signal.volume * kept)


def border_distance(mask: torch.Tensor, spacing: float, *, reach: float) -> torch.Tensor:
    """Signed Euclidean distance to the border of a mask, mm, negative inside; infinite far from it.

    Args:
        mask: (D, H, W) bool.
        spacing: voxel size, mm.
        reach: distances above it may be infinite: most of a grid lies far from the head and costs time.
    """
    margin = math.ceil(max(reach, 0.0) / spacing) + 1
    box = tuple(
        slice(max(0, int(found[0]) - margin), int(found[-1]) + margin + 1)
        for found in (torch.nonzero(mask.any(a).any(b))[:, 0] for a, b in ((2, 1), (2, 0), (1, 0)))
    )
    distance = torch.full(mask.shape, math.inf)
    distance[box] = torch.from_numpy(signed_distance(mask[box].numpy(), spacing=spacing))
    return distance


class FieldOfView(Artefact):
    """A field of view that ends within the head: 0 beyond it, along one axis and at one end.

    Args:
        cut_mm: range of what is missing of the head, mm.
        ends: possible ends as (axis, end), end 0 or 1; by default the bottom, the top and the back of the head.
        probability: chance that an image has it.
    """

    cuts = True

    def __init__(
        self,
        cut_mm: Range = (5.0, 35.0),
        ends: tuple[tuple[int, int], ...] = ((2, 0), (2, 1), (1, 0)),
        probability: float = 0.05,
    ) -> None:
        super().__init__(probability)
        self.cut_mm, self.ends = cut_mm, tuple((int(axis), int(end)) for axis, end in ends)

    def settings(self, generator: torch.Generator) -> dict[str, Any]:
        axis, end = one_of(self.ends, generator)
        return {"axis": axis, "end": end, "cut_mm": uniform(self.cut_mm, generator)}

    def apply(self, signal: Signal, settings: Settings, generator: torch.Generator) -> Signal:
        axis = int(settings["axis"])
        others = [other for other in range(3) if other != axis]
        occupied = torch.nonzero((signal.inside > 0.5).any(others[1]).any(others[0]))[:, 0]
        cut = round(settings["cut_mm"] / signal.spacing[axis])
        index = torch.arange(signal.volume.shape[axis])
        kept = index >= occupied[0] + cut if settings["end"] == 0 else index <= occupied[-1] - cut
        return signal.with_volume(signal.volume * kept.reshape([-1 if other == axis else 1 for other in range(3)]))
