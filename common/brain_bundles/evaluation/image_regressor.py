"""Age or sex read from an image: ridge regression on levels and volumes of the structures that the segmenter finds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from monai.utils import optional_import
from numpy.typing import ArrayLike, NDArray

from brain_bundles.data.brain_classes import BRAIN_CLASSES
from brain_bundles.transforms.segmentation import Segmentation
from brain_bundles.utils.atomic import write_json

Values = NDArray[np.float64]
PENALTIES = tuple(float(10**power) for power in range(6))
LEVELS = (10, 50, 90)  # percentiles
READ = ("age", "sex")  # fitted on phantoms: docs/reference/results/segmenter.md
_LEAST_VOXELS = 20  # of a structure whose levels are taken
_SMALLEST_ML = 0.05  # of a structure that was not found, so that its logarithm is finite
_DIGITS = 7


def image_features(found: Segmentation, image: NDArray[np.float32]) -> Values:
    """What a regression sees (F,): levels of the structures, and logarithms of volumes.

    With age cortex and white matter become more alike, iron darkens the deep nuclei, and ventricles grow.

    Args:
        found: segmentation of a T1w.
        image: (D, H, W), the scan on the segmenter's grid, any scale.
    """
    volumes = found.volumes
    sizes = [volumes[name] for name in ("intracranial_volume", "brain_volume", "ventricular_volume")]
    sizes += [
        volumes[f"left_{name}"] + volumes[f"right_{name}"] if one.right else volumes[name]
        for name, one in BRAIN_CLASSES.items()
    ]
    return np.concatenate([structure_levels(image, found.indices), np.log(np.maximum(sizes, _SMALLEST_ML))])


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


class ImageRegressor:
    """A linear reading of a number, such as age in years, or sex as 0 for F and 1 for M.

    Attributes:
        centre, scale: (F,) of the features.
        weights: (F,) of the scaled features, in the unit of the number.
        intercept: in the unit of the number.
    """

    def __init__(self, centre: ArrayLike, scale: ArrayLike, weights: ArrayLike, intercept: float) -> None:
        self.centre, self.scale, self.weights = (np.asarray(one, dtype=float) for one in (centre, scale, weights))
        self.intercept = float(intercept)

    @classmethod
    def fit(cls, features: ArrayLike, known: ArrayLike) -> ImageRegressor:
        """Fit to features (N, F) of people whose number is known (N,); the penalty by leave-one-out errors.

        Raises:
            ImportError: without scikit-learn.
        """
        x, y = np.asarray(features, dtype=float), np.asarray(known, dtype=float)
        scale = x.std(0)
        scale[scale < 1e-9] = 1.0  # a feature without spread says nothing
        model = _ridge()(alphas=PENALTIES).fit((x - x.mean(0)) / scale, y)
        return cls(x.mean(0), scale, model.coef_, float(model.intercept_))

    def predict(self, features: ArrayLike) -> Values:
        """The number of each person (N,), of features (N, F).

        Raises:
            ValueError: for another number of features.
        """
        x = np.atleast_2d(np.asarray(features, dtype=float))
        if x.shape[1] != len(self.weights):
            raise ValueError(f"{x.shape[1]} features, the regression was fitted to {len(self.weights)}.")
        return np.asarray((x - self.centre) / self.scale @ self.weights + self.intercept)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the coefficients as JSON, with 7 digits."""
        content: dict[str, Any] = {"intercept": self.intercept}
        for name in ("centre", "scale", "weights"):
            content[name] = [float(f"{value:.{_DIGITS}g}") for value in getattr(self, name)]
        write_json(path, content)

    @classmethod
    def load(cls, source: str | os.PathLike[str]) -> ImageRegressor:
        """Read what :meth:`save` wrote; "age" or "sex" for a regression that comes with the collection, for T1w."""
        path = Path(__file__).with_name(f"{source}_regression.json") if source in READ else Path(source)
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def _ridge() -> Any:
    hint = "{}: a regression needs it; install it with: pip install scikit-learn"
    return optional_import("sklearn.linear_model", name="RidgeCV", descriptor=hint)[0]
