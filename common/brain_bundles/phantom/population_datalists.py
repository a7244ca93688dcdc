"""The datalists of a population: what trainings ask for in the place of a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from brain_bundles.data.covariates import COVARIATES, HEAD_SIZE
from brain_bundles.data.rendered import RenderedItems, alternate, target_key
from brain_bundles.phantom.head_images import HeadImage, HeadSegmentation, People
from brain_bundles.phantom.heads.prepared import load_heads
from brain_bundles.phantom.heads.split import split_of
from brain_bundles.phantom.mr_signal import SEQUENCES
from brain_bundles.utils.seeding import derive_seed

PEOPLE_AT_ONCE = 4  # their scans alternate, so that 2 or 4 workers each get all scans of their people


class PopulationDatalists(People):
    """Datalists of people who are rendered when an item is read; a :class:`brain_bundles.data.RenderedDataset`."""

    def items(self, contrasts: Sequence[str], split: str | None) -> RenderedItems:
        """Items with the covariates and a :class:`HeadImage` per contrast; of a single contrast it is ``image``.

        Several contrasts have one brain mask, as those of a study do. With a ``target_acquisition`` of its own they are
        there a second time, scanned by it, under :func:`brain_bundles.data.target_key`.

        Raises:
            ValueError: for an unknown split or contrast, or a split without a label map.
        """

        def make(split: str, index: int, scan: int) -> Mapping[str, Any]:
            first = HeadImage(self, split, index, contrasts[0], "source", scan)
            if len(contrasts) == 1:
                return {**self._covariates(split, index), "image": first}
            images = {name: replace(first, contrast=name, within=first) for name in contrasts[1:]}
            if self.has_targets:
                images |= {target_key(name): self._target(first, name) for name in contrasts}
            return {**self._covariates(split, index), contrasts[0]: first, **images}

        return self._items(split, contrasts, make, scans=1 if len(contrasts) == 1 else self.scans_per_person)

    def pairs(self, source: str, target: str, split: str | None) -> RenderedItems:
        """Items with the source as ``image`` and the target, of its mask, as ``label``; raises as :meth:`items`."""

        def make(split: str, index: int, scan: int) -> Mapping[str, Any]:
            image = HeadImage(self, split, index, source, "source", scan)
            return {**self._covariates(split, index), "image": image, "label": self._target(image, target)}

        return self._items(split, (source, target), make, scans=self.scans_per_person)

    def _target(self, source: HeadImage, contrast: str) -> HeadImage:
        """The target of a source: within the same mask, with whatever else the mask shows."""
        return replace(source, contrast=contrast, role="target", within=source)

    def segmentations(self, contrasts: Sequence[str], split: str | None) -> RenderedItems:
        """Items with an image as ``image`` and its segmentation as ``label``; raises as :meth:`items`.

        The contrast of a scan is drawn from ``contrasts``; where levels are random, it is but a name.
        """

        def make(split: str, index: int, scan: int) -> Mapping[str, Any]:
            drawn = derive_seed(self.subject_seed(split, index), "contrast", scan)
            image = HeadImage(self, split, index, contrasts[drawn % len(contrasts)], "source", scan)
            label = HeadSegmentation(self, split, index)
            return {"participant_id": self.participant_id(split, index), "image": image, "label": label}

        return self._items(split, contrasts, make, scans=self.scans_per_person)

    def images(self, contrasts: Sequence[str], split: str | None) -> RenderedItems:
        """One item per person and contrast, with the image as ``image``; raises as :meth:`items`."""

        def make(split: str, index: int, scan: int) -> Mapping[str, Any]:
            return {**self._covariates(split, index), "image": HeadImage(self, split, index, contrasts[scan])}

        return self._items(split, contrasts, make, scans=len(contrasts))

    def _covariates(self, split: str, index: int) -> dict[str, Any]:
        person = self.person(split, index)
        covariates = {name: getattr(person, name) for name in (*COVARIATES, HEAD_SIZE)}
        return {"participant_id": self.participant_id(split, index), **covariates}

    def _items(
        self,
        split: str | None,
        contrasts: Iterable[str],
        make: Callable[[str, int, int], Mapping[str, Any]],
        *,
        scans: int,
    ) -> RenderedItems:
        """Items that ``make`` returns for the split, each person and each of their scans."""
        people = self.number(split)
        assert split is not None
        self._check(split, contrasts)

        def item(number: int) -> Mapping[str, Any]:
            return make(split, *alternate(number, people, scans, PEOPLE_AT_ONCE))

        return RenderedItems(people * scans, item)

    def _check(self, split: str, contrasts: Iterable[str]) -> None:
        """Load the label maps of a split, here and once, not in each worker that is forked later."""
        names = self.source.in_split(split)
        if self.number(split):
            load_heads((self.source.maps[name] for name in names), self.cache_dir)
            if not names:
                listed = ", ".join(f"{name} ({split_of(name)})" for name in self.source.maps)
                raise ValueError(f"no label map is for {split}: {listed}; add maps, or set num_held_out to 0.")
        for contrast in contrasts:
            if contrast not in SEQUENCES:
                raise ValueError(f"unknown contrast {contrast!r}, known are {', '.join(SEQUENCES)}.")
