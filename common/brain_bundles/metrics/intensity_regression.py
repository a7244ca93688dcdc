"""Translation without any knowledge of anatomy: each source intensity becomes the mean target intensity.

A network that scores better uses more than one voxel.
"""

from __future__ import annotations

import numpy as np
import torch


class IntensityRegression:
    """E[target intensity | source intensity], as means over bins of the source's intensity.

    Args:
        num_bins: bins over [0, 1], of equal width.

    Raises:
        ValueError: if there are fewer than two bins.
    """

    def __init__(self, num_bins: int = 256) -> None:
        if num_bins < 2:
            raise ValueError(f"num_bins must be at least 2, got {num_bins}; 256 is fine enough for MRI.")
        self.num_bins = num_bins
        self._count = np.zeros(num_bins)
        self._sum = np.zeros(num_bins)
        self._zero_count, self._zero_sum = 0, 0.0  # of the voxels whose source is exactly 0

    def update(self, source: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> None:
        """Add a pair of volumes to the means.

        Voxels with a source of exactly 0, the darkest of the brain after clipping, have a mean of their own.

        Args:
            source: intensities in [0, 1], any shape.
            target: intensities of the same shape.
            mask: boolean, of the same shape: the voxels that count.

        Raises:
            ValueError: if the shapes differ, the source leaves [0, 1], or the target is not finite.
        """
        if not source.shape == target.shape == mask.shape:
            raise ValueError(
                f"source, target and mask have shapes {tuple(source.shape)}, {tuple(target.shape)} and "
                f"{tuple(mask.shape)}, expected one shape."
            )
        known = _array(mask).astype(bool)
        x, y = _array(source)[known], _array(target)[known].astype(np.float64)
        if x.size and not (x.min() >= 0 and x.max() <= 1):  # also NaN
            raise ValueError(f"source has values from {x.min():g} to {x.max():g}, expected [0, 1]; scale it.")
        if not np.isfinite(y).all():
            raise ValueError("target has NaN or infinite voxels; repair or leave out the file.")
        self._zero_count += int((x == 0).sum())
        self._zero_sum += float(y[x == 0].sum())
        x, y = x[x != 0], y[x != 0]
        index = np.minimum((x * self.num_bins).astype(np.int64), self.num_bins - 1)
        self._count += np.bincount(index, minlength=self.num_bins)
        self._sum += np.bincount(index, weights=y, minlength=self.num_bins)

    @property
    def curve(self) -> tuple[np.ndarray, np.ndarray]:
        """Centres and means of the bins that have seen a voxel.

        Raises:
            RuntimeError: if no voxel has been seen.
        """
        filled = self._count > 0
        if not filled.any():
            raise RuntimeError("IntensityRegression has seen no voxel; call update with training pairs first.")
        centres = (np.arange(self.num_bins) + 0.5) / self.num_bins
        return centres[filled], self._sum[filled] / self._count[filled]

    @property
    def counts(self) -> np.ndarray:
        """Voxels in each bin of :attr:`curve`."""
        return self._count[self._count > 0]

    def predict(self, source: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """The expected target: linear between the bins' centres, constant beyond the outermost.

        Args:
            source: intensities in [0, 1], any shape.
            mask: boolean, of the same shape. Inside it a source of 0 is the darkest tissue, outside it is air and stays
                0. Without a mask every 0 stays 0.

        Returns:
            float32, of the same shape and on the same device.

        Raises:
            RuntimeError: if no voxel has been seen.
        """
        values = _array(source)
        expected = np.where(values == 0, 0.0, np.interp(values, *self.curve))
        if mask is not None and self._zero_count:
            expected[(values == 0) & _array(mask).astype(bool)] = self._zero_sum / self._zero_count
        return torch.from_numpy(expected.astype(np.float32)).to(source.device)


def _array(volume: torch.Tensor) -> np.ndarray:
    return volume.detach().cpu().numpy()
