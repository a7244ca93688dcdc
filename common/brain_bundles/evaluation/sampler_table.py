"""Time and error of few-step samplers against a long DDIM run from the same noise."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

REFERENCE = ("ddim", 1000)
ROWS: tuple[tuple[str, int], ...] = (
    ("ddim", 10),
    ("ddim", 20),
    ("ddim", 50),
    ("dpm_solver", 10),
    ("dpm_solver", 15),
    ("dpm_solver", 20),
)


@dataclass(frozen=True)
class SamplerRow:
    """Time and errors of one sampler.

    Attributes:
        sampler: name in ``brain_bundles.schedulers``.
        num_inference_steps: network evaluations per sample.
        seconds_per_sample: wall time of sampling and decoding, divided by the samples.
        latent_error: RMS difference from the reference over the RMS of the reference, latents of all samples together.
        image_error: the same for decoded images.
    """

    sampler: str
    num_inference_steps: int
    seconds_per_sample: float
    latent_error: float
    image_error: float


def relative_rms(value: torch.Tensor, reference: torch.Tensor) -> float:
    """RMS of ``value - reference`` over the RMS of ``reference``, in float64; NaN where the reference is zero."""
    scale = reference.double().square().mean().sqrt()
    error = (value.double() - reference.double()).square().mean().sqrt()
    return float(error / scale) if scale > 0 else float("nan")


def sampler_table(
    sample: Callable[[str, int], tuple[torch.Tensor, torch.Tensor]],
    *,
    rows: Sequence[tuple[str, int]] = ROWS,
    reference: tuple[str, int] = REFERENCE,
) -> list[SamplerRow]:
    """Run every sampler of ``rows`` and the reference from the same noise.

    Args:
        sample: (sampler name, steps) -> latents (B, C, d, h, w) and their images (B, 1, D, H, W); must start from the
            same noise and condition at every call.
        rows: (sampler, steps) to time.
        reference: (sampler, steps) taken as the exact solution.

    Returns:
        one row per entry of ``rows``, and the reference itself (error 0) last.

    Raises:
        ValueError: if a row repeats, or a sampler gives other shapes or values that are not finite.
    """
    if len(set(rows)) != len(rows):
        raise ValueError(f"rows repeat: {list(rows)}.")

    def run(sampler: str, steps: int) -> tuple[torch.Tensor, torch.Tensor, float]:
        start = time.perf_counter()
        latents, images = sample(sampler, steps)
        if latents.is_cuda:
            torch.cuda.synchronize(latents.device)
        seconds = (time.perf_counter() - start) / len(latents)
        if not (latents.isfinite().all() and images.isfinite().all()):
            raise ValueError(f"{sampler} with {steps} steps gives values that are not finite.")
        return latents, images, seconds

    exact_latents, exact_images, exact_seconds = run(*reference)
    table = []
    for sampler, steps in rows:
        latents, images, seconds = run(sampler, steps)
        if latents.shape != exact_latents.shape:
            raise ValueError(f"{sampler} gives latents {tuple(latents.shape)}, expected {tuple(exact_latents.shape)}.")
        errors = relative_rms(latents, exact_latents), relative_rms(images, exact_images)
        table.append(SamplerRow(sampler, steps, seconds, *errors))
    return [*table, SamplerRow(*reference, exact_seconds, 0.0, 0.0)]
