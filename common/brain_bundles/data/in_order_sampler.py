"""The order of validation data."""

from __future__ import annotations

from collections.abc import Iterator, Sized

from torch.utils.data import Sampler


class InOrderSampler(Sampler[int]):
    """All indices of the data, in its order. It has no length before it is iterated.

    torch's ``SequentialSampler`` has one, which MONAI's engines ask for when they are made; lazy data would be read
    then. Engines count the batches of the first epoch instead.

    Args:
        data: gives the number of indices.
    """

    def __init__(self, data: Sized) -> None:
        self.data = data

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data)))
