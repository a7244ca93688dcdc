"""Two small sets of balls of texture, as BIDS datasets."""

from __future__ import annotations

import numpy as np
import pytest
from brain_bundles.data import write_nifti, write_participants
from scipy import ndimage

SIZE = (48, 48, 48)


@pytest.fixture(scope="session")
def write_balls():
    """Write balls of 12 cm with smooth texture; those of another smoothness can be told apart.

    They have the size of a brain and no tissues of one. Ages are 30, 32, ... years.
    """

    def write(folder, number, *, contrasts=("T1w",), smooth=1.5, seed=0, anatomies=None):
        radius = np.sqrt((np.stack(np.indices(SIZE) - 23.5) ** 2).sum(0))
        rows = []
        for i in range(number):
            name = f"sub-{i + 1:02d}"
            for which, contrast in enumerate(contrasts):
                rng = np.random.default_rng([seed, i, which])
                texture = ndimage.gaussian_filter(rng.standard_normal(SIZE), smooth)
                bright = rng.uniform(0.96, 1.0, SIZE) * (radius > 18)  # a rim that sets the upper end of the scale
                image = np.where(radius < 20, np.maximum(0.5 + 0.1 * texture / texture.std(), bright).clip(0.01, 1), 0)
                write_nifti(folder / name / "anat" / f"{name}_{contrast}.nii.gz", image, np.diag([3, 3, 3, 1]))
            row = {"participant_id": name, "age": 30.0 + 2 * i, "sex": "MF"[i % 2]}
            rows.append(row if anatomies is None else {**row, "anatomy": f"map{i % anatomies}"})
        write_participants(folder, rows)
        return folder

    return write
