from __future__ import annotations

from collections import Counter

import pytest
import torch
from brain_bundles.data import ContrastPairs, EpochIndex, RandSource, SeededDataset

CONTRASTS = ["T1w", "T2w", "FLAIR"]


def images() -> list[dict]:
    """Two subjects with all three contrasts, one with two, one with one."""
    has = {"sub-1": CONTRASTS, "sub-2": CONTRASTS, "sub-3": ["T1w", "FLAIR"], "sub-4": ["T2w"]}
    return [
        {"participant_id": person, "contrast": name, "mean": torch.tensor([int(person[-1]), CONTRASTS.index(name)])}
        for person, names in has.items()
        for name in names
    ]


def pairs() -> SeededDataset:
    return SeededDataset(ContrastPairs(images(), images()), RandSource(CONTRASTS), seed=0)


def test_every_image_with_a_partner_is_a_target_once():
    drawn = [(item["participant_id"], item["target"]) for item in pairs()]
    assert len(drawn) == 8
    assert Counter(drawn).most_common(1)[0][1] == 1
    assert not [name for name, _ in drawn if name == "sub-4"]


def test_source_is_another_contrast_of_the_same_subject_and_varies():
    dataset, seen = pairs(), Counter()
    for epoch in range(40):
        for index in range(len(dataset)):
            item = dataset[EpochIndex(index, epoch)]
            assert item["source"] != item["target"]
            subject = int(item["participant_id"][-1])
            assert item["source_mean"].tolist() == [subject, item["source"]]
            assert item["target_mean"].tolist() == [subject, item["target"]]
            seen[subject, item["source"], item["target"]] += 1
    assert len(seen) == 6 + 6 + 2
    assert all(8 <= number <= 32 for (subject, *_), number in seen.items() if subject < 3)  # 20 expected


def test_draws_depend_on_the_epoch_only():
    assert torch.equal(pairs()[EpochIndex(1, 7)]["source_mean"], pairs()[EpochIndex(1, 7)]["source_mean"])


def test_bad_arguments():
    with pytest.raises(ValueError, match="9 data, but 8 entries"):
        ContrastPairs(images(), images()[1:])
    with pytest.raises(ValueError, match="no subject has two contrasts"):
        ContrastPairs(images()[-1:], images()[-1:])
    with pytest.raises(ValueError, match="contrast 'FLAIR' is unknown; known are T1w, T2w"):
        RandSource(CONTRASTS[:2])(ContrastPairs(images(), images())[2])
