"""Arguments of a translator, from items of one source with its targets."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.engines import TranslationPrepareBatch
from monai.data import DataLoader, MetaTensor, decollate_batch


def items(number: int, targets: list[str]) -> list[dict]:
    return [
        {
            "participant_id": f"sub-{i}",
            "image": MetaTensor(torch.full((1, 2, 2, 2), float(i)), meta={"filename_or_obj": f"{i}.nii"}),
            "files": [f"{i}_{name}.nii.gz" for name in targets],
            "targets": targets,
            "seeds": [2**62 + 10 * i + t for t in range(len(targets))],
        }
        for i in range(number)
    ]


def test_a_source_comes_with_all_its_targets():
    (batch,) = DataLoader(items(1, ["T2w", "FLAIR", "PDw"]), batch_size=1)
    source, label, args, options = TranslationPrepareBatch(["targets", "seeds"])(batch, "cpu")
    assert type(source) is torch.Tensor
    assert source.shape == (1, 1, 2, 2, 2)
    assert label is None
    assert args == ()
    assert options == {"targets": ["T2w", "FLAIR", "PDw"], "seeds": [2**62, 2**62 + 1, 2**62 + 2]}


@pytest.mark.parametrize("targets", [["T2w"], ["T2w", "FLAIR"]])
def test_sources_of_a_batch_stand_one_after_the_other(targets):
    (batch,) = DataLoader(items(3, targets), batch_size=3)
    source, _, _, options = TranslationPrepareBatch()(batch)
    assert source[:, 0, 0, 0, 0].tolist() == [0, 1, 2]
    assert options == {"seeds": [seed for item in items(3, targets) for seed in item["seeds"]]}


@pytest.mark.parametrize("targets", [["T2w"], ["T2w", "FLAIR"], ["T2w", "FLAIR", "PDw"]])
@pytest.mark.parametrize("number", [1, 2])
def test_items_come_out_of_a_batch_as_they_went_in(targets, number):
    """Lists, and integers of 63 bits, survive MONAI's collation and decollation; the saver relies on this."""
    (batch,) = DataLoader(items(number, targets), batch_size=number)
    for before, after in zip(items(number, targets), decollate_batch(batch), strict=True):
        assert {**after, "image": None} == {**before, "image": None}
        assert after["image"].meta["filename_or_obj"] == before["image"].meta["filename_or_obj"]
