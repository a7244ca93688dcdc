"""The segmenter's network for the rest of the collection: from an image in memory to its segmentation."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import numpy as np
import torch
from monai.networks.nets import UNet
from numpy.typing import NDArray
from torch import nn

import brain_bundles
from brain_bundles.data.brain_classes import class_names
from brain_bundles.data.rendered import ArrayImage
from brain_bundles.inferers.segmentation import Segmentation, segment
from brain_bundles.inferers.segmentation_inferer import SegmentationInferer
from brain_bundles.transforms.segmentation_preprocessing import segmentation_preprocessing
from brain_bundles.utils.loading import load_weights, read_recipe

PACKAGE = Path(str(brain_bundles.__file__)).parent
BUNDLE = "brain_mri_segmenter"


class ScanSegmenter:
    """A trained segmenter, ready for images in memory.

    Args:
        network: gives logits of the segmenter's classes.
        spacing, spatial_size, intensity_scale: as it was trained, see
            :func:`~brain_bundles.transforms.segmentation_preprocessing`.
        flip: average with the mirror image.
        precision: of the network, see :class:`~brain_bundles.inferers.SegmentationInferer`.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        spacing: float,
        spatial_size: tuple[int, int, int],
        intensity_scale: str,
        flip: bool = False,
        precision: str = "auto",
    ) -> None:
        self.network = network.eval()
        self.preprocessing = segmentation_preprocessing(spacing, spatial_size, intensity_scale=intensity_scale)
        self.inferer = SegmentationInferer(flip=flip, precision=precision)

    def __call__(
        self, voxels: NDArray[np.float32], affine: NDArray[np.float64], *, minimum_quality: float = 0.5
    ) -> Segmentation:
        """Segment an image.

        Args:
            voxels: (D, H, W), a whole head or a brain, of any contrast and orientation.
            affine: (4, 4), voxel to RAS+ mm.
            minimum_quality: see :func:`~brain_bundles.inferers.segment`.

        Raises:
            NoHeadError: if no head is found.
            ValueError: for an image that is constant or not finite.
        """
        image = self.preprocessing({"image": ArrayImage(voxels, affine)})["image"]
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            probabilities = self.inferer(image.as_tensor()[None].to(device), self.network)[0]
        return segment(probabilities, np.asarray(image.affine), voxels.shape, affine, minimum_quality=minimum_quality)


def segmenter_path() -> Path | None:
    """File of the weights that come with this package, None without any.

    The zip of a bundle has them beside the package, as ``models/segmenter.pt``; that of the segmenter and a checkout
    have the segmenter's own ``models/model.pt``.
    """
    root = PACKAGE.parent
    places = [root / "models" / "segmenter.pt", root.parent / "bundles" / BUNDLE / "models" / "model.pt"]
    if (root / BUNDLE).is_dir():
        places.append(root / "models" / "model.pt")
    return next((place for place in places if place.is_file()), None)


def load_segmenter(path: str | os.PathLike[str] | None = None) -> ScanSegmenter:
    """Load the segmenter; the same file is loaded once.

    Args:
        path: weights of the bundle ``brain_mri_segmenter``, whose recipe says how they are used; None for those that
            come with the collection.

    Raises:
        FileNotFoundError: if there is no such file; without a path, if none came along.
        ValueError: if the file holds no weights of a segmenter.
    """
    found = segmenter_path() if path is None else Path(path)
    if found is None:
        raise FileNotFoundError(
            f"this installation has no weights of {BUNDLE}: give the path of its models/model.pt as segmenter."
        )
    if not found.is_file():
        raise FileNotFoundError(f"{found} does not exist; give the path of the models/model.pt of {BUNDLE}.")
    return _load(os.fspath(found), found.stat().st_mtime_ns)


@functools.lru_cache(maxsize=2)
def _load(path: str, changed: int) -> ScanSegmenter:
    recipe = read_recipe([path])
    layout = recipe.get("unet")
    if recipe.get("classes") != class_names() or not layout:
        raise ValueError(f"{path} holds no UNet with the classes of {BUNDLE}; give weights of that bundle.")
    network = UNet(spatial_dims=3, in_channels=1, out_channels=len(class_names()), **layout)
    load_weights(network, path)
    size = recipe["spatial_size"]
    return ScanSegmenter(
        network,
        spacing=float(recipe["spacing"]),
        spatial_size=(size[0], size[1], size[2]),
        intensity_scale=recipe["intensity_scale"],
    )
