"""Artefacts of the order in which k-space is filled: motion, ghosts, truncation."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from monai.transforms import GibbsNoise

from brain_bundles.phantom.heads.motion import rotation
from brain_bundles.phantom.scanner.artefact import Artefact, Settings, Signal
from brain_bundles.phantom.scanner.draws import Range, one_of, uniform

AXES = (0, 1, 2)


def _to_k_space(volume: torch.Tensor, axis: int) -> torch.Tensor:
    return torch.fft.fftshift(torch.fft.fft(volume, dim=axis), dim=axis)


def _to_magnitude(k_space: torch.Tensor, axis: int) -> torch.Tensor:
    return torch.fft.ifft(torch.fft.ifftshift(k_space, dim=axis), dim=axis).abs()


def _lines(values: torch.Tensor, axis: int) -> torch.Tensor:
    """Values of the lines along the phase axis, in a shape that multiplies a volume."""
    return values.reshape([-1 if other == axis else 1 for other in AXES])


class Motion(Artefact):
    """The head moved once while the lines of k-space were acquired: those after it are of the moved head.

    Args:
        degrees: range of the angle about each axis, to either side.
        shift_mm: range of the shift along each axis, to either side, mm.
        moment: range of the part of the lines that were acquired before. The middle of k-space is at 0.5.
        probability: chance that an image has it.
    """

    def __init__(
        self,
        degrees: float = 2.5,
        shift_mm: float = 2.5,
        moment: Range = (0.55, 0.95),
        probability: float = 0.1,
    ) -> None:
        super().__init__(probability)
        self.degrees, self.shift_mm, self.moment = degrees, shift_mm, moment

    def settings(self, generator: torch.Generator) -> dict[str, Any]:
        return {
            "axis": one_of(AXES, generator),
            "moment": uniform(self.moment, generator),
            "degrees": [uniform((-self.degrees, self.degrees), generator) for _ in AXES],
            "shift_mm": [uniform((-self.shift_mm, self.shift_mm), generator) for _ in AXES],
        }

    def apply(self, signal: Signal, settings: Settings, generator: torch.Generator) -> Signal:
        volume, axis = signal.volume, int(settings["axis"])
        half = torch.tensor([size * mm / 2 for size, mm in zip(volume.shape, signal.spacing, strict=True)])
        turn = rotation(torch.tensor(settings["degrees"]))
        matrix = turn * half[None, :] / half[:, None]  # from millimetres to the cube of grid_sample
        theta = torch.cat([matrix, (torch.tensor(settings["shift_mm"]) / half)[:, None]], dim=1)
        theta = theta.flip(0)[:, [2, 1, 0, 3]]  # grid_sample wants the last axis first
        grid = F.affine_grid(theta[None], [1, 1, *volume.shape], align_corners=False)
        moved = F.grid_sample(volume[None, None], grid, mode="bilinear", align_corners=False)[0, 0]
        before = _lines(torch.arange(volume.shape[axis]) < settings["moment"] * volume.shape[axis], axis)
        return signal.with_volume(
            _to_magnitude(torch.where(before, _to_k_space(volume, axis), _to_k_space(moved, axis)), axis)
        )


class Ghosting(Artefact):
    """Ghosts along the phase axis: every n-th line of k-space is weaker, as under a pulsation.

    Args:
        strength: range of the weakening.
        every: range of n; the ghosts are 1/n of the field of view apart.
        probability: chance that an image has it.
    """

    CENTRE = 0.04  # of the lines; they give brightness and stay

    def __init__(self, strength: Range = (0.05, 0.35), every: Range = (2, 6), probability: float = 0.1) -> None:
        super().__init__(probability)
        self.strength, self.every = strength, every

    def settings(self, generator: torch.Generator) -> dict[str, Any]:
        return {
            "axis": one_of(AXES, generator),
            "strength": uniform(self.strength, generator),
            "every": one_of(range(int(self.every[0]), int(self.every[1]) + 1), generator),
        }

    def apply(self, signal: Signal, settings: Settings, generator: torch.Generator) -> Signal:
        axis = int(settings["axis"])
        size = signal.volume.shape[axis]
        lines = torch.arange(size)
        central = (lines - size // 2).abs() <= self.CENTRE * size / 2
        weaker = (lines % int(settings["every"]) == 0) & ~central
        factor = _lines(1.0 - settings["strength"] * weaker, axis)
        return signal.with_volume(_to_magnitude(_to_k_space(signal.volume, axis) * factor, axis))


class Gibbs(Artefact):
    """Ringing at edges: k-space is truncated (MONAI's ``GibbsNoise``).

    Args:
        alpha: range of the truncated part, 0 for none and 1 for all.
        probability: chance that an image has it.
    """

    def __init__(self, alpha: Range = (0.1, 0.45), probability: float = 0.2) -> None:
        super().__init__(probability)
        self.alpha = alpha

    def settings(self, generator: torch.Generator) -> dict[str, Any]:
        return {"alpha": uniform(self.alpha, generator)}

    def apply(self, signal: Signal, settings: Settings, generator: torch.Generator) -> Signal:
        rung = GibbsNoise(alpha=settings["alpha"])(signal.volume[None])
        return signal.with_volume(torch.as_tensor(rung)[0].clamp(min=0.0))
