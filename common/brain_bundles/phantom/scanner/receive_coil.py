"""What the receive coil adds: a smooth change of brightness, and noise."""

from __future__ import annotations

from typing import Any

import torch

from brain_bundles.phantom.deformation import random_field
from brain_bundles.phantom.scanner.artefact import Artefact, Settings, Signal
from brain_bundles.phantom.scanner.draws import Range, log_uniform, uniform


class BiasField(Artefact):
    """Smooth change of brightness by the sensitivity of the coil.

    Args:
        std: range of the standard deviation of the logarithm.
        knots_mm: range of the distance over which it changes, mm.
        probability: chance that an image has it.
    """

    def __init__(self, std: Range = (0.0, 0.3), knots_mm: Range = (50.0, 120.0), probability: float = 1.0) -> None:
        super().__init__(probability)
        self.std, self.knots_mm = std, knots_mm

    def settings(self, generator: torch.Generator) -> dict[str, Any]:
        return {"std": uniform(self.std, generator), "knots_mm": uniform(self.knots_mm, generator)}

    def apply(self, signal: Signal, settings: Settings, generator: torch.Generator) -> Signal:
        field = random_field(
            signal.volume.shape,
            channels=1,
            spacing=signal.spacing[0],
            knot_spacing=settings["knots_mm"],
            generator=generator,
        )[0]
        return signal.with_volume(signal.volume * torch.exp(settings["std"] * field))


class Noise(Artefact):
    """Rician noise: the magnitude of a signal with Gaussian noise in both channels (Gudbjartsson 1995, MRM 34:910).

    Args:
        snr: range of the brightness of cortex and white matter over the standard deviation of one channel, per voxel
            of the scan.
        probability: chance that an image has it.
    """

    def __init__(self, snr: Range = (10.0, 80.0), probability: float = 1.0) -> None:
        super().__init__(probability)
        self.snr = snr

    def settings(self, generator: torch.Generator) -> dict[str, Any]:
        return {"snr": log_uniform(self.snr, generator)}

    def apply(self, signal: Signal, settings: Settings, generator: torch.Generator) -> Signal:
        std = signal.brightness / settings["snr"]
        real, imaginary = std * torch.randn((2, *signal.volume.shape), generator=generator)
        return signal.with_volume(torch.hypot(signal.volume + real, imaginary))
