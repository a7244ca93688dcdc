"""Images that are made when they are read: what a datalist may hold instead of paths."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from monai.data import CacheDataset, Dataset
from numpy.typing import NDArray

MOST_KEPT = 1000  # pairs of 2 mm need 5 MB each


@runtime_checkable
class RenderedImage(Protocol):
    """An image without a file; ``str`` of it is its name in messages."""

    def render(self) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Make the image: voxels (D, H, W), and the affine (4, 4) from voxel indices to RAS+ mm."""

    def fingerprint(self) -> str:
        """Text that is equal for two images if they are."""


@dataclass(frozen=True)
class ArrayImage:
    """An image in memory, where a path is expected.

    Attributes:
        voxels: (D, H, W).
        affine: (4, 4), voxel to RAS+ mm.
        name: name in messages.
    """

    voxels: NDArray[np.float32]
    affine: NDArray[np.float64]
    name: str = "the image"

    def __str__(self) -> str:
        return self.name

    def fingerprint(self) -> str:
        """Hash of the voxels and the affine."""
        return hashlib.sha256(self.voxels.tobytes() + self.affine.tobytes()).hexdigest()

    def render(self) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """The image as it is."""
        return np.asarray(self.voxels, dtype=np.float32), np.asarray(self.affine, dtype=np.float64)


@runtime_checkable
class RenderedDataset(Protocol):
    """What ``dataset_dir`` may be instead of a folder: people whose images are made when they are read."""

    def items(self, contrasts: Sequence[str], split: str | None) -> RenderedItems:
        """Items of a datalist: ``participant_id``, covariates, and a :class:`RenderedImage` per contrast.

        A single contrast is under ``image``.
        """

    def pairs(self, source: str, target: str, split: str | None) -> RenderedItems:
        """Items with the source contrast as ``image`` and the target as ``label``, which may be scanned differently."""

    def images(self, contrasts: Sequence[str], split: str | None) -> RenderedItems:
        """One item per person and contrast, with the image as ``image``."""

    def segmentations(self, contrasts: Sequence[str], split: str | None) -> RenderedItems:
        """Items with an image of one of the contrasts as ``image`` and its segmentation as ``label``.

        Segmentations have FreeSurfer's numbers.
        """


def files_of(dataset_dir: str | os.PathLike[str]) -> str:
    """Path of a dataset whose files are read, as those of sources of an inference are.

    Raises:
        ValueError: for people who are rendered in training, who have no files.
    """
    if isinstance(dataset_dir, RenderedDataset):
        raise ValueError(
            f"dataset_dir is {dataset_dir}, which is rendered in training; here files are read. Write some with "
            "`brain-bundles phantom DIR --anatomies FOLDER` and give DIR."
        )
    return os.fspath(dataset_dir)


def target_key(contrast: str) -> str:
    """Key of an item's target of a contrast, where targets are not the sources of other contrasts."""
    return f"{contrast}_target"


class RenderedItems(Sequence[Mapping[str, Any]]):
    """A datalist of any length whose items are made when they are asked for.

    Args:
        number: length.
        make: returns the item of an index from 0.
    """

    def __init__(self, number: int, make: Callable[[int], Mapping[str, Any]]) -> None:
        self.number, self.make = number, make

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self.make(i) for i in range(self.number)[index]]
        return self.make(range(self.number)[int(index)])

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return map(self.make, range(self.number))


def alternate(number: int, people: int, scans: int, at_once: int) -> tuple[int, int]:
    """Person and scan of an item, where the scans of ``at_once`` people alternate: 0, 1, 2, 3, 0, 1, 2, 3, 4, ...

    Loaders give batches to their workers in turn. With 1, 2 or 4 workers and 4 people at once, all scans of a person
    come to one worker, soon after each other.

    Args:
        number: place of the item, from 0.
        people: number of people; the last ones may be fewer than ``at_once``.
        scans: number of scans of each.
        at_once: number of people whose scans alternate.
    """
    block, place = divmod(number, at_once * scans)
    scan, person = divmod(place, min(at_once, people - block * at_once))
    return block * at_once + person, scan


def image_dataset(data: Sequence, transform: Callable, cache_rate: float = 1.0, **options: Any) -> Dataset:
    """A MONAI ``CacheDataset`` of files, or of a small population that is rendered in training.

    A training sees each person of a small population many times, of a large one once or so: images of more than
    ``MOST_KEPT`` rendered items are not kept.

    Args:
        data: datalist.
        transform: deterministic preprocessing.
        cache_rate: share of the images to keep in memory.
        **options: further options of ``CacheDataset``.
    """
    if isinstance(getattr(data, "made", data), RenderedItems) and len(data) > MOST_KEPT:
        return Dataset(data, transform)
    return CacheDataset(data, transform, cache_rate=cache_rate, **options)
