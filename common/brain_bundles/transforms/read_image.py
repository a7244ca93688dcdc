"""Reading of image files as the first step of a preprocessing."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import MetaKeys, SpaceKeys
from numpy.typing import NDArray

from brain_bundles.data.read_image import Image, read_image
from brain_bundles.data.rendered import RenderedImage

# MONAI's labels of the two directions of each axis; given here, since MONAI warns about its default.
RAS_LABELS = (("L", "R"), ("P", "A"), ("I", "S"))


def meta_tensor(voxels: NDArray[np.float32], affine: NDArray[np.float64], name: str) -> MetaTensor:
    """Convert an image to (1, D, H, W) float32 with its affine, and the name of the file that it was read from."""
    meta = {
        MetaKeys.ORIGINAL_AFFINE: affine.copy(),
        MetaKeys.SPATIAL_SHAPE: np.array(voxels.shape),
        MetaKeys.SPACE: SpaceKeys.RAS,
        MetaKeys.ORIGINAL_CHANNEL_DIM: float("nan"),
        "filename_or_obj": name,
    }
    return MetaTensor(
        torch.from_numpy(np.ascontiguousarray(voxels))[None], affine=torch.from_numpy(affine.copy()), meta=meta
    )


class ReadImaged(MapTransform):
    """Read the files whose paths are under ``keys`` as ``MetaTensor`` volumes (1, D, H, W).

    An image without a file (:class:`brain_bundles.data.RenderedImage`) is rendered.

    Args:
        keys: keys of the paths.
        read: :func:`~brain_bundles.data.read_image`, or ``read_values`` for segmentations.
        allow_missing_keys: leave out keys that an item lacks.

    Raises:
        ImageError: when called, for a file that cannot be used.
    """

    def __init__(
        self,
        keys: KeysCollection,
        read: Callable[[str | os.PathLike[str]], Image] = read_image,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.read = read

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self._volume(d[key])
        return d

    def _volume(self, source: str | os.PathLike[str] | RenderedImage) -> MetaTensor:
        if isinstance(source, RenderedImage):
            return meta_tensor(*source.render(), str(source))
        image = self.read(source)
        return meta_tensor(image.voxels, image.affine, os.fspath(source))
