"""Reading of the conditions from a latent."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from brain_bundles.utils import Recipe
from torch import nn
from torch.nn import functional as F


class ConditionReader(nn.Module):
    """Linear reading of the conditions of a brain from rectified random convolutions of its latent.

    Where ventricles and folds are is in local features, averaged over 2x2x2 positions; how bright tissues are is in
    features averaged over the whole latent. All kernels are random; only the linear reading of them is fitted, in
    closed form, by :func:`fit_condition_reader`. The reader also knows in which direction the mean latent of a
    population moves with each condition.

    Args:
        latent_shape: (C, D, H, W) of the latents.
        num_conditions: K.
        local_features, global_features: number of kernels of both kinds.
        seed: seed of the kernels.

    Attributes:
        weights: (K, F), and offset (K,), of the reading.
        directions: (K, C, D, H, W), change of the mean latent with each condition, the others held.
        unit: (K,), spread of each condition in the population; 0 for one that is not moved.
        aim_factor, aim_shift: (K,), a line from what is asked for to what is aimed at; see
            :func:`calibrate_condition_reader`.

    Source: random rectified features as in Rahimi and Recht 2008, "Random features for large-scale kernel machines".
    """

    local_kernels: torch.Tensor
    local_offsets: torch.Tensor
    global_kernels: torch.Tensor
    global_offsets: torch.Tensor
    weights: torch.Tensor
    offset: torch.Tensor
    directions: torch.Tensor
    unit: torch.Tensor
    aim_factor: torch.Tensor
    aim_shift: torch.Tensor

    def __init__(
        self,
        latent_shape: Sequence[int],
        num_conditions: int,
        *,
        local_features: int = 48,
        global_features: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__()
        channels, *size = (int(number) for number in latent_shape)
        generator = torch.Generator().manual_seed(seed)
        for name, number, spread in (("local", local_features, 0.7), ("global", global_features, 1.0)):
            kernels = torch.randn(number, channels, 3, 3, 3, generator=generator) / (27 * channels) ** 0.5
            self.register_buffer(f"{name}_kernels", kernels)
            self.register_buffer(f"{name}_offsets", spread * torch.randn(number, generator=generator))
        pooled = (local_features + channels) * int(torch.tensor([one // 2 for one in size]).prod())
        self.register_buffer("weights", torch.zeros(num_conditions, pooled + global_features))
        self.register_buffer("offset", torch.zeros(num_conditions))
        self.register_buffer("directions", torch.zeros(num_conditions, channels, *size))
        self.register_buffer("unit", torch.zeros(num_conditions))
        self.register_buffer("aim_factor", torch.ones(num_conditions))
        self.register_buffer("aim_shift", torch.zeros(num_conditions))
        self.recipe = Recipe()

    def features(self, latent: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Local (B, F1) and global (B, F2) features of normalised latents (B, C, D, H, W)."""
        local = F.relu(F.conv3d(latent, self.local_kernels, self.local_offsets, padding=1))
        whole = F.relu(F.conv3d(latent, self.global_kernels, self.global_offsets, padding=1))
        return F.avg_pool3d(torch.cat([local, latent], dim=1), 2).flatten(1), whole.mean((2, 3, 4))

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """Conditions (B, K), scaled as the network sees them, of normalised latents (B, C, D, H, W)."""
        return torch.cat(self.features(latent), dim=1) @ self.weights.T + self.offset

    def wanted(self, condition: torch.Tensor) -> torch.Tensor:
        """Reading (B, K) that brains with conditions (B, K) should have."""
        return condition * self.aim_factor + self.aim_shift
