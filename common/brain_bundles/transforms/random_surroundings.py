"""Made-up tissue around the brain, so that a segmenter learns shapes and not what a few heads look like outside."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform
from scipy import ndimage

CELLS = (3, 24)  # smallest and largest size of blobs, voxels
SHARE = (0.1, 0.7)  # of the surroundings that is covered
DARK = 0.05  # of the largest level
BRAIN_ALONE = 0.9  # share of dark voxels in the surroundings above which a head was cut away


class RandSurroundingsd(RandomizableTransform, MapTransform):
    """Cover part of what surrounds the brain with blobs of any level and texture.

    Label maps have few heads. In a real one the nose, muscles and marrow may look like a brain, and a network that has
    never seen that takes them for one. Images of a brain alone stay as they are.

    Args:
        keys: images (1, D, H, W), 0 outside of the head.
        label_key: segmentation (1, D, H, W), 0 outside of the brain.
        prob: probability for an item.

    Source: domain randomisation of surroundings, after Billot et al. 2023, Medical Image Analysis 86, section 4.1.
    """

    def __init__(self, keys: KeysCollection, label_key: str, prob: float = 0.5) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, prob)
        self.label_key = label_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        self.randomize(None)
        if not self._do_transform:
            return d
        outside = torch.as_tensor(d[self.label_key] == 0).numpy()[0]
        for key in self.key_iterator(d):
            image = d[key]
            if float((image[0] < DARK * image.max()).numpy()[outside].mean()) < BRAIN_ALONE:
                cover = outside & self._blobs(outside.shape)
                levels = self._levels(outside.shape) * float(image.max())
                d[key] = torch.where(torch.from_numpy(cover)[None], torch.from_numpy(levels)[None], image)
        return d

    def _field(self, shape: tuple[int, ...]) -> np.ndarray:
        """Smooth noise with a standard deviation of 1, (D, H, W)."""
        cell = float(np.exp(self.R.uniform(*np.log(CELLS))))
        size = [max(2, round(n / cell)) for n in shape]
        coarse = self.R.standard_normal(size).astype(np.float32)
        fine = ndimage.zoom(coarse, [n / m for n, m in zip(shape, size, strict=True)], order=1)
        return (fine - fine.mean()) / (fine.std() + 1e-6)

    def _blobs(self, shape: tuple[int, ...]) -> np.ndarray:
        field = self._field(shape)
        return field > np.quantile(field, 1 - self.R.uniform(*SHARE))

    def _levels(self, shape: tuple[int, ...]) -> np.ndarray:
        """Between 0 and 1: a level, a slow change and a texture."""
        level, slow, texture = self.R.uniform(0, 0.9), self.R.uniform(0, 0.3), self.R.uniform(0, 0.15)
        return np.clip(level + slow * self._field(shape) + texture * self._field(shape), 0, 1).astype(np.float32)
