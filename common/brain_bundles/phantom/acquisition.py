"""MR images of tissue fractions: signal, bias field, noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from brain_bundles.phantom.deformation import random_field
from brain_bundles.phantom.mr_signal import SEQUENCES, TISSUES, Sequence, signal
from brain_bundles.utils.seeding import generator_for

JITTER_STD = 0.02  # relative, of TR, TE, TI and flip angle: scanners and protocols differ a little
BIAS_STD = 0.04  # of the logarithm of the receive sensitivity
BIAS_KNOTS_MM = 80.0
NOISE_STD = 0.012  # of one channel, relative to the brightest of grey matter, white matter and CSF
WHITEST = 0.85  # image value of the brightest tissue; vessels and enhancement need the room up to 1


def jitter(sequence: Sequence, generator: torch.Generator) -> Sequence:
    """Change the times and the flip angle of a sequence by about ``JITTER_STD``."""
    tr, te, ti, flip = (1.0 + JITTER_STD * torch.randn(4, generator=generator)).tolist()
    return replace(sequence, tr=sequence.tr * tr, te=sequence.te * te, ti=sequence.ti * ti, flip=sequence.flip * flip)


def acquire(fractions: Mapping[str, torch.Tensor], *, suffix: str, seed: int, spacing: float) -> torch.Tensor:
    """The brain-extracted magnitude image of one contrast, (D, H, W) in [0, 1], zero outside the intracranial space.

    Args:
        fractions: (D, H, W) fraction per tissue of ``TISSUES``; voxels mix linearly.
        suffix: contrast, a key of ``SEQUENCES``.
        seed: seed of the subject; jitter, bias field and noise are drawn per contrast.
        spacing: voxel size, mm.

    Raises:
        ValueError: for an unknown contrast or tissue.
    """
    if suffix not in SEQUENCES:
        raise ValueError(f"unknown contrast {suffix!r}, known are {', '.join(SEQUENCES)}.")
    if unknown := fractions.keys() - TISSUES.keys():
        raise ValueError(f"unknown tissues {sorted(unknown)}, known are {', '.join(TISSUES)}.")
    generator = generator_for(seed, "acquisition", suffix)
    sequence = jitter(SEQUENCES[suffix], generator)
    # Scaled by the nominal sequence, so that jitter may change the brightness of the image.
    reference = max(signal(name, SEQUENCES[suffix]) for name in ("grey_matter", "white_matter", "csf"))
    signals = {name: signal(name, sequence) * WHITEST / reference for name in fractions}
    inside = torch.stack(list(fractions.values())).sum(0)
    image = torch.stack([fraction * signals[name] for name, fraction in fractions.items()]).sum(0)
    image = receive(image, spacing=spacing, generator=generator)
    return (image * (inside > 0.5)).clamp(0.0, 1.0)


def receive(image: torch.Tensor, *, spacing: float, generator: torch.Generator) -> torch.Tensor:
    """The magnitude image that a coil receives: with its bias field and noise, (D, H, W)."""
    bias = random_field(image.shape, channels=1, spacing=spacing, knot_spacing=BIAS_KNOTS_MM, generator=generator)[0]
    image = image * torch.exp(BIAS_STD * bias)
    real, imaginary = NOISE_STD * WHITEST * torch.randn((2, *image.shape), generator=generator)
    return torch.sqrt((image + real) ** 2 + imaginary**2)  # the magnitude of a complex Gaussian: Rician
