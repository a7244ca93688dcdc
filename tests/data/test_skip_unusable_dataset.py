from __future__ import annotations

import pytest
import torch
from brain_bundles.data import SkipUnusableDataset
from monai.data import DataLoader
from monai.transforms import Compose


def halve(item):
    if item["x"] % 2:
        raise ValueError(f"{item['x']} is odd")
    return {"x": item["x"] // 2}


def items(number):
    return [{"image": f"{i}.nii.gz", "x": i} for i in range(number)]


@pytest.mark.parametrize("transform", [halve, Compose([halve])], ids=["plain", "MONAI's"])
def test_what_cannot_be_transformed_is_noted_and_left_out(transform, caplog):
    problems = [("earlier", "one")]
    loader = DataLoader(SkipUnusableDataset(items(5), transform, problems), batch_size=2, num_workers=0)
    assert [batch["x"].tolist() for batch in loader] == [[0, 1], [2]]
    assert problems[1:] == [("unusable image", f"{i}.nii.gz: {i} is odd") for i in (1, 3)]
    assert "Left out, unusable image: 3.nii.gz: 3 is odd" in caplog.text


def test_workers_share_the_items():
    loader = DataLoader(SkipUnusableDataset(items(6), halve, []), batch_size=1, num_workers=2)
    assert sorted(torch.cat([batch["x"] for batch in loader]).tolist()) == [0, 1, 2]
