"""The head population without a disk: people who are rendered and scanned when a training reads their images."""

from __future__ import annotations

import logging
import math
import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from brain_bundles.phantom.heads.people import Person, plausible
from brain_bundles.phantom.heads.prepared import load_head
from brain_bundles.phantom.heads.source import MAX_DRAWS, HeadSource, draw_person
from brain_bundles.phantom.heads.subject import HeadOptions, HeadSubject, render_subject
from brain_bundles.phantom.heads.volumes import ImpossibleHeadError
from brain_bundles.phantom.population import RANGE
from brain_bundles.phantom.population_datalists import PEOPLE_AT_ONCE, PopulationDatalists
from brain_bundles.phantom.scanner import Acquisition, acquisition_of
from brain_bundles.utils.fingerprint import describe
from brain_bundles.utils.seeding import derive_seed

logger = logging.getLogger(__name__)

SPATIAL_SIZE = (96, 104, 96)


class HeadPopulation(PopulationDatalists):
    """People of label maps, rendered in training from (seed, split, index): nothing is written.

    It takes the place of a folder as ``dataset_dir`` of a training. A person is rendered when the first scan is read;
    an image depends on the settings here and the index alone, not on workers or order. People are in random order
    already: a sampler that does not shuffle reads all scans of a person within a few items, which saves their head.

    Args:
        anatomies: folder of label maps with FreeSurfer's numbers; None for a config that names none yet, which has to
            before people are asked for.
        num_subjects: number of people of the split "train"; each is seen once per round of the sampler.
        num_held_out: number of people of each of the splits "val" and "test".
        scans_per_person: pairs or segmentations of each person, each with an acquisition of its own. A head costs
            several times as much as a scan of it.
        acquisition: how sources are scanned: "nominal", "varied", "random", or an ``Acquisition``.
        target_acquisition: how targets of pairs are scanned; as the sources by default.
        random_share: share of the people whose source is scanned with ``random`` levels.
        spacing: voxel size, mm.
        spatial_size: (D, H, W) of the images.
        seed: seed of the people.
        whole_head: True for whole heads, False for brains, or the share of the people who are whole heads; with a
            share, label maps of a brain alone give brains.
        tumour_probability, stroke_probability, sclerosis_probability, with_vessels: as for
            :func:`brain_bundles.phantom.write_phantoms`.
        even_ventricles: share of the people whose lateral ventricles are drawn evenly over the logarithm of 5 to 105
            mL, whatever their age: in the population nine of ten have less than 35 mL.
        cache_dir: folder that keeps prepared label maps, 150 MB each; without it each start prepares them, 7 s each.
        exact: True searches each head's volumes to 1 %; else they may be off by some per cent, in a third of the time.

    Raises:
        FileNotFoundError: if ``anatomies`` is no folder with label maps.
        ValueError: for an unknown acquisition or a number out of range; when people are asked for, without label maps.
    """

    def __init__(
        self,
        anatomies: str | os.PathLike[str] | None,
        *,
        num_subjects: int = 100_000,
        num_held_out: int = 16,
        scans_per_person: int = 1,
        acquisition: str | Acquisition = "varied",
        target_acquisition: str | Acquisition | None = None,
        random_share: float = 0.0,
        spacing: float = 2.0,
        spatial_size: Sequence[int] = SPATIAL_SIZE,
        seed: int = 0,
        whole_head: bool | float = False,
        tumour_probability: float = 0.1,
        stroke_probability: float = 0.1,
        sclerosis_probability: float = 0.1,
        with_vessels: bool = False,
        even_ventricles: float = 0.0,
        exact: bool = False,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        if num_subjects < 1 or num_held_out < 0:
            raise ValueError(
                f"num_subjects is {num_subjects} and num_held_out {num_held_out}; expected 1 and 0 or more."
            )
        if scans_per_person < 1:
            raise ValueError(f"scans_per_person is {scans_per_person}, expected 1 or more.")
        if not 0 <= whole_head <= 1:
            raise ValueError(f"whole_head is {whole_head}, expected True, False or a share from 0 to 1.")
        self._source = None if anatomies is None else HeadSource.from_folder(anatomies)
        self.num_subjects, self.num_held_out = num_subjects, num_held_out
        self.scans_per_person = scans_per_person
        self._recent: OrderedDict[tuple[str, int], HeadSubject] = OrderedDict()
        self.acquisitions = {
            "source": acquisition_of(acquisition),
            "target": acquisition_of(acquisition if target_acquisition is None else target_acquisition),
            "random": acquisition_of("random"),
        }
        self.has_targets = target_acquisition is not None
        self.random_share, self.cache_dir = random_share, cache_dir
        self.even_ventricles = even_ventricles
        self.head_share = float(whole_head)
        self.spacing, self.seed = float(spacing), seed
        self.spatial_size = (int(spatial_size[0]), int(spatial_size[1]), int(spatial_size[2]))
        self.options = HeadOptions(
            whole_head=self.head_share == 1,
            tumour_probability=tumour_probability,
            stroke_probability=stroke_probability,
            sclerosis_probability=sclerosis_probability,
            vessels=with_vessels,
            exact=exact,
        )

    def __str__(self) -> str:
        number = 0 if self._source is None else len(self._source.maps)
        return f"a population of {number} label maps, seed {self.seed}"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_recent": OrderedDict()}  # not the heads

    @property
    def source(self) -> HeadSource:
        """The label maps.

        Raises:
            ValueError: without a folder of label maps.
        """
        if self._source is None:
            raise ValueError(
                "anatomies is None: people are made from label maps with FreeSurfer's numbers, which do not ship; give "
                "a folder of them (docs/how-to/get_label_maps.md says where 25 are), or another dataset_dir."
            )
        return self._source

    @cached_property
    def settings(self) -> str:
        """Text of all settings and of the contents of the label maps."""
        even = [self.even_ventricles] if self.even_ventricles else []  # settings from before it keep their text
        shown = self.options if self.head_share in (0, 1) else (self.options, self.head_share)
        own = (self.acquisitions, self.random_share, self.spacing, self.seed, self.spatial_size, shown, *even)
        return describe([*own, self.source.hashes()], depth=20)

    def participant_id(self, split: str, index: int) -> str:
        """Name of a person."""
        return f"sub-{split}{index:06d}"

    def subject_seed(self, split: str, index: int) -> int:
        """Seed of a person; all splits have people of their own."""
        return derive_seed(self.seed, "head population", split, index)

    def anatomy(self, split: str, index: int) -> str:
        """Name of the map that a person is made from, unless it cannot have the person's volumes."""
        return self.source.anatomy_of(self._anatomy_seed(split, index), split)[0]

    def _anatomy_seed(self, split: str, index: int, draw: int = 0) -> int:
        return derive_seed(self.subject_seed(split, index), "anatomy", draw)

    def person(self, split: str, index: int) -> Person:
        """Age, sex and volumes of a person."""
        person = draw_person(seed := self.subject_seed(split, index))
        if derive_seed(seed, "even ventricles") / 2**63 >= self.even_ventricles:
            return person
        low, high = (math.log(ml) for ml in RANGE["ventricular_volume"])
        place = derive_seed(seed, "ventricular volume") / 2**63
        changed = replace(person, ventricular_volume=math.exp(low + place * (high - low)))
        return changed if plausible(changed) else person

    def acquisition(self, role: str, split: str, index: int) -> Acquisition:
        """How a person is scanned, as source or as target."""
        if role == "source" and self.random_share > 0:
            draw = derive_seed(self.subject_seed(split, index), "random source") / 2**63
            if draw < self.random_share:
                return self.acquisitions["random"]
        return self.acquisitions[role]

    def subject(self, split: str, index: int) -> HeadSubject:
        """One person; the last ones are kept, for their other scans."""
        key = (split, index)
        if key not in self._recent:
            while len(self._recent) >= PEOPLE_AT_ONCE:
                self._recent.popitem(last=False)
            self._recent[key] = self._render(split, index)
        return self._recent[key]

    def _render(self, split: str, index: int) -> HeadSubject:
        """A person with an anatomy that can have its volumes: an item's covariates are known before its anatomy is."""
        person, seed = self.person(split, index), self.subject_seed(split, index)
        acquisition = self.acquisition("source", split, index)
        for draw in range(MAX_DRAWS):
            options = self.source.options_of(self._anatomy_seed(split, index, draw), split, self.options)
            if 0 < self.head_share < 1:
                shown = derive_seed(seed, "whole head") / 2**63 < self.head_share
                options = replace(options, whole_head=shown and load_head(options.anatomy).surroundings is not None)
            try:
                return render_subject(
                    person,
                    seed=derive_seed(seed, "head", draw),
                    spatial_size=self.spatial_size,
                    spacing=self.spacing,
                    options=acquisition.placed(options, seed),
                )
            except ImpossibleHeadError as error:
                if draw == MAX_DRAWS - 1:
                    raise
                logger.debug("%s: another anatomy is drawn, %s", self.participant_id(split, index), error)
        raise AssertionError

    def number(self, split: str | None) -> int:
        """Number of people of a split.

        Raises:
            ValueError: for another split than train, val or test.
        """
        if split not in ("train", "val", "test"):
            raise ValueError(f"split is {split!r}; a population has train, val and test.")
        return self.num_subjects if split == "train" else self.num_held_out
