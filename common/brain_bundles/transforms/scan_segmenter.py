"""The segmenter for the rest of the collection: from an image in memory to its segmentation."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray
from torch import nn

from brain_bundles.data.brain_classes import class_names
from brain_bundles.data.rendered import ArrayImage
from brain_bundles.transforms.segmentation import Segmentation, segment
from brain_bundles.transforms.segmentation_preprocessing import segmentation_preprocessing
from brain_bundles.utils.precision import autocast
from brain_bundles.utils.recipe import recipe_of
from brain_bundles.utils.segmenter_network import load_segmenter_network

# Between real scans (0.77 and more) and what is no head (0.70 and less), see docs/reference/results/segmenter.md.
MINIMUM_QUALITY = 0.73


class ScanSegmenter:
    """A trained segmenter, ready for images in memory.

    Args:
        network: gives logits of the segmenter's classes.
        recipe: ``spacing``, ``spatial_size``, ``intensity_scale`` and ``classes`` of its training.
        precision: of the network: fp32, bf16, fp16 or auto.

    Raises:
        ValueError: for other classes than those of this collection.
    """

    def __init__(self, network: nn.Module, recipe: Mapping[str, Any], *, precision: str = "auto") -> None:
        if recipe["classes"] != class_names():
            raise ValueError(f"the segmenter has the classes {recipe['classes']}, expected {class_names()}.")
        self.network = network.eval()
        self.preprocessing = segmentation_preprocessing(
            recipe["spacing"], recipe["spatial_size"], intensity_scale=recipe["intensity_scale"]
        )
        self.precision = precision

    def __call__(
        self, voxels: NDArray[np.float32], affine: NDArray[np.float64], *, minimum_quality: float = MINIMUM_QUALITY
    ) -> Segmentation:
        """Segment an image.

        Args:
            voxels: (D, H, W), a whole head or a brain, of any contrast and orientation.
            affine: (4, 4), voxel to RAS+ mm.
            minimum_quality: see :func:`~brain_bundles.transforms.segment`.

        Raises:
            NoHeadError: if no head is found.
            ValueError: for an image that is constant or not finite.
        """
        return self.with_scan(voxels, affine, minimum_quality=minimum_quality)[0]

    def with_scan(
        self, voxels: NDArray[np.float32], affine: NDArray[np.float64], *, minimum_quality: float = MINIMUM_QUALITY
    ) -> tuple[Segmentation, MetaTensor]:
        """Segment an image as a call does; the segmentation and the preprocessed image (1, D, H, W)."""
        probabilities, image = self.probabilities(voxels, affine)
        found = segment(
            probabilities,
            np.asarray(image.affine),
            voxels.shape,
            affine,
            image=image,
            minimum_quality=minimum_quality,
        )
        return found, image

    def probabilities(
        self, voxels: NDArray[np.float32], affine: NDArray[np.float64]
    ) -> tuple[torch.Tensor, MetaTensor]:
        """What the network says of an image, on the network's grid, without a judgement.

        Args:
            voxels: (D, H, W).
            affine: (4, 4), voxel to RAS+ mm.

        Returns:
            (C, D, H, W) of all classes, sum 1 in each voxel, and the preprocessed image (1, D, H, W).
        """
        image: MetaTensor = self.preprocessing({"image": ArrayImage(voxels, affine)})["image"]
        device = next(self.network.parameters()).device
        with torch.inference_mode(), autocast(self.precision, device):
            return self.network(image.as_tensor()[None].to(device)).float().softmax(1)[0], image


def load_segmenter(path: str | os.PathLike[str] | None = None) -> ScanSegmenter:
    """Load the segmenter; the same file is loaded once.

    Args:
        path: its weights, see :func:`~brain_bundles.utils.segmenter_network.load_segmenter_network`, which also says
            what is raised.
    """
    return _segmenter(load_segmenter_network(path))


@functools.lru_cache(maxsize=2)
def _segmenter(network: nn.Module) -> ScanSegmenter:
    return ScanSegmenter(network, recipe_of(network))
