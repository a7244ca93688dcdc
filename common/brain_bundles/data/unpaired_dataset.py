"""Sources and targets of different people, for trainings without pairs."""

from __future__ import annotations

from typing import Any

import torch
from monai.data import Dataset

from brain_bundles.data.epoch_sampler import EpochIndex
from brain_bundles.data.seeded_dataset import SeededDataset
from brain_bundles.utils.seeding import SAMPLE_SEED, generator_for


class UnpairedDataset(Dataset):
    """Items of paired data whose ``label`` is that of another person, drawn anew in each epoch.

    Whose label an item gets depends on its ``sample_seed`` only.

    Args:
        data: items with ``participant_id``, ``image`` and ``label``.

    Raises:
        ValueError: when called, if all items are of one person.
    """

    def __init__(self, data: SeededDataset) -> None:
        super().__init__(data=data)  # type: ignore[arg-type]  # it has what a sequence has

    def __getitem__(self, index: int) -> dict[str, Any]:  # type: ignore[override]
        item = self.data[index]
        places = torch.randperm(len(self.data), generator=generator_for(item[SAMPLE_SEED], "unpaired")).tolist()
        epoch = index.epoch if isinstance(index, EpochIndex) else 0
        for place in places:
            other = self.data[EpochIndex(place, epoch)]
            if other["participant_id"] != item["participant_id"]:
                return {**item, "label": other["label"]}
        raise ValueError(f"all items are of {item['participant_id']}; unpaired data needs two people at least.")
