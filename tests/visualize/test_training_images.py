"""What a training's pictures show."""

import pytest
import torch
from brain_bundles.visualize import Reconstructions
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
