from __future__ import annotations

import torch
from brain_bundles.evaluation import Predictor
from monai.inferers import SliceInferer


class Brighter(torch.nn.Module):
    """A 2D network; in training mode it would give nothing."""

    def forward(self, x):
        assert x.ndim == 4
        return 0 * x if self.training else x + 0.5


def test_a_network_of_slices_makes_volumes_within_the_range():
    volume = torch.rand(1, 1, 8, 12, 5)
    predictor = Predictor(SliceInferer(roi_size=(8, 12), spatial_dim=2, sw_batch_size=2), Brighter(), seeded=False)
    torch.testing.assert_close(predictor(volume, seeds=[1]), (volume + 0.5).clamp(max=1))


def test_seeds_reach_an_inferer_that_takes_them_and_the_mean_comes_back():
    def inferer(source, network, *, seeds):
        return torch.cat([source + seeds[0], 9 * source], dim=1)

    volume = torch.zeros(1, 1, 2, 2, 2)
    assert torch.equal(Predictor(inferer, torch.nn.Identity())(volume, seeds=[1]), torch.ones_like(volume))
