"""The plane between the halves of a brain, in heads that lie turned."""

from __future__ import annotations

import numpy as np
import pytest
from brain_bundles.data.brain_classes import CLASS_INDEX, class_indices, midline_classes, paired_classes
from brain_bundles.metrics.middle_plane import fit_middle_plane
from nibabel.affines import from_matvec
from nibabel.eulerangles import euler2mat

from ..phantom.conftest import CENTRE, SHAPE, small_head


@pytest.fixture(scope="module")
def indices() -> np.ndarray:
    return class_indices(small_head())


def fit(indices: np.ndarray, affine: np.ndarray):
    return fit_middle_plane(indices, affine, paired=paired_classes(), midline=midline_classes())


@pytest.mark.parametrize("angles", [(0.0, 0.0, 0.0), (0.3, 0.0, 0.0), (0.0, 0.4, 0.0), (0.1, -0.3, 0.5)])
def test_sides_are_right_in_a_head_that_lies_turned(indices, angles):
    """Up to 29 degrees about each axis; the right half of the map is where the first axis is above its centre."""
    affine = from_matvec(euler2mat(*angles) @ np.diag([1.4] * 3), [-40.0, 7.0, 3.0])
    plane = fit(indices, affine)
    assert plane.pairs >= 6
    true = np.broadcast_to(np.arange(SHAPE[0])[:, None, None] > CENTRE[0], SHAPE)
    right = plane.right_of_grid(SHAPE, affine)
    sided = np.isin(indices, [CLASS_INDEX[name] for name in ("cortex", "white_matter", "hippocampus", "putamen")])
    assert (right == true)[sided].mean() > 0.985  # the middle plane is one voxel thick: 1.3 % of the voxels
    far = sided & (np.abs(np.arange(SHAPE[0]) - CENTRE[0]) > 3)[:, None, None]
    assert (right == true)[far].all()
    np.testing.assert_allclose(plane.normal, euler2mat(*angles)[:, 0], atol=0.02)


def test_a_grid_with_reversed_axes_has_the_same_plane(indices):
    affine = from_matvec(np.diag([1.4] * 3), [-67.0, -80.0, -70.0])
    turned = from_matvec(
        np.diag([-1.4, -1.4, 1.4]), [-67.0 + 1.4 * (SHAPE[0] - 1), -80.0 + 1.4 * (SHAPE[1] - 1), -70.0]
    )
    plane, other = fit(indices, affine), fit(indices[::-1, ::-1], turned)
    np.testing.assert_allclose(other.normal, plane.normal, atol=1e-6)
    assert other.offset == pytest.approx(plane.offset, abs=1e-6)
    points = np.array([[100.0, 0, 0], [-100.0, 0, 0]])
    assert plane.is_right(points).tolist() == [True, False]


def test_a_side_without_its_structures_does_not_turn_the_plane(indices):
    """A stroke takes the left putamen, pallidum and caudate."""
    hurt = indices.copy()
    left = (np.arange(SHAPE[0]) < CENTRE[0])[:, None, None]
    for name in ("putamen", "pallidum", "caudate"):
        hurt[(hurt == CLASS_INDEX[name]) & left] = CLASS_INDEX["lesion"]
    affine = np.diag([1.4, 1.4, 1.4, 1])
    plane = fit(hurt, affine)
    assert plane.normal[0] > np.cos(np.deg2rad(2))
    assert plane.offset == pytest.approx(1.4 * CENTRE[0], abs=1.5)


def test_without_pairs_the_plane_goes_through_the_middle():
    blob = np.zeros((20, 20, 20), dtype=np.uint8)
    blob[4:9, 5:15, 5:15] = CLASS_INDEX["cortex"]
    plane = fit(blob, np.eye(4))
    assert (plane.pairs, plane.offset) == (0, 6.0)
    assert plane.normal.tolist() == [1.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="no voxel has a class"):
        fit(np.zeros((4, 4, 4), dtype=np.uint8), np.eye(4))
