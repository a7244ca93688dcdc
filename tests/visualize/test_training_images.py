"""What a training's pictures show."""

import pytest
import torch
from brain_bundles.data import LazySequence
from brain_bundles.visualize import Reconstructions, Samples
from monai.data import DataLoader, Dataset
from torch import nn


class Halving(nn.Module):
    """A network that 'reconstructs' by half."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.5))

    def reconstruct(self, x):
        assert not self.training
        return self.weight * x


def test_reconstructions_stand_beside_their_images():
    images = [{"image": torch.full((1, 6, 6, 6), 0.1 * (i + 1))} for i in range(5)]
    network = Halving().train()
    shown = Reconstructions(network, DataLoader(Dataset(images), batch_size=2), num_images=3)()
    assert list(shown) == [f"{kind} {i}" for i in (1, 2, 3) for kind in ("image", "reconstruction")]
    assert all(volume.shape == (1, 1, 6, 6, 6) for volume in shown.values())
    torch.testing.assert_close(shown["reconstruction 3"], 0.5 * shown["image 3"])
    assert float(shown["image 3"].mean()) == pytest.approx(0.3)
    assert network.training


def test_samples_read_their_conditions_when_a_picture_is_due():
    """A lazy sequence gives what a tensor gives: the same seeds and conditions each time."""
    conditions = torch.arange(6.0).reshape(2, 1, 3)
    lazy = LazySequence(lambda: list(conditions))
    seen = []

    def sampler(context, network, *, seeds):
        seen.append((context, seeds))
        return torch.zeros(len(context), 1, 2, 2, 2)

    pictures = [Samples(sampler, torch.nn.Linear(1, 1), context, seed=3) for context in (conditions, lazy)]
    assert "made" not in vars(lazy)
    for picture in (*pictures, pictures[0]):
        assert [volume.shape for volume in picture()] == [(1, 2, 2, 2)] * 2
    contexts, seeds = zip(*seen, strict=True)
    assert all(torch.equal(context, conditions) for context in contexts)
    assert len({tuple(one) for one in seeds}) == 1
    assert len(set(seeds[0])) == 2


def test_a_sampler_that_draws_nothing_gets_no_seeds():
    context = torch.rand(2, 1, 2, 2, 2)
    shown = Samples(lambda inputs, network: 2 * inputs, torch.nn.Linear(1, 1), context)()
    assert all(torch.equal(one, 2 * other) for one, other in zip(shown, context, strict=True))
