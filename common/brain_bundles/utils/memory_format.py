"""The one meaning of the key ``channels_last``."""

from __future__ import annotations

import torch
from torch import nn

from brain_bundles.utils.precision import resolve_precision


def resolve_channels_last(channels_last: bool | None, precision: str, device: torch.device) -> bool:
    """Channels are the fastest axis in memory. None chooses what measures fastest.

    That is True on CUDA and in bf16, where convolutions are 1.1 to 2.3 times faster, False for fp32 on the CPU.
    """
    if channels_last is not None:
        return channels_last
    return device.type == "cuda" or resolve_precision(precision, device) == "bf16"


def to_memory_format(x: torch.Tensor, channels_last: bool) -> torch.Tensor:
    """``x`` (B, C, D, H, W) or (B, C, H, W), the same values, with its channels last in memory or not."""
    if not channels_last:
        return x.contiguous()
    return x.contiguous(memory_format=torch.channels_last_3d if x.ndim == 5 else torch.channels_last)


def set_channels_last(network: nn.Module) -> None:
    """Put the channels of the weights of convolutions last in memory, in place; their values stay."""
    with torch.inference_mode(False), torch.no_grad():  # inference tensors could not be trained on afterwards
        for parameter in network.parameters():
            if parameter.ndim in (4, 5):
                parameter.data = to_memory_format(parameter.data, True)


def to_device(network: nn.Module, device: str | torch.device, precision: str = "fp32") -> nn.Module:
    """Put a network on a device, with channels last in memory where that is faster in ``precision``; returns it."""
    network = network.to(device)
    if resolve_channels_last(None, precision, torch.device(device)):
        set_channels_last(network)
    return network
