"""Original networks of the published weights, for comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from brain_bundles.zoo.published_weights import AUTOENCODER, GENERATIVE

TOLERANCE = 1e-4
_OURS = {"_target_", "linear_shortcut", "latent_channels", "num_covariates", "covariate_scale"}
_OURS |= {"position_channels", "position_size", "preconditioning"}


def reference_network(kind: str, form: str, definition: Mapping[str, Any]) -> nn.Module:
    """Original network with the architecture of our definition.

    Args:
        kind: kind of network, from :func:`~brain_bundles.zoo.published_weights.recognise`.
        form: monai-generative or MONAI core, from the same function.
        definition: ``autoencoder_def`` or ``network_def`` of the config.

    Raises:
        ImportError: if monai-generative is needed and not installed.
    """
    options = {name: value for name, value in definition.items() if name not in _OURS}
    if kind == AUTOENCODER:
        options["latent_channels"] = definition["latent_channels"]
    else:
        covariates = definition["num_covariates"]
        options |= {"in_channels": definition["latent_channels"] + covariates, "with_conditioning": True}
        options |= {"out_channels": definition["latent_channels"], "cross_attention_dim": covariates}
    if form != GENERATIVE:
        from monai.networks import nets

        return nets.AutoencoderKL(**options) if kind == AUTOENCODER else nets.DiffusionModelUNet(**options)
    try:
        from generative.networks.nets import AutoencoderKL, DiffusionModelUNet
    except ImportError as error:
        raise ImportError("--verify needs monai-generative: pip install monai-generative.") from error
    options["num_channels"] = options.pop("channels")
    return AutoencoderKL(**options) if kind == AUTOENCODER else DiffusionModelUNet(**options)


@torch.no_grad()
def compare_with_reference(
    network: nn.Module, state: Mapping[str, torch.Tensor], kind: str, form: str, config: Any
) -> float:
    """Largest difference between the outputs on random inputs, relative to the largest output.

    Args:
        network: our network with converted weights.
        state: published state dict.
        kind: see :func:`reference_network`.
        form: see :func:`reference_network`.
        config: parsed config that made ``network``.

    Raises:
        ValueError: if the difference is above 1e-4.
    """
    definition = config["autoencoder_def" if kind == AUTOENCODER else "network_def"]
    reference = reference_network(kind, form, definition).eval()
    reference.load_state_dict(dict(state), strict=True)
    generator = torch.Generator().manual_seed(0)
    factor = 2 ** (len(definition["channels"]) - 1)
    size = (2 * factor, 3 * factor, 2 * factor)
    if kind == AUTOENCODER:
        image = torch.rand(1, definition["in_channels"], *size, generator=generator)
        latent = torch.randn(1, definition["latent_channels"], 2, 3, 2, generator=generator)
        pairs = [*zip(network.encode(image), reference.encode(image), strict=True)]  # type: ignore[operator]
        pairs.append((network.decode_stage_2_outputs(latent), reference.decode(latent)))  # type: ignore[operator]
    else:
        x = torch.randn(1, definition["latent_channels"], *size, generator=generator)
        context = torch.rand(1, 1, definition["num_covariates"], generator=generator)
        time = torch.tensor([321])
        maps = context.reshape(1, -1, 1, 1, 1).expand(-1, -1, *size)
        original = reference(torch.cat([x, maps], dim=1), timesteps=time, context=context)
        pairs = [(network(x, timesteps=time, context=context), original)]
    difference = max(float((ours - theirs).abs().max() / theirs.abs().max()) for ours, theirs in pairs)
    if not difference <= TOLERANCE:
        raise ValueError(f"the converted {kind} differs from the original by {difference:.1e} of its largest output.")
    return difference
