"""Sampler for validation data."""

from __future__ import annotations

from collections.abc import Iterator, Sized

from torch.utils.data import Sampler


class InOrderSampler(Sampler[int]):
    """All indices of the data, in order, without a length.

    MONAI's engines ask a sampler with a length, such as torch's ``SequentialSampler``, for it when they are made; lazy
    data would be read then. Without a length, engines count the batches of the first epoch.

    Args:
        data: gives the number of indices.
    """

    def __init__(self, data: Sized) -> None:
        self.data = data

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data)))
