"""Does an image of a phantom show its age? Partial correlation with age, given sex and volumes.

python tests/benchmarks/age_regression.py PHANTOMS [SUFFIXES]

A ridge regression on the histograms of the intensities in each brain, in all its and in its brightest voxels, in ten
folds. Age and its prediction are then freed of what sex, ventricular, brain and (where known) intracranial volume tell.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from brain_bundles.data import read_participants
from brain_bundles.data.bids import image_path
from numpy.typing import NDArray
from scipy import ndimage

Values = NDArray[np.float64]
BINS, FOLDS, PENALTY = 24, 10, 0.3
DEPTH_VOXELS = 4  # deeper than this below the surface of the brain: no sulci, much white matter
VOLUMES = ("ventricular_volume", "brain_volume", "intracranial_volume")


def features(path: Path) -> Values:
    """Log histograms of the intensities over their median, of the whole brain and of its inside."""
    image = nib.load(path).get_fdata()
    inside = image > 0
    deep = ndimage.distance_transform_edt(ndimage.binary_fill_holes(inside)) > DEPTH_VOXELS
    scaled = image / np.median(image[inside])
    counts = [np.histogram(scaled[mask], bins=BINS, range=(0.0, 2.0))[0] / mask.sum() for mask in (inside, deep)]
    return np.log(np.concatenate(counts) + 1e-4)


def residual(values: Values, given: Values) -> Values:
    return values - given @ np.linalg.lstsq(given, values, rcond=None)[0]


def predict(x: Values, y: Values) -> Values:
    """Out-of-fold predictions of a ridge regression."""
    out = np.empty_like(y)
    fold = np.random.default_rng(0).permutation(len(y)) % FOLDS
    for k in range(FOLDS):
        train, test = fold != k, fold == k
        mean, spread = x[train].mean(0), x[train].std(0) + 1e-6
        a, b = (x[train] - mean) / spread, (x[test] - mean) / spread
        weight = np.linalg.solve(a.T @ a + PENALTY * len(a) * np.eye(a.shape[1]), a.T @ (y[train] - y[train].mean()))
        out[test] = y[train].mean() + b @ weight
    return out


def main(folder: str, suffixes: str = "T1w,FLAIR") -> None:
    rows = read_participants(folder)
    age = np.array([float(str(row["age"])) for row in rows])
    known = [name for name in VOLUMES if name in rows[0]]
    columns = [[1.0, float(row["sex"] == "M"), *(np.log(float(str(row[name]))) for name in known)] for row in rows]
    given = np.array(columns)
    names = suffixes.split(",")
    for contrasts in [*([name] for name in names), names]:
        images = [[image_path(folder, str(row["participant_id"]), name) for name in contrasts] for row in rows]
        x = np.array([np.concatenate([features(path) for path in paths]) for paths in images])
        found = predict(np.concatenate([x, given[:, 1:]], axis=1), age)
        partial = np.corrcoef(residual(age, given), residual(found, given))[0, 1]
        both = np.corrcoef(age, found)[0, 1]
        print(f"{'+'.join(contrasts)}, {len(rows)} phantoms: r {both:.2f}, partial r {partial:.2f} given sex, {known}")


if __name__ == "__main__":
    main(*sys.argv[1:])
