"""Sampling on the grid of a scan agrees with positions in the world, whatever the slabs are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brain_bundles.transforms import scan_grid
from brain_bundles.transforms.scan_grid import to_scan_grid
from nibabel.affines import apply_affine, from_matvec
from nibabel.eulerangles import euler2mat

MODEL = from_matvec(np.diag([2.0, 2.0, 2.0]), [-20.0, -24.0, -18.0])
SHAPE = (21, 25, 19)


def linear(world: np.ndarray) -> np.ndarray:
    return np.stack([world @ [0.3, -0.2, 0.1] + 2, world @ [0.0, 0.1, 0.4] - 1])


def places(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    return apply_affine(affine, np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), -1))


GRIDS = {
    "oblique and finer": (euler2mat(0.2, -0.1, 0.3) @ np.diag([-1.0, 1.2, 0.9]), (31, 23, 29)),
    "turned axes": (np.array([[0, 0, 1.5], [-1.5, 0, 0], [0, -1.5, 0]]), (20, 18, 16)),
    "one slice": (np.diag([1.0, 1.0, 5.0]), (30, 30, 1)),
}


@pytest.mark.parametrize("values", [2**24, 400])
@pytest.mark.parametrize("name", GRIDS)
def test_a_linear_volume_has_its_values_at_every_voxel(name, values, monkeypatch):
    monkeypatch.setattr(scan_grid, "SLAB_VALUES", values)
    matrix, shape = GRIDS[name]
    affine = from_matvec(matrix, -matrix @ ((np.array(shape) - 1) / 2))
    volume = torch.from_numpy(linear(places(SHAPE, MODEL))).float()
    slabs = list(to_scan_grid(volume, MODEL, shape, affine))
    assert [first for first, _ in slabs] == np.cumsum([0, *(slab.shape[1] for _, slab in slabs[:-1])]).tolist()
    assert (len(slabs) > 1) == (values == 400)
    found = torch.cat([slab for _, slab in slabs], 1)
    assert found.shape == (2, *shape)
    world = places(shape, affine)
    inside = apply_affine(np.linalg.inv(MODEL), world)
    inside = ((inside >= 0) & (inside <= np.array(SHAPE) - 1)).all(-1)
    assert inside.mean() > 0.3
    np.testing.assert_allclose(found.numpy()[:, inside], linear(world)[:, inside], atol=1e-4)


def test_outside_of_the_volume_is_0():
    far = from_matvec(np.eye(3), [500.0, 0.0, 0.0])
    (_, slab), *_ = to_scan_grid(torch.ones(1, *SHAPE), MODEL, (4, 4, 4), far)
    assert float(slab.abs().max()) == 0.0
