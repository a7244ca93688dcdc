"""Does an encoder tell apart what it must? Distances of images that are made worse step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from monai.networks.layers import GaussianFilter
from tqdm import tqdm

from brain_bundles.evaluation.features.encoder import FeatureEncoder, extract_features
from brain_bundles.evaluation.tables import table
from brain_bundles.metrics.frechet import frechet_distance
from brain_bundles.metrics.kernel_distance import squared_mmd
from brain_bundles.utils.seeding import generator_for

FWHM_PER_SIGMA = 2.3548
Series = Mapping[float, torch.Tensor]  # strength -> volumes (N, 1, D, H, W)


@dataclass(frozen=True)
class Sensitivity:
    """Distances of a series of worse and worse images from a reference.

    Attributes:
        strengths: strengths, ascending; 0 are the unchanged images of the series' own people, real against real.
        frechet: Fréchet distance of each strength from the reference.
        kernel: kernel distance, unbiased, likewise.
    """

    strengths: tuple[float, ...]
    frechet: tuple[float, ...]
    kernel: tuple[float, ...]

    @property
    def ordered(self) -> bool:
        """True if both distances grow from every strength to the next."""
        return all(_grows(values) for values in (self.frechet, self.kernel))


def sensitivity(
    encoder: FeatureEncoder,
    reference: torch.Tensor,
    clean: torch.Tensor,
    series: Mapping[str, Series],
    *,
    progress: bool = False,
) -> dict[str, Sensitivity]:
    """Measure how far images move from a reference when they are made worse.

    Args:
        encoder: any encoder.
        reference: volumes (N, 1, D, H, W) of people.
        clean: volumes (M, 1, D, H, W) of other people of the same distribution.
        series: name -> strength above 0 -> the same volumes as ``clean``, made worse by so much.
        progress: show a progress bar.

    Raises:
        ValueError: if a strength is not above 0, or a set has less than two volumes.
    """
    if wrong := [name for name, steps in series.items() if not steps or min(steps) <= 0]:
        raise ValueError(f"{', '.join(wrong)}: expected strengths above 0; the clean images are strength 0.")
    real, unchanged = extract_features(encoder, reference), extract_features(encoder, clean)
    results = {}
    for name, steps in tqdm(series.items(), desc=encoder.record.name, unit="series", disable=not progress):
        features = [unchanged, *(extract_features(encoder, steps[strength]) for strength in sorted(steps))]
        results[name] = Sensitivity(
            (0.0, *sorted(steps)),
            tuple(frechet_distance(real, one) for one in features),
            tuple(squared_mmd(real, one) for one in features),
        )
    return results


def sensitivity_table(results: Mapping[str, Sensitivity]) -> str:
    """A Markdown table with a row for each series and distance."""
    lines = []
    for name, one in results.items():
        for title, values in (("Fréchet", one.frechet), ("KID", one.kernel)):
            steps = ", ".join(f"{s:g}: {v:.3g}" for s, v in zip(one.strengths, values, strict=True))
            lines.append([name, title, steps, "yes" if _grows(values) else "no"])
    return "\n".join(table(("what", "distance", "strength: distance", "ordered"), lines))


def noisy(volumes: torch.Tensor, strengths: Sequence[float], *, seed: int = 0) -> Series:
    """Add Gaussian noise within the brain.

    Args:
        volumes: (N, 1, D, H, W) in [0, 1], 0 outside of the brain.
        strengths: standard deviations of the noise.
        seed: seed of the noise; each strength has the same noise, only stronger.
    """
    noise = torch.randn(volumes.shape, generator=generator_for(seed, "feature noise"))
    return {one: (volumes + one * noise).clamp(0, 1) * (volumes != 0) for one in strengths}


def blurred(volumes: torch.Tensor, strengths: Sequence[float], *, spacing: float) -> Series:
    """Blur within the brain; its border stays, since it would tell the images apart.

    Args:
        volumes: (N, 1, D, H, W), 0 outside of the brain.
        strengths: full width at half maximum, mm.
        spacing: voxel size, mm.
    """
    result, inside = {}, (volumes != 0).float()
    for one in strengths:
        smooth = GaussianFilter(3, one / FWHM_PER_SIGMA / spacing)
        # By the share of the brain under the kernel: the outside must not darken the cortex.
        result[one] = smooth(volumes) / smooth(inside).clamp(min=1e-6) * inside
    return result


def blended(volumes: torch.Tensor, other: torch.Tensor, strengths: Sequence[float]) -> Series:
    """Blend with another contrast of the same people.

    Args:
        volumes, other: (N, 1, D, H, W), on each other.
        strengths: shares of the other contrast, up to 1.
    """
    return {one: torch.lerp(volumes, other, one) for one in strengths}


def _grows(values: Sequence[float]) -> bool:
    return all(after > before for before, after in pairwise(values))
