import pytest
import torch
from brain_bundles.evaluation.features import FeatureEncoder, extract_features
from torch import nn


class Moments(FeatureEncoder):
    """Mean and largest value of a volume, after a layer that is another one in training."""

    def __init__(self, scale: float = 1.0) -> None:
        network = nn.Sequential(nn.Dropout(0.9), nn.Conv3d(1, 1, 1))
        nn.init.constant_(network[1].weight, scale)
        nn.init.zeros_(network[1].bias)
        super().__init__(network, name="moments", normalisation="none", num_features=2)

    def encode(self, volumes: torch.Tensor) -> torch.Tensor:
        values = self.network(volumes).flatten(1)
        return torch.stack([values.mean(1), values.amax(1)], dim=1)


def volumes(batch: int = 3) -> torch.Tensor:
    return torch.rand(batch, 1, 4, 5, 6, generator=torch.Generator().manual_seed(0))


def test_features_in_evaluation_mode_without_gradients():
    encoder = Moments()
    encoder.network.train()
    features = encoder(volumes().double())
    torch.testing.assert_close(features, torch.stack([volumes().mean((1, 2, 3, 4)), volumes().amax((1, 2, 3, 4))], 1))
    assert features.dtype == torch.float32
    assert not features.requires_grad
    assert encoder.network.training


def test_a_set_is_encoded_one_by_one():
    encoder = Moments()
    expected = encoder(volumes())
    torch.testing.assert_close(extract_features(encoder, list(volumes())), expected)
    torch.testing.assert_close(extract_features(encoder, (one[0] for one in volumes())), expected)
    with pytest.raises(ValueError, match="moments: there is no volume to encode"):
        extract_features(encoder, [])


def test_weights_without_a_file_have_a_hash_of_their_values():
    assert Moments().record.weights == Moments().record.weights != Moments(2).record.weights
    assert Moments().record.weights.startswith("values:")


@pytest.mark.parametrize("shape", [(1, 4, 5, 6), (1, 2, 4, 5, 6), (0, 1, 4, 5, 6)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"moments takes volumes \(B, 1, D, H, W\), got"):
        Moments()(torch.zeros(shape))


def test_what_is_not_finite_is_refused():
    bad = volumes()
    bad[1, 0, 0, 0, 0] = torch.inf
    with pytest.raises(ValueError, match="a volume has NaN or infinite voxels"):
        Moments()(bad)
    with pytest.raises(ValueError, match="gives features that are not finite; are these its weights"):
        Moments(torch.nan)(volumes())
