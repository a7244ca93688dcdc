from __future__ import annotations

import pytest
import torch
from brain_bundles.evaluation import NetworkMethod, trained_method
from brain_bundles.utils import with_recipe
from brain_bundles.utils.saving import save_network
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


def save(network, path, recipe):
    """Weights of a network that was trained with a recipe."""
    save_network(with_recipe(network, recipe), path)
    return path


def constant(bias):
    network = torch.nn.Conv3d(1, 1, 1)
    torch.nn.init.zeros_(network.weight)
    torch.nn.init.constant_(network.bias, bias)
    return network


def test_each_pair_has_its_own_weights(tmp_path):
    weights = {}
    for source, target, bias in (("T1w", "T2w", 0.25), ("T2w", "T1w", 0.75)):
        recipe = {"spacing": 2.0, "source": source, "target": target}
        weights[f"{source} to {target}"] = save(constant(bias), tmp_path / f"{source}.pt", recipe)
    network = torch.nn.Conv3d(1, 1, 1)
    methods = trained_method(network, weights, recipe={"spacing": 2.0})
    made = [float(method(torch.rand(1, 1, 2, 2, 2), targets=["any"], seeds=[0]).mean()) for method in methods.values()]
    assert list(methods) == list(weights)
    assert made == [0.25, 0.75]
    with pytest.raises(FileNotFoundError):
        trained_method(network, {"T1w to T2w": tmp_path / "missing.pt"})
    with pytest.raises(ValueError, match="source is T1w in the weights and FLAIR here"):
        trained_method(network, {"FLAIR to T2w": weights["T1w to T2w"]})
    with pytest.raises(ValueError, match=r"spacing is 2\.0 in the weights and 1\.0 here"):
        trained_method(network, weights, recipe=[{"spacing": 1.0}])


def test_a_baseline_for_all_pairs_has_one_file_and_one_without_weights_is_left_out(tmp_path):
    path = save(constant(0.5), tmp_path / "network.pt", {"spacing": 2.0})
    method = trained_method(torch.nn.Conv3d(1, 1, 1), path, inferer=SimpleInferer(), recipe={"spacing": 2.0})
    assert float(method(torch.rand(1, 1, 2, 2, 2), targets=["T2w"], seeds=[0]).mean()) == 0.5
    assert trained_method(torch.nn.Conv3d(1, 1, 1), None) is None
