"""Rows of the published table of the generator."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

BASELINE, FEW_STEPS = "baseline_inference.json", "few_steps.json"


def paper_rows(
    *,
    real: Mapping[str, str | os.PathLike[str]] | None = None,
    baselines: Mapping[str, str | os.PathLike[str]] | None = None,
    num_slow: int = 64,
    flow: bool = False,
    distilled: bool = True,
) -> list[dict[str, Any]]:
    """Rows of :func:`brain_bundles.bundle.evaluate_rows` as in table 1 of Pinaya et al. 2022, arXiv 2209.07162.

    Args:
        real: name -> folder of real brains, or of other phantoms than the reference's.
        baselines: name -> weights of an LSGAN or a VAE-GAN.
        num_slow: brains of the row by 1000 steps.
        flow: whether the bundle's weights are those of a rectified flow, which no DDPM or DDIM can sample.
        distilled: whether the bundle has weights of few steps, ``models/few_steps.pt``.

    Returns:
        the real sets; the baselines; then the bundle's weights by DDPM of 1000 steps and DDIM of 50, or by as many
        steps of the flow, by the bundle's defaults, and those of few steps.
    """
    rows: list[dict[str, Any]] = [{"name": name, "images": os.fspath(folder)} for name, folder in (real or {}).items()]
    rows += [
        {"name": name, "options": {"generator_weights": os.fspath(path)}, "overlays": [BASELINE], "conditional": False}
        for name, path in (baselines or {}).items()
    ]
    slow, fast = ("rflow", "rflow") if flow else ("ddpm", "ddim")
    rows += [
        {
            "name": f"{slow}_1000",
            "options": {"sampler": slow, "num_inference_steps": 1000},
            "num_samples": num_slow,
        },
        {"name": f"{fast}_50", "options": {"sampler": fast, "num_inference_steps": 50}},
        {"name": "default"},
    ]
    return [*rows, {"name": "few_steps", "overlays": [FEW_STEPS]}] if distilled else rows
