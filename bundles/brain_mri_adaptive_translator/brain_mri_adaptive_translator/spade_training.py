"""Training of MS-SPADE alone, on latents of a frozen autoencoder: the second of two stages."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from brain_bundles.losses import channel_weights
from brain_bundles.utils import plain_tensor
from monai.engines import PrepareBatch
from torch import nn

from brain_mri_adaptive_translator.adaptive_autoencoder import AdaptiveAutoencoder
from brain_mri_adaptive_translator.ms_spade import Targets


class LatentTranslation(nn.Module):
    """Translate cached latents to the target and back; the network of ``train_spade.json``.

    Args:
        adaptive_autoencoder: its autoencoder is frozen, its MS-SPADE learns.
        cycle: translate back to the source as well.
    """

    def __init__(self, adaptive_autoencoder: AdaptiveAutoencoder, cycle: bool = True) -> None:
        super().__init__()
        self.adaptive_autoencoder, self.cycle = adaptive_autoencoder, cycle
        adaptive_autoencoder.autoencoder.requires_grad_(False)

    def forward(self, z_source: torch.Tensor, sources: Targets, targets: Targets) -> torch.Tensor:
        """Translate normalised latents (B, C, d, h, w) to target-like ones.

        With cycle the result is (2 B, C, d, h, w), and its second half is translated back to the source.
        """
        there = self.adaptive_autoencoder.target_like(z_source, targets)
        return torch.cat([there, self.adaptive_autoencoder.target_like(there, sources)]) if self.cycle else there

    def train(self, mode: bool = True) -> LatentTranslation:
        """Set the mode; the frozen part stays in evaluation mode."""
        super().train(mode)
        self.adaptive_autoencoder.autoencoder.eval()
        return self


@torch.no_grad()
def measure_channel_std(
    network: LatentTranslation, pairs: Iterable[Mapping[str, Any]], max_pairs: int = 64
) -> LatentTranslation:
    """Set the standard deviation of every channel of the raw latents in MS-SPADE; return ``network``.

    A value that is set, or a MS-SPADE that is trained, stays: trained weights keep the value of their training.

    Args:
        network: network to train.
        pairs: items of :class:`~brain_bundles.transforms.RandContrastPair` on cached latents.
        max_pairs: largest number of pairs to measure.
    """
    autoencoder, ms_spade = network.adaptive_autoencoder.autoencoder, network.adaptive_autoencoder.ms_spade
    trained = any(bool(value.any()) for name, value in ms_spade.named_parameters() if name.endswith("conv2.weight"))
    if trained or not bool((ms_spade.channel_std == 1).all()):
        return network
    targets = [plain_tensor(pair["label_mean"]).float() for pair in itertools.islice(pairs, max_pairs)]
    raw = autoencoder.denormalise(torch.stack(targets).to(ms_spade.channel_std.device))
    ms_spade.channel_std.copy_(raw.transpose(0, 1).flatten(1).std(1).clamp(min=1e-6))
    return network


class LatentPairPrepareBatch(PrepareBatch):
    """Prepare a batch of cached latent pairs for :class:`LatentTranslation` and its weighted loss.

    A batch of :class:`~brain_bundles.transforms.RandContrastPair` becomes (source latents, (target, weight),
    (sources, targets), {}); the loss is :class:`~brain_bundles.losses.WeightedMSELoss`.

    The weights make the loss the squared error of raw latents. Normalised latents would count a faint detail of the
    image as much as its brightness. Raw latents count roughly as in the decoder: after an orthonormal transform their
    squared error is the squared error of the image. An L1 would count the one brightness channel as little as each
    other channel (decision 46).

    The minimum, the mean of the possible targets, is the same for all channel weights, but the training is not: the
    brightness channels would drown the faint detail channels. A negative ``channel_weight_power`` evens them out.

    Args:
        autoencoder: autoencoder with ``latent_std`` and a MS-SPADE whose ``channel_std`` is set.
        cycle_weight: weight of the mean squared error of the way back; the way to the target has the weight 1. The
            targets of the way back, the sources, follow the others in the batch. 0 leaves the way back out.
        channel_weight_power: channels count by their standard deviation to this power, on average by 1; 0 gives equal
            weights, -1 evens them out.

    Raises:
        ValueError: for a ``cycle_weight`` below 0, or a ``channel_weight_power`` above 0.
    """

    def __init__(
        self, autoencoder: AdaptiveAutoencoder, cycle_weight: float = 0.2, channel_weight_power: float = 0.0
    ) -> None:
        if cycle_weight < 0:
            raise ValueError(f"cycle_weight must not be negative, got {cycle_weight}; 0 turns the term off.")
        if channel_weight_power > 0:
            raise ValueError(
                f"channel_weight_power must not be positive, got {channel_weight_power}: the channels of raw latents "
                "count by their variance already; -1 evens them out."
            )
        self.autoencoder = autoencoder
        self.cycle_weight, self.channel_weight_power = cycle_weight, channel_weight_power

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor], tuple[list[int], list[int]], dict]:
        source, target = (
            plain_tensor(batchdata[f"{key}_mean"]).float().to(device=device, non_blocking=non_blocking)
            for key in ("image", "label")
        )
        weight = self.weight(target)
        if self.cycle_weight > 0:
            target = torch.cat([target, source])
            weight = torch.cat([2 * weight, 2 * self.cycle_weight * weight])  # the mean over both halves halves each
        return source, (target, weight), (batchdata["source"].tolist(), batchdata["target"].tolist()), {}

    def weight(self, latents: torch.Tensor) -> torch.Tensor:
        """Weights (B, C, 1, ...) of the squared errors of normalised latents (B, C, ...)."""
        std = self.autoencoder.autoencoder.latent_std.to(latents).flatten()
        channels = channel_weights(self.autoencoder.ms_spade.channel_std.to(latents), self.channel_weight_power)
        weights = (std.square() * channels).reshape(1, -1, *(1,) * (latents.ndim - 2))
        return weights.expand(len(latents), *weights.shape[1:])
