"""How many people a second does a population give a training?

python tests/benchmarks/on_the_fly.py ANATOMIES [NUM_WORKERS] [NUM_ITEMS] [SCANS_PER_PERSON] [CACHE_DIR]

Pairs of a varied source and a nominal target on the models' grid at 2 mm, preprocessed, from the training maps.
"""

from __future__ import annotations

import sys
import time

import torch
from brain_bundles.data import paired_datalist
from brain_bundles.phantom import HeadPopulation
from brain_bundles.transforms import image_preprocessing
from monai.data import DataLoader, Dataset


def main(
    anatomies: str, num_workers: int = 2, num_items: int = 60, scans: int = 1, cache_dir: str | None = None
) -> None:
    torch.set_num_threads(1)
    start = time.monotonic()
    people = HeadPopulation(
        anatomies, target_acquisition="nominal", num_subjects=10_000, scans_per_person=scans, cache_dir=cache_dir
    )
    items = paired_datalist(people, "T1w", "FLAIR", "train")
    print(f"label maps: {time.monotonic() - start:.0f} s")
    data = Dataset(items, image_preprocessing(["image", "label"], 2.0, (80, 96, 80), warn_cut=None))
    loader = iter(DataLoader(data, batch_size=1, num_workers=num_workers))
    for _ in range(2 * max(1, num_workers)):  # workers start, queues fill
        next(loader)
    start = time.monotonic()
    for _ in range(num_items):
        next(loader)
    seconds = time.monotonic() - start
    print(f"{num_items / seconds:.2f} pairs a second from {num_workers} workers ({seconds / num_items:.2f} s each)")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(arguments[0], *map(int, arguments[1:4]), *arguments[4:])
