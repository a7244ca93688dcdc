"""Instance norms that onnxruntime computes as exactly as torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class StagedInstanceNorm(nn.Module):
    """Instance norm of (B, C, D, H, W) whose means are taken one axis after the other.

    onnxruntime 1.32 sums a whole volume in fp32 for its InstanceNormalization: over a million voxels that cost the
    segmenter's probabilities 6e-4. Sums along one axis have a hundred terms.

    Args:
        norm: the norm to compute, without running statistics.
    """

    def __init__(self, norm: nn.InstanceNorm3d) -> None:
        super().__init__()
        self.eps, self.weight, self.bias = norm.eps, norm.weight, norm.bias

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The norm of (B, C, D, H, W), of the same shape."""
        centred = inputs - _mean(inputs)
        found = centred * torch.rsqrt(_mean(centred * centred) + self.eps)
        if self.weight is None:
            return found
        shape = (1, -1, 1, 1, 1)
        return found * self.weight.view(shape) + self.bias.view(shape)


def _mean(values: torch.Tensor) -> torch.Tensor:
    for axis in (-1, -2, -3):
        values = values.mean(axis, keepdim=True)
    return values


@contextmanager
def staged_norms(module: nn.Module) -> Iterator[None]:
    """Put staged norms in the place of a module's instance norms, for as long as the context lives."""
    places = [
        (parent, name, child)
        for parent in module.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.InstanceNorm3d) and not child.track_running_stats
    ]
    try:
        for parent, name, child in places:
            setattr(parent, name, StagedInstanceNorm(child))
        yield
    finally:
        for parent, name, child in places:
            setattr(parent, name, child)
