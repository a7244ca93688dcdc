"""The KL term of a variational autoencoder."""

from __future__ import annotations

import torch
from torch import nn


class KLDivergenceLoss(nn.Module):
    """KL(N(mu, sigma^2) || N(0, 1)) in nats: summed over all latent elements, averaged over the batch.

    The sum grows with the latent's size, so its weight is as small as 1e-8 to 1e-6.

    Source: Kingma & Welling 2013, arXiv:1312.6114, appendix B.
    """

    def forward(self, mu: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """Scalar KL of ``mu`` and ``sigma``.

        Args:
            mu: mean (B, C, D, H, W), or of any shape (B, ...).
            sigma: standard deviation of the same shape, positive.

        Raises:
            ValueError: if the shapes differ.
        """
        if mu.shape != sigma.shape:
            raise ValueError(f"mu and sigma must have one shape, got {tuple(mu.shape)} and {tuple(sigma.shape)}.")
        mu, sigma = mu.float(), sigma.float()  # a sum over many elements loses too much in half precision
        # 2 log(sigma), not log(sigma^2): the square of the smallest sigma (e^-15) is near the end of float32.
        per_element = mu.square() + sigma.square() - 2.0 * sigma.log() - 1.0
        return 0.5 * per_element.flatten(1).sum(dim=1).mean()
