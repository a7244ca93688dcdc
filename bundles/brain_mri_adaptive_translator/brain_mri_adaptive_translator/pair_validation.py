"""What the first stage makes of a pair of contrasts, for its validation."""

from __future__ import annotations

from typing import Any

import torch
from brain_bundles.networks import autocast
from monai.engines import PrepareBatch
from monai.inferers import Inferer


class ImagePairPrepareBatch(PrepareBatch):
    """(source image, target image, (targets,), {}) of a batch of :class:`~brain_bundles.transforms.RandContrastPair`
    on images.
    """

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor, tuple[list[int]], dict]:
        source, target = (batchdata[key].to(device=device, non_blocking=non_blocking) for key in ("image", "label"))
        return source, target, (batchdata["target"].tolist(),), {}


class ReconstructionAndTranslation(Inferer):
    """The reconstruction of a source image and its translation to the target, as two channels.

    Args:
        precision: fp32, bf16, fp16 or auto.
    """

    def __init__(self, precision: str = "fp32") -> None:
        super().__init__()
        self.precision = precision

    def __call__(self, inputs: torch.Tensor, network: Any, targets: list[int], **kwargs: Any) -> torch.Tensor:
        """(B, 2, D, H, W), float32, of images (B, 1, D, H, W) by an :class:`AdaptiveAutoencoder`."""
        network = getattr(network, "module", network)  # DistributedDataParallel has forward and nothing else
        with autocast(self.precision, inputs.device):
            return torch.cat([network.reconstruct(inputs), network.translate(inputs, targets)], dim=1).float()
