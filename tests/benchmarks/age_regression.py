"""Does an image of a phantom show its age? Partial correlation with age, given sex and volumes.

python tests/benchmarks/age_regression.py PHANTOMS

A ridge regression on the intensities of each brain (histogram) and their coarse layout, in ten folds. Age and its
prediction are then freed of what sex, ventricular, brain and (where known) intracranial volume tell.
"""

from __future__ import annotations

import sys

import nibabel as nib
import numpy as np
from brain_bundles.data import read_participants
from brain_bundles.data.bids import image_path
from scipy import ndimage

BINS, BLOCK, FOLDS = 48, 8, 10
VOLUMES = ("ventricular_volume", "brain_volume", "intracranial_volume")


def features(path: str) -> np.ndarray:
    """Histogram of the brain's intensities over its median, and block means on a coarse grid."""
    image = nib.load(path).get_fdata()
    inside = image > 0
    scaled = image / np.median(image[inside])
    histogram = np.histogram(scaled[inside], bins=BINS, range=(0.0, 1.6), density=True)[0]
    coarse = ndimage.zoom(ndimage.uniform_filter(scaled, BLOCK), 1 / BLOCK, order=1)
    return np.concatenate([histogram, coarse.ravel()])


def residual(values: np.ndarray, given: np.ndarray) -> np.ndarray:
    return values - given @ np.linalg.lstsq(given, values, rcond=None)[0]


def predict(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Out-of-fold predictions of a ridge regression in its dual form; the penalty is the mean of the kernel."""
    out = np.empty_like(y)
    fold = np.random.default_rng(0).permutation(len(y)) % FOLDS
    for k in range(FOLDS):
        train, test = fold != k, fold == k
        mean, spread = x[train].mean(0), x[train].std(0) + 1e-6
        a, b = (x[train] - mean) / spread, (x[test] - mean) / spread
        weight = np.ones(x.shape[1])
        weight[:BINS] = (x.shape[1] / BINS) ** 0.5  # both parts count alike
        a, b = a * weight, b * weight
        kernel = a @ a.T
        alpha = np.linalg.solve(kernel + 0.3 * np.trace(kernel) / len(a) * np.eye(len(a)), y[train] - y[train].mean())
        out[test] = y[train].mean() + b @ a.T @ alpha
    return out


def main(folder: str) -> None:
    rows = read_participants(folder)
    age = np.array([float(row["age"]) for row in rows])
    known = [name for name in VOLUMES if name in rows[0]]
    columns = [[1.0, float(row["sex"] == "M"), *(np.log(float(row[name])) for name in known)] for row in rows]
    given = np.array(columns)
    x = np.stack([features(str(image_path(folder, str(row["participant_id"]), "T1w"))) for row in rows])
    found = predict(x, age)
    partial = np.corrcoef(residual(age, given), residual(found, given))[0, 1]
    print(f"{len(rows)} phantoms: r {np.corrcoef(age, found)[0, 1]:.2f}, partial r {partial:.2f} given sex, {known}")


if __name__ == "__main__":
    main(sys.argv[1])
