"""Scaling of intensities from scanner units to [0, 1]."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform

from brain_bundles.transforms.head_foreground import head_foreground
from brain_bundles.transforms.source_file import file_of
from brain_bundles.utils.plain_tensor import plain_tensor

PERCENTILES, HEAD = "percentiles", "head_median"
DEFAULT_PERCENTILES = (0.5, 99.5)
# Scale -> percentile of the brain's voxels that becomes LEVEL.
REFERENCES: Mapping[str, float] = {"median": 50.0, "upper_quartile": 75.0}
SCALES = (PERCENTILES, *REFERENCES, HEAD)
DEFAULT_SCALE = "median"
# A reference becomes LEVEL. Up to KNEE the scale is linear; above it approaches 1, so that nothing is clipped.
LEVEL, KNEE = 0.5, 0.75


class ScaleForeground(Transform):
    """Scale the brain to [0, 1] by statistics of its own voxels; voxels that are exactly 0 stay 0.

    ``percentiles`` clips at two percentiles, which become 0 and 1. Bright lesions and vessels take the upper one with
    them. ``median`` and ``upper_quartile`` keep 0 and bring that quantile of the brain, an intensity of its tissue, to
    0.5. They are linear up to 0.75, 1.5 times the quantile. Above it x becomes 1 - 1 / (16 x - 8), with the same slope
    at 0.75, so that every intensity keeps a value of its own below 1. Images with negative tissue, such as z-scores,
    begin at their 0.5th percentile instead of 0. ``head_median`` takes the median of the foreground of a whole head, or
    of a brain, which :func:`~brain_bundles.transforms.head_foreground.head_foreground` tells from air with noise; the
    air is scaled, too.

    MONAI's ``ScaleIntensityRangePercentiles`` takes percentiles of all voxels, which depend on the amount of air.

    Args:
        scale: one of ``SCALES``.
        percentiles: the two of ``percentiles``, (0.5, 99.5) if None; for other scales None.

    Raises:
        ValueError: for an unknown scale, percentiles without the scale of that name, or if not 0 <= lower < upper <=
            100; when called, if the volume is constant or not finite.
    """

    def __init__(self, scale: str = DEFAULT_SCALE, percentiles: Sequence[float] | None = None) -> None:
        if scale not in SCALES:
            raise ValueError(f"intensity_scale is {scale!r}, expected one of {', '.join(SCALES)}.")
        if percentiles is not None and scale != PERCENTILES:
            raise ValueError(
                f"intensity_percentiles is {list(percentiles)}, but intensity_scale is {scale!r}, which has none; set "
                f"intensity_scale to {PERCENTILES!r}, or leave out the percentiles."
            )
        self.scale = scale
        self.lower, self.upper = percentiles or DEFAULT_PERCENTILES
        if not 0 <= self.lower < self.upper <= 100:
            raise ValueError(f"lower and upper are {self.lower} and {self.upper}, expected 0 <= lower < upper <= 100.")

    def __call__(self, img: torch.Tensor) -> torch.Tensor:
        """Scale a volume (C, D, H, W), all channels together; returns a new float32 tensor with the same metadata."""
        values = plain_tensor(img).float()
        if not torch.isfinite(values).all():
            raise ValueError(f"{file_of(img)}: the volume has NaN or infinite voxels; repair or leave out the file.")
        tissue = values != 0
        inside = values[tissue]
        if inside.numel() == 0:
            raise ValueError(f"{file_of(img)}: the volume is 0 everywhere.")
        low, high = _percentile(inside, self.lower), _percentile(inside, self.upper)
        if not high > low:
            raise ValueError(f"{file_of(img)}: the non-zero voxels have one value, {float(low):g}; not an image.")
        if self.scale == HEAD:
            inside = values[:, torch.from_numpy(head_foreground(values))].flatten()
        if self.scale == PERCENTILES:
            scaled = ((values - low) / (high - low)).clamp(0, 1)
        else:
            scaled = self._by_reference(img, values, inside)
        scaled = scaled * tissue
        return (
            MetaTensor(scaled, meta=img.meta, applied_operations=img.applied_operations)
            if isinstance(img, MetaTensor)
            else scaled
        )

    def _by_reference(self, img: torch.Tensor, values: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        low = _percentile(inside, self.lower).clamp(max=0)
        reference = _percentile(inside, REFERENCES.get(self.scale, 50.0))
        if not reference > low:
            raise ValueError(
                f"{file_of(img)}: the {self.scale} of its brain is {float(reference):g}, expected more than "
                f"{float(low):g}; is this an image of a brain?"
            )
        linear = ((values - low) / (reference - low) * LEVEL).clamp(min=0)
        return torch.where(linear > KNEE, 1 - (1 - KNEE) ** 2 / (linear.clamp(min=KNEE) - 2 * KNEE + 1), linear)


class ScaleForegroundd(MapTransform):
    """Dictionary version of :class:`ScaleForeground`; each key is scaled on its own."""

    def __init__(
        self,
        keys: KeysCollection,
        scale: str = DEFAULT_SCALE,
        percentiles: Sequence[float] | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.scaler = ScaleForeground(scale, percentiles)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self.scaler(d[key])
        return d


def _percentile(values: torch.Tensor, percent: float) -> torch.Tensor:
    """Nearest percentile of values (N,); torch.quantile sorts, and refuses more than 2^24 of them."""
    return values.kthvalue(1 + round((values.numel() - 1) * percent / 100)).values
