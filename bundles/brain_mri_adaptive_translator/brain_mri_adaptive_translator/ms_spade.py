"""MS-SPADE: multiple switchable SPADE, a stack of blocks whose normalisation is chosen by the target contrast."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn

Targets = Sequence[int] | torch.Tensor


class SelfModulatedSPADE(nn.Module):
    """Instance normalisation, scaled and shifted by maps that convolutions compute from the feature itself.

    ``norm(x) (1 + gamma(x)) + beta(x)``, without a segmentation map.

    Args:
        channels: channels of the feature.
        hidden_channels: channels of the layer before gamma and beta.
        kernel_size: size of the convolutions that compute gamma and beta; odd.

    Source: Park et al. 2019, arXiv:1903.07291, equation 1; modulated by the feature as in Kim & Park 2024,
    arXiv:2311.00265.
    """

    def __init__(self, channels: int, hidden_channels: int = 64, kernel_size: int = 3) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm3d(channels, affine=False)
        self.shared = nn.Sequential(nn.Conv3d(channels, hidden_channels, kernel_size, padding="same"), nn.ReLU())
        self.gamma = nn.Conv3d(hidden_channels, channels, kernel_size, padding="same")
        self.beta = nn.Conv3d(hidden_channels, channels, kernel_size, padding="same")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, D, H, W) to the same shape."""
        features = self.shared(x)
        return self.norm(x) * (1 + self.gamma(features)) + self.beta(features)


class SwitchableSPADE(nn.Module):
    """A bank of :class:`SelfModulatedSPADE`, one per contrast; each sample goes through the layer of its target.

    Samples of one target go through their layer together: one pass per different target in a batch.

    Args:
        num_contrasts: size of the bank.
        channels: channels of the feature.
        **spade_kwargs: arguments of :class:`SelfModulatedSPADE`.
    """

    def __init__(self, num_contrasts: int, channels: int, **spade_kwargs: int) -> None:
        super().__init__()
        self.bank = nn.ModuleList(SelfModulatedSPADE(channels, **spade_kwargs) for _ in range(num_contrasts))

    def forward(self, x: torch.Tensor, targets: Sequence[int]) -> torch.Tensor:
        """(B, C, D, H, W) to the same shape; ``targets`` are B indices on the host."""
        groups: dict[int, list[int]] = {}
        for position, target in enumerate(targets):
            groups.setdefault(target, []).append(position)
        if len(groups) == 1:
            return self.bank[targets[0]](x)
        order = [position for positions in groups.values() for position in positions]
        back = sorted(range(len(order)), key=order.__getitem__)  # where each sample lies after the groups are joined
        parts = _pick(x, order).split([len(positions) for positions in groups.values()])
        return _pick(torch.cat([self.bank[t](part) for t, part in zip(groups, parts, strict=True)]), back)


def _pick(x: torch.Tensor, positions: list[int]) -> torch.Tensor:
    """``x[positions]``; the positions travel from pinned memory, so that the host does not wait for the device."""
    index = torch.tensor(positions, pin_memory=x.is_cuda)
    return x.index_select(0, index.to(x.device, non_blocking=True))


class MSSPADEBlock(nn.Module):
    """(switchable norm, activation, 3x3x3 convolution) twice, plus the skip. An untrained block is only its skip.

    Args:
        num_contrasts: size of each bank.
        in_channels: channels of the input.
        out_channels: channels of the output; if it differs from the input's, the skip is a 1x1x1 convolution.
        middle_channels: channels between the two convolutions; None for the smaller number of the two above.
        **spade_kwargs: arguments of :class:`SelfModulatedSPADE`.

    Source: Kim & Park 2024, arXiv:2311.00265, figure 2a. The activation is the figure's ReLU; their public code has a
    leaky one.
    """

    def __init__(
        self,
        num_contrasts: int,
        in_channels: int,
        out_channels: int,
        middle_channels: int | None = None,
        **spade_kwargs: int,
    ) -> None:
        super().__init__()
        middle = min(in_channels, out_channels) if middle_channels is None else middle_channels
        self.norm1 = SwitchableSPADE(num_contrasts, in_channels, **spade_kwargs)
        self.conv1 = nn.Conv3d(in_channels, middle, 3, padding=1)
        self.norm2 = SwitchableSPADE(num_contrasts, middle, **spade_kwargs)
        self.conv2 = nn.Conv3d(middle, out_channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)  # begins as its skip: decision 46
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]
        self.skip: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.skip = nn.Conv3d(in_channels, out_channels, 1)

    def forward(self, x: torch.Tensor, targets: Sequence[int]) -> torch.Tensor:
        """(B, in_channels, D, H, W) to (B, out_channels, D, H, W)."""
        h = self.conv1(torch.relu(self.norm1(x, targets)))
        h = self.conv2(torch.relu(self.norm2(h, targets)))
        return self.skip(x) + h


class MSSPADE(nn.Module):
    """Translate the latent of any contrast to a target-like latent.

    Inside, every channel is divided by ``channel_std``, 1 until :func:`measure_channel_std` sets it. After a cosine
    transform the standard deviations go from 2.2 to 0.03, and a step of the optimiser would drown the faint channels.

    Args:
        num_contrasts: number of contrasts.
        latent_channels: channels of the latents.
        channels: widths between the blocks; n widths make n + 1 blocks. If all are ``latent_channels``, the skips are
            identities, and an untrained network returns its input.
        middle_channels: channels within each block, see :class:`MSSPADEBlock`.
        hidden_channels: see :class:`SelfModulatedSPADE`.
        kernel_size: see :class:`SelfModulatedSPADE`.

    Raises:
        ValueError: for fewer than two contrasts, no width or an even ``kernel_size``.

    Source: Kim & Park 2024, arXiv:2311.00265, figure 2a.
    """

    channel_std: torch.Tensor

    def __init__(
        self,
        num_contrasts: int,
        latent_channels: int,
        channels: Sequence[int] = (64,),
        middle_channels: int | None = None,
        hidden_channels: int = 64,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        if num_contrasts < 2:
            raise ValueError(f"num_contrasts is {num_contrasts}; a translation needs two at least.")
        if not channels or min(channels) < 1:
            raise ValueError(f"channels is {list(channels)}, expected at least one positive width.")
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size is {kernel_size}, expected an odd number.")
        self.num_contrasts, self.latent_channels = num_contrasts, latent_channels
        self.register_buffer("channel_std", torch.ones(latent_channels))
        widths = [latent_channels, *channels, latent_channels]
        self.blocks = nn.ModuleList(
            MSSPADEBlock(
                num_contrasts,
                before,
                after,
                middle_channels,
                hidden_channels=hidden_channels,
                kernel_size=kernel_size,
            )
            for before, after in pairwise(widths)
        )

    def forward(self, z: torch.Tensor, targets: Targets) -> torch.Tensor:
        """Make target-like latents (B, latent_channels, D, H, W).

        Args:
            z: latents (B, latent_channels, D, H, W).
            targets: target contrast of each latent, 0 to num_contrasts - 1; (B,). A tensor on a GPU costs one transfer
                per call, a list none.

        Raises:
            ValueError: if there is not one target per latent, or one is out of range.
        """
        indices = targets.tolist() if isinstance(targets, torch.Tensor) else [int(target) for target in targets]
        if len(indices) != len(z):
            raise ValueError(f"got {len(indices)} targets for {len(z)} latents; give one per latent.")
        if wrong := [index for index in indices if not 0 <= index < self.num_contrasts]:
            raise ValueError(f"target {wrong[0]} is out of range; there are contrasts 0 to {self.num_contrasts - 1}.")
        return self.through_blocks(z, indices)

    def through_blocks(self, z: torch.Tensor, targets: Any) -> torch.Tensor:
        """What a call does after its checks; ``targets`` are what the blocks' norms take."""
        scale = self.channel_std.to(z.dtype).view(-1, *(1,) * (z.ndim - 2))
        z = z / scale
        for block in self.blocks:
            z = block(z, targets)
        return z * scale
