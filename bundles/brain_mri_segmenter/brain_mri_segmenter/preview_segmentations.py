"""Segmentations in a training's preview: validation images with the labels, and with what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from brain_bundles.transforms import classify
from brain_bundles.utils import plain_tensor, unwrap
from brain_bundles.visualize import overlay


class PreviewSegmentations:
    """Segment the first validation images, for ``ImagePreview``.

    Args:
        network: gives logits; usually the moving average.
        inferer: gives probabilities, see :class:`brain_bundles.inferers.SegmentationInferer`.
        dataset: items with ``image`` and ``label`` (1, D, H, W), first read when a picture is due.
        num_images: number of images.
    """

    def __init__(
        self, network: torch.nn.Module, inferer: Any, dataset: Sequence[Mapping[str, Any]], num_images: int = 3
    ) -> None:
        self.network: Any = network
        self.inferer, self.dataset, self.num_images = inferer, dataset, num_images

    def __call__(self) -> dict[str, list[torch.Tensor]]:
        """Return title -> pictures (D, H, W, 3), each image with its labels and with the classes that were found."""
        network = unwrap(self.network)
        training = network.training
        network.eval()
        device = next(network.parameters()).device
        shown: dict[str, list[torch.Tensor]] = {}
        for number in range(min(self.num_images, len(self.dataset))):
            item = self.dataset[number]
            image, label = plain_tensor(item["image"]), plain_tensor(item["label"])[0]
            found = classify(self.inferer(image[None].to(device), network)[0].cpu())
            for title, indices in (("labels", label), ("found", found)):
                shown[f"image {number + 1}, {title}"] = [torch.from_numpy(overlay(image[0], indices))]
        network.train(training)
        return shown
