"""What savers share: the items of an evaluator's iteration, volumes that may be written, and whose turn it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from ignite.engine import Engine
from numpy.typing import NDArray


def decollated_items(engine: Engine, saver: str) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(output, batch) of each item of the iteration.

    Raises:
        ValueError: in the name of ``saver``, if the evaluator does not decollate.
    """
    output, batch = engine.state.output, engine.state.batch
    if not isinstance(output, list) or not isinstance(batch, list):
        raise ValueError(f"{saver} needs one item per sample; leave the evaluator's decollate at true.")
    return list(zip(output, batch, strict=True))


def check_finite(name: str, volume: torch.Tensor, what: str = "sample") -> None:
    """Raise ValueError, in the name of whose volume it is, if ``volume`` has NaN or infinite values."""
    if not torch.isfinite(volume).all():
        raise ValueError(f"{name}: the {what} is not finite; try precision fp32, and check the weights.")


def unit_array(volume: torch.Tensor) -> NDArray[np.float32]:
    """(1, D, H, W) to an array (D, H, W) within [0, 1]: where a decoder overshoots, values are clipped."""
    return volume[0].detach().float().clamp(0, 1).cpu().numpy()


def first_after_all() -> bool:
    """Wait for every process of the run; True in the one that then writes for all."""
    if not (dist.is_available() and dist.is_initialized()):
        return True
    dist.barrier()
    return dist.get_rank() == 0
