"""Data set whose random transforms depend on (seed, epoch, index) and on nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.data import Dataset
from monai.data.utils import set_rnd

from brain_bundles.data.epoch_sampler import EpochIndex
from brain_bundles.utils.seeding import SAMPLE_SEED, derive_seed


class SeededDataset(Dataset):
    """``transform(copy of data[index])`` with every MONAI random transform seeded from (seed, epoch, index).

    A sample is then the same for any batch size, any number of workers or ranks, and any earlier draws. A resumed
    training sees the samples of the uninterrupted one. The epoch comes with the index if the sampler is an
    :class:`~brain_bundles.data.EpochSampler`; a plain index means epoch 0, so validation data look the same in every
    epoch.

    Dictionary items get the entry ``sample_seed`` (63-bit int), from which later draws for this sample (latent noise,
    time steps) are derived. A transform that makes several samples of one item (patches) gives each its own.

    Args:
        data: items, usually dictionaries; may itself be a MONAI ``CacheDataset`` with the deterministic part of the
            transforms.
        transform: callable; its ``Randomizable`` parts are seeded before each call.
        seed: first key of all draws.
        seed_key: name of the entry ``sample_seed``, None to leave items as they are.

    Raises:
        ValueError: if an item already has an entry ``seed_key``.
    """

    def __init__(
        self, data: Sequence, transform: Callable | None = None, *, seed: int = 0, seed_key: str | None = SAMPLE_SEED
    ) -> None:
        super().__init__(data=data, transform=transform)
        self.seed = seed
        self.seed_key = seed_key

    def __getitem__(self, index: int) -> Any:  # type: ignore[override]
        epoch = index.epoch if isinstance(index, EpochIndex) else 0
        index = range(len(self.data))[int(index)]  # -1 and len - 1 are the same sample, too large raises IndexError
        sample_seed = derive_seed(self.seed, epoch, index)
        item = own_copy(self.data[index])  # transforms may work in place, and the data may be a cache
        if self.transform is not None:
            set_rnd(self.transform, sample_seed)
            item = self.transform(item)
        if isinstance(item, list):
            return [self._with_seed(part, derive_seed(sample_seed, number)) for number, part in enumerate(item)]
        return self._with_seed(item, sample_seed)

    def _with_seed(self, item: Any, sample_seed: int) -> Any:
        if self.seed_key is None or not isinstance(item, dict):
            return item
        if self.seed_key in item:
            raise ValueError(f"an item has the entry {self.seed_key!r} already; give SeededDataset another seed_key.")
        return {**item, self.seed_key: sample_seed}


def own_copy(item: Any) -> Any:
    """Copy deeply, but of a tensor that is a view copy the view only.

    ``copy.deepcopy`` copies the whole storage of a view: all latents of a training set for each of its items.
    """
    if isinstance(item, dict):
        return {key: own_copy(value) for key, value in item.items()}
    return item.clone() if type(item) is torch.Tensor else copy.deepcopy(item)
