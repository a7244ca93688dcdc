import numpy as np
import pytest
import torch
from brain_bundles.evaluation.populations.small_cnn import SmallCNN, cnn_classifier

LABELS = np.repeat([0, 1], 8)
ORDER = np.arange(16)


@pytest.fixture(scope="module")
def textures():
    """Balls of noise; those of the second half are smoothed, at the same mean and variance. 20 x 22 x 20 voxels."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(16, 1, 20, 22, 20, generator=generator)
    smooth = torch.nn.functional.avg_pool3d(noise, 3, 1, 1)
    smooth = smooth / smooth.std()
    volumes = torch.where(torch.arange(16)[:, None, None, None, None] < 8, noise, smooth)[:, 0]
    return (0.5 + 0.1 * volumes).clamp(0.01, 1)


def test_it_has_as_many_parameters_as_it_says():
    assert sum(one.numel() for one in SmallCNN().parameters()) == 45_297


def test_it_learns_a_texture_and_repeats_by_its_seed(textures):
    train, test = ORDER[ORDER % 4 > 0], ORDER[ORDER % 4 == 0]
    epochs = []
    classify = cnn_classifier(textures, epochs=15, seed=1, on_epoch=lambda: epochs.append(1))
    state = torch.get_rng_state()
    scores = classify(train, LABELS[train], test)
    assert torch.equal(torch.get_rng_state(), state)
    assert len(epochs) == 15
    assert scores[LABELS[test] == 1].min() > scores[LABELS[test] == 0].max()
    np.testing.assert_array_equal(scores, classify(train, LABELS[train], test))
    assert not np.array_equal(scores, cnn_classifier(textures, epochs=15, seed=2)(train, LABELS[train], test))


def test_it_learns_a_level(textures):
    """No layer takes the level of an image away."""
    volumes = textures[:8].repeat(2, 1, 1, 1)
    volumes[8:] *= 0.8
    train, test = ORDER[ORDER % 4 > 0], ORDER[ORDER % 4 == 0]
    scores = cnn_classifier(volumes, epochs=15)(train, LABELS[train], test)
    assert scores[LABELS[test] == 1].min() > scores[LABELS[test] == 0].max()
