"""A file of latents that a diffusion model generated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from brain_bundles.utils.atomic import atomic_file
from brain_bundles.utils.fingerprint import weights_fingerprint
from brain_bundles.utils.seeding import generator_for


def write_latents(
    path: str | Path,
    sampler: Any,
    network: Callable[..., torch.Tensor],
    context: torch.Tensor,
    seeds: Sequence[int],
    autoencoder: nn.Module,
) -> None:
    """Sample latents and write them, with the fingerprint of the encoder, for :class:`GeneratedLatents`.

    Args:
        path: the file to write, replaced if it exists.
        sampler: a :class:`~brain_bundles.inferers.LatentSampler`; it makes ``batch_size`` latents at a time.
        network: the diffusion network.
        context: conditions (B, T, K), on the device to run on.
        seeds: B integers.
        autoencoder: has ``encoding``, the beginnings of the names of its encoder's weights.
    """
    size = sampler.batch_size or 1
    parts = [
        sampler.sample_latents(context[start : start + size], network, seeds=seeds[start : start + size]).cpu()
        for start in tqdm(range(0, len(context), size), desc="latents", disable=None)
    ]
    with atomic_file(path) as file:
        torch.save({"latents": torch.cat(parts), "autoencoder": _encoder_of(autoencoder)}, file)


class GeneratedLatents:
    """Random patches of the latents in a file of :func:`write_latents`.

    Args:
        path: the file.
        autoencoder: the autoencoder of the latents.
        patch_size: voxels (D, H, W) of the patches in the image.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the latents are of another encoder, or smaller than the patch.
    """

    def __init__(self, path: str | Path, autoencoder: Any, patch_size: Sequence[int]) -> None:
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path} does not exist; sample them with sample_latents.json.")
        stored = torch.load(path, map_location="cpu", weights_only=True)
        if stored["autoencoder"] != _encoder_of(autoencoder):
            raise ValueError(f"the latents in {path} are of another encoder; sample them again.")
        self.latents: torch.Tensor = stored["latents"]
        self.patch_size = [int(size) // autoencoder.downsampling for size in patch_size]
        if any(size > whole for size, whole in zip(self.patch_size, self.latents.shape[2:], strict=True)):
            raise ValueError(f"patch_size {list(patch_size)} is larger than the volume of the latents in {path}.")

    def draw(self, seeds: Sequence[int]) -> torch.Tensor:
        """One patch (B, C, d, h, w) of normalised latents for each of B seeds."""
        return torch.cat([self._patch(generator_for(int(seed), "generated latent")) for seed in seeds])

    def _patch(self, generator: torch.Generator) -> torch.Tensor:
        def below(limit: int) -> int:
            return int(torch.randint(limit, (1,), generator=generator))

        patch = self.latents[below(len(self.latents))][None]
        for axis, size in enumerate(self.patch_size, start=2):
            patch = patch.narrow(axis, below(patch.shape[axis] - size + 1), size)
        return patch


def _encoder_of(autoencoder: Any) -> str:
    return weights_fingerprint(autoencoder, beginnings=autoencoder.encoding)
