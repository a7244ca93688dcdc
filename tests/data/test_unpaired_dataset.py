from __future__ import annotations

import pytest
from brain_bundles.data import EpochIndex, SeededDataset, UnpairedDataset


def items(people: int, visits: int = 1) -> list[dict]:
    return [
        {"participant_id": f"sub-{person}", "image": person, "label": 100 + person}
        for person in range(people)
        for _ in range(visits)
    ]


def test_a_label_is_of_another_person_and_another_one_in_other_epochs():
    dataset = UnpairedDataset(SeededDataset(items(4, visits=2), seed=3))
    assert len(dataset) == 8
    drawn = [[dataset[EpochIndex(i, epoch)] for i in range(8)] for epoch in range(10)]
    for epoch in drawn:
        for place, item in enumerate(epoch):
            assert item["image"] == place // 2
            assert item["label"] - 100 != item["image"]
    assert {item["label"] for epoch in drawn for item in epoch[:1]} == {101, 102, 103}
    assert dataset[EpochIndex(2, 5)] == drawn[5][2]
    assert dataset[2] == drawn[0][2]


def test_one_person_is_refused():
    with pytest.raises(ValueError, match="all items are of sub-0; unpaired data needs two people at least"):
        UnpairedDataset(SeededDataset(items(1, visits=3)))[0]
