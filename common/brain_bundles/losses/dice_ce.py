"""Dice plus cross-entropy of classes that exclude each other, without one-hot tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from brain_bundles.utils.plain_tensor import plain_tensor

SMOOTHING = 1e-5


class DiceCELoss(nn.Module):
    """Dice loss plus cross-entropy of logits against the index of each voxel's class.

    The value and the gradient are those of MONAI's ``DiceCELoss(to_onehot_y=True, softmax=True)``. That one makes
    several tensors of the size of the one-hot labels, forwards and backwards, which takes longer than a small network
    (docs/training/brain_mri_segmenter.md). Here sums are taken from the indices, with one softmax.

    Args:
        lambda_dice: weight of the Dice loss, 0 or more.
        lambda_ce: weight of the cross-entropy, 0 or more.

    Raises:
        ValueError: for a negative weight.

    Source: Milletari et al. 2016, V-Net, arXiv:1606.04797, section 3; Isensee et al. 2021, nnU-Net, for the sum.
    """

    def __init__(self, lambda_dice: float = 1.0, lambda_ce: float = 1.0) -> None:
        super().__init__()
        if lambda_dice < 0 or lambda_ce < 0:
            raise ValueError(f"lambda_dice is {lambda_dice} and lambda_ce {lambda_ce}, expected 0 or more.")
        self.lambda_dice, self.lambda_ce = lambda_dice, lambda_ce

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Scalar loss; the Dice loss is averaged over images and classes, the background included.

        Args:
            logits: (B, C, D, H, W).
            target: indices of the classes (B, 1, D, H, W), from 0 to C - 1.

        Raises:
            ValueError: if the shapes do not fit.
        """
        if target.shape != (len(logits), 1, *logits.shape[2:]):
            raise ValueError(
                f"logits are {tuple(logits.shape)}, so labels must be {(len(logits), 1, *logits.shape[2:])}, "
                f"but are {tuple(target.shape)}."
            )
        # One row per voxel: a view where channels are last in memory. MONAI's metadata has no part in a gradient.
        rows = plain_tensor(logits).movedim(1, -1).flatten(1, -2)
        return _DiceCE.apply(rows, plain_tensor(target).flatten(1).long(), self.lambda_dice, self.lambda_ce)


class _DiceCE(torch.autograd.Function):
    """Loss of logits (B, N, C) and indices (B, N)."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, index: torch.Tensor, lambda_dice: float, lambda_ce: float) -> Any:
        logs = functional.log_softmax(logits, dim=-1, dtype=torch.float32)
        log_true = logs.gather(2, index[..., None])[..., 0]
        probabilities = logs.exp_()
        zeros = logs.new_zeros(logits.shape[0], logits.shape[2])
        overlap = zeros.scatter_add(1, index, log_true.exp())
        present = zeros.scatter_add(1, index, torch.ones_like(log_true))
        total = probabilities.sum(1) + present + SMOOTHING
        overlap = 2 * overlap + SMOOTHING
        ctx.save_for_backward(probabilities, index, overlap, total)
        ctx.weights, ctx.dtype = (lambda_dice, lambda_ce), logits.dtype
        return lambda_dice * (1 - overlap / total).mean() - lambda_ce * log_true.mean()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """The gradient of p by the logits is diag(p) - p p'; that of the cross-entropy is p minus one-hot, over N."""
        probabilities, index, overlap, total = ctx.saved_tensors
        lambda_dice, lambda_ce = ctx.weights
        by_sum = lambda_dice * overlap / total.square() / total.numel()  # (B, C), of each p of the class
        by_overlap = -2 * lambda_dice / total / total.numel()  # further, of the p of the true class
        cross = lambda_ce / index.numel()
        true = probabilities.gather(2, index[..., None])
        at_true = true * by_overlap.gather(1, index)[..., None]
        mean = probabilities @ by_sum[..., None] + at_true  # (B, N, 1)
        found = probabilities * (by_sum[:, None] - mean + cross)
        found.scatter_add_(2, index[..., None], at_true - cross)
        return (found * gradients[0]).to(ctx.dtype), None, None, None
