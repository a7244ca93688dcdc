"""Images of a head population that are made when they are read: scans and segmentations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from brain_bundles.data.grid import grid_affine
from brain_bundles.phantom.heads.class_labels import class_numbers
from brain_bundles.phantom.scanner import Scan

if TYPE_CHECKING:
    from brain_bundles.phantom.head_population import HeadPopulation


@dataclass(frozen=True)
class HeadImage:
    """One scan of one person of a population, made when it is read.

    Attributes:
        population: the people.
        split, index: which person.
        contrast: what the scan is asked for.
        role: "source" or "target", which chooses the acquisition.
        scan_number: number of the scan, of several of one person.
    """

    population: HeadPopulation
    split: str
    index: int
    contrast: str
    role: str = "source"
    scan_number: int = 0

    def __str__(self) -> str:
        return f"{self.population.participant_id(self.split, self.index)}_{self.contrast} ({self._key})"

    def fingerprint(self) -> str:
        """Text of the settings, the person and the scan."""
        return f"{self.population.settings}|{self.split}|{self.index}|{self.contrast}|{self._key}"

    @property
    def _key(self) -> str:
        """What tells scans of one contrast and person apart."""
        return f"{self.role} {self.scan_number}" if self.scan_number else self.role

    @property
    def scan(self) -> Scan:
        """Record of the scan: its sequence, levels and artefacts."""
        head = self.population.subject(self.split, self.index)
        return self.population.acquisition(self.role, self.split, self.index).draw(head, self.contrast, key=self._key)

    def render(self) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Scan the person: (D, H, W) float32, brain-extracted but for whole heads."""
        people = self.population
        head = people.subject(self.split, self.index)
        acquisition = people.acquisition(self.role, self.split, self.index)
        volume = acquisition.image(head, self.scan, whole_head=head.whole_head).numpy()
        return volume, grid_affine(people.spacing, volume.shape)


@dataclass(frozen=True)
class HeadSegmentation:
    """The segmentation of one person of a population, made when it is read.

    Attributes:
        population: the people.
        split, index: which person.
    """

    population: HeadPopulation
    split: str
    index: int

    def __str__(self) -> str:
        return f"{self.population.participant_id(self.split, self.index)}_dseg"

    def fingerprint(self) -> str:
        """Text of the settings and the person."""
        return f"{self.population.settings}|{self.split}|{self.index}|dseg"

    def render(self) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """FreeSurfer's number of the class with the largest fraction, (D, H, W); 0 outside of the skull."""
        people = self.population
        numbers = class_numbers(people.subject(self.split, self.index)).astype(np.float32)
        return numbers, grid_affine(people.spacing, numbers.shape)
