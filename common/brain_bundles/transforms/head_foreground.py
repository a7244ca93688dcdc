"""The foreground of a scan, a head or a brain, told from air with noise, and where a head lies on a grid.

Volumes are (C, D, H, W); after ``Orientationd(axcodes="RAS")`` the axes run to the right, to the front and to the top.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from monai.config import KeysCollection
from numpy.typing import NDArray
from scipy import ndimage

from brain_bundles.transforms.centre_brain import CropToWindowd
from brain_bundles.transforms.source_file import file_of
from brain_bundles.utils.plain_tensor import plain_tensor

BLOCK = 4  # voxels along a side of the blocks whose means are looked at: noise is a quarter to an eighth there
_BINS = 128
_AIR_FACTOR = 1.6  # means of noise over 64 voxels differ by 7 % (standard deviation), and with the coil's sensitivity
_TAIL = 0.002  # share of the foreground at each end of an axis that does not count: ears, wires, ghosts
TOP_MARGIN_MM = 8.0  # air above a head that is higher than the grid


def otsu_threshold(values: NDArray[np.float32]) -> float:
    """The level that divides values into two classes with the largest variance between them (Otsu 1979).

    Between two groups that lie apart all levels are equal; it is the middle of them.
    """
    counts, edges = np.histogram(values, bins=_BINS)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts).astype(float)
    above = below[-1] - below
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    between = np.nan_to_num(between[:-1])
    return float(edges[1 + np.flatnonzero(between >= between.max() * (1 - 1e-9))].mean())


def head_foreground(volume: torch.Tensor) -> NDArray[np.bool_]:
    """Mask (D, H, W) of the largest object in a scan, with its holes, in blocks of voxels.

    Means over blocks are compared with Otsu's threshold of their square roots, so that fat or CSF, several times
    brighter than the brain, do not take the threshold above it. Where the air has noise, and a frame of zeros around
    it, Otsu's threshold may lie between these two: the level of the air on the faces of the frame is the lower bound.

    Args:
        volume: (C, D, H, W), values from 0 upwards; negative ones count as 0.

    Raises:
        ValueError: if all blocks have one value.
    """
    values = plain_tensor(volume).detach().float().amax(0).clamp(min=0).cpu()
    size = values.shape
    pad = [part for n in reversed(size) for part in (0, -n % BLOCK)]
    blocks = torch.nn.functional.pad(values[None, None], pad, mode="constant")
    means = torch.nn.functional.avg_pool3d(blocks, BLOCK)[0, 0].sqrt().numpy()
    if not means.max() > means.min():
        raise ValueError(f"{file_of(volume)}: the volume has one value everywhere; not an image.")
    threshold = max(otsu_threshold(np.minimum(means, np.percentile(means, 99))), _AIR_FACTOR**0.5 * _air(means))
    found = means > threshold if (means > threshold).any() else means > means.mean()
    pieces, count = ndimage.label(found)
    if count > 1:
        found = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    found = ndimage.binary_fill_holes(found)
    for axis in range(3):
        found = found.repeat(BLOCK, axis)
    return found[: size[0], : size[1], : size[2]]


def _air(means: NDArray[np.float32]) -> float:
    """Median on the faces of the part that is not 0, without the lowest one, where the neck leaves the image.

    The outermost blocks may be a part of noise and a part of zeros: the faces lie one block inside.
    """
    ends = [(int(n.min()), int(n.max()) + 1) for n in means.nonzero()]
    part = means[tuple(slice(a + 1, b - 1) if b - a > 2 else slice(a, b) for a, b in ends)]
    faces = (part[0], part[-1], part[:, 0], part[:, -1], part[:, :, -1])
    return float(np.median(np.concatenate([face.ravel() for face in faces])))


def head_window(mask: NDArray[np.bool_], spatial_size: Sequence[int], margin: int) -> list[int]:
    """First voxel along each axis of the window that holds the head; it may be negative.

    The object is centred. One that is higher than the window, a head with its neck, is placed by its top instead, and
    centred from side to side and from front to back by what lies within the window: shoulders do not count.

    Args:
        mask: (D, H, W) foreground, RAS.
        spatial_size: (D, H, W) of the window.
        margin: voxels above the top of a head that is placed by its top.
    """
    first, last = _ends(mask, 2)
    start = [0, 0, (first + last + 1 - spatial_size[2]) // 2]
    if last - first + 1 + margin > spatial_size[2]:
        start[2] = last + 1 + margin - spatial_size[2]
    seen = mask[:, :, max(0, start[2]) : max(0, start[2] + spatial_size[2])]
    for axis in (0, 1):
        first, last = _ends(seen, axis)
        start[axis] = (first + last + 1 - spatial_size[axis]) // 2
    return start


def _ends(mask: NDArray[np.bool_], axis: int) -> tuple[int, int]:
    counts = mask.sum(axis=tuple(a for a in range(3) if a != axis), dtype=np.int64)
    share = np.cumsum(counts) / counts.sum()
    return int(np.argmax(share > _TAIL)), int(np.argmax(share >= 1 - _TAIL))


class CentreHeadd(CropToWindowd):
    """Crop or pad to ``spatial_size`` around the head or brain, by whole voxels, see :func:`head_window`.

    It is found in the first of ``keys`` and used for all. Heads with long necks keep the top of the head.

    Args:
        keys: volumes (C, D, H, W) on one grid, RAS.
        spatial_size: (D, H, W) voxels of the result.
        spacing: voxel size, mm.
        allow_missing_keys: leave out keys that an item lacks.

    Raises:
        ValueError: for a malformed ``spatial_size``; when called, if keys differ in shape or the volume is constant.
    """

    def __init__(
        self, keys: KeysCollection, spatial_size: Sequence[int], spacing: float, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, spatial_size, allow_missing_keys)
        self.margin = round(TOP_MARGIN_MM / spacing)

    def first_voxels(self, reference: torch.Tensor) -> torch.Tensor:
        return torch.tensor(head_window(head_foreground(reference), self.spatial_size, self.margin))
