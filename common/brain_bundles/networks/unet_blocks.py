"""Parts of MONAI's UNet, whose levels are nested."""

from __future__ import annotations

from monai.networks.layers.simplelayers import SkipConnection
from monai.networks.nets import UNet
from torch import nn


def encoder_names(network: nn.Module) -> list[str]:
    """Names of the blocks of the encoder of a MONAI ``UNet``, from the finest to the bottom, as in ``named_modules``.

    Raises:
        ValueError: for another network.
    """
    if not isinstance(network, UNet):
        raise ValueError(f"the network is {type(network).__name__}, expected monai.networks.nets.UNet.")
    names, name, block = [], "model", network.model
    while isinstance(block, nn.Sequential) and len(block) == 3 and isinstance(block[1], SkipConnection):
        names.append(f"{name}.0")
        name, block = f"{name}.1.submodule", block[1].submodule
    return [*names, name]


def encoder_blocks(network: nn.Module) -> list[nn.Module]:
    """The blocks of :func:`encoder_names`: each takes the output of the one before."""
    return [network.get_submodule(name) for name in encoder_names(network)]
