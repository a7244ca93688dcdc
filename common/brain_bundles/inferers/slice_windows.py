"""A volumetric network on more slices than it takes at once."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from monai.inferers import Inferer, sliding_window_inference

logger = logging.getLogger(__name__)


class SliceWindows(Inferer):
    """Run a network on overlapping windows along the slices and fuse its predictions by a weighted average.

    The fusion at every denoising step keeps the windows together, so that no seam appears. The window bounds the
    memory. A volume that fits into one window goes through the network as it is.

    Args:
        slices_per_window: slices in one window. None takes the whole volume; if memory runs out, it halves the number
            until it fits, and keeps it for the next steps.
        overlap: share of a window that overlaps the next one, in [0, 1).

    Raises:
        ValueError: for a window without slices or an overlap out of range.

    Source: fusion of overlapping windows at each step as in MultiDiffusion (Bar-Tal et al. 2023, arXiv:2302.08113).
    """

    def __init__(self, slices_per_window: int | None = None, overlap: float = 0.5) -> None:
        super().__init__()
        if slices_per_window is not None and slices_per_window < 1:
            raise ValueError(f"slices_per_window must be positive, got {slices_per_window}; null takes whole volumes.")
        if not 0 <= overlap < 1:
            raise ValueError(f"overlap must be in [0, 1), got {overlap}.")
        self.slices_per_window, self.overlap = slices_per_window, overlap
        self._fits: int | None = None

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *, timesteps: torch.Tensor
    ) -> torch.Tensor:
        """Prediction (B, C', S, H, W).

        Args:
            inputs: (B, C, S, H, W), S slices.
            network: called as ``network(x, timesteps=t)`` with windows of volumes.
            timesteps: (B,), all the same when there are several windows.
        """
        number = min(self.slices_per_window or self._fits or inputs.shape[2], inputs.shape[2])
        while True:
            try:
                return self._fused(inputs, network, timesteps, number)
            except RuntimeError as error:
                if not _out_of_memory(error) or self.slices_per_window is not None or number == 1:
                    raise
                number = self._fits = -(-number // 2)
                logger.warning("Out of memory: continuing with windows of %d slices.", number)

    def _fused(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], timesteps: torch.Tensor, number: int
    ) -> torch.Tensor:
        if number == inputs.shape[2]:
            return network(inputs, timesteps=timesteps)

        def predict(window: torch.Tensor) -> torch.Tensor:
            return network(window, timesteps=timesteps[: len(window)])

        # Weights fall linearly from a window's middle to its ends, and are equal within a slice. MONAI's gaussian also
        # fades within slices. At their rim it is cut off before it has faded along the slices: a hard seam.
        place = (torch.arange(number, device=inputs.device) + 0.5) / number
        fade = 1 - (2 * place - 1).abs()
        weights = fade[:, None, None].expand(number, *inputs.shape[3:])
        fused = sliding_window_inference(
            inputs, (number, -1, -1), 1, predict, overlap=(self.overlap, 0.0, 0.0), roi_weight_map=weights
        )
        assert isinstance(fused, torch.Tensor)
        return fused


def _out_of_memory(error: RuntimeError) -> bool:
    """Return True if memory ran out: CUDA has an error class for it, the CPU's allocator only a message."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
