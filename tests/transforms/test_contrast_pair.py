from __future__ import annotations

from collections import Counter

import nibabel as nib
import numpy as np
import pytest
import torch
from brain_bundles.data import EpochIndex, SeededDataset
from brain_bundles.transforms import ContrastPreprocessing, RandContrastPair, image_preprocessing

CONTRASTS = ["T1w", "T2w", "FLAIR"]
OPTIONS = {"spacing": 2.0, "spatial_size": (12, 12, 12)}


@pytest.fixture
def paths(tmp_path) -> dict[str, str]:
    found = {}
    for number, name in enumerate(CONTRASTS):
        data = np.zeros((14, 14, 14), np.float32)
        data[3:9, 2 + number : 10, 4:11] = np.random.default_rng(number).random((6, 8 - number, 7)) + 0.1
        found[name] = str(tmp_path / f"{name}.nii.gz")
        nib.save(nib.Nifti1Image(data, np.diag([2, 2, 2, 1])), found[name])
    return found


@pytest.mark.parametrize("present", [("T1w", "T2w", "FLAIR"), ("T2w", "FLAIR"), ("FLAIR",)])
def test_the_contrasts_that_are_there_share_the_first_ones_grid(paths, present):
    item = {"participant_id": "sub-1", **{name: paths[name] for name in present}}
    result = ContrastPreprocessing(CONTRASTS, **OPTIONS)(item)
    expected = image_preprocessing(present, **OPTIONS)(item)
    assert set(result) == set(item)
    for name in present:
        torch.testing.assert_close(result[name].as_tensor(), expected[name].as_tensor(), rtol=0, atol=0)


def subjects() -> list[dict]:
    """Volumes and latents that encode their subject and contrast; the last subject has two contrasts."""
    has = [CONTRASTS, CONTRASTS, ["T1w", "FLAIR"]]
    return [
        {"participant_id": f"sub-{i}", **{name: torch.tensor([i, CONTRASTS.index(name)]) for name in names}}
        for i, names in enumerate(has)
    ]


def test_pairs_are_two_contrasts_of_one_subject_and_all_of_them_come():
    dataset, seen = SeededDataset(subjects(), RandContrastPair(CONTRASTS)), Counter()
    for epoch in range(120):
        for index in range(3):
            item = dataset[EpochIndex(index, epoch)]
            assert set(item) - {"sample_seed"} == {
                "participant_id",
                "source",
                "target",
                "image",
                "label",
            }
            assert item["image"].tolist() == [index, item["source"]]
            assert item["label"].tolist() == [index, item["target"]]
            seen[index, item["source"], item["target"]] += 1
    assert all(source != target for _, source, target in seen)
    assert len(seen) == 6 + 6 + 2
    assert all(8 <= number <= 36 for (index, *_), number in seen.items() if index < 2)  # 20 expected


def test_draws_depend_on_the_epoch_only():
    first, again = (SeededDataset(subjects(), RandContrastPair(CONTRASTS))[EpochIndex(1, 7)] for _ in range(2))
    assert torch.equal(first["image"], again["image"])


def test_latents_keep_their_spread():
    item = {f"{name}_{part}": torch.tensor(0.0) for name in CONTRASTS[:2] for part in ("mean", "sigma")}
    drawn = RandContrastPair(CONTRASTS)({"participant_id": "sub-1", **item})
    assert {"image_mean", "image_sigma", "label_mean", "label_sigma"} <= set(drawn)
    assert not [name for name in drawn if name.startswith("T")]


@pytest.mark.parametrize("parts", [("",), ("_mean", "_sigma")])
def test_targets_of_their_own_come_before_the_other_contrasts(parts):
    def number(index: int, role: int) -> torch.Tensor:
        return torch.tensor([index, role])

    item = {f"{name}{part}": number(i, 0) for i, name in enumerate(CONTRASTS) for part in parts}
    item |= {f"{name}_target{part}": number(i, 1) for i, name in enumerate(CONTRASTS) for part in parts}
    drawn = RandContrastPair(CONTRASTS)({"participant_id": "sub-1", **item})
    assert {key for key in drawn if key.startswith(tuple(CONTRASTS))} == set()
    for part in parts:
        assert drawn[f"image{part}"].tolist() == [drawn["source"], 0]
        assert drawn[f"label{part}"].tolist() == [drawn["target"], 1]
    assert drawn["source"] != drawn["target"]


def test_targets_of_their_own_are_preprocessed(paths):
    item = {"T1w": paths["T1w"], "T2w_target": paths["T2w"]}
    result = ContrastPreprocessing(CONTRASTS, **OPTIONS)(item)
    assert result["T2w_target"].shape == (1, 12, 12, 12)


def test_one_contrast_is_no_pair():
    with pytest.raises(ValueError, match=r"sub-1 has \['T2w'\]; a pair needs two contrasts"):
        RandContrastPair(CONTRASTS)({"participant_id": "sub-1", "T2w": torch.zeros(1), "PDw": torch.zeros(1)})
