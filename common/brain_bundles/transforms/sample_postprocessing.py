"""From a generator's output to an image: what the run writes, for other callers too."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Transform

from brain_bundles.data.grid import grid_affine
from brain_bundles.transforms.background import foreground
from brain_bundles.utils.plain_tensor import plain_tensor


class FinishSampled(Transform):
    """Make a sample an image: within [0, 1], 0 outside of the brain, with the affine of the model's grid.

    Args:
        spacing: voxel size of the grid, mm.
        spatial_size: (D, H, W) of the grid; its centre is the world's origin.
        background: everything outside of the largest piece above this value becomes exactly 0; None leaves it. A
            decoder leaves traces of up to 0.03 around a brain, and the darkest CSF of a T1w is brighter.
        pred_key: key of the sample (1, D, H, W).
    """

    def __init__(
        self,
        spacing: float | Sequence[float],
        spatial_size: Sequence[int],
        background: float | None = 0.04,
        pred_key: str = "pred",
    ) -> None:
        self.affine = torch.from_numpy(grid_affine(spacing, spatial_size))
        self.background, self.pred_key = background, pred_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        volume = plain_tensor(data[self.pred_key]).detach().float().cpu()
        if self.background is not None:
            volume = volume * foreground(volume, self.background)
        return {**data, self.pred_key: MetaTensor(volume.clamp(0, 1), affine=self.affine.clone())}


def sample_postprocessing(
    spacing: float | Sequence[float],
    spatial_size: Sequence[int],
    *,
    background: float | None = 0.04,
    pred_key: str = "pred",
) -> Compose:
    """From a sample (1, D, H, W) to an image with its affine, see :class:`FinishSampled`."""
    return Compose([FinishSampled(spacing, spatial_size, background, pred_key)])
