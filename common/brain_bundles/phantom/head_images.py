"""Images of a head population that are made when they are read: scans and segmentations."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from brain_bundles.data.grid import grid_affine
from brain_bundles.phantom.heads.class_labels import class_numbers
from brain_bundles.phantom.scanner import Scan

if TYPE_CHECKING:
    from brain_bundles.phantom.heads.people import Person
    from brain_bundles.phantom.heads.source import HeadSource
    from brain_bundles.phantom.heads.subject import HeadSubject
    from brain_bundles.phantom.scanner import Acquisition


class People(Protocol):
    """What images ask a population for.

    Attributes:
        spacing: voxel size, mm.
        scans_per_person: pairs, segmentations or sets of contrasts of each person.
        has_targets: whether targets have an acquisition of their own.
        cache_dir: folder that keeps prepared label maps, or None.
    """

    spacing: float
    scans_per_person: int
    has_targets: bool
    cache_dir: str | os.PathLike[str] | None

    @property
    def settings(self) -> str:
        """Text of all settings and of the contents of the label maps."""

    @property
    def source(self) -> HeadSource:
        """The label maps."""

    def number(self, split: str | None) -> int:
        """Number of people of a split."""

    def participant_id(self, split: str, index: int) -> str:
        """Name of a person."""

    def subject_seed(self, split: str, index: int) -> int:
        """Seed of a person."""

    def person(self, split: str, index: int) -> Person:
        """Age, sex and volumes of a person."""

    def acquisition(self, role: str, split: str, index: int) -> Acquisition:
        """How a person is scanned, as source or as target."""

    def subject(self, split: str, index: int) -> HeadSubject:
        """The rendered person."""


@dataclass(frozen=True)
class HeadImage:
    """One scan of one person of a population, made when it is read.

    Attributes:
        population: the people.
        split, index: which person.
        contrast: what the scan is asked for.
        role: "source" or "target", which chooses the acquisition.
        scan_number: number of the scan, of several of one person.
        within: another scan of this person, whose brain mask and field of view this one has; None for its own.
    """

    population: People
    split: str
    index: int
    contrast: str
    role: str = "source"
    scan_number: int = 0
    within: HeadImage | None = None

    def __str__(self) -> str:
        return f"{self.population.participant_id(self.split, self.index)}_{self.contrast} ({self._key})"

    def fingerprint(self) -> str:
        """Text of the settings, the person and the scan."""
        own = f"{self.population.settings}|{self.split}|{self.index}|{self.contrast}|{self._key}"
        return own if self.within is None else f"{own}|within {self.within.contrast} {self.within._key}"

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
        extent = (self.within or self).extent()
        acquisition = people.acquisition(self.role, self.split, self.index)
        volume = acquisition.image(head, self.scan, whole_head=head.whole_head, extent=extent).numpy()
        return volume, grid_affine(people.spacing, volume.shape)

    def extent(self) -> torch.Tensor:
        """Where the scan shows anything, (D, H, W) bool."""
        return _extent(self)


@lru_cache(maxsize=4)
def _extent(image: HeadImage) -> torch.Tensor:
    """The last ones are kept: all images of an item ask for that of its first scan."""
    people = image.population
    head = people.subject(image.split, image.index)
    acquisition = people.acquisition(image.role, image.split, image.index)
    return acquisition.extent(head, image.scan, whole_head=head.whole_head)


@dataclass(frozen=True)
class HeadSegmentation:
    """The segmentation of one person of a population, made when it is read.

    Attributes:
        population: the people.
        split, index: which person.
    """

    population: People
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
