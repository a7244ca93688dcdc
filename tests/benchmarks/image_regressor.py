"""How well are age and sex read from levels and volumes of structures? Fitted on phantoms, tried on others and people.

python tests/benchmarks/image_regressor.py TRAIN OUT NAME=FOLDER[:SPLIT]... [--segmenter PATH]

TRAIN and each FOLDER are BIDS datasets with brain-extracted T1w, and ages, sexes and volumes in participants.tsv; of
TRAIN the split train is taken. The folder OUT gets age_regression.json and sex_regression.json; those of
common/brain_bundles/evaluation are such files. The partial correlations are given the recorded volumes and sex, or age.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
from brain_bundles.data import bids_datalist
from brain_bundles.data.covariates import HEAD_SIZE
from brain_bundles.data.read_image import read_image
from brain_bundles.data.volumes import VOLUMES
from brain_bundles.evaluation.image_regressor import READ, ImageRegressor, image_features
from brain_bundles.evaluation.network_readings import GIVEN
from brain_bundles.metrics.partial_correlation import partial_correlation
from brain_bundles.transforms.scan_segmenter import ScanSegmenter, load_segmenter
from numpy.typing import NDArray
from tqdm import tqdm

Values = NDArray[np.float64]


def table(folder: str, split: str | None, segmenter: ScanSegmenter) -> tuple[dict[str, Values], Values]:
    """Recorded numbers (N,) by name, NaN where unknown, and features (N, F) of a dataset."""
    rows = bids_datalist(folder, "T1w", split)
    found = []
    for row in tqdm(rows, desc=folder, unit="brain", disable=None):
        image = read_image(row["image"])
        segmentation, scan = segmenter.with_scan(image.voxels, image.affine, minimum_quality=0.0)
        found.append(image_features(segmentation, scan[0].numpy()))
    names = (*READ, *VOLUMES, HEAD_SIZE)
    return {name: np.array([number(name, row) for row in rows]) for name in names}, np.array(found)


def number(name: str, row: dict[str, Any]) -> float:
    value = row.get(name)
    if name == "sex":
        return {"F": 0.0, "M": 1.0}.get(str(value), math.nan)
    return math.nan if value is None else float(value)


def line(dataset: str, what: str, known: dict[str, Values], read: Values) -> str:
    """A line of the table: r, partial r, mean and standard deviation of the reading's error."""
    true, given = known[what], [known[key] for key in GIVEN[what] if np.isfinite(known[key]).all()]
    cells = [dataset, what, str(len(read)), f"{np.corrcoef(read, true)[0, 1]:.2f}"]
    cells.append(f"{partial_correlation(read, true, np.column_stack(given)):.2f}" if given else "n/a")
    cells += [f"{(read - true).mean():+.2f}", f"{(read - true).std():.2f}"]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("out", type=Path)
    parser.add_argument("datasets", nargs="+", metavar="NAME=FOLDER[:SPLIT]")
    parser.add_argument("--segmenter")
    arguments = parser.parse_args()
    segmenter = load_segmenter(arguments.segmenter)
    known, features = table(arguments.train, "train", segmenter)
    arguments.out.mkdir(parents=True, exist_ok=True)
    regressors = {what: ImageRegressor.fit(features, known[what]) for what in READ}
    for what, regressor in regressors.items():
        regressor.save(arguments.out / f"{what}_regression.json")
    print("| dataset | read | n | r | partial r | mean of reading minus truth | standard deviation of it |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for dataset in arguments.datasets:
        name, folder = dataset.split("=", 1)
        folder, _, split = folder.partition(":")
        known, features = table(folder, split or None, segmenter)
        for what, regressor in regressors.items():
            print(line(name, what, known, regressor.predict(features)), flush=True)


if __name__ == "__main__":
    main()
