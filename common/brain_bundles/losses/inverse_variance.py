"""A squared error that counts what can be learned more than what is noise."""

from __future__ import annotations

import torch
from torch import nn


class InverseVarianceMSELoss(nn.Module):
    """Mean of ``(prediction - target)^2 / (1 + variance / expected_error)``.

    ``variance`` is the part of the squared error that no network can remove. The latents of an autoencoder are full of
    it: in air, and in channels that the decoder ignores, they are the posterior's noise, and with equal weights the
    gradients are mostly that noise. Dividing by the whole expected error is weighting by the inverse variance, the best
    linear estimate where errors differ in size.

    Args:
        expected_error: the squared error of a trained network where the target has no variance; None gives every
            element the weight 1, the mean squared error.

    Raises:
        ValueError: if ``expected_error`` is not positive.

    Source: Aitken 1936, "On least squares and linear combination of observations"; for networks, Kendall & Gal 2017,
    arXiv:1703.04977, equation 5, here with a known variance.
    """

    def __init__(self, expected_error: float | None = None) -> None:
        super().__init__()
        if expected_error is not None and expected_error <= 0:
            raise ValueError(f"expected_error must be positive, or None for equal weights, got {expected_error}.")
        self.expected_error = expected_error

    def forward(self, prediction: torch.Tensor, target: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Scalar loss of a prediction (B, C, ...).

        Args:
            prediction: (B, C, ...).
            target: of its shape; or a pair of it and its variance; or with a third tensor that can be multiplied with
                it, the unit of error, which ``expected_error`` is then a multiple of.
        """
        expected, *others = target if isinstance(target, (tuple, list)) else (target,)
        error = (prediction - expected).square()
        unit = others[1].square() if len(others) > 1 else 1.0
        if self.expected_error is None or not others:
            return (error / unit).mean()
        return (error / (unit + others[0] / self.expected_error)).mean()
