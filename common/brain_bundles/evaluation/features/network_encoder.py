"""Features of any network of this collection: averages of feature maps in chosen layers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from brain_bundles.evaluation.features.encoder import FeatureEncoder
from brain_bundles.utils.loading import load_weights
from brain_bundles.utils.recipe import recipe_of

STATISTICS = ("mean", "std", "log_std")
_SHOWN = 8
SMALLEST_STD = 1e-6  # of a map that is the same everywhere, so that its logarithm is finite


class NetworkEncoder(FeatureEncoder):
    """Averages over space, and perhaps standard deviations, of the feature maps of named layers.

    What a loss has seen must not judge: use a network that no loss of the judged model used.

    Args:
        network: any network that takes volumes (B, 1, D, H, W), built as its weights need it.
        layers: names of its layers as ``network.named_modules()`` has them, such as ``encoder.blocks.5``. Each must
            give one map (B, C, ...) and run once; its features are C for each statistic, in this order.
        path: file of the weights, loaded strictly (:func:`brain_bundles.utils.load_weights`); None for a network that
            has them already, as those of configs do.
        key: entry of the file that holds the state dict, if it has several.
        part: name of the part or of the method that runs, such as ``encode`` of an autoencoder, whose decoder would
            only cost time; empty for the whole network.
        statistics: any of mean, std and log_std, over the positions of a map. Of layers before a norm over space take
            log_std: their scales differ by far, and behind the norm the strength of noise and detail is gone.
        name: name in results; by default that of the network's class.
        probe_size: (D, H, W) of a volume of zeros that is encoded once to count the features; one that the network can
            take.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the weights do not fit, there is no such layer or part, a layer does not run once or gives no
            map, or for an unknown statistic.
    """

    def __init__(
        self,
        network: nn.Module,
        layers: Sequence[str],
        *,
        path: str | os.PathLike[str] | None = None,
        key: str | None = None,
        part: str = "",
        statistics: Sequence[str] = ("mean",),
        name: str | None = None,
        probe_size: Sequence[int] = (32, 32, 32),
    ) -> None:
        layers, statistics = list(layers), list(statistics)
        if not statistics or not set(statistics) <= set(STATISTICS):
            raise ValueError(f"statistics is {statistics}, expected some of {', '.join(STATISTICS)}.")
        if not layers or len(set(layers)) < len(layers):
            raise ValueError(f"layers is {layers}, expected different names of layers.")
        modules = dict(network.named_modules())
        parts = [] if part in modules or callable(getattr(network, part, None)) else [part]
        if unknown := [*parts, *(one for one in layers if one not in modules)]:
            names = [one for one in modules if one]
            raise ValueError(
                f"{type(network).__name__} has no layer {', '.join(unknown)}; it has {', '.join(names[:_SHOWN])}"
                f"{f' and {len(names) - _SHOWN} others' if len(names) > _SHOWN else ''}."
            )
        load_weights(network, None if path is None else os.fspath(path), key=key)
        self.layers, self.statistics, self.part = layers, statistics, part
        recipe = recipe_of(network)
        trained = {one: recipe[one] for one in ("suffix", "spacing", "intensity_scale") if one in recipe}
        super().__init__(
            network,
            name=name or type(network).__name__,
            normalisation="none after the scale of the volumes",
            num_features=0,
            settings={"layers": layers, "part": part, "statistics": statistics, "recipe": trained},
        )
        self.record = replace(self.record, num_features=self(torch.zeros(1, 1, *probe_size)).shape[1])

    def encode(self, volumes: torch.Tensor) -> torch.Tensor:
        maps: dict[str, list[Any]] = {name: [] for name in self.layers}
        modules = dict(self.network.named_modules())
        hooks = [modules[name].register_forward_hook(_keep(maps[name])) for name in self.layers]
        try:
            run = modules[self.part] if self.part in modules else getattr(self.network, self.part)
            run(volumes)
        finally:
            for hook in hooks:
                hook.remove()
        return torch.cat([self._summarise(name, maps[name], len(volumes)) for name in self.layers], dim=1)

    def _summarise(self, name: str, found: Sequence[Any], batch: int) -> torch.Tensor:
        """Statistics of one layer, (B, C) for each."""
        if len(found) != 1:
            raise ValueError(f"layer {name} runs {len(found)} times; choose one that runs once.")
        one = found[0]
        if not isinstance(one, torch.Tensor) or one.ndim < 2 or len(one) != batch:
            shape = tuple(one.shape) if isinstance(one, torch.Tensor) else type(one).__name__
            raise ValueError(f"layer {name} gives {shape}, expected one map (B, C, ...).")
        positions = one.float().flatten(2) if one.ndim > 2 else one.float()[..., None]
        std = positions.std(-1, correction=0)
        computed = {"mean": positions.mean(-1), "std": std, "log_std": std.clamp(min=SMALLEST_STD).log()}
        return torch.cat([computed[statistic] for statistic in self.statistics], dim=1)


def _keep(found: list[Any]) -> Callable[[nn.Module, Any, Any], None]:
    def hook(module: nn.Module, args: Any, output: Any) -> None:
        # A copy: a layer behind it may change the map in place, as inplace activations do.
        found.append(output.clone() if isinstance(output, torch.Tensor) else output)

    return hook
