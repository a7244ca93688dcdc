"""What every artefact of a scanner is: settings that are drawn, and an image that they change."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from brain_bundles.phantom.scanner.draws import happens

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Signal:
    """An image on its way from the head to the file.

    Attributes:
        volume: (D, H, W) signal; the brightest tissue of an undisturbed brain is near 0.85.
        spacing: voxel size along each axis, mm.
        inside: (D, H, W) fraction inside of the skull, on the grid of the head.
        tissue: (D, H, W) fraction of grey matter, white matter and lateral ventricles, on the grid of the head.
        brightness: mean level of cortex and white matter.
    """

    volume: torch.Tensor
    spacing: tuple[float, float, float]
    inside: torch.Tensor
    tissue: torch.Tensor
    brightness: float

    def with_volume(self, volume: torch.Tensor, spacing: tuple[float, float, float] | None = None) -> Signal:
        """The same with another volume."""
        return replace(self, volume=volume, spacing=spacing or self.spacing)


class Artefact(ABC):
    """One thing that scanners do to an image. A subclass draws settings and applies them.

    Args:
        probability: chance that an image has it.

    Attributes:
        cuts: whether it makes parts of the image 0 and leaves the rest as it is.
    """

    cuts = False

    def __init__(self, probability: float = 1.0) -> None:
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"{type(self).__name__}: probability is {probability}, expected 0 to 1.")
        self.probability = probability

    @property
    def name(self) -> str:
        """Name in the record of a scan."""
        return type(self).__name__

    def draw(self, generator: torch.Generator) -> dict[str, Any] | None:
        """Settings of one image that JSON can hold, or None if this image does not have the artefact."""
        return self.settings(generator) if happens(self.probability, generator) else None

    @abstractmethod
    def settings(self, generator: torch.Generator) -> dict[str, Any]:
        """Draw the settings of an image that has the artefact."""

    @abstractmethod
    def apply(self, signal: Signal, settings: Settings, generator: torch.Generator) -> Signal:
        """Change the image.

        Args:
            signal: the image before.
            settings: from :meth:`settings`, or from the record of a scan.
            generator: randomness of fields and noise; it depends on the seed of the scan and the artefact alone.
        """
