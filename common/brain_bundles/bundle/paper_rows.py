"""Rows of the published table of the generator."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

BASELINE, FEW_STEPS = "baseline_inference.json", "few_steps.json"
# As published: noise as it was learned, and denoised to the end.
PUBLISHED = {"temperature": 1.0, "denoising_end": 1.0}


def paper_rows(
    *,
    real: Mapping[str, str | os.PathLike[str]] | None = None,
    baselines: Mapping[str, str | os.PathLike[str]] | None = None,
    num_slow: int = 64,
    distilled: bool = True,
) -> list[dict[str, Any]]:
    """Rows of :func:`brain_bundles.bundle.evaluate_rows` as in table 1 of Pinaya et al. 2022, arXiv 2209.07162.

    Args:
        real: name -> folder of real brains, or of other phantoms than the reference's.
        baselines: name -> weights of an LSGAN or a VAE-GAN.
        num_slow: brains of the row by 1000 steps.
        distilled: whether the bundle has weights of few steps, ``models/few_steps.pt``.

    Returns:
        the real sets; the baselines; then the bundle's weights by DDPM of 1000 steps, by DDIM of 50, by the bundle's
        defaults, and those of few steps.
    """
    rows: list[dict[str, Any]] = [{"name": name, "images": os.fspath(folder)} for name, folder in (real or {}).items()]
    rows += [
        {"name": name, "options": {"generator_weights": os.fspath(path)}, "overlays": [BASELINE], "conditional": False}
        for name, path in (baselines or {}).items()
    ]
    slow = {"sampler": "ddpm", "num_inference_steps": 1000, **PUBLISHED}
    rows += [
        {"name": "ddpm_1000", "options": slow, "num_samples": num_slow},
        {"name": "ddim_50", "options": {"sampler": "ddim", "num_inference_steps": 50, **PUBLISHED}},
        {"name": "default"},
    ]
    return [*rows, {"name": "few_steps", "overlays": [FEW_STEPS]}] if distilled else rows
