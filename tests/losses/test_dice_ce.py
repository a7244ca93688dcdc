"""Dice plus cross-entropy from indices: MONAI's is the oracle."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.losses import DiceCELoss
from monai.data import MetaTensor
from monai.losses import DiceCELoss as MonaiDiceCELoss


def example(batch: int = 2, classes: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(batch)
    logits = 3 * torch.randn(batch, classes, 6, 7, 5, generator=generator)
    labels = torch.randint(0, classes - 1, (batch, 1, 6, 7, 5), generator=generator)  # the last class is absent
    return logits, labels


@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.3, 2.0), (1.0, 0.0), (0.0, 1.0)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32])
def test_value_and_gradient_are_those_of_monai(weights, dtype):
    logits, labels = example()
    ours, theirs = (logits.clone().requires_grad_() for _ in range(2))
    lambda_dice, lambda_ce = weights
    loss = DiceCELoss(lambda_dice, lambda_ce)(ours, labels.to(dtype))
    expected = MonaiDiceCELoss(to_onehot_y=True, softmax=True, lambda_dice=lambda_dice, lambda_ce=lambda_ce)(
        theirs, labels.to(dtype)
    )
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_a_perfect_prediction_costs_nothing():
    _, labels = example(classes=4)
    logits = 100.0 * torch.nn.functional.one_hot(labels[:, 0], 4).movedim(-1, 1).float()
    assert float(DiceCELoss()(logits, labels)) == pytest.approx(0, abs=1e-6)


def test_labels_with_metadata_and_channels_last():
    logits, labels = example()
    expected = DiceCELoss()(logits, labels)
    assert float(DiceCELoss()(logits, MetaTensor(labels.float()))) == float(expected)
    last = logits.contiguous(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(DiceCELoss()(last, labels), expected)


def test_what_does_not_fit_is_refused():
    logits, labels = example()
    with pytest.raises(ValueError, match=r"labels must be \(2, 1, 6, 7, 5\), but are \(2, 6, 7, 5\)"):
        DiceCELoss()(logits, labels[:, 0])
    with pytest.raises(ValueError, match="expected 0 or more"):
        DiceCELoss(lambda_dice=-1)
