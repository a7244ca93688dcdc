import numpy as np
import pytest
from brain_bundles.prepare.resample import make_grid, resample
from brain_bundles.prepare.volume import Volume

from .heads import rigid


def smooth_volume(shape=(20, 24, 22), affine=None):
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")).astype(float)
    data = 10 + sum(np.sin(axis / 4 + k) for k, axis in enumerate(grid))
    return Volume(data.astype(np.float32), np.eye(4) if affine is None else affine)


def test_a_shift_by_whole_voxels_moves_the_values():
    volume = smooth_volume()
    moved = resample(volume, volume, rigid(shift=(2, -3, 1)))  # RAS of the grid to RAS of the source
    np.testing.assert_allclose(moved.data[3:15, 6:18, 3:15], volume.data[5:17, 3:15, 4:16], atol=1e-3)
    assert (moved.data[:, :2] == 0).all()  # outside of the field of view


def test_values_stay_within_those_of_the_source():
    data = np.zeros((16, 16, 16), np.float32)
    data[8:] = 100  # splines ring at an edge
    volume = Volume(data, np.eye(4))
    made = resample(volume, volume, rigid((0, 0, 3), (0.4, 0.3, 0.2)))
    assert made.data.min() >= 0
    assert made.data.max() <= 100


def test_larger_voxels_have_the_mean_of_the_smaller_ones():
    noise = Volume(np.random.default_rng(0).normal(100, 30, (48, 48, 48)).astype(np.float32), np.eye(4))
    grid = make_grid(noise, np.eye(4), np.eye(3), 3.0)
    made = resample(noise, grid, np.eye(4))
    means = noise.data.reshape(16, 3, 16, 3, 16, 3).mean((1, 3, 5))
    assert made.data.shape == means.shape
    inner = (slice(2, -2),) * 3
    assert made.data[inner].std() < 12  # 30 without smoothing, 30 / 27**0.5 = 5.8 for exact means
    assert np.corrcoef(made.data[inner].ravel(), means[inner].ravel())[0, 1] > 0.8


def test_a_grid_of_the_same_spacing_is_the_source_s_own():
    volume = smooth_volume(affine=rigid((4, 5, 6), (7, 8, 9)))
    assert make_grid(volume, np.eye(4), volume.affine[:3, :3], 1.0).same_grid(volume, 1e-6)


@pytest.mark.parametrize("spacing", [0.7, 2.0, 3.3])
def test_a_grid_holds_the_field_of_view_wherever_it_was_moved(spacing):
    volume = smooth_volume(affine=np.diag([1.0, 2.0, 1.5, 1.0]))
    matrix, axes = rigid((20, 10, -30), (50, 0, 5)), rigid((5, 0, 5))[:3, :3]
    grid = make_grid(volume, matrix, axes, spacing)
    np.testing.assert_allclose(grid.affine[:3, :3], axes * spacing)
    corners = np.array(np.meshgrid(*([-0.5, n - 0.5] for n in volume.data.shape))).reshape(3, -1)
    world = (matrix @ volume.affine)[:3, :3] @ corners + (matrix @ volume.affine)[:3, 3:]
    inside = np.linalg.inv(grid.affine)[:3, :3] @ world + np.linalg.inv(grid.affine)[:3, 3:]
    assert (inside > -0.51).all()
    assert (inside < np.array(grid.data.shape)[:, None] - 0.49).all()
    assert (np.ptp(inside, axis=1) > np.array(grid.data.shape) - 1.01).all()  # and not more
