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

from brain_bundles.utils.loading import load_weights
from brain_bundles.utils.precision import autocast


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
    """

    def __init__(
        self, inferer: Inferer, network: nn.Module, *, device: str | torch.device = "cpu", precision: str = "fp32"
    ) -> None:
        self.inferer, self.network = inferer, network
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


def pair_methods(
    network: nn.Module,
    weights: Mapping[str, str | Path],
    *,
    device: str | torch.device = "cpu",
    precision: str = "fp32",
) -> dict[str, NetworkMethod]:
    """Make one method per pair of contrasts: copies of one network, each with the weights of its pair.

    Args:
        network: maps volumes (B, 1, D, H, W) to volumes of that shape; each pair gets a copy.
        weights: "source to target" -> file with the weights of that pair.
        device: device to run on.
        precision: fp32, bf16, fp16 or auto.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file holds weights of another network.
    """
    return {
        pair: NetworkMethod(
            SimpleInferer(),
            load_weights(copy.deepcopy(network).to(device), path),
            device=device,
            precision=precision,
        )
        for pair, path in weights.items()
    }
