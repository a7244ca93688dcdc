"""What is not the brain: the background of a brain-extracted volume."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from brain_bundles.utils.plain_tensor import plain_tensor


def foreground(volume: torch.Tensor, threshold: float = 0.0) -> torch.Tensor:
    """Mask of the largest connected piece above a threshold, with its holes: the brain of a brain-extracted volume.

    Args:
        volume: (C, D, H, W); a voxel counts if any channel is above the threshold.
        threshold: noise of a background that should be 0 stays below it.

    Returns:
        boolean tensor (1, D, H, W); True everywhere if nothing is above the threshold.
    """
    above = (plain_tensor(volume).detach().float().amax(0) > threshold).cpu().numpy()
    pieces, count = ndimage.label(above)
    if count == 0:
        return torch.ones(1, *above.shape, dtype=torch.bool)
    if count > 1:
        above = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    return torch.from_numpy(ndimage.binary_fill_holes(above))[None]
