"""Age read from an image: ridge regression on the segmenter's features, and on levels and volumes of what it finds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.utils import optional_import
from numpy.typing import ArrayLike, NDArray

from brain_bundles.data.brain_classes import BRAIN_CLASSES
from brain_bundles.data.rendered import ArrayImage
from brain_bundles.evaluation.features.segmenter_encoder import segmenter_encoder
from brain_bundles.transforms.scan_segmenter import load_segmenter
from brain_bundles.utils.loading import read_plain
from brain_bundles.utils.saving import save_atomically

Values = NDArray[np.float64]
PENALTIES = tuple(float(10**power) for power in range(6))
LEVELS = (10, 50, 90)  # percentiles
_LEAST_VOXELS = 20  # of a structure whose levels are taken
_SMALLEST_ML = 0.05  # of a structure that was not found, so that its logarithm is finite


class AgeFeatures:
    """What the regression sees: strengths of the segmenter's filters, levels of structures, logarithms of volumes.

    Levels are percentiles of the intensities in each structure, relative to the brain's median: cortex and white matter
    become more alike with age, and iron darkens the deep nuclei.

    Args:
        segmenter: weights of the segmenter; None for those that come with the collection.

    Raises:
        FileNotFoundError: without the weights.
    """

    def __init__(self, segmenter: str | os.PathLike[str] | None = None) -> None:
        self.segmenter = load_segmenter(segmenter)
        self.encoder = segmenter_encoder(segmenter)

    def __call__(self, voxels: NDArray[np.float32], affine: NDArray[np.float64]) -> Values:
        """Features (F,) of an image (D, H, W) with its (4, 4) affine; raises as :class:`ScanSegmenter` does."""
        found = self.segmenter(voxels, affine, minimum_quality=0.0)
        volumes = found.volumes
        names = ["intracranial_volume", "brain_volume", "ventricular_volume"]
        sizes = [volumes[name] for name in names]
        sizes += [
            volumes[f"left_{name}"] + volumes[f"right_{name}"] if one.right else volumes[name]
            for name, one in BRAIN_CLASSES.items()
        ]
        image = self.segmenter.preprocessing({"image": ArrayImage(voxels, affine)})["image"].as_tensor()
        strengths = self.encoder(image[None])[0].double().numpy()
        levels = structure_levels(image[0].numpy(), np.asarray(found.indices))
        return np.concatenate([strengths, levels, np.log(np.maximum(sizes, _SMALLEST_ML))])


def structure_levels(image: NDArray[np.float32], classes: NDArray[np.integer[Any]]) -> Values:
    """Percentiles of each structure's intensities, relative to the median of all: 3 for each class after the first.

    Args:
        image: (D, H, W), any scale.
        classes: (D, H, W), place of each voxel's class in :func:`brain_bundles.data.class_names`; 0 is background.

    Returns:
        (3 C,) for C structures; 1 for what has too few voxels.
    """
    middle = np.median(image[classes > 0]) if (classes > 0).any() else np.nan
    levels = []
    for place in range(1, len(BRAIN_CLASSES) + 1):
        inside = image[classes == place]
        known = inside.size >= _LEAST_VOXELS and middle > 0
        levels.append(np.percentile(inside, LEVELS) / middle if known else np.ones(len(LEVELS)))
    return np.concatenate(levels).astype(float)


class AgeRegressor:
    """A linear reading of age, years.

    Attributes:
        centre, scale: (F,) of the features.
        weights: (F,) of the scaled features, years.
        intercept: years.
    """

    def __init__(self, centre: ArrayLike, scale: ArrayLike, weights: ArrayLike, intercept: float) -> None:
        self.centre, self.scale, self.weights = (np.asarray(one, dtype=float) for one in (centre, scale, weights))
        self.intercept = float(intercept)

    @classmethod
    def fit(cls, features: ArrayLike, ages: ArrayLike) -> AgeRegressor:
        """Fit to features (N, F) of people with known ages (N,), years; the penalty by leave-one-out errors.

        Raises:
            ImportError: without scikit-learn.
        """
        x, y = np.asarray(features, dtype=float), np.asarray(ages, dtype=float)
        scale = x.std(0)
        scale[scale < 1e-9] = 1.0  # a feature without spread says nothing
        model = _ridge()(alphas=PENALTIES).fit((x - x.mean(0)) / scale, y)
        return cls(x.mean(0), scale, model.coef_, float(model.intercept_))

    def predict(self, features: ArrayLike) -> Values:
        """Ages (N,), years, of features (N, F).

        Raises:
            ValueError: for another number of features.
        """
        x = np.atleast_2d(np.asarray(features, dtype=float))
        if x.shape[1] != len(self.weights):
            raise ValueError(f"{x.shape[1]} features, the regression was fitted to {len(self.weights)}.")
        return np.asarray((x - self.centre) / self.scale @ self.weights + self.intercept)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the coefficients as plain tensors."""
        content = {name: torch.as_tensor(getattr(self, name)) for name in ("centre", "scale", "weights")}
        save_atomically({**content, "intercept": self.intercept}, Path(path))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> AgeRegressor:
        """Read what :meth:`save` wrote; raises as :func:`~brain_bundles.utils.read_plain`."""
        return cls(**read_plain(os.fspath(path)))


def _ridge() -> Any:
    hint = "{}: the age regression needs it; install it with: pip install scikit-learn"
    return optional_import("sklearn.linear_model", name="RidgeCV", descriptor=hint)[0]
