"""What is measured on a generated set beside a reference set: a function for each column of the tables."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose

from brain_bundles.evaluation.features.comparison import compare_features
from brain_bundles.evaluation.features.encoder import FeatureEncoder, extract_features
from brain_bundles.metrics.four_gr_ssim_pairs import four_gr_ssim_between, four_gr_ssim_over_pairs
from brain_bundles.metrics.memorisation import describe, memorisation
from brain_bundles.metrics.ms_ssim_pairs import ms_ssim_over_pairs
from brain_bundles.metrics.neighbourhoods import NEIGHBOURS
from brain_bundles.metrics.power_bands import band_power, radial_power
from brain_bundles.utils.plain_tensor import plain_tensor

logger = logging.getLogger(__name__)

SMALLEST_SET = 2 * (NEIGHBOURS + 1)  # both halves of a set have more brains than neighbours


class BrainImages:
    """Images of a set on one grid, read when they are asked for.

    Args:
        paths: files of the images.
        preprocessing: maps ``{"image": path}`` to ``{"image": (1, D, H, W)}``.
    """

    def __init__(self, paths: Sequence[Path], preprocessing: Compose) -> None:
        self.paths, self.preprocessing = list(paths), preprocessing

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        """Image (1, D, H, W) in [0, 1]."""
        return plain_tensor(self.preprocessing({"image": str(self.paths[index])})["image"])


def similarity(images: BrainImages, *, num_pairs: int, seed: int, kernel_size: int) -> dict[str, Any] | None:
    """MS-SSIM between different brains of a set; None under two brains."""
    if len(images) < 2:
        return None
    options: dict[str, Any] = {"num_pairs": num_pairs, "seed": seed}
    return asdict(ms_ssim_over_pairs(images.__getitem__, len(images), **options, kernel_size=kernel_size))


def structure(generated: BrainImages, reference: BrainImages, *, num_pairs: int, seed: int) -> dict[str, Any] | None:
    """4-G-R-SSIM within both sets and between them, in both orders; None under two brains, or without pairs."""
    if min(len(generated), len(reference)) < 2 or num_pairs < 1:
        return None
    options: dict[str, Any] = {"num_pairs": num_pairs, "seed": seed}
    sets = (generated.__getitem__, len(generated), reference.__getitem__, len(reference))
    return {
        "generated": asdict(four_gr_ssim_over_pairs(*sets[:2], **options)),
        "reference": asdict(four_gr_ssim_over_pairs(*sets[2:], **options)),
        "between": asdict(four_gr_ssim_between(*sets, **options)),
    }


def feature_distances(
    generated: BrainImages, reference: BrainImages, encoder: FeatureEncoder | None, *, seed: int
) -> dict[str, Any] | None:
    """Fréchet and kernel distance, precision, recall, density, coverage; None without encoder or with too few brains.

    See :func:`brain_bundles.evaluation.features.compare_features`.
    """
    if encoder is None:
        return None
    if min(len(generated), len(reference)) < SMALLEST_SET:
        logger.info("distances between features need %d brains of each set, so there are none", SMALLEST_SET)
        return None
    made, real = (
        extract_features(encoder, (images[i] for i in range(len(images)))) for images in (generated, reference)
    )
    return compare_features(real, made, encoder.record, name="generated", seed=seed).as_json()


def power_ratio(generated: BrainImages, reference: BrainImages, *, spacing: float) -> list[float] | None:
    """Power of the generated set relative to the reference in :data:`brain_bundles.metrics.power_bands.BANDS`.

    The mask of an image is where it is above 0. None if a set is empty.
    """
    if not len(generated) or not len(reference):
        return None
    mean = [_mean_power(images, spacing) for images in (generated, reference)]
    return [float(ratio) for ratio in mean[0] / mean[1]]


def _mean_power(images: BrainImages, spacing: float) -> np.ndarray:
    found = []
    for index in range(len(images)):
        volume = images[index][0].numpy()
        if (volume > 0).any():
            found.append(band_power(*radial_power(volume, volume > 0, spacing)))
    return np.mean(found, axis=0) if found else np.full(3, np.nan)


def nearest_training_brains(
    generated: BrainImages, training: BrainImages, held_out: BrainImages
) -> Mapping[str, Any] | None:
    """Memorisation check as plain numbers, with the closest pair by name; None under two training brains."""
    if len(training) < 2:
        return None
    logger.info("nearest training brains of %d generated brains", len(generated))
    vectors = [[describe(images[i]) for i in range(len(images))] for images in (generated, training, held_out)]
    result = memorisation(*vectors)
    closest = int(result.generated.argmax())
    return {
        "num_training": len(training),
        "generated_mean": float(result.generated.mean()),
        "generated_max": float(result.generated.max()),
        "held_out_mean": float(result.held_out.mean()),
        "held_out_max": float(result.held_out.max()),
        "threshold": result.threshold,
        "share_above": result.share_above,
        "closest_generated": generated.paths[closest].name,
        "closest_training": training.paths[int(result.generated_nearest[closest])].name,
    }
