"""Reading of the conditions from a latent, and the correction of latents that read otherwise than asked."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from brain_bundles.utils import Recipe, load_weights, read_recipe, recipe_of
from brain_bundles.utils.recipe import contradictions
from torch import nn
from torch.nn import functional as F

logger = logging.getLogger(__name__)

DAMPING = 1e-6
MOST = 3.0  # longest move of one step: within the spread of a population its directions are straight


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


@dataclass(frozen=True)
class ConditionCorrection:
    """Moves clean latents, as a sampling predicts them, along the population's directions until they read as asked.

    A network that is trained for a short time follows its conditions on average, and not far enough. The prediction of
    every step is corrected, so the following steps draw a brain around the correction. What is not among the
    directions, such as the course of the folds, is left to the network.

    Args:
        reader: see :class:`ConditionReader`.
        strength: 1 for the whole way to the reading that is asked for, less for a part of it.

    Raises:
        ValueError: for a strength outside of 0 to 1.

    Source: the correction of the predicted clean sample follows Wang et al. 2023, arXiv:2212.00490, equation 13; there
    the measurement is linear and its pseudo-inverse leads back, here the population's directions do.
    """

    reader: ConditionReader
    strength: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise ValueError(f"condition_correction must be between 0 and 1, got {self.strength}.")
        self.reader.eval()

    def __call__(self, clean: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Corrected latents.

        Args:
            clean: predicted clean latents (B, C, D, H, W).
            condition: scaled covariates (B, 1, K); NaN for one that is not given and is not corrected.
        """
        with torch.autocast(clean.device.type, enabled=False):
            places = self.reader.unit.nonzero().flatten().tolist()
            if not places:
                return clean
            wanted, corrected = self.reader.wanted(condition[:, 0].float())[:, places], clean.float()
            moves = self.reader.directions[places] * self.reader.unit[places].view(-1, *(1,) * (clean.ndim - 1))
            # One step of Newton's method: the next step of the sampling goes on from there.
            points = torch.cat([corrected[:, None], corrected[:, None] + moves], 1).flatten(0, 1)
            read = self.reader(points)[:, places].unflatten(0, (-1, 1 + len(places)))
            missing = torch.nan_to_num(self.strength * (wanted - read[:, 0]), nan=0.0)
            change = (read[:, 1:] - read[:, :1]).transpose(1, 2)
            lengths = solve(change, missing).clamp(-MOST, MOST)
            corrected = corrected + torch.einsum("bk,k...->b...", lengths, moves)
        return corrected.to(clean.dtype)


def load_condition_correction(
    reader: ConditionReader, path: str | Path | None, strength: float = 1.0
) -> ConditionCorrection | None:
    """Read the weights of ``reader`` and make its correction; None at strength 0.

    None, with a warning, without a file, and for a reader of other latents or of another grid: the network then follows
    its conditions as far as it does.

    Args:
        reader: on the device of the sampling, with the recipe that its weights must have.
        path: file of :func:`fit_condition_reader`.
        strength: see :class:`ConditionCorrection`.

    Raises:
        ValueError: for a strength outside of 0 to 1, or weights that are damaged.
    """
    correction = ConditionCorrection(reader, strength)
    if strength == 0:
        return None
    if path is None or not Path(path).exists():
        logger.warning(
            "No condition_correction: there is no %s. A training writes one, and configs/fit_reader.json makes one for "
            "weights that exist.",
            path,
        )
        return None
    stored, own = read_recipe([path]), recipe_of(reader)
    others = [f"{name} is {there} there and {here} here" for name, there, here in contradictions(stored, own)]
    if stored.get("spatial_size") != own.get("spatial_size"):
        others.append(f"spatial_size is {stored.get('spatial_size')} there and {own.get('spatial_size')} here")
    if others:
        logger.warning("No condition_correction: %s reads other latents: %s.", path, "; ".join(others))
        return None
    load_weights(reader, path)
    return correction


def solve(matrix: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Solutions x (B, K) of ``matrix x = right`` in the sense of damped least squares, for few unknowns.

    By elimination, with operators that an ONNX model has, which ``torch.linalg.solve`` is not.

    Args:
        matrix: (B, K, K).
        right: (B, K).
    """
    transposed = matrix.transpose(1, 2)
    normal = transposed @ matrix
    size = matrix.shape[-1]
    scale = normal.diagonal(dim1=1, dim2=2).mean(1).view(-1, 1, 1).clamp(min=1e-12)
    eye = torch.eye(size, device=matrix.device, dtype=matrix.dtype)
    rows = torch.cat([normal + DAMPING * scale * eye, transposed @ right[..., None]], dim=2)
    for k in range(size):  # the matrix is positive definite, so no pivot vanishes
        pivot = rows[:, k : k + 1] / rows[:, k : k + 1, k : k + 1]
        others = 1 - eye[:, k : k + 1]
        rows = others * (rows - rows[:, :, k : k + 1] * pivot) + (1 - others) * pivot
    return rows[..., -1]
