"""Two sets of feature vectors, checked before they are compared."""

from __future__ import annotations

import torch


def checked_features(
    first: torch.Tensor, second: torch.Tensor, least: int, what: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return two sets of features as float64 on the CPU.

    Args:
        first, second: (N, F) and (M, F).
        least: number of vectors that each set must have.
        what: what they are needed for, for messages.

    Raises:
        ValueError: if the shapes do not fit, a set is smaller than ``least``, or a value is not finite.
    """
    sets = [torch.as_tensor(one).detach().to("cpu", torch.float64) for one in (first, second)]
    shapes = " and ".join(str(tuple(one.shape)) for one in sets)
    if any(one.ndim != 2 for one in sets) or sets[0].shape[1] != sets[1].shape[1] or not sets[0].shape[1]:
        raise ValueError(f"{what} needs features (N, F) and (M, F) of one encoder, got {shapes}.")
    if min(map(len, sets)) < least:
        raise ValueError(f"{what} needs at least {least} vectors in each set, got {len(sets[0])} and {len(sets[1])}.")
    for which, one in zip(("first", "second"), sets, strict=True):
        if (bad := (~torch.isfinite(one)).any(1)).any():
            rows = bad.nonzero().flatten().tolist()
            raise ValueError(f"{what}: {len(rows)} vectors of the {which} set are not finite, the first is {rows[0]}.")
    return sets[0], sets[1]
