from __future__ import annotations

import pytest
import torch
from brain_bundles.evaluation import NetworkMethod, pair_methods
from monai.inferers import SimpleInferer, SliceInferer


class Brighter(torch.nn.Module):
    """A 2D network that returns zeros in training mode."""

    def forward(self, x):
        assert x.ndim == 4
        return 0 * x if self.training else x + 0.5


def test_a_network_of_slices_makes_volumes_within_the_range():
    volume = torch.rand(1, 1, 8, 12, 5)
    method = NetworkMethod(SliceInferer(roi_size=(8, 12), spatial_dim=2, sw_batch_size=2), Brighter())
    torch.testing.assert_close(method(volume, targets=["T2w"], seeds=[1]), (volume + 0.5).clamp(max=1))


def test_seeds_reach_an_inferer_that_takes_them_and_the_mean_comes_back():
    def inferer(source, network, *, seeds):
        return torch.cat([source + seeds[0], 9 * source], dim=1)

    volume = torch.zeros(1, 1, 2, 2, 2)
    method = NetworkMethod(inferer, torch.nn.Identity())
    assert torch.equal(method(volume, targets=["T2w"], seeds=[1]), torch.ones_like(volume))


def test_an_inferer_of_one_target_is_not_asked_for_two():
    method = NetworkMethod(SimpleInferer(), torch.nn.Identity())
    with pytest.raises(ValueError, match="its inferer makes one target, not T2w, FLAIR; give the method by pair"):
        method(torch.zeros(1, 1, 2, 2, 2), targets=["T2w", "FLAIR"], seeds=[1, 2])


def test_each_pair_has_its_own_weights(tmp_path):
    network = torch.nn.Conv3d(1, 1, 1)
    weights = {}
    for pair, bias in (("T1w to T2w", 0.25), ("T2w to T1w", 0.75)):
        torch.save({"weight": torch.zeros(1, 1, 1, 1, 1), "bias": torch.full((1,), bias)}, tmp_path / f"{pair}.pt")
        weights[pair] = tmp_path / f"{pair}.pt"
    methods = pair_methods(network, weights)
    made = [float(method(torch.rand(1, 1, 2, 2, 2), targets=["any"], seeds=[0]).mean()) for method in methods.values()]
    assert list(methods) == list(weights)
    assert made == [0.25, 0.75]
    with pytest.raises(FileNotFoundError):
        pair_methods(network, {"T1w to T2w": tmp_path / "missing.pt"})
