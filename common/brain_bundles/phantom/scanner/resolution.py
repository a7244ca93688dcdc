"""The resolution of a scan: thick slices, blur."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from monai.transforms import GaussianSmooth

from brain_bundles.phantom.scanner.artefact import Artefact, Settings, Signal
from brain_bundles.phantom.scanner.draws import Range, log_uniform, one_of, uniform

FWHM_PER_SIGMA = 2.3548


def slice_profile(size: int, spacing: float, thickness: float) -> torch.Tensor:
    """Weights (slices, size) of the voxels in each slice: a box, by its overlap with each voxel.

    Args:
        size: voxels along the axis.
        spacing: their size, mm.
        thickness: of the slices, mm; they lie side by side and cover the axis.
    """
    count = max(1, round(size * spacing / thickness))
    edges = torch.linspace(0.0, size, count + 1)
    voxels = torch.arange(size, dtype=torch.float32)
    overlap = torch.minimum(edges[1:, None], voxels + 1) - torch.maximum(edges[:-1, None], voxels)
    overlap = overlap.clamp(min=0.0)
    return overlap / overlap.sum(1, keepdim=True)


class ThickSlices(Artefact):
    """A scan in 2D slices along one axis, whose later artefacts happen slice by slice.

    It is interpolated to the grid of the head at the end, as clinics do.

    Args:
        thickness_mm: range of the thickness, mm.
        axes: possible slice directions, 0 sagittal, 1 coronal, 2 axial.
        probability: chance that an image has it.
    """

    def __init__(
        self, thickness_mm: Range = (2.0, 6.0), axes: tuple[int, ...] = (0, 1, 2), probability: float = 0.4
    ) -> None:
        super().__init__(probability)
        self.thickness_mm, self.axes = thickness_mm, axes

    def settings(self, generator: torch.Generator) -> dict[str, Any]:
        return {
            "axis": one_of(self.axes, generator),
            "thickness_mm": log_uniform(self.thickness_mm, generator),
        }

    def apply(self, signal: Signal, settings: Settings, generator: torch.Generator) -> Signal:
        axis = int(settings["axis"])
        size, spacing = signal.volume.shape[axis], signal.spacing[axis]
        if settings["thickness_mm"] <= spacing:
            return signal
        weights = slice_profile(size, spacing, settings["thickness_mm"])
        slices = torch.tensordot(weights, signal.volume, dims=([1], [axis])).movedim(0, axis)
        steps = list(signal.spacing)
        steps[axis] = size * spacing / len(weights)
        return signal.with_volume(slices.contiguous(), (steps[0], steps[1], steps[2]))


def to_grid(signal: Signal) -> Signal:
    """The image on the grid of the head, by linear interpolation between slices."""
    shape = signal.inside.shape
    if signal.volume.shape == shape:
        return signal
    volume = F.interpolate(signal.volume[None, None], size=shape, mode="trilinear", align_corners=False)[0, 0]
    spacing = tuple(step * old / new for step, old, new in zip(signal.spacing, signal.volume.shape, shape, strict=True))
    return signal.with_volume(volume, (spacing[0], spacing[1], spacing[2]))


class Blur(Artefact):
    """A Gaussian point spread function, the same along all axes (MONAI's ``GaussianSmooth``).

    Args:
        fwhm_mm: range of the full width at half maximum, mm.
        probability: chance that an image has it.
    """

    def __init__(self, fwhm_mm: Range = (0.5, 3.0), probability: float = 0.3) -> None:
        super().__init__(probability)
        self.fwhm_mm = fwhm_mm

    def settings(self, generator: torch.Generator) -> dict[str, Any]:
        return {"fwhm_mm": uniform(self.fwhm_mm, generator)}

    def apply(self, signal: Signal, settings: Settings, generator: torch.Generator) -> Signal:
        sigma = [settings["fwhm_mm"] / FWHM_PER_SIGMA / step for step in signal.spacing]
        return signal.with_volume(torch.as_tensor(GaussianSmooth(sigma)(signal.volume[None]))[0])
