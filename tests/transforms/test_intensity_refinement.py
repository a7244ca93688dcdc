"""Tests of borders by intensity, on balls in balls whose truth is known."""

import pytest
import torch
from brain_bundles.transforms import refine_by_intensity
from monai.networks.layers import GaussianFilter

SIZE = 36
LEVELS = torch.tensor([0.0, 0.4, 0.8, 0.1])  # background, two tissues, fluid


@pytest.fixture(scope="module")
def truth():
    """Fluid in the second tissue in the first tissue, (D, H, W)."""
    axis = torch.arange(SIZE) - SIZE / 2
    radius = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).norm(dim=0)
    return (radius < 14).long() + (radius < 10).long() + (radius < 5).long()


def scan(truth, levels=LEVELS, noise=0.03):
    return levels[truth] + noise * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))


def unsure(truth, sigma=2.0):
    """What a network with coarse features says: smoothed truth."""
    blurred = GaussianFilter(3, sigma)(torch.nn.functional.one_hot(truth, 4).movedim(-1, 0).float()[None])[0]
    blurred[0] += 1e-6
    return blurred / blurred.sum(0)


def dice(found, truth, index):
    return float(2 * ((found == index) & (truth == index)).sum() / ((found == index).sum() + (truth == index).sum()))


def test_borders_follow_the_scan(truth):
    small = truth.clone()  # the network finds an eighth of the fluid
    axis = torch.arange(SIZE) - SIZE / 2
    radius = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).norm(dim=0)
    small[(radius < 5) & (radius >= 2.5)] = 2
    before = unsure(small)
    after = refine_by_intensity(before, scan(truth))
    assert dice(before.argmax(0), truth, 3) < 0.25
    assert dice(after.argmax(0), truth, 3) > 0.97
    assert dice(after.argmax(0), truth, 2) > 0.97
    torch.testing.assert_close(after.sum(0), torch.ones_like(after[0]))


@pytest.mark.parametrize(
    "levels", [LEVELS * 100 + 7, 1 - LEVELS, torch.tensor([0.9, 0.2, 0.5, 0.7])], ids=["scaled", "inverted", "other"]
)
def test_any_contrast_will_do(truth, levels):
    noise = 0.03 * float(levels.max() - levels.min())
    found = refine_by_intensity(unsure(truth), scan(truth, levels, noise)).argmax(0)
    assert min(dice(found, truth, index) for index in (1, 2, 3)) > 0.95


def test_what_looks_alike_stays_as_the_network_says(truth):
    alike = torch.tensor([0.0, 0.4, 0.4, 0.1])
    before = unsure(truth)
    after = refine_by_intensity(before, scan(truth, alike))
    border = (truth == 1) | (truth == 2)
    agree = (after.argmax(0) == before.argmax(0))[border].float().mean()
    assert agree > 0.9


def test_a_flat_image_changes_little_and_nothing_breaks(truth):
    after = refine_by_intensity(unsure(truth), torch.full(truth.shape, 3.0))
    assert bool(torch.isfinite(after).all())
    assert (after.argmax(0) == unsure(truth).argmax(0)).float().mean() > 0.97


def test_without_a_brain_nothing_changes():
    nothing = torch.zeros(4, 8, 8, 8)
    nothing[0] = 1
    assert torch.equal(refine_by_intensity(nothing, torch.rand(1, 8, 8, 8)), nothing)


def test_another_grid_is_refused(truth):
    with pytest.raises(ValueError, match="the image has"):
        refine_by_intensity(unsure(truth), torch.zeros(8, 8, 8))
