"""GroupNorm (and SiLU) of a part of a volume, with the statistics of the whole."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class VolumeNorm:
    """Normalise slabs of ``x`` as ``norm(x)`` would.

    Args:
        norm: layer to replace.
        x: the whole volume (1, C, D, H, W); only read here.
        slab_size: slices per pass over it.
        activation: apply SiLU after the normalisation.
    """

    def __init__(self, norm: nn.GroupNorm, x: torch.Tensor, slab_size: int, *, activation: bool = True) -> None:
        mean, variance = group_moments(x, norm.num_groups, slab_size)
        per_group = x.shape[1] // norm.num_groups
        self.mean = mean.repeat_interleave(per_group).float()
        self.variance = variance.repeat_interleave(per_group).float()
        self.weight, self.bias = norm.weight.float(), norm.bias.float()
        self.eps = norm.eps
        self.activation = activation

    def __call__(self, slab: torch.Tensor) -> torch.Tensor:
        """Normalised copy of a slab (1, C, slices, H, W)."""
        # With fixed statistics batch norm is one fused pass over the slab, for every memory format and dtype.
        slab = F.batch_norm(slab, self.mean, self.variance, self.weight, self.bias, training=False, eps=self.eps)
        return F.silu(slab, inplace=True) if self.activation else slab


def group_moments(x: torch.Tensor, groups: int, slab_size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and (biased) variance per group of channels, float64, shapes (groups,).

    The moments of slabs are pooled (Chan et al. 1983), so that nothing cancels and no copy of ``x`` is made.

    Args:
        x: one volume (1, C, D, H, W), of any float dtype and memory format.
        groups: number of groups, a divisor of C.
        slab_size: slices per pass.
    """
    channels = x.shape[1]
    ones = torch.ones(channels, device=x.device)
    # Decoding makes views of half of the channels, which are contiguous in no format.
    memory_format = torch.channels_last_3d if x.stride(1) == 1 else torch.contiguous_format
    sizes, means, variances = [], [], []
    for slab in x.split(slab_size, dim=2):
        # The fastest exact reduction over strided slabs. Float32 parameters make it return float32 moments of low
        # precision slabs, on the CPU; elsewhere the slab itself has to be float32.
        slab = (slab if slab.device.type == "cpu" else slab.float()).contiguous(memory_format=memory_format)
        _, mean, scale = torch.native_group_norm(
            slab, ones, torch.zeros_like(ones), 1, channels, slab[0, 0].numel(), groups, 0.0
        )
        sizes.append(slab.shape[2])
        means.append(mean.flatten().double())
        variances.append(scale.flatten().double().pow(-2))
    share = torch.tensor(sizes, dtype=torch.float64, device=x.device)[:, None] / x.shape[2]
    mean, variance = torch.stack(means), torch.stack(variances)
    pooled = (share * mean).sum(0)
    return pooled, (share * (variance + (mean - pooled) ** 2)).sum(0)
