"""A mean squared error whose elements count by given weights."""

from __future__ import annotations

import torch
from torch import nn


class WeightedMSELoss(nn.Module):
    """Mean of ``weight * (prediction - target)^2``, over all elements: weights of 1 give the mean squared error.

    The pair of target and weight comes from a ``PrepareBatch``, such as
    :class:`~brain_bundles.engines.LatentDiffusionPrepareBatch`.

    Raises:
        ValueError: in the run, if the prediction has another shape than the target.
    """

    def forward(self, prediction: torch.Tensor, label: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Scalar loss.

        Args:
            prediction: (B, C, ...).
            label: the target, of that shape, and the weight, of a shape that broadcasts to it.
        """
        target, weight = label
        if prediction.shape != target.shape:
            raise ValueError(f"the prediction has shape {tuple(prediction.shape)}, its target {tuple(target.shape)}.")
        return (weight * (prediction - target).square()).mean()


def batch_size(label: tuple[torch.Tensor, torch.Tensor]) -> int:
    """Number of targets in the label of a :class:`WeightedMSELoss`, for ``ignite.metrics.Loss``."""
    return len(label[0])
