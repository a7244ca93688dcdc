"""Conventions of scoring: the default leaves volumes alone, the published one is that of its code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brain_bundles.metrics import CONVENTIONS, apply_convention, score_translation

MASK = torch.zeros(16, 16, 16, dtype=torch.bool)
MASK[2:14, 2:14, 2:14] = True


def brain(seed: int = 0) -> torch.Tensor:
    return (0.2 + 0.6 * torch.rand(MASK.shape, generator=torch.Generator().manual_seed(seed))) * MASK


def test_by_default_a_scaled_prediction_is_worse_than_the_truth():
    truth = brain()
    perfect = score_translation(truth, truth, MASK)
    for factor in (1.1, 0.9):
        scaled = score_translation(factor * truth, truth, MASK)
        assert scaled.psnr < 30 < perfect.psnr
        assert scaled.mae > 0.04 > perfect.mae
        assert scaled.ssim < perfect.ssim - 0.005
        assert scaled.nmse == pytest.approx(0.01, rel=1e-4)
        assert scaled == score_translation(factor * truth, truth, MASK, convention="collection")


@pytest.mark.parametrize("name", CONVENTIONS)
def test_only_what_is_published_so_scales_a_prediction_by_its_own_statistics(name):
    truth = brain()
    prediction, target = apply_convention(name, 1.1 * truth, truth)
    assert torch.allclose(prediction.float(), target.float(), atol=1e-5) == (name == "brasyn")
    if name == "collection":
        assert torch.equal(prediction, 1.1 * truth)
        assert torch.equal(target, truth)


def test_brasyn_has_the_percentiles_of_all_voxels():
    volume = brain() - 0.05 * torch.rand(MASK.shape, generator=torch.Generator().manual_seed(1))
    low, high = np.percentile(volume.double().numpy(), [0.5, 99.5])
    assert low < 0  # a lower limit below 0 becomes 0
    expected = np.clip(volume.double().numpy(), 0, high) / high
    np.testing.assert_allclose(apply_convention("brasyn", volume, volume)[0].numpy(), expected, atol=1e-12)
    above = volume + 1
    low, high = np.percentile(above.double().numpy(), [0.5, 99.5])
    expected = (np.clip(above.double().numpy(), low, high) - low) / (high - low)
    np.testing.assert_allclose(apply_convention("brasyn", above, above)[1].numpy(), expected, atol=1e-12)


def test_what_cannot_be_scaled_and_unknown_names_are_refused():
    with pytest.raises(ValueError, match="convention brasyn: a volume has no percentiles"):
        apply_convention("brasyn", torch.zeros(4, 4, 4), brain())
    with pytest.raises(ValueError, match="convention is 'mine', expected one of collection, brasyn"):
        score_translation(brain(), brain(), MASK, convention="mine")
