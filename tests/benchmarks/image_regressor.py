"""How well is age read from levels and volumes of structures? Fitted on phantoms, tried on others and on people.

python tests/benchmarks/age_regressor.py TRAIN OUT NAME=FOLDER[:SPLIT]... [--segmenter PATH]

TRAIN and each FOLDER are BIDS datasets with ages in participants.tsv and brain-extracted T1w; of TRAIN the split train
is taken. OUT gets the regression as JSON; common/brain_bundles/evaluation/age_regression.json is one.
The partial correlation is of age and reading, given sex and the recorded ventricular and brain volumes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from brain_bundles.data import bids_datalist
from brain_bundles.data.read_image import read_image
from brain_bundles.evaluation.age_regressor import AgeRegressor, age_features
from brain_bundles.metrics.partial_correlation import partial_correlation
from brain_bundles.transforms.scan_segmenter import ScanSegmenter, load_segmenter
from numpy.typing import NDArray
from tqdm import tqdm

Values = NDArray[np.float64]


def table(folder: str, split: str | None, segmenter: ScanSegmenter) -> tuple[list[dict[str, Any]], Values, Values]:
    """Rows, features (N, F) and ages (N,) of a dataset."""
    rows = bids_datalist(folder, "T1w", split)
    found = []
    for row in tqdm(rows, desc=folder, unit="brain", disable=None):
        image = read_image(row["image"])
        segmentation, scan = segmenter.with_scan(image.voxels, image.affine, minimum_quality=0.0)
        found.append(age_features(segmentation, scan[0].numpy()))
    return rows, np.array(found), np.array([float(row["age"]) for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("out", type=Path)
    parser.add_argument("datasets", nargs="+", metavar="NAME=FOLDER[:SPLIT]")
    parser.add_argument("--segmenter")
    arguments = parser.parse_args()
    segmenter = load_segmenter(arguments.segmenter)
    _, x, ages = table(arguments.train, "train", segmenter)
    regressor = AgeRegressor.fit(x, ages)
    regressor.save(arguments.out)
    print("| dataset | n | ages | r | partial r | mean of reading minus age | standard deviation of it |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for dataset in arguments.datasets:
        name, folder = dataset.split("=", 1)
        folder, _, split = folder.partition(":")
        rows, x, ages = table(folder, split or None, segmenter)
        read = regressor.predict(x)
        known = [
            [float(row["sex"] == "M"), *(float(row[key]) for key in ("ventricular_volume", "brain_volume"))]
            for row in rows
        ]
        cells = [name, len(ages), f"{ages.min():.0f} to {ages.max():.0f}", f"{np.corrcoef(read, ages)[0, 1]:.2f}"]
        cells.append(f"{partial_correlation(read, ages, known):.2f}")
        cells += [f"{(read - ages).mean():+.1f}", f"{(read - ages).std():.1f}"]
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
