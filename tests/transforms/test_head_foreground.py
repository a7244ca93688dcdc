"""The head is found in air with noise, and the top of a head with a long neck stays in the window."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brain_bundles.transforms.head_foreground import CentreHeadd, head_foreground, head_window, otsu_threshold
from monai.data import MetaTensor


def ball(shape: tuple[int, ...], centre: tuple[float, ...], radii: tuple[float, ...]) -> torch.Tensor:
    axes = torch.meshgrid(*(torch.arange(float(n)) for n in shape), indexing="ij")
    return sum(((a - c) / r) ** 2 for a, c, r in zip(axes, centre, radii, strict=True)) < 1


def head(shape: tuple[int, ...] = (90, 100, 150), *, neck: bool = True, noise: float = 0.0) -> torch.Tensor:
    """A bright scalp, a brain and a neck with shoulders below; (1, D, H, W)."""
    scalp = ball(shape, (45, 52, 110), (30, 36, 34))
    volume = 0.5 * scalp.float()
    volume[ball(shape, (45, 52, 112), (26, 31, 28))] = 1.0
    if neck:
        volume[:, :, :90][ball(shape, (45, 40, 60), (14, 14, 90))[:, :, :90]] = 0.8
        volume[:, :, :12] = 0.7  # shoulders
    generator = torch.Generator().manual_seed(0)
    parts = noise * torch.randn(2, *shape, generator=generator)
    return ((volume + parts[0]) ** 2 + parts[1] ** 2).sqrt()[None]


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.12])
def test_the_foreground_is_the_head_and_not_the_air(noise):
    found = torch.from_numpy(head_foreground(head(noise=noise)))
    true = head()[0] > 0
    both = (found & true).sum() * 2 / (found.sum() + true.sum())
    assert float(both) > 0.88  # blocks of four voxels; 0.93 without noise


def test_a_frame_of_zeros_around_noisy_air_does_not_make_the_air_a_head():
    framed = torch.nn.functional.pad(head(noise=0.1), (30, 30, 30, 30, 30, 30))
    found = head_foreground(framed)
    assert found.sum() < 1.3 * (head() > 0).sum()


def test_holes_are_part_of_it_and_specks_are_not():
    volume = head(neck=False)
    volume[0, 40:50, 48:56, 108:116] = 0.0
    volume[0, 2:6, 2:6, 2:6] = 5.0
    found = head_foreground(volume)
    assert found[44, 52, 112]
    assert not found[:8, :8, :8].any()


def test_a_volume_of_one_value_is_refused():
    with pytest.raises(ValueError, match="one value everywhere"):
        head_foreground(MetaTensor(torch.ones(1, 20, 20, 20)))


@pytest.mark.parametrize("noise", [0.0, 0.08])
def test_the_top_of_a_head_with_a_neck_stays(noise):
    mask = head_foreground(head(noise=noise))
    start = head_window(mask, (80, 90, 80), margin=4)
    top = 110 + 34
    assert top - 80 + 2 <= start[2] <= top - 80 + 9  # the end of a block lies up to 3 voxels above the head
    # Without the shoulders, the middle of the head.
    assert start[0] + 40 == pytest.approx(45, abs=3)
    assert start[1] + 45 == pytest.approx(52, abs=4)


def test_a_brain_is_centred():
    mask = head_foreground(head(neck=False))
    start = head_window(mask, (80, 90, 100), margin=4)
    assert [begin + n / 2 for begin, n in zip(start, (80, 90, 100), strict=True)] == pytest.approx([45, 52, 110], abs=3)


def test_cropping_and_padding_come_back():
    volume = MetaTensor(head(), affine=torch.diag(torch.tensor([2.0, 2, 2, 1])))
    label = MetaTensor((head() > 0.9).float(), affine=volume.affine)
    transform = CentreHeadd(["image", "label"], (96, 112, 96), 2.0)
    made = transform({"image": volume, "label": label})
    assert made["image"].shape == made["label"].shape == (1, 96, 112, 96)
    assert float(made["label"].sum()) == float(label.sum())  # the brain is whole
    back = transform.inverse(made)
    seen = back["image"] != 0
    torch.testing.assert_close(back["image"][seen].as_tensor(), volume[seen].as_tensor())
    torch.testing.assert_close(back["image"].affine, volume.affine)
    # A voxel keeps its place in the world.
    voxel = torch.tensor([*(made["label"][0].nonzero()[0]).tolist(), 1.0], dtype=torch.float64)
    world = made["label"].affine.double() @ voxel
    original = (torch.linalg.inv(volume.affine.double()) @ world).round().long()
    assert label[0, original[0], original[1], original[2]] == 1


def test_wrong_sizes_and_grids_are_named():
    with pytest.raises(ValueError, match=r"spatial_size is \[0, 4, 4\]"):
        CentreHeadd("image", (0, 4, 4), 2.0)
    with pytest.raises(ValueError, match="resample them to one grid first"):
        CentreHeadd(["a", "b"], (8, 8, 8), 2.0)({"a": torch.rand(1, 9, 9, 9), "b": torch.rand(1, 8, 9, 9)})


def test_otsu_divides_two_groups():
    values = np.concatenate([np.full(900, 1.0), np.full(100, 9.0)]).astype(np.float32)
    values += np.random.default_rng(0).normal(0, 0.3, values.size).astype(np.float32)
    assert 2 < otsu_threshold(values) < 8
