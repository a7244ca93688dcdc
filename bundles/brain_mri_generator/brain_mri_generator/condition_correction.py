"""Correction of latents whose conditions read otherwise than asked."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from brain_bundles.utils import load_weights, read_recipe, recipe_of
from brain_bundles.utils.recipe import contradictions

from brain_mri_generator.condition_reader import ConditionReader
from brain_mri_generator.least_squares import solve

logger = logging.getLogger(__name__)

MOST = 3.0  # longest move of one step: within the spread of a population its directions are straight


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
