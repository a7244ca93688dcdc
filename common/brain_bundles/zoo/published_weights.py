"""State dicts of monai-generative and of MONAI core, renamed to fit our networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from brain_bundles.utils.loading import state_dict_problems

AUTOENCODER, UNET = "autoencoder", "diffusion UNet"
GENERATIVE, CORE = "monai-generative", "MONAI core"
State = Mapping[str, torch.Tensor]
_SHOWN = 5


def plain_state(checkpoint: Any) -> dict[str, torch.Tensor]:
    """State dict of a checkpoint: the checkpoint itself, or its ``state_dict`` or ``model``, without DDP's ``module.``.

    Raises:
        ValueError: if it holds no state dict.
    """
    for key in ("state_dict", "model"):
        if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get(key), Mapping):
            checkpoint = checkpoint[key]
    if not isinstance(checkpoint, Mapping) or not all(isinstance(value, torch.Tensor) for value in checkpoint.values()):
        raise ValueError("holds no state dict (tensors by name, at the top or below state_dict or model).")
    return {str(name).removeprefix("module."): value for name, value in checkpoint.items()}


def recognise(state: State) -> tuple[str, str]:
    """(:data:`AUTOENCODER` or :data:`UNET`, :data:`GENERATIVE` or :data:`CORE`) of a state dict, from its names.

    Some layers have other names in monai-generative. A network without such layers counts as MONAI core's: it fits
    unchanged.

    Raises:
        ValueError: if the names belong to neither network.
    """
    if "encoder.blocks.0.conv.weight" in state and any(name.startswith("decoder.blocks.") for name in state):
        kind = AUTOENCODER
    elif "conv_in.conv.weight" in state and "time_embed.0.weight" in state:
        kind = UNET
    elif any(name.startswith(("encoder.down.", "first_stage_model.", "spade.")) for name in state):
        raise ValueError(
            "is a checkpoint of ALDM's code, which has no counterpart here: see docs/how-to/use_published_weights.md."
        )
    else:
        first = ", ".join(list(state)[:_SHOWN])
        raise ValueError(f"is neither an AutoencoderKL nor a DiffusionModelUNet of MONAI; its first names are {first}.")
    old = any(
        ".proj_attn." in name
        or ".to_out.0." in name
        or (".to_q." in name and ".attn." not in name and "transformer_blocks" not in name)
        for name in state
    )
    # Upsampling convolutions, which core calls postconv. In the decoder their names contain conv.conv.
    old = old or any(".upsampler.conv." in name for name in state)
    old = old or any(name.startswith("decoder.blocks.") and ".conv.conv." in name for name in state)
    return kind, GENERATIVE if old else CORE


def rename_for(network: nn.Module, state: State, prefix: str = "", own: State | None = None) -> dict[str, torch.Tensor]:
    """Rename a published state dict for ``network``, which has the same architecture.

    monai-generative's attention blocks have a projection that they never apply. MONAI core applies it, so it becomes
    the identity. (MONAI's ``load_old_state_dict`` copies it, which silently changes the network's output.)

    Args:
        network: network with the wanted names and shapes.
        state: published state dict.
        prefix: prefix of MONAI's names in ``network``, such as ``unet.``.
        own: tensors of ``network`` that no published network has.

    Raises:
        ValueError: if a tensor is missing, left over or of another shape; the first few of each are named.
    """
    expected = network.state_dict()
    taken: set[str] = set()
    result = dict(own or {})
    for name in expected:
        if name not in result and (found := _find(name.removeprefix(prefix), state, taken)) is not None:
            result[name] = found
    left = {name: value for name, value in state.items() if name not in taken}
    if problems := state_dict_problems(expected, {**result, **left}):
        raise ValueError(f"does not fit {type(network).__name__}: {'; '.join(problems)}.")
    return {name: result[name].clone().contiguous() for name in expected}


def _find(name: str, state: State, taken: set[str]) -> torch.Tensor | None:
    """Tensor for a name of MONAI core; its published name is added to ``taken``."""
    for candidate in (name, *_old_names(name)):
        if candidate in state:
            taken.add(candidate)
            return state[candidate]
    block, found, part = name.partition(".attn.out_proj.")
    unused = f"{block}.proj_attn.{part}"
    if found and unused in state:
        taken.add(unused)
        size = state[unused].shape[0]
        return torch.eye(size) if part == "weight" else torch.zeros(size)
    return None


def _old_names(name: str) -> list[str]:
    """Names in monai-generative for a name of MONAI core."""
    names = []
    if ".attn.to_" in name:
        names.append(name.replace(".attn.to_", ".to_"))
    if "transformer_blocks" in name and ".out_proj." in name:
        names.append(name.replace(".out_proj.", ".to_out.0."))
    if ".postconv." in name:
        names.append(name.replace(".postconv.", ".conv."))
    return names
