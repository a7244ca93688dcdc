import numpy as np
import pytest
from brain_bundles.prepare.registration import displacement, register
from brain_bundles.prepare.volume import Volume
from scipy.ndimage import binary_dilation

from .heads import head, rigid

GRID = {"spacing": 3.0, "shape": (64, 80, 80)}


@pytest.mark.parametrize(
    ("degrees", "shift"),
    [((3, -4, 5), (12, -9, 7)), ((0, 0, 0), (70, 0, -60))],  # the second one lies half outside at first
)
def test_a_known_transform_between_contrasts_is_found(degrees, shift):
    truth = rigid(degrees, shift)
    fixed, affine, mask = head("T1w", **GRID)
    moving, _, _ = head("FLAIR", seed=1, matrix=rigid(degrees, (0, 0, 0)), **GRID)
    where = affine.copy()
    where[:3, 3] += shift  # the scanner's origin lies elsewhere
    found = register(Volume(np.float32(fixed), affine), Volume(np.float32(moving), where), binary_dilation(mask))
    error = displacement(np.linalg.inv(found.matrix) @ truth, mask, affine)
    assert error < 0.6  # a fifth of a voxel; 0.2 and 0.1 measured
    assert found.mutual_information[1] > found.mutual_information[0] + 0.1
    rotation = found.matrix[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)


def test_a_brain_without_skull_is_found_in_a_whole_head_with_its_shoulders():
    """They move the centre of mass and that of the field of view, so no plain start is near."""
    matrix = rigid((20, 2, 3), (5, 45, 75))
    fixed, affine, mask = head("T1w", **GRID)
    moving, where, _ = head("T1w", seed=1, matrix=matrix, spacing=3.0, shape=(80, 90, 140))
    x, y, z = np.meshgrid(*((np.arange(n) - n / 2) * 3 for n in moving.shape), indexing="ij")
    moving[(np.abs(x) < 110) & (np.abs(y - 30) < 60) & (z < -90)] = 800
    found = register(Volume(np.float32(fixed * mask), affine), Volume(np.float32(moving), where), binary_dilation(mask))
    assert displacement(np.linalg.inv(found.matrix) @ matrix, mask, affine) < 0.6


def test_displacement_is_the_mean_distance():
    mask = np.zeros((4, 4, 4), bool)
    mask[1] = True
    assert displacement(rigid(shift=(3, 4, 0)), mask, np.eye(4)) == pytest.approx(5)
    assert displacement(np.eye(4), mask, np.eye(4)) == 0
