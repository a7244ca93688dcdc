"""Images for the previews of a training: reconstructions of an autoencoder, samples of a diffusion model."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from brain_bundles.utils.distributed import unwrap
from brain_bundles.utils.plain_tensor import plain_tensor
from brain_bundles.utils.seeding import derive_seed


class Reconstructions:
    """Images and their reconstructions, for ``ImagePreview``.

    Args:
        network: an autoencoder with ``reconstruct(x)``.
        data_loader: loader of the images; the first ones are shown.
        num_images: number of images.
        image_key: key of the image in a batch.
    """

    def __init__(self, network: Any, data_loader: Iterable, num_images: int = 3, image_key: str = "image") -> None:
        self.network: Any = network
        self.data_loader = data_loader
        self.num_images, self.image_key = num_images, image_key

    def __call__(self) -> dict[str, torch.Tensor]:
        network: Any = unwrap(self.network)
        training = network.training
        network.eval()
        shown: dict[str, torch.Tensor] = {}
        for batch in self.data_loader:
            for image in plain_tensor(batch[self.image_key])[: self.num_images - len(shown) // 2]:
                number = len(shown) // 2 + 1
                shown[f"image {number}"] = image[None]
                shown[f"reconstruction {number}"] = network.reconstruct(
                    image[None].to(next(network.parameters()).device)
                )
            if len(shown) == 2 * self.num_images:
                break
        network.train(training)
        return shown


class Samples:
    """Volumes that a network makes from fixed conditions, and from fixed seeds if it samples, for ``ImagePreview``.

    Args:
        sampler: an inferer such as :class:`~brain_bundles.inferers.LatentSampler`; if its call names ``seeds``, it gets
            one per sample.
        network: its network, usually the moving average.
        context: conditions, the same in every picture: a tensor (B, ...) or a sequence of B tensors, which may be lazy.
        seed: seed of the noise; sample i has the seed derived from (seed, i), so that epochs can be compared.
    """

    def __init__(
        self, sampler: Any, network: Any, context: Sequence[torch.Tensor] | torch.Tensor, seed: int = 0
    ) -> None:
        self.sampler, self.network, self.context, self.seed = sampler, network, context, seed

    def __call__(self) -> list[torch.Tensor]:
        context = plain_tensor(torch.stack(list(self.context)))
        seeds = [derive_seed(self.seed, "preview", index) for index in range(len(context))]
        device = next(self.network.parameters()).device
        given = {"seeds": seeds} if "seeds" in inspect.signature(self.sampler).parameters else {}
        return list(self.sampler(context.to(device), self.network, **given).cpu())
