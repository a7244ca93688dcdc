"""Scaling of intensities from scanner units to [0, 1]."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform

from brain_bundles.transforms.source_file import file_of
from brain_bundles.utils.plain_tensor import plain_tensor


class ScaleForegroundPercentiles(Transform):
    """Clip at percentiles of the non-zero voxels and scale to [0, 1]; voxels that are exactly 0 stay 0.

    MONAI's ``ScaleIntensityRangePercentiles`` takes percentiles of all voxels, which depend on the amount of air.

    Args:
        lower: percentile that becomes 0.
        upper: percentile that becomes 1.

    Raises:
        ValueError: if not 0 <= lower < upper <= 100; when called, if the volume is constant or not finite.
    """

    def __init__(self, lower: float = 0.5, upper: float = 99.5) -> None:
        if not 0 <= lower < upper <= 100:
            raise ValueError(f"lower and upper are {lower} and {upper}, expected 0 <= lower < upper <= 100.")
        self.lower, self.upper = lower, upper

    def __call__(self, img: torch.Tensor) -> torch.Tensor:
        """Scale a volume (C, D, H, W), all channels together; returns a new float32 tensor with the same metadata."""
        values = plain_tensor(img).float()
        if not torch.isfinite(values).all():
            raise ValueError(f"{file_of(img)}: the volume has NaN or infinite voxels; repair or leave out the file.")
        foreground = values != 0
        inside = values[foreground].flatten().sort().values
        if inside.numel() == 0:
            raise ValueError(f"{file_of(img)}: the volume is 0 everywhere.")
        # A sort, since torch.quantile refuses more than 2^24 values.
        low, high = (inside[round((inside.numel() - 1) * p / 100)] for p in (self.lower, self.upper))
        if not high > low:
            raise ValueError(f"{file_of(img)}: the non-zero voxels have one value, {float(low):g}; not an image.")
        scaled = ((values - low) / (high - low)).clamp(0, 1) * foreground
        return (
            MetaTensor(scaled, meta=img.meta, applied_operations=img.applied_operations)
            if isinstance(img, MetaTensor)
            else scaled
        )


class ScaleForegroundPercentilesd(MapTransform):
    """Dictionary version of :class:`ScaleForegroundPercentiles`; each key is scaled on its own."""

    def __init__(
        self, keys: KeysCollection, lower: float = 0.5, upper: float = 99.5, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.scaler = ScaleForegroundPercentiles(lower, upper)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self.scaler(d[key])
        return d
