"""Sampler whose order depends on (seed, epoch) only, and whose indices carry their epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sized

import torch
import torch.distributed as dist
from torch.utils.data.distributed import DistributedSampler

from brain_bundles.utils.seeding import generator_for


class EpochIndex(int):
    """An index that carries the epoch it belongs to.

    It is an ``int``, so every data set accepts it. Workers receive it with each request, so the epoch is right in any
    process, with persistent workers and with prefetching. A ``set_epoch`` on the data set of the main process cannot
    promise that.
    """

    epoch: int

    def __new__(cls, index: int, epoch: int) -> EpochIndex:
        self = super().__new__(cls, index)
        self.epoch = int(epoch)
        return self

    def __getnewargs__(self) -> tuple[int, int]:  # type: ignore[override]  # int gives one value, pickle needs both
        return int(self), self.epoch


class EpochSampler(DistributedSampler):
    """Indices of one epoch as :class:`EpochIndex`, split over the ranks if there is a process group.

    Rank ``r`` of ``w`` takes every ``w``-th index, so batch ``k`` of size ``b`` over all ranks is batch ``k`` of size
    ``w * b`` of one process. MONAI engines call :meth:`set_epoch` at ``EPOCH_STARTED``, before the loader's iterator of
    that epoch is made.

    Args:
        dataset: gives the number of samples; with ``num_samples_per_epoch`` it is first asked when an epoch begins.
        shuffle: draw a new permutation per epoch; otherwise keep the order of the data.
        seed: first key of the permutations.
        num_samples_per_epoch: length of an epoch over all ranks, None for the length of the data. Epochs of a fixed
            length are cut from an endless row of permutations, so all samples are drawn equally often for any length.
        same_every_epoch: always use epoch 0, for validation data that several processes share.

    Raises:
        ValueError: if ``num_samples_per_epoch`` is not a positive multiple of the number of ranks; when the data is
            first asked for its length, if it is empty.
    """

    def __init__(
        self,
        dataset: Sized,
        *,
        shuffle: bool = True,
        seed: int = 0,
        num_samples_per_epoch: int | None = None,
        same_every_epoch: bool = False,
    ) -> None:
        grouped = dist.is_available() and dist.is_initialized()
        world_size, rank = (dist.get_world_size(), dist.get_rank()) if grouped else (1, 0)
        if num_samples_per_epoch is not None and (num_samples_per_epoch < 1 or num_samples_per_epoch % world_size):
            raise ValueError(
                f"num_samples_per_epoch must be a positive multiple of the number of ranks ({world_size}), "
                f"got {num_samples_per_epoch}."
            )
        # DistributedSampler asks for the length here. A given length of the epoch leaves lazy data unread.
        samples = dataset if num_samples_per_epoch is None else range(num_samples_per_epoch)
        super().__init__(samples, world_size, rank, shuffle=shuffle, seed=seed)  # type: ignore[arg-type]
        self.dataset = dataset  # type: ignore[assignment]
        if num_samples_per_epoch is None:
            self._size()
        self.num_samples_per_epoch = num_samples_per_epoch
        self.same_every_epoch = same_every_epoch
        self._skip = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration; engines call it."""
        self._size()  # lazy data is made in this process, not in each worker that the loader starts next
        super().set_epoch(0 if self.same_every_epoch else epoch)

    def skip_once(self, num_samples: int) -> None:
        """Skip this rank's first ``num_samples`` in the next iteration, to continue an interrupted epoch."""
        if not 0 <= num_samples <= self.num_samples:
            raise ValueError(f"cannot skip {num_samples} of {self.num_samples} samples.")
        self._skip = num_samples

    def __iter__(self) -> Iterator[int]:
        skip, self._skip = self._skip, 0
        own = self.epoch_indices(self.epoch)[self.rank :: self.num_replicas][skip:]
        # The epoch is bound here: a prefetching loader may still hold this iterator when the next epoch is announced.
        return iter([EpochIndex(index, self.epoch) for index in own])

    def epoch_indices(self, epoch: int) -> list[int]:
        """List the indices of all ranks in the order of the global batches."""
        size = self._size()
        if self.num_samples_per_epoch is None:
            order = self._permutation(epoch)
            # As in DistributedSampler: samples from the front fill the last global batch when the ranks do not divide
            # the data.
            return [order[i % size] for i in range(self.total_size)]
        first = epoch * self.total_size
        passes = {
            number: self._permutation(number)
            for number in range(first // size, (first + self.total_size - 1) // size + 1)
        }
        return [passes[i // size][i % size] for i in range(first, first + self.total_size)]

    def _size(self) -> int:
        size = len(self.dataset)  # type: ignore[arg-type]
        if size == 0:
            raise ValueError("EpochSampler: the data set is empty; check dataset_dir and the split.")
        return size

    def _permutation(self, number: int) -> list[int]:
        size = self._size()
        if not self.shuffle:
            return list(range(size))
        return torch.randperm(size, generator=generator_for(self.seed, "permutation", number)).tolist()
