"""Mean squared error with a weight per element."""

from __future__ import annotations

import torch
from torch import nn


class WeightedMSELoss(nn.Module):
    """Mean of ``weight * (prediction - target)^2``, over all elements: weights of 1 give the mean squared error.

    A ``PrepareBatch``, such as :class:`~brain_bundles.engines.LatentDiffusionPrepareBatch`, gives target and weight.

    Raises:
        ValueError: when called, if prediction and target differ in shape.
    """

    def forward(self, prediction: torch.Tensor, label: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Scalar loss.

        Args:
            prediction: (B, C, ...).
            label: the target, of the same shape, and the weight, which broadcasts to it.
        """
        target, weight = label
        if prediction.shape != target.shape:
            raise ValueError(f"the prediction has shape {tuple(prediction.shape)}, its target {tuple(target.shape)}.")
        return (weight * (prediction - target).square()).mean()


def batch_size(label: tuple[torch.Tensor, torch.Tensor]) -> int:
    """Number of targets in the label of a :class:`WeightedMSELoss`, for ``ignite.metrics.Loss``."""
    return len(label[0])
