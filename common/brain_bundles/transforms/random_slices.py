"""Neighbouring slices of a volume, at a random position."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform, Randomizable

from brain_bundles.utils.plain_tensor import plain_tensor


class RandSlicesd(Randomizable, MapTransform):
    """Cut the same run of neighbouring slices out of every volume of an item.

    Args:
        keys: volumes or latents (C, D, H, W) with the same number of slices.
        num_slices: length of the run; None, or more than there are, keeps all slices.
        slice_axis: spatial axis that counts the slices; 0, 1 or 2.
        squeeze: remove the axis, for networks of single slices; needs num_slices 1.

    Raises:
        ValueError: for arguments out of range; when called, if keys differ in their number of slices.
    """

    def __init__(
        self, keys: KeysCollection, num_slices: int | None, slice_axis: int = 2, *, squeeze: bool = False
    ) -> None:
        super().__init__(keys)
        if num_slices is not None and num_slices < 1:
            raise ValueError(f"num_slices must be positive, got {num_slices}; null keeps all slices.")
        if slice_axis not in (0, 1, 2):
            raise ValueError(f"slice_axis is {slice_axis!r}, allowed are 0, 1 and 2.")
        if squeeze and num_slices != 1:
            raise ValueError(f"squeeze needs num_slices 1, got {num_slices}.")
        self.num_slices, self.slice_axis, self.squeeze = num_slices, slice_axis, squeeze

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        axis = self.slice_axis + 1
        lengths = {key: d[key].shape[axis] for key in self.key_iterator(d)}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"the images of an item have {lengths} slices; resample them to one grid.")
        total = next(iter(lengths.values()))
        number = min(self.num_slices or total, total)
        start = int(self.R.randint(total - number + 1))
        for key in lengths:
            d[key] = plain_tensor(d[key]).narrow(axis, start, number)
            if self.squeeze:
                d[key] = d[key].squeeze(axis)
        return d
