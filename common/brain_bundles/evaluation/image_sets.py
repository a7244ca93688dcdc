"""Sets of brain images on one grid, which keep what was measured of them, and the reference of an evaluation."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from monai.transforms import Compose
from numpy.typing import NDArray

from brain_bundles.data.bids_index import scan_of
from brain_bundles.data.covariates import COVARIATES, HEAD_SIZE
from brain_bundles.data.participants import SPLITS, parse_covariate, read_participants
from brain_bundles.data.problems import raise_problems
from brain_bundles.data.subject_checks import subject_problems
from brain_bundles.evaluation.features.encoder import FeatureEncoder, extract_features
from brain_bundles.evaluation.measurement import find_images
from brain_bundles.metrics.brain_volumes import BrainVolumes
from brain_bundles.metrics.memorisation import block_means, describe
from brain_bundles.metrics.power_bands import BANDS, band_power, radial_power
from brain_bundles.transforms.intensity import DEFAULT_SCALE
from brain_bundles.transforms.preprocessing import image_preprocessing
from brain_bundles.utils.plain_tensor import plain_tensor

Found = tuple[str, Path, BrainVolumes]
Value = TypeVar("Value")


class BrainImages:
    """Images of a set on one grid, read when they are asked for. What is measured of the set is kept.

    Args:
        paths: files of the images.
        preprocessing: maps ``{"image": path}`` to ``{"image": (1, D, H, W)}``.
    """

    def __init__(self, paths: Sequence[Path], preprocessing: Compose) -> None:
        self.paths, self.preprocessing = list(paths), preprocessing
        self._kept: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        """Image (1, D, H, W) in [0, 1]."""
        return plain_tensor(self.preprocessing({"image": str(self.paths[index])})["image"])

    def once(self, key: Hashable, measure: Callable[[], Value]) -> Value:
        """What ``measure`` gives; it is called once for each key, so that several sets are compared with one alike."""
        if key not in self._kept:
            self._kept[key] = measure()
        return self._kept[key]

    def features(self, encoder: FeatureEncoder) -> torch.Tensor:
        """Features (N, F) of all images, float32 on the CPU."""
        volumes = (self[i] for i in range(len(self)))
        return self.once(("features", repr(encoder.record)), lambda: extract_features(encoder, volumes))

    def powers(self, spacing: float) -> NDArray[np.float64]:
        """Power of each image in :data:`brain_bundles.metrics.power_bands.BANDS`, (N, 3); NaN for an empty image.

        The mask of an image is where it is above 0.
        """

        def power(volume: NDArray[Any]) -> NDArray[np.float64]:
            inside = volume > 0
            return band_power(*radial_power(volume, inside, spacing)) if inside.any() else np.full(len(BANDS), np.nan)

        return self.once(("powers", spacing), lambda: np.array([power(self[i][0].numpy()) for i in range(len(self))]))

    def vectors(self) -> list[torch.Tensor]:
        """Vectors of all images for :func:`brain_bundles.metrics.memorisation.memorisation`."""
        return self.once("vectors", lambda: [describe(self[i]) for i in range(len(self))])

    def blocks(self) -> NDArray[np.float64]:
        """Block means (N, F) of all images, about 10 mm wide: what a brain is like, without noise and fine detail."""
        return self.once("blocks", lambda: np.array([block_means(self[i]).numpy() for i in range(len(self))]))


@dataclass(frozen=True)
class Grid:
    """How images become volumes.

    Attributes:
        spacing: voxel size, mm.
        spatial_size: (D, H, W). Brains are centred on it.
        intensity_scale, intensity_percentiles: scale of real images, as in training, see
            :func:`~brain_bundles.transforms.preprocessing.image_preprocessing`.
    """

    spacing: float = 2.0
    spatial_size: Sequence[int] = (80, 96, 80)
    intensity_scale: str = DEFAULT_SCALE
    intensity_percentiles: Sequence[float] | None = None

    def images(self, paths: Sequence[Path], *, real: bool) -> BrainImages:
        """The images on the grid.

        Args:
            paths: their files.
            real: bring them to the scale. Generated ones are on it: a sample that is too dark or too flat must not be
                mended by its own statistics.
        """
        scale: dict[str, Any] = {"intensity_scale": None}
        if real:
            scale = {"intensity_scale": self.intensity_scale, "intensity_percentiles": self.intensity_percentiles}
        return BrainImages(paths, image_preprocessing("image", self.spacing, self.spatial_size, warn_cut=None, **scale))


@dataclass(frozen=True)
class Reference:
    """What generated sets are compared with.

    Attributes:
        folder: the dataset.
        training: images that the generator may have been trained on; none without a split.
        held_out: the others.
        people: age, sex and volumes of the held-out images, see :func:`people_of`.
        split: name of the split of ``held_out``; None without one.
        grid: the grid of all.
    """

    folder: Path
    training: BrainImages
    held_out: BrainImages
    people: Sequence[Mapping[str, Any]]
    split: str | None
    grid: Grid


def read_reference(
    folder: str | os.PathLike[str],
    suffix: str = "T1w",
    *,
    grid: Grid,
    entities: Mapping[str, object] | None = None,
    strict: bool = False,
    most: int | None = None,
) -> Reference:
    """Find the images of a reference dataset and check them as a training does.

    Args:
        folder: BIDS dataset, or a folder of NIfTI files.
        suffix: contrast.
        grid: the grid.
        entities: labels of the images to choose, see :func:`brain_bundles.data.bids_datalist`.
        strict: refuse images that do not look like one brain without skull; otherwise the log names them.
        most: take so many held-out images, the first ones; None for all.

    Raises:
        FileNotFoundError: if the folder is missing or empty.
        DatasetError: if the dataset is incomplete, or images cannot be used, with all of them.
    """
    held_out, train, split = held_out_images(folder, suffix, entities)
    sets = [[path for _, path, _ in images] for images in (train, held_out[:most])]
    items = [{"participant_id": path.name, "image": str(path)} for paths in sets for path in paths]
    raise_problems(os.fspath(folder), subject_problems(items, ["image"], strict=strict))
    seen, unseen = (grid.images(paths, real=True) for paths in sets)
    return Reference(Path(folder), seen, unseen, people_of(folder, held_out[:most]), split, grid)


def people_of(folder: str | os.PathLike[str], images: Sequence[Found]) -> list[dict[str, Any]]:
    """Age, sex, volumes and head size of each image in participants.tsv, None if unknown; nothing without that table.

    Raises:
        DatasetError: with every impossible value.
    """
    if not (Path(folder) / "participants.tsv").is_file():
        return [{} for _ in images]
    rows = {str(row["participant_id"]): row for row in read_participants(folder, ())}
    people: list[dict[str, Any]] = []
    problems = []
    for name, *_ in images:
        row = rows[scan_of(name).participant_id]
        try:
            people.append({key: parse_covariate(key, row.get(key)) for key in (*COVARIATES, HEAD_SIZE)})
        except ValueError as error:
            problems.append(("impossible value", f"{name}: {error}"))
    raise_problems(os.fspath(folder), problems)
    return people


def held_out_images(
    folder: str | os.PathLike[str], suffix: str = "T1w", entities: Mapping[str, object] | None = None
) -> tuple[list[Found], list[Found], str | None]:
    """The held-out images of a folder, those for training, and the name of the held-out split.

    That is the split "test" of participants.tsv, or else "val"; all images, and None, where there is neither.
    """
    images = find_images(folder, suffix, entities=entities)
    of = {split: images_of_split(folder, images, split) for split in SPLITS}
    held_out = next((split for split in ("test", "val") if of[split]), None)
    return (images, [], None) if held_out is None else (of[held_out], of["train"], held_out)


def images_of_split(folder: str | os.PathLike[str], images: Sequence[Found], split: str) -> list[Found]:
    """Those of the images whose participant is in a split of participants.tsv; none without that table."""
    if not (Path(folder) / "participants.tsv").is_file():
        return []
    splits = {str(row["participant_id"]): row.get("split") for row in read_participants(folder, ())}
    return [one for one in images if splits.get(scan_of(one[0]).participant_id) == split]
