"""Base of the handlers that write each volume of an evaluator's iteration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from numpy.typing import NDArray

from brain_bundles.utils.failure import cause_of


class VolumeSaver:
    """Call :meth:`save_item` for each item of a ``SupervisedEvaluator``'s iteration, at its end.

    Raises:
        ValueError: during the run, if the evaluator does not decollate.
    """

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        output, batch = engine.state.output, engine.state.batch
        if not isinstance(output, list) or not isinstance(batch, list):
            name = type(self).__name__
            raise ValueError(f"{name} needs one item per sample; leave the evaluator's decollate at true.")
        for made, item in zip(output, batch, strict=True):
            self.save_item(made, item)

    def save_item(self, made: Mapping[str, Any], item: Mapping[str, Any]) -> None:
        """Write the volumes of one item.

        Args:
            made: item of the engine's output, with the prediction.
            item: the same item of the batch.
        """
        raise NotImplementedError


def check_finite(name: str, volume: torch.Tensor, what: str = "sample") -> None:
    """Refuse a volume with NaN or infinite values.

    Raises:
        ValueError: if there are such values; the message begins with ``name``, the participant.
    """
    if not torch.isfinite(volume).all():
        raise ValueError(f"{name}: the {what} is not finite; try precision fp32, and check the weights.")


def finish(postprocessing: Callable[[Mapping[str, Any]], Any], item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Apply a postprocessing to an item; what a step raises comes without MONAI's wrapping."""
    try:
        return postprocessing(item)
    except RuntimeError as error:
        raise cause_of(error) from None


def unit_array(volume: torch.Tensor) -> NDArray[np.float32]:
    """(1, D, H, W) to an array (D, H, W) within [0, 1]; values beyond, from a decoder that overshoots, are clipped."""
    return volume[0].detach().float().clamp(0, 1).cpu().numpy()
