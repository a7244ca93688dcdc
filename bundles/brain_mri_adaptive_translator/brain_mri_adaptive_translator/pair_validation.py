"""Reconstruction and translation of a pair of contrasts, for the validation of the first stage."""

from __future__ import annotations

from typing import Any

import torch
from brain_bundles.inferers import ReconstructionInferer

from brain_mri_adaptive_translator.ms_spade import Targets


class ReconstructionAndTranslation(ReconstructionInferer):
    """Reconstruction and translation of a source image by an :class:`AdaptiveAutoencoder`, as two channels."""

    def reconstruct(self, inputs: torch.Tensor, network: Any, targets: Targets) -> torch.Tensor:
        """Make (B, 2, D, H, W) from images (B, 1, D, H, W), encoded once, and one target per image, (B,)."""
        z, _ = network.encode_moments(inputs)
        return torch.cat([network.decode_stage_2_outputs(one) for one in (z, network.target_like(z, targets))], dim=1)
