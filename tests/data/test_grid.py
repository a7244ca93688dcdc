"""The models' grid."""

from __future__ import annotations

import numpy as np
import pytest
from brain_bundles.data import grid_affine
from nibabel.affines import apply_affine
from nibabel.orientations import aff2axcodes


@pytest.mark.parametrize(("spacing", "size"), [(2.0, (80, 96, 80)), ([1.0, 1.5, 3.0], (5, 8, 3))])
def test_the_world_s_origin_is_the_grid_s_centre(spacing, size):
    affine = grid_affine(spacing, size)
    centre = (np.array(size) - 1) / 2
    np.testing.assert_allclose(apply_affine(affine, centre), 0, atol=1e-12)
    np.testing.assert_allclose(apply_affine(affine, centre + 1), np.broadcast_to(spacing, 3))
    assert aff2axcodes(affine) == ("R", "A", "S")


@pytest.mark.parametrize(("spacing", "size"), [(0, (2, 2, 2)), (1, (2, 2)), (1, (0, 2, 2)), (float("nan"), (2, 2, 2))])
def test_grids_that_are_none(spacing, size):
    with pytest.raises(ValueError, match="expected three sizes >= 1 and mm > 0"):
        grid_affine(spacing, size)
