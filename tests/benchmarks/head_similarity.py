"""How alike are two heads? MS-SSIM between subjects of one map, of two maps, and between real people, as a table.

python tests/benchmarks/head_similarity.py PHANTOMS REAL_DATA

PHANTOMS is a dataset of label-map anatomies with T1w. All volumes are T1w, brain-extracted, on the grid of the models
(80x96x80, 2 mm), brain-centred, on one intensity scale.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from brain_bundles.data import read_participants
from brain_bundles.data.bids import image_path
from brain_bundles.metrics.ms_ssim_pairs import WEIGHTS
from brain_bundles.transforms import image_preprocessing
from monai.metrics import MultiScaleSSIMMetric

MAX_PAIRS = 200


def load(paths: Sequence[Path]) -> list[torch.Tensor]:
    """Volumes (1, 1, D, H, W) as a model gets them."""
    chain = image_preprocessing("image", spacing=2.0, spatial_size=(80, 96, 80), intensity_scale="percentiles")
    return [torch.as_tensor(chain({"image": str(path)})["image"])[None].as_subclass(torch.Tensor) for path in paths]


def main(phantoms: str, real: str) -> None:
    torch.set_num_threads(1)
    metric = MultiScaleSSIMMetric(spatial_dims=3, data_range=1.0, kernel_size=5, weights=WEIGHTS)
    rows = read_participants(phantoms)
    heads = load([image_path(phantoms, str(row["participant_id"]), "T1w") for row in rows])
    pairs = list(itertools.combinations(range(len(rows)), 2))
    one_map = [(i, j) for i, j in pairs if rows[i]["anatomy"] == rows[j]["anatomy"]]
    mirrored = {(i, j) for i, j in one_map if rows[i]["mirrored"] != rows[j]["mirrored"]}
    people = {
        "OASIS, 19 to 34 years": load(sorted(Path(real, "oasis").glob("sub-*/anat/*_T1w.nii.gz"))),
        "NiChart, 68 to 96 years": load(sorted(Path(real, "t1_flair/derivatives/preproc").glob("sub-*/anat/*_T1w.*"))),
    }
    sets = {
        "phantoms of one map": [(heads[i], heads[j]) for i, j in one_map],
        "of these, both as the map or both its mirror image": [
            (heads[i], heads[j]) for i, j in one_map if (i, j) not in mirrored
        ],
        "phantoms of two maps": [(heads[i], heads[j]) for i, j in pairs if rows[i]["anatomy"] != rows[j]["anatomy"]],
        **{f"people: {name}": list(itertools.combinations(volumes, 2)) for name, volumes in people.items()},
    }
    print("| pairs | MS-SSIM | standard deviation | number |\n| --- | --- | --- | --- |")
    rng = np.random.default_rng(0)
    for name, chosen in sets.items():
        some = [chosen[k] for k in rng.permutation(len(chosen))[:MAX_PAIRS]]
        values = [float(metric(a, b)) for a, b in some]
        print(f"| {name} | {np.mean(values):.3f} | {np.std(values, ddof=1):.3f} | {len(values)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
