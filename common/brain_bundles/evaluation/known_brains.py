"""Brains whose volumes are known or were asked for, with what the instruments find in them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brain_bundles.data.volumes import VOLUMES
from brain_bundles.evaluation.image_sets import images_of_split
from brain_bundles.evaluation.measurement import CLASSICAL, find_images, measure_images
from brain_bundles.evaluation.network_readings import read_brains

Values = NDArray[np.float64]


@dataclass(frozen=True)
class KnownBrains:
    """Volumes of N brains, mL.

    Attributes:
        known: name -> (N,), NaN where unknown.
        measured: name -> (N,) of each instrument, NaN where it failed.
    """

    known: Mapping[str, Values]
    measured: Mapping[str, Sequence[Values]]


def measure_brains(
    folder: str | os.PathLike[str], suffix: str = "T1w", *, split: str | None = None, most: int | None = None
) -> KnownBrains:
    """Measure the volumes of the brains of a BIDS dataset by the segmenter and, of T1w, by the classical rules.

    Args:
        folder: the dataset.
        suffix: contrast.
        split: split of participants.tsv to take; None for all.
        most: take so many, the first ones; None for all.

    Raises:
        FileNotFoundError: if the folder is missing or has no image.
        DatasetError: if its table or images are incomplete.
        ValueError: if the split is empty.
    """
    images = find_images(folder, suffix)
    if split is not None:
        images = images_of_split(folder, images, split)
        if not images:
            raise ValueError(f"{os.fspath(folder)}: nobody is in the split {split!r} of participants.tsv.")
    images = images[:most]
    known = {name: np.array([getattr(recorded, name) for *_, recorded in images]) for name in VOLUMES}
    read = read_brains([path for _, path, _ in images])
    measured = {name: [np.array([getattr(one, name) for one in read])] for name in VOLUMES}
    if suffix == "T1w":
        classical = measure_images(images, method=CLASSICAL)
        for name in VOLUMES:
            measured[name].append(np.array([getattr(one.measured, name) for one in classical]))
    return KnownBrains(known, measured)
