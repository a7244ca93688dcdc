from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.data import DatasetError, contrast_datalist, image_datalist, paired_datalist
from brain_bundles.phantom import write_phantoms


@pytest.fixture
def dataset(tmp_path):
    return write_phantoms(
        tmp_path / "data",
        num_subjects=3,
        suffixes=("T1w", "T2w"),
        spacing=8.0,
        spatial_size=(20, 24, 20),
        val_fraction=0.0,
        test_fraction=0.3,
        num_workers=1,
    )


def test_pairs_have_monais_keys(dataset):
    (item,) = paired_datalist(dataset, "T1w", "T2w", "test")
    assert item["participant_id"] == "sub-0003"
    assert item["image"].endswith("sub-0003_T1w.nii.gz")
    assert item["label"].endswith("sub-0003_T2w.nii.gz")


def test_a_pair_may_leave_out_who_lacks_it(dataset):
    (dataset / "sub-0001" / "anat" / "sub-0001_T2w.nii.gz").unlink()
    with pytest.raises(DatasetError, match="sub-0001_T2w"):
        paired_datalist(dataset, "T1w", "T2w", "train")
    (item,) = paired_datalist(dataset, "T1w", "T2w", "train", allow_missing=True)
    assert item["participant_id"] == "sub-0002"
    assert item["label"].endswith("sub-0002_T2w.nii.gz")


def test_a_contrast_that_no_training_subject_has_is_found(dataset):
    with pytest.raises(DatasetError, match="no subject of split train has PDw"):
        contrast_datalist(dataset, ["T1w", "T2w", "PDw"], "train")
    items = contrast_datalist(dataset, ["T1w", "T2w", "PDw"], "train", allow_unseen=True)
    assert items == contrast_datalist(dataset, ["T1w", "T2w"], "train")


def test_images_are_one_item_each(dataset):
    items = image_datalist(dataset, ["T1w", "T2w"])
    assert [item["image"].split("_")[-1] for item in items] == ["T1w.nii.gz", "T2w.nii.gz"] * 3


def test_one_contrast_is_no_pair(dataset):
    with pytest.raises(ValueError, match="source and target are both 'T1w'"):
        paired_datalist(dataset, "T1w", "T1w")


def test_bad_files_are_found_before_they_are_used(dataset):
    path = dataset / "sub-0002" / "anat" / "sub-0002_T2w.nii.gz"
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.full(image.shape, np.nan, np.float32), image.affine), path)
    for make in (lambda: paired_datalist(dataset, "T1w", "T2w"), lambda: image_datalist(dataset, ["T1w", "T2w"])):
        with pytest.raises(DatasetError, match="sub-0002_T2w"):
            make()


def test_subjects_are_used_with_the_contrasts_that_they_have(dataset):
    assert [set(item) for item in contrast_datalist(dataset, ["T1w", "FLAIR", "T2w"])] == [
        {"participant_id", "T1w", "T2w"}
    ] * 3
    (dataset / "sub-0001" / "anat" / "sub-0001_T2w.nii.gz").unlink()
    items = contrast_datalist(dataset, ["T1w", "FLAIR", "T2w"])
    assert [item["participant_id"] for item in items] == ["sub-0002", "sub-0003"]
    assert items[0]["T2w"].endswith("sub-0002_T2w.nii.gz")


def test_problems_of_any_contrast_are_listed(dataset):
    path = dataset / "sub-0002" / "anat" / "sub-0002_T2w.nii.gz"
    image = nib.load(path)
    nib.save(nib.Nifti1Image(image.get_fdata()[1:], image.affine), path)
    with pytest.raises(DatasetError, match=r"different grids \(1\)"):
        contrast_datalist(dataset, ["T1w", "T2w"])
    with pytest.raises(DatasetError, match="no subject has two of PDw, FLAIR"):
        contrast_datalist(dataset, ["PDw", "FLAIR"])
    for contrasts in (["T1w"], ["T1w", "T1w"]):
        with pytest.raises(ValueError, match="expected two or more, each once"):
            contrast_datalist(dataset, contrasts)
