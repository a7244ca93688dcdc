"""Weights of squared errors, for :class:`~brain_bundles.losses.WeightedMSELoss`."""

from __future__ import annotations

import torch


def inverse_variance_weights(
    variance: torch.Tensor, expected_error: float, unit: torch.Tensor | float = 1.0
) -> torch.Tensor:
    """``1 / (unit^2 + variance / expected_error)``: errors that can be learned count more than noise.

    ``variance`` is the part of the squared error that no network can remove. The latents of an autoencoder have much of
    it: in air, and in channels that the decoder ignores, they are the posterior's noise. With equal weights the
    gradients are mostly that noise. Division by the whole expected error weights by the inverse variance, the best
    linear estimate if errors differ in size.

    Args:
        variance: (B, C, ...).
        expected_error: squared error of a trained network without that variance, in units of ``unit^2``; positive.
        unit: unit of the error; broadcasts with ``variance``.

    Returns:
        weights, shaped like ``variance``.

    Source: Aitken 1936, "On least squares and linear combination of observations"; for networks, Kendall & Gal 2017,
    arXiv:1703.04977, equation 5, here with a known variance.
    """
    return 1 / (torch.as_tensor(unit).square() + variance / expected_error)


def channel_weights(std: torch.Tensor, power: float) -> torch.Tensor:
    """``std ** power``, scaled to a mean of 1: 0 weighs all channels alike, -1 evens out different scales.

    Args:
        std: standard deviation of every channel (C,).
        power: any number.

    Returns:
        (C,).
    """
    weights = std**power
    return weights / weights.mean()
