"""Networks that translate one pair of contrasts each, to compare with."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

import torch
from monai.inferers import SimpleInferer
from torch import nn

from brain_bundles.evaluation.predictor import Predictor
from brain_bundles.utils import load_weights


def pair_predictors(
    network: nn.Module,
    weights: Mapping[str, str | Path],
    *,
    device: str | torch.device = "cpu",
    precision: str = "fp32",
) -> dict[str, Predictor]:
    """What :func:`evaluate_matrix` takes as the pairs of a method.

    Args:
        network: from volumes (B, 1, D, H, W) to volumes of that shape; each pair gets a copy.
        weights: "source to target" -> the file of that pair's weights.
        device: where they run.
        precision: fp32, bf16, fp16 or auto.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if one holds other weights.
    """
    return {
        pair: Predictor(
            SimpleInferer(),
            load_weights(copy.deepcopy(network).to(device), path),
            device=device,
            seeded=False,
            precision=precision,
        )
        for pair, path in weights.items()
    }
