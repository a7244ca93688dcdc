"""Centring of the brain on the models' grid.

Volumes are (C, D, H, W); after ``Orientationd(axcodes="RAS")`` the axes run to the right, to the front and to the top.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import Crop, InvertibleTransform, MapTransform, Pad

from brain_bundles.transforms.source_file import file_of
from brain_bundles.utils.plain_tensor import plain_tensor
from brain_bundles.utils.user_warning import BrainBundlesWarning


def brain_bounds(
    volume: torch.Tensor, *, fraction: float = 0.1, tail: float = 0.001
) -> tuple[torch.Tensor, torch.Tensor]:
    """First and last voxel of the brain along each axis.

    The brain is brighter than ``fraction`` of the bright voxels. A share ``tail`` of it is left out at each end of each
    axis. A noisy or slightly negative background and stray specks therefore do not move the bounds.

    Args:
        volume: (C, D, H, W).
        fraction: threshold, relative to the 99th percentile of the positive voxels.
        tail: share of the brain's voxels to leave out at each end.

    Returns:
        Two integer tensors of shape (3,), both inclusive.

    Raises:
        ValueError: if no voxel is positive.
    """
    values = plain_tensor(volume).amax(0)
    positive = values[values > 0]
    if positive.numel() == 0:
        raise ValueError(f"{file_of(volume)}: no voxel is above 0, so there is no brain to centre.")
    bright = positive.kthvalue(max(1, round(0.99 * positive.numel()))).values
    mask = values > fraction * bright
    ends = []
    for axis in range(3):
        counts = mask.sum(dim=[a for a in range(3) if a != axis]).double()
        share = counts.cumsum(0) / counts.sum()
        ends.append((int((share > tail).nonzero()[0]), int((share >= 1 - tail).nonzero()[0])))
    first, last = zip(*ends, strict=True)
    return torch.tensor(first), torch.tensor(last)


class CropToWindowd(MapTransform, InvertibleTransform):
    """Crop or pad to ``spatial_size`` by whole voxels, where :meth:`first_voxels` of the first key says; invertible.

    Args:
        keys: volumes (C, D, H, W) on one grid.
        spatial_size: (D, H, W) voxels of the result.
        allow_missing_keys: leave out keys that an item lacks; the first present key is the reference.

    Raises:
        ValueError: for a malformed ``spatial_size``; when called, if keys differ in shape.
    """

    def __init__(self, keys: KeysCollection, spatial_size: Sequence[int], allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.spatial_size = tuple(int(n) for n in spatial_size)
        if len(self.spatial_size) != 3 or min(self.spatial_size) < 1:
            raise ValueError(f"spatial_size is {list(spatial_size)}, expected three sizes of at least 1.")
        self.pad, self.crop = Pad(), Crop()  # inversion finds operations by the identity of the transform

    def first_voxels(self, reference: torch.Tensor) -> torch.Tensor:
        """First voxel (3,) of the window along each axis; it may be negative."""
        raise NotImplementedError

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        keys = list(self.key_iterator(d))
        if not keys:
            return d
        reference = d[keys[0]]
        for key in keys:
            if d[key].shape[1:] != reference.shape[1:]:
                raise ValueError(
                    f"{file_of(d[key])}: shape {tuple(d[key].shape[1:])}, but {file_of(reference)} has "
                    f"{tuple(reference.shape[1:])}; resample them to one grid first."
                )
        start, grid = self.first_voxels(reference), torch.tensor(self.spatial_size)
        size = torch.tensor(reference.shape[1:])
        low, high = (-start).clamp(min=0), (start + grid - size).clamp(min=0)
        to_pad: Any = [(0, 0), *zip(low.tolist(), high.tolist(), strict=True)]
        slices = Crop.compute_slices(roi_start=start + low, roi_end=start + low + grid)
        for key in keys:
            d[key] = self.crop(self.pad(d[key], to_pad=to_pad), slices=slices)
        return d

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self.pad.inverse(self.crop.inverse(d[key]))
        return d


class CentreBraind(CropToWindowd):
    """Crop or pad to ``spatial_size`` so that the brain's bounding box is in the middle, by whole voxels.

    Whole voxels keep the values: a volume with a centred brain comes out unchanged. The box is found in
    the first of ``keys`` (the reference) and used for all, so that contrasts of one subject stay registered.

    Args:
        keys: volumes (C, D, H, W) on one grid.
        spatial_size: (D, H, W) voxels of the result.
        warn_cut: warn if the box exceeds the grid by more than this share of the grid's length along an axis; None
            never warns, for whole heads.
        allow_missing_keys: leave out keys that an item lacks; the first present key is the reference.

    Raises:
        ValueError: when called, if keys differ in shape or the reference has no voxel above 0.

    Warns:
        BrainBundlesWarning: when called, if the box is cut, see ``warn_cut``.
    """

    def __init__(
        self,
        keys: KeysCollection,
        spatial_size: Sequence[int],
        warn_cut: float | None = 0.02,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, spatial_size, allow_missing_keys)
        self.warn_cut = warn_cut

    def first_voxels(self, reference: torch.Tensor) -> torch.Tensor:
        first, last = brain_bounds(reference)
        grid = torch.tensor(self.spatial_size)
        length = last - first + 1
        if self.warn_cut is not None and (length > grid * (1 + self.warn_cut)).any():
            warnings.warn(
                f"{file_of(reference)}: the brain is {length.tolist()} voxels long, the grid "
                f"{list(self.spatial_size)}; its ends are cut off. Extract the brain if this is a whole head, "
                "else use a larger spatial_size or spacing.",
                BrainBundlesWarning,
                stacklevel=3,
            )
        return torch.div(first + last + 1 - grid, 2, rounding_mode="floor")
