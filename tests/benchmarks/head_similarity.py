"""How alike are two heads? MS-SSIM between subjects of one map, of two maps, and between real people, as a table.

python tests/benchmarks/head_similarity.py ANATOMIES REAL_DATA [SUBJECTS_PER_MAP]

All volumes are T1w, brain-extracted, on the grid of the models (80x96x80, 2 mm), brain-centred, on one intensity scale.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from brain_bundles.metrics.ms_ssim_pairs import WEIGHTS
from brain_bundles.phantom.heads import HeadOptions, find_label_maps, head_population, render_subject
from brain_bundles.transforms import image_preprocessing
from brain_bundles.utils.seeding import derive_seed
from monai.metrics import MultiScaleSSIMMetric

SIZE, SPACING = (80, 96, 80), 2.0
MAX_PAIRS = 400


def phantoms(path: Path, count: int) -> list[torch.Tensor]:
    """T1w volumes of subjects of one map, as a dataset would have them."""
    volumes = []
    for index in range(count):
        seed = derive_seed("similarity", path.name, index)
        person = head_population().sample(1, np.random.default_rng(seed))[0]
        options = HeadOptions(path, mirrored=bool(index % 2))
        subject = render_subject(person, seed=seed, spatial_size=SIZE, spacing=SPACING, options=options)
        volumes.append(scaled(torch.from_numpy(subject.image("T1w"))))
    return volumes


def scaled(volume: torch.Tensor) -> torch.Tensor:
    """(1, 1, D, H, W) with the 99.5th percentile of the brain at 1."""
    return (volume / torch.quantile(volume[volume > 0], 0.995)).clamp(0.0, 1.0)[None, None]


def people(paths: Sequence[Path]) -> list[torch.Tensor]:
    chain = image_preprocessing("image", spacing=SPACING, spatial_size=SIZE)
    return [scaled(torch.as_tensor(chain({"image": str(path)})["image"])[0]) for path in paths]


def main(anatomies: str, real: str, count: int = 6) -> None:
    torch.set_num_threads(1)
    metric = MultiScaleSSIMMetric(spatial_dims=3, data_range=1.0, kernel_size=5, weights=WEIGHTS)
    by_map = [phantoms(path, count) for path in find_label_maps(anatomies).values()]
    oasis = people(sorted(Path(real, "oasis").glob("sub-*/anat/*_T1w.nii.gz")))
    older = people(sorted(Path(real, "t1_flair/derivatives/preproc").glob("sub-*/anat/*_T1w.nii.gz")))
    rows = {
        "two subjects of one map": [pair for one in by_map for pair in itertools.combinations(one, 2)],
        "of these, one the mirror image": [
            (one[i], one[j]) for one in by_map for i, j in itertools.combinations(range(count), 2) if (i + j) % 2
        ],
        "two subjects of two maps": [(a[i], b[i]) for a, b in itertools.combinations(by_map, 2) for i in range(count)],
        "two people, OASIS (19 to 34 years)": list(itertools.combinations(oasis, 2)),
        "two people, NiChart (68 to 96 years)": list(itertools.combinations(older, 2)),
    }
    print("| pairs | MS-SSIM, mean | standard deviation | pairs |\n| --- | --- | --- | --- |")
    rng = np.random.default_rng(0)
    for name, pairs in rows.items():
        if len(pairs) > MAX_PAIRS:
            pairs = [pairs[k] for k in rng.choice(len(pairs), MAX_PAIRS, replace=False)]
        values = [float(metric(a, b)) for a, b in pairs]
        print(f"| {name} | {np.mean(values):.3f} | {np.std(values, ddof=1):.3f} | {len(values)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
