"""A scan with the colours of its segmentation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from brain_bundles.data.brain_classes import BRAIN_CLASSES, CLASS_INDEX, NUM_CLASSES

OPACITY = 0.45


def overlay(image: ArrayLike, indices: ArrayLike, *, opacity: float = OPACITY) -> NDArray[np.float32]:
    """The image in grey below the colours of the classes, (D, H, W, 3) in [0, 1].

    Args:
        image: (D, H, W); values outside of [0, 1] are cut.
        indices: (D, H, W) indices of the segmenter's classes; the background has no colour.
        opacity: weight of the colours.
    """
    table = np.zeros((NUM_CLASSES, 3), dtype=np.float32)
    for name, one in BRAIN_CLASSES.items():
        table[CLASS_INDEX[name]] = np.array(one.colour) / 255
    labels = np.asarray(indices).astype(np.int64)
    grey = np.clip(np.asarray(image, dtype=np.float32), 0, 1)[..., None]
    weight = opacity * (labels > 0)[..., None].astype(np.float32)
    return (1 - weight) * grey + weight * table[labels]
