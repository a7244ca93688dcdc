"""MR images of a head: signal of every structure, smooth variation within it, bias field, noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from brain_bundles.phantom.acquisition import WHITEST, jitter, receive
from brain_bundles.phantom.deformation import random_field
from brain_bundles.phantom.heads.tissues import tissue_of
from brain_bundles.phantom.mr_signal import SEQUENCES, Tissue, tissue_signal
from brain_bundles.utils.seeding import generator_for

REFERENCE = ("cortex", "white_matter", "csf")  # the brightest of them has the image value WHITEST
TEXTURE_STD = 0.05  # of log T1, T2 and T2* within a structure; cortex and bundles differ from place to place
TEXTURE_KNOTS_MM = (24.0, 7.0)
FLUID = ("csf", "lateral_ventricle", "third_ventricle", "fourth_ventricle", "eye", "artery", "vein", "neck_vessel")


def acquire_head(
    fractions: Mapping[str, torch.Tensor], *, suffix: str, age: float, seed: int, spacing: float, mask: torch.Tensor
) -> torch.Tensor:
    """The magnitude image of one contrast, (D, H, W) in [0, 1], exactly 0 outside of the mask.

    Args:
        fractions: (D, H, W) fraction per structure; voxels mix linearly.
        suffix: contrast, a key of ``SEQUENCES``.
        age: years; iron grows with it.
        seed: seed of the subject; jitter, bias field and noise are drawn per contrast.
        spacing: voxel size, mm.
        mask: (D, H, W) bool, where the image is not 0.

    Raises:
        ValueError: for an unknown contrast.
    """
    if suffix not in SEQUENCES:
        raise ValueError(f"unknown contrast {suffix!r}, known are {', '.join(SEQUENCES)}.")
    generator = generator_for(seed, "acquisition", suffix)
    sequence = jitter(SEQUENCES[suffix], generator)
    reference = max(tissue_signal(name, tissue_of(name, 40.0), SEQUENCES[suffix]) for name in REFERENCE)
    image = torch.zeros(mask.shape)
    varying = torch.zeros(mask.shape)
    for name, fraction in fractions.items():
        tissue, flow = tissue_of(name, age), "artery" if name == "neck_vessel" else name
        level = tissue_signal(flow, tissue, sequence) * WHITEST / reference
        image.add_(fraction, alpha=level)
        if name not in FLUID:
            slope = (tissue_signal(name, _slower(tissue), sequence) * WHITEST / reference - level) / TEXTURE_STD
            varying.add_(fraction, alpha=slope)
    image = (image + varying * _texture(mask.shape, seed, spacing)).clamp(min=0.0)
    return (receive(image, spacing=spacing, generator=generator) * mask).clamp(0.0, 1.0)


def _slower(tissue: Tissue) -> Tissue:
    """The tissue with all times longer by one standard deviation of the texture."""
    factor = 1.0 + TEXTURE_STD
    return replace(tissue, t1=tissue.t1 * factor, t2=tissue.t2 * factor, t2_star=tissue.t2_star * factor)


def _texture(shape: tuple[int, ...], seed: int, spacing: float) -> torch.Tensor:
    """Relative change of the times in each voxel, the same in all contrasts."""
    generator = generator_for(seed, "texture")
    fields = [
        random_field(shape, channels=1, spacing=spacing, knot_spacing=knots, generator=generator)[0]
        for knots in TEXTURE_KNOTS_MM
    ]
    return TEXTURE_STD * torch.stack(fields).sum(0) / len(fields) ** 0.5
