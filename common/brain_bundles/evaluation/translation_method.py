"""Methods of a comparison: one call makes all targets of a source."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from monai.inferers import Inferer, SimpleInferer
from torch import nn

from brain_bundles.evaluation.translation_cells import cell_name
from brain_bundles.utils.loading import load_weights
from brain_bundles.utils.precision import autocast
from brain_bundles.utils.recipe import with_recipe


class TranslationMethod(Protocol):
    """Makes volumes (T, 1, D, H, W) in [0, 1] of T target contrasts from one source (1, 1, D, H, W) on the CPU.

    There is one seed per target; a method that draws nothing does not use them.
    """

    def __call__(self, source: torch.Tensor, *, targets: Sequence[str], seeds: Sequence[int]) -> torch.Tensor: ...


# One method for all pairs of contrasts, or "source to target" -> method for some pairs.
AnyMethod = TranslationMethod | Mapping[str, TranslationMethod]


class NetworkMethod:
    """A network with its inferer, as a :class:`TranslationMethod`.

    Args:
        inferer: called with the source, the network and, if its call names them, ``targets`` and ``seeds``; returns the
            targets as channels (1, T, D, H, W). An inferer without ``targets`` makes one target: a
            :class:`~brain_bundles.inferers.VolumeTranslator`, or MONAI's ``SliceInferer`` for a 2D network. Of several
            draws only the mean is used, which comes before the standard deviation.
        network: network that the inferer runs.
        device: device to run on.
        precision: fp32, bf16, fp16 or auto, for an inferer that does not set its own.
        also_runs: networks that the inferer runs beside its own, such as an autoencoder; their parameters count too.
    """

    def __init__(
        self,
        inferer: Inferer,
        network: nn.Module,
        *,
        device: str | torch.device = "cpu",
        precision: str = "fp32",
        also_runs: Sequence[nn.Module] = (),
    ) -> None:
        self.inferer, self.network = inferer, network
        self.modules = [network, *also_runs]
        self.device, self.precision = torch.device(device), precision
        self.arguments = inspect.signature(inferer).parameters.keys() & {"targets", "seeds"}

    @torch.inference_mode()
    def __call__(self, source: torch.Tensor, *, targets: Sequence[str], seeds: Sequence[int]) -> torch.Tensor:
        """Make the targets (T, 1, D, H, W) in [0, 1] of one source (1, 1, D, H, W), on the CPU.

        Raises:
            ValueError: for several targets, if the inferer makes only one.
        """
        if "targets" not in self.arguments and len(targets) != 1:
            raise ValueError(
                f"its inferer makes one target, not {', '.join(targets)}; give the method by pair, such as "
                "{'T1w to T2w': method}."
            )
        self.network.eval()
        made = self._infer(source.to(self.device), targets, seeds)
        return made.float().clamp(0.0, 1.0).cpu()

    def _infer(self, source: torch.Tensor, targets: Sequence[str], seeds: Sequence[int]) -> torch.Tensor:
        given: dict[str, Any] = {"targets": targets, "seeds": list(seeds)}
        with autocast(self.precision, self.device):
            made = self.inferer(source, self.network, **{name: given[name] for name in self.arguments})
        assert isinstance(made, torch.Tensor)
        return made[:, : len(targets)].transpose(0, 1)  # channels: targets, then any standard deviations


def trained_method(
    network: nn.Module,
    weights: str | Path | Mapping[str, str | Path] | None,
    *,
    inferer: Inferer | None = None,
    recipe: Mapping[str, Any] | Sequence[Mapping[str, Any]] = (),
    device: str | torch.device = "cpu",
    precision: str = "fp32",
    also_runs: Sequence[nn.Module] = (),
) -> NetworkMethod | dict[str, NetworkMethod] | None:
    """Make the method of a baseline that was trained, or one per pair of contrasts.

    Args:
        network: network of the baseline; it is copied.
        weights: file with its weights; or "source to target" -> file, for a baseline of single pairs; None, for a
            baseline that was not trained, makes no method.
        inferer: see :class:`NetworkMethod`; None for one pass of the network on the volume.
        recipe: settings that the weights must have been trained with, see :func:`~brain_bundles.utils.with_recipe`; of
            a pair its two contrasts come to it.
        device: device to run on.
        precision: fp32, bf16, fp16 or auto, for an inferer that does not set its own.
        also_runs: see :class:`NetworkMethod`.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file holds weights of another network or of other settings.
    """
    given = [recipe] if isinstance(recipe, Mapping) else list(recipe)

    def method(path: str | Path, pair: Mapping[str, str]) -> NetworkMethod:
        own = with_recipe(copy.deepcopy(network).to(device), [*given, pair])
        loaded = load_weights(own, path)
        return NetworkMethod(
            inferer or SimpleInferer(), loaded, device=device, precision=precision, also_runs=also_runs
        )

    if weights is None:
        return None
    if not isinstance(weights, Mapping):
        return method(weights, {})
    return {
        name: method(path, dict(zip(("source", "target"), name.split(" to "), strict=False)))
        for name, path in weights.items()
    }


def calls_for(method: AnyMethod, source: str, targets: Sequence[str]) -> list[tuple[TranslationMethod, list[str]]]:
    """Methods to call for one source, each with the targets that it makes."""
    if not isinstance(method, Mapping):
        return [(method, list(targets))] if targets else []
    return [(method[name], [target]) for target in targets if (name := cell_name(source, target)) in method]
