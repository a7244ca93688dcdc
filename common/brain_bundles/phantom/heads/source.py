"""A folder of label maps as the source of a population: its maps by split, who gets which, and the recipe."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from brain_bundles.phantom.heads.people import Person, head_population
from brain_bundles.phantom.heads.split import find_label_maps, split_of
from brain_bundles.phantom.heads.subject import HeadOptions, HeadSubject, render_subject
from brain_bundles.phantom.heads.volumes import ImpossibleHeadError
from brain_bundles.utils.fingerprint import hash_file
from brain_bundles.utils.seeding import derive_seed

logger = logging.getLogger(__name__)

MAX_DRAWS = 10  # of a person for one anatomy


@dataclass(frozen=True)
class HeadSource:
    """Label maps in a folder.

    Attributes:
        maps: path by the name of the anatomy, sorted.
    """

    maps: dict[str, Path]

    @classmethod
    def from_folder(cls, folder: str | os.PathLike[str]) -> HeadSource:
        """Find the label maps of a folder.

        Raises:
            FileNotFoundError: if there is no such folder or no map in it.
            ValueError: if two maps have one name, or none is for training.
        """
        maps = find_label_maps(folder)
        if not any(split_of(name) == "train" for name in maps):
            listed = ", ".join(f"{name} ({split_of(name)})" for name in maps)
            raise ValueError(f"{folder}: no map is for training: {listed}; add maps, a hash of the name decides.")
        return cls(maps)

    def in_split(self, split: str) -> list[str]:
        """Names of the maps of one split."""
        return [name for name in self.maps if split_of(name) == split]

    def possible(self, splits: list[str]) -> list[str]:
        """Splits of the subjects, with ``train`` where a split has no map; the log names such a split."""
        for split in sorted({split for split in splits if not self.in_split(split)}):
            logger.warning(
                "no anatomy is for %s (a hash of its name decides: %s); these subjects are for training. Add maps.",
                split,
                ", ".join(self.maps),
            )
        return [split if self.in_split(split) else "train" for split in splits]

    def anatomy_of(self, seed: int, split: str) -> tuple[str, bool]:
        """The anatomy of a subject, and True for its mirror image; drawn from the maps of a split that has some."""
        names = self.in_split(split)
        draw = derive_seed(seed, "anatomy")
        return names[draw // 2 % len(names)], bool(draw % 2)

    def options_of(self, seed: int, split: str, options: HeadOptions) -> HeadOptions:
        """Options of one subject: ``options`` with its own anatomy."""
        name, mirrored = self.anatomy_of(seed, split)
        return replace(options, anatomy=self.maps[name], mirrored=mirrored)

    def hashes(self) -> dict[str, str]:
        """SHA-256 of each map's file."""
        return {name: hash_file(path) for name, path in self.maps.items()}


def draw_person(seed: int) -> Person:
    """The person of one subject."""
    return head_population().sample(1, np.random.default_rng(seed))[0]


def render_possible(
    person: Person, *, seed: int, spatial_size: tuple[int, int, int], spacing: float, options: HeadOptions
) -> tuple[Person, HeadSubject]:
    """The subject of a person, or of another person if the anatomy cannot have its volumes (one in some hundreds).

    Raises:
        ImpossibleHeadError: if ``MAX_DRAWS`` people were impossible.
        ValueError: if the head does not fit into the grid.
    """
    for draw in range(1, MAX_DRAWS + 1):
        try:
            subject = render_subject(person, seed=seed, spatial_size=spatial_size, spacing=spacing, options=options)
            return person, subject
        except ImpossibleHeadError as error:
            if draw == MAX_DRAWS:
                raise
            logger.info("%s: another person is drawn, %s", options.anatomy.name, error)
            person = draw_person(derive_seed(seed, "drawn again", draw))
    raise AssertionError
