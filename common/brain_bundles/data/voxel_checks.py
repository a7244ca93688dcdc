"""Checks of an image's values, and its background. Arrays are (D, H, W) float32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from brain_bundles.data.nifti_header import NiftiHeader
from brain_bundles.data.problems import ImageError

# Default limits of the brain's range, see ScaleForeground.
BRAIN_PERCENTILES = (0.005, 0.995)
# Share of the voxels on the six faces with one value, from which that value is the background.
_CONSTANT_BACKGROUND = 0.5
# Level of an uneven background, as a share of the range above it. Noise of air and interpolation lie within a few
# hundredths of 0; brains that are scaled to [-1, 1] or have a mean of 0 begin far below it.
_LOWEST_BACKGROUND = -0.1
# Neighbours that differ by more than this share of an integer type's range: a bright voxel became a negative one.
_OVERFLOW_JUMP = 0.75


def check_voxels(values: NDArray[np.float32], header: NiftiHeader) -> float:
    """Check the values of an image, and return the value of its background.

    Raises:
        ImageError: for NaN and infinite values, integers that ran over, one value everywhere or in nearly all voxels
            outside of the background, and a background that is neither 0 nor constant.
    """
    bad = int(values.size - np.count_nonzero(np.isfinite(values)))
    if bad:
        text = f"{bad} of {values.size} voxels, as float32; repair or leave out the file"
        raise ImageError("NaN or infinite voxels", text)
    low, high = float(values.min()), float(values.max())
    if low == high:
        kind, text = (
            ("empty volume", "every voxel is 0") if low == 0 else ("constant volume", f"every voxel is {low:g}")
        )
        raise ImageError(kind, text)
    background = _background(values)
    if high <= (background or 0):
        raise ImageError("empty volume", _nothing_above(background or 0, high))
    if background is None:
        _check_level(values)
        background = 0.0
    _check_overflow(values, background, header)
    inside = values[values != background]
    ranks = [round((inside.size - 1) * share) for share in BRAIN_PERCENTILES]
    low, high = (float(value) for value in np.partition(inside, ranks)[ranks])
    if low == high:
        raise ImageError(
            "constant volume", f"nearly every voxel that is not {background:g} is {high:g}; is this a mask?"
        )
    return background


def _background(values: NDArray[np.float32]) -> float | None:
    """Value of the air around the brain: the one that most voxels of the six faces have; None if there is none."""
    faces = _faces(values)
    found, counts = np.unique(faces, return_counts=True)
    most = int(counts.argmax())
    return float(found[most]) if counts[most] >= _CONSTANT_BACKGROUND * faces.size else None


def _check_level(values: NDArray[np.float32]) -> None:
    """Refuse a background that is not constant and lies far below 0."""
    level, bright = float(np.median(_faces(values))), float(np.quantile(values[::2, ::2, ::2], 0.995))
    if level < min(_LOWEST_BACKGROUND * (bright - level), 0):
        raise ImageError(
            "background is not 0",
            f"the border of the image lies at {level:g}, the bright voxels at {bright:g}, expected 0 or one constant "
            "value around the brain; set the voxels outside of the brain to 0",
        )


def _faces(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([np.take(values, (0, -1), axis).ravel() for axis in range(3)])


def _nothing_above(background: float, high: float) -> str:
    if background == 0:
        return f"no voxel is above 0, the largest is {high:g}"
    return f"no voxel is above the background of {background:g}, the largest is {high:g}; is it inverted?"


def _check_overflow(values: NDArray[np.float32], background: float, header: NiftiHeader) -> None:
    """Refuse signed integers that ran over the end of their type: neighbours that are nearly its whole range apart.

    An unsigned type that ran over cannot be told from a sharp edge. With a summand (``scl_inter``) the values were
    fitted to the type's whole range, and did not run over.
    """
    if header.dtype.kind != "i" or header.inter:
        return
    limits = np.iinfo(header.dtype)
    jump = _OVERFLOW_JUMP * (float(limits.max) - float(limits.min)) * abs(header.slope or 1)
    if values.max() - values.min() <= jump:
        return
    inside = values != background
    for axis in range(3):
        pairs = (slice(None),) * axis
        low, high = (*pairs, slice(None, -1)), (*pairs, slice(1, None))
        over = (np.abs(values[high] - values[low]) > jump) & inside[low] & inside[high]
        if over.any():
            text = f"{int(over.sum())} neighbours are more than {jump:g} apart, in {header.dtype}"
            raise ImageError(
                "integer overflow", f"{text}: bright voxels ran over into negative ones; store it in a wider type"
            )
