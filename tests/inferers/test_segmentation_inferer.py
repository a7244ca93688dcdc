"""Probabilities of a network, and of the network and its mirror image."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.inferers import SegmentationInferer
from torch import nn


class Sided(nn.Module):
    """Logits that depend on the place from left to right, which no symmetric network does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        place = torch.arange(x.shape[2], dtype=x.dtype)[:, None, None]
        return torch.cat([x, x * place], 1)


def test_probabilities_sum_to_1_and_are_a_softmax():
    x = torch.rand(2, 1, 6, 4, 4, generator=torch.Generator().manual_seed(0))
    found = SegmentationInferer()(x, Sided())
    torch.testing.assert_close(found, Sided()(x).softmax(1))
    torch.testing.assert_close(found.sum(1), torch.ones(2, 6, 4, 4))


def test_with_flipping_the_mirror_image_has_the_mirrored_probabilities():
    x = torch.rand(1, 1, 6, 4, 4, generator=torch.Generator().manual_seed(0))
    flipped = SegmentationInferer(flip=True)
    torch.testing.assert_close(flipped(x.flip(2), Sided()).flip(2), flipped(x, Sided()))
    assert not torch.allclose(flipped(x, Sided()), SegmentationInferer()(x, Sided()))


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="fp64"):
        SegmentationInferer(precision="fp64")
