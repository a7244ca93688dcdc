"""Centring by whole voxels, the same for all contrasts, and its inverse."""

from __future__ import annotations

import warnings

import pytest
import torch
from brain_bundles.transforms import CentreBraind, brain_bounds
from monai.data import MetaTensor

SIZE = (12, 14, 10)


def block(shape=(20, 20, 20), at=(3, 5, 7), size=(6, 8, 4)) -> MetaTensor:
    """A box of random tissue in empty space, spacing 2 mm."""
    volume = torch.zeros(1, *shape)
    tissue = torch.rand(1, *size, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.5
    volume[(0, *(slice(a, a + n) for a, n in zip(at, size, strict=True)))] = tissue
    affine = torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0], dtype=torch.float64))
    return MetaTensor(volume, affine=affine)


def test_bounds_of_a_box_and_what_does_not_move_them():
    volume = block()
    first, last = brain_bounds(volume)
    assert (first.tolist(), last.tolist()) == ([3, 5, 7], [8, 12, 10])
    noisy = volume + 0.05 * torch.rand(volume.shape, generator=torch.Generator().manual_seed(1)) - 0.02
    noisy[0, 19, 19, 19] = 1.0  # a speck: 1 of 193 voxels, a larger share than the default leaves out
    first, last = brain_bounds(noisy, tail=0.01)
    assert (first.tolist(), last.tolist()) == ([3, 5, 7], [8, 12, 10])
    with pytest.raises(ValueError, match="no voxel is above 0"):
        brain_bounds(torch.zeros(1, 4, 4, 4) - 1)


@pytest.mark.parametrize("at", [(3, 5, 7), (0, 0, 0), (14, 12, 16), (0, 12, 8)])
def test_a_brain_comes_out_the_same_wherever_it_was(at):
    centred = CentreBraind("image", SIZE)({"image": block(at=at)})["image"]
    expected = block(shape=SIZE, at=(3, 3, 3))  # (12 - 6) / 2, (14 - 8) / 2, (10 - 4) / 2
    torch.testing.assert_close(centred.as_tensor(), expected.as_tensor(), rtol=0, atol=0)
    # The affine still places each voxel where it was.
    corner = centred.affine @ torch.tensor([3.0, 3.0, 3.0, 1.0], dtype=torch.float64)
    assert corner[:3].tolist() == [2.0 * a for a in at]


def test_a_centred_volume_is_left_as_it_is():
    volume = block(shape=SIZE, at=(3, 3, 3))
    centred = CentreBraind("image", SIZE)({"image": volume})["image"]
    torch.testing.assert_close(centred.as_tensor(), volume.as_tensor(), rtol=0, atol=0)
    torch.testing.assert_close(centred.affine, volume.affine)


def test_odd_remainders_are_off_by_half_a_voxel_at_most():
    for length in (5, 6, 7):
        centred = CentreBraind("image", SIZE)({"image": block(size=(length, length, length), at=(9, 2, 11))})["image"]
        first, last = brain_bounds(centred)
        middle = (first + last).double() / 2 - (torch.tensor(SIZE) - 1) / 2
        assert middle.abs().max() <= 0.5


def test_all_keys_move_with_the_first():
    other = block(at=(4, 6, 7))
    out = CentreBraind(["a", "b"], SIZE)({"a": block(at=(3, 5, 7)), "b": other})
    assert brain_bounds(out["b"])[0].tolist() == [4, 4, 3]
    assert CentreBraind(["a", "b"], SIZE, allow_missing_keys=True)({"b": other})["b"].shape == (1, *SIZE)
    with pytest.raises(KeyError):
        CentreBraind(["a", "b"], SIZE)({"b": other})
    with pytest.raises(ValueError, match=r"shape \(8, 8, 8\), but volume has \(20, 20, 20\); resample"):
        CentreBraind(["a", "b"], SIZE)({"a": block(), "b": block(shape=(8, 8, 8), at=(0, 0, 0))})


@pytest.mark.parametrize("shape", [(20, 20, 20), (8, 20, 5)])
def test_the_inverse_restores_the_volume_and_its_affine(shape):
    volume = block(shape=shape, at=(1, 1, 1), size=(6, 8, 4))
    centre = CentreBraind("image", SIZE)
    back = centre.inverse(centre({"image": volume}))["image"]
    torch.testing.assert_close(back.as_tensor(), volume.as_tensor(), rtol=0, atol=0)
    torch.testing.assert_close(back.affine, volume.affine)
    assert back.applied_operations == []


def test_a_brain_that_does_not_fit_is_reported():
    volume = block(shape=(30, 20, 20), at=(5, 5, 5), size=(16, 8, 4))
    with pytest.warns(
        UserWarning, match=r"brain is \[16, 8, 4\] voxels long, the grid \[12, 14, 10\]; its ends are cut"
    ):
        CentreBraind("image", SIZE)({"image": volume})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert CentreBraind("image", SIZE, warn_cut=None)({"image": volume})["image"].shape == (1, *SIZE)


def test_bad_sizes():
    with pytest.raises(ValueError, match="expected three sizes of at least 1"):
        CentreBraind("image", (12, 14))
