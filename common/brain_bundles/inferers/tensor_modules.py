"""Modules from tensors to a volume, for export: a config's inference with its noise as an input.

An inferer makes one of these by ``to_module``. They call the inferer's own parts, so that both give the same numbers.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from brain_bundles.schedulers.diffusers_adapter import is_of_diffusers
from brain_bundles.schedulers.settings import scheduler_settings
from brain_bundles.utils.seeding import generator_for

if TYPE_CHECKING:
    from brain_bundles.inferers.latent_sampler import LatentSampler
    from brain_bundles.inferers.segmentation_inferer import SegmentationInferer
    from brain_bundles.inferers.volume_translator import VolumeTranslator

IMAGE = "(1, 1, D, H, W): the scan on the model's grid, as the preprocessing makes it"
NOISE = "standard normal numbers"


class TensorModule(nn.Module):
    """Base of the modules: tensors in, one tensor out, without Python's choices, so that a trace can follow.

    The batch is 1. The grid, the steps and all settings are fixed.

    Attributes:
        about: each input of ``forward`` by name, in order, and what it is.
        output: the same for the output.
        settings: what is fixed, as plain values.
        tie_share: share of the output's voxels that rounding may decide, where two results are equally near.
    """

    about: ClassVar[Mapping[str, str]]
    output: ClassVar[tuple[str, str]]
    tie_share: ClassVar[float] = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {}

    def inputs(self, seed: int = 0) -> dict[str, torch.Tensor]:
        """Random inputs of the shapes and types that ``forward`` takes, by name."""
        raise NotImplementedError


class SegmentationModule(TensorModule):
    """Image (1, 1, D, H, W) to probabilities (1, C, D, H, W)."""

    about = {"image": IMAGE}  # noqa: RUF012
    output = ("probabilities", "(1, C, D, H, W): probabilities of the classes, sum 1 in each voxel; no logits")

    def __init__(self, inferer: SegmentationInferer, network: nn.Module, spatial_size: Sequence[int]) -> None:
        super().__init__()
        _check_precision(inferer.precision)
        self.inferer, self.network, self.spatial_size = inferer, network.eval(), tuple(spatial_size)
        self.settings = {"flip": inferer.flip}

    def inputs(self, seed: int = 0) -> dict[str, torch.Tensor]:
        return {"image": random_image(self.spatial_size, seed)}

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.inferer(image, self.network)


class WalkModule(TensorModule):
    """Base of modules that denoise latents.

    Args:
        sampler: its settings are fixed, its schedule is the one that it begins with now.
        network: put into evaluation mode.
        latent_shape: (C, D, H, W) of one latent.
        autoencoder: the modules with weights that ``forward`` uses beside the network; None for the decoder's.
        from_noise: begin with noise, not at the sampler's ``denoising_start``.

    Raises:
        ValueError: for another precision than fp32, decoding in slabs, or a scheduler that no trace can follow.
    """

    def __init__(
        self,
        sampler: LatentSampler,
        network: nn.Module,
        latent_shape: Sequence[int],
        *,
        autoencoder: nn.Module | None = None,
        from_noise: bool = True,
    ) -> None:
        super().__init__()
        for precision in (sampler.denoiser.precision, sampler.decoder.precision):
            _check_precision(precision)
        if sampler.decoder.slab_size is not None:
            raise ValueError(f"decode_slab_size is {sampler.decoder.slab_size}; an export needs null.")
        _check_scheduler(sampler.steps.scheduler)
        self.sampler, self.network = sampler, network.eval()
        self.autoencoder: Any = (autoencoder or sampler.decoder.autoencoder).eval()
        self.noise_shape = (1, *latent_shape)
        self.schedule = sampler.steps.begin(latent_shape[1:], from_noise=from_noise)
        self.settings = {
            "scheduler": scheduler_settings(sampler.steps.scheduler),
            "num_inference_steps": sampler.steps.num_inference_steps,
            "timesteps": self.schedule[1].tolist(),
            "ends_with_the_predicted_mean": sampler.steps.ends_early,
        }

    def noise(self, seed: int) -> torch.Tensor:
        """Noise (1, C, D, H, W) of a seed, the same that the sampler draws for it."""
        return torch.randn(self.noise_shape[1:], generator=generator_for(seed, "noise"))[None]

    def denoise(self, noise: torch.Tensor, condition: torch.Tensor, start: torch.Tensor | None = None) -> torch.Tensor:
        """Normalised latents (1, C, D, H, W), see :meth:`LatentSampler.walk`."""
        scheduler, timesteps = self.schedule
        # Solvers remember their last step in attributes, so a shallow copy keeps calls apart. A trace does not see the
        # values of tensors that are copied while it runs.
        return self.sampler.walk(noise, condition, self.network, (copy.copy(scheduler), timesteps), start=start)


class SamplingModule(WalkModule):
    """Covariates (1, 1, K) and noise to a volume (1, 1, D, H, W) in [0, 1].

    Raises:
        ValueError: for a network without ``num_covariates``, or a sampler without ``latent_shape``; see also
            :class:`WalkModule`.
    """

    about = {"context": "(1, 1, K): covariates, as the preprocessing scales them", "noise": NOISE}  # noqa: RUF012
    output = ("image", "(1, 1, D, H, W): the volume on the model's grid, in [0, 1]")

    def __init__(self, sampler: LatentSampler, network: nn.Module) -> None:
        covariates = getattr(network, "num_covariates", None)
        if sampler.latent_shape is None or covariates is None:
            raise ValueError(
                f"a {type(network).__name__} without num_covariates, or a sampler without latent_shape, cannot be "
                "exported by itself; a translator exports the whole."
            )
        super().__init__(sampler, network, sampler.latent_shape)
        self.num_covariates = int(covariates)

    def inputs(self, seed: int = 0) -> dict[str, torch.Tensor]:
        context = torch.rand(1, 1, self.num_covariates, generator=generator_for(seed, "context"))
        return {"context": context, "noise": self.noise(seed)}

    def forward(self, context: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        return self.sampler.decoder(self.denoise(noise, context))


class TranslationModule(WalkModule):
    """Image and noise to the translated volume, both (1, 1, D, H, W) in [0, 1].

    Raises:
        ValueError: for several draws, or windows of slices; see also :class:`WalkModule`.
    """

    about = {"image": IMAGE, "noise": NOISE}  # noqa: RUF012
    output = ("translation", "(1, 1, D, H, W): the target contrast on the model's grid, in [0, 1]")

    def __init__(self, translator: VolumeTranslator, network: nn.Module, spatial_size: Sequence[int]) -> None:
        check_one_draw(translator.num_draws)
        if translator.windows.slices_per_window is not None:
            raise ValueError(
                f"slices_per_window is {translator.windows.slices_per_window}; an export takes whole volumes, null."
            )
        shape = translator.encode(torch.zeros(1, 1, *spatial_size)).shape[1:]
        super().__init__(translator.sampler, network, shape)
        self.encode, self.spatial_size = translator.encode, tuple(spatial_size)

    def inputs(self, seed: int = 0) -> dict[str, torch.Tensor]:
        return {"image": random_image(self.spatial_size, seed), "noise": self.noise(seed)}

    def forward(self, image: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        return self.sampler.decoder(self.denoise(noise, self.encode(image)))


def random_image(spatial_size: Sequence[int], seed: int) -> torch.Tensor:
    """Uniform numbers (1, 1, D, H, W) in [0, 1) within an ellipsoid, 0 around it.

    As much air as a scan has: sums over a volume lose digits there that they do not lose in noise alone.
    """
    values = torch.rand(1, 1, *spatial_size, generator=generator_for(seed, "image"))
    axes = torch.meshgrid(*(torch.linspace(-1, 1, size) for size in spatial_size), indexing="ij")
    return values * (sum(axis.square() for axis in axes) < 0.5)


def check_one_draw(num_draws: int) -> None:
    """Raise ValueError for several draws, which no module makes."""
    if num_draws != 1:
        raise ValueError(f"num_draws is {num_draws}; a module makes one draw, of the noise it is given.")


def _check_precision(precision: str) -> None:
    if precision != "fp32":
        raise ValueError(f"precision is {precision!r}; an export computes in 'fp32'.")


def _check_scheduler(scheduler: Any) -> None:
    """Refuse what draws numbers in its steps, or keeps its place in lists that a copy shares (diffusers)."""
    draws = "generator" in inspect.signature(scheduler.step).parameters and getattr(scheduler, "eta", None) != 0
    if draws or is_of_diffusers(scheduler):
        kind = type(scheduler)
        raise ValueError(
            f"{kind.__module__.split('.')[0]}'s {kind.__name__} cannot be exported: its steps draw noise or depend on "
            "earlier ones in a way that no trace follows. Use the sampler dpm_solver, ddim (with eta 0) or rflow."
        )
