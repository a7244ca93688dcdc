"""Sampling of volumes from codes, for the baselines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from brain_bundles.inferers.padded_batches import in_padded_batches
from brain_bundles.utils import autocast, generator_for, unwrap
from brain_bundles.utils.precision import check_precision
from monai.inferers import Inferer


class CodeSampler(Inferer):
    """Draw a code for each sample and make a volume of it; a sample depends on its seed only.

    Args:
        precision: fp32, bf16, fp16 or auto.
        batch_size: samples per pass. Smaller batches are padded and larger ones split, so that a sample has the same
            bytes in every batch. None takes batches as they come.

    Raises:
        ValueError: for an unknown precision.
    """

    def __init__(self, precision: str = "auto", batch_size: int | None = None) -> None:
        check_precision(precision)
        self.precision, self.batch_size = precision, batch_size

    @torch.inference_mode()
    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *, seeds: Sequence[int] | torch.Tensor
    ) -> torch.Tensor:
        """Volumes (B, 1, D, H, W) in [0, 1], float32, on the device of ``inputs``, which is used for nothing else.

        Args:
            inputs: one entry per sample.
            network: a :class:`VolumeGenerator`.
            seeds: one integer per sample.

        Raises:
            ValueError: when the number of seeds is not that of the inputs.
        """
        numbers = [int(seed) for seed in seeds]
        if len(numbers) != len(inputs):
            raise ValueError(f"got {len(numbers)} seeds for {len(inputs)} samples; give one seed per sample.")
        generator: Any = unwrap(network)  # type: ignore[arg-type]
        codes = torch.stack(
            [torch.randn(generator.latent_shape, generator=generator_for(seed, "noise")) for seed in numbers]
        )
        with autocast(self.precision, inputs.device):
            return in_padded_batches(network, codes.to(inputs.device), batch_size=self.batch_size).float()
