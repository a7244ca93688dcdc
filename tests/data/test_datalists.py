from __future__ import annotations

import logging
import shutil

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.data import DatasetError, checked_datalist, contrast_datalist, image_datalist, paired_datalist
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


@pytest.fixture
def visits(dataset):
    """The first subject with two sessions, of which the second lacks T2w; the second one with two T1w."""
    person = dataset / "sub-0001"
    shutil.copytree(person / "anat", person / "ses-2" / "anat")
    (person / "ses-1").mkdir()
    (person / "anat").rename(person / "ses-1" / "anat")
    for session in ("ses-1", "ses-2"):
        for path in list((person / session / "anat").iterdir()):
            path.rename(path.with_name(path.name.replace("sub-0001_", f"sub-0001_{session}_")))
    (person / "ses-2" / "anat" / "sub-0001_ses-2_T2w.nii.gz").unlink()
    anat = dataset / "sub-0002" / "anat"
    shutil.copy(anat / "sub-0002_T1w.nii.gz", anat / "sub-0002_acq-3D_T1w.nii.gz")
    return dataset


def test_a_visit_is_an_item(visits, caplog):
    caplog.set_level(logging.INFO)
    items = contrast_datalist(visits, ["T1w", "T2w"])
    ids = [(item["participant_id"], item["session_id"]) for item in items]
    assert ids == [("sub-0001", "ses-1"), ("sub-0002", ""), ("sub-0003", "")]
    pairs = paired_datalist(visits, "T1w", "T2w")
    assert [(item["participant_id"], item["session_id"]) for item in pairs] == ids
    assert "1 sessions lack one of T1w, T2w: sub-0001_ses-2" in caplog.text
    assert "chosen are: sub-0002_T1w (not acq-3D_T1w). --entities chooses others" in caplog.text
    images = image_datalist(visits, ["T1w"])
    assert [item["session_id"] for item in images] == ["ses-1", "ses-2", "", ""]
    assert images[1]["image"].endswith("sub-0001/ses-2/anat/sub-0001_ses-2_T1w.nii.gz")


def test_entities_choose_in_every_datalist(visits):
    entities = {"acq": "3D"}
    paths = [
        *(item["image"] for item in paired_datalist(visits, "T1w", "T2w", entities=entities)),
        *(item["image"] for item in paired_datalist(visits, "T1w", "T2w", entities=entities, allow_missing=True)),
        *(item["image"] for item in image_datalist(visits, ["T1w"], entities=entities)),
        *(item["T1w"] for item in contrast_datalist(visits, ["T1w", "T2w"], entities=entities)),
    ]
    of_second = [path.rsplit("/", 1)[1] for path in paths if "sub-0002" in path]
    assert of_second == ["sub-0002_acq-3D_T1w.nii.gz"] * 4


def test_a_participant_without_any_complete_session_is_a_problem(visits):
    (visits / "sub-0001" / "ses-1" / "anat" / "sub-0001_ses-1_T2w.nii.gz").unlink()
    with pytest.raises(DatasetError, match=r"(?s)missing image \(2\):.*ses-1/anat/sub-0001_ses-1_T2w.*ses-2_T2w"):
        paired_datalist(visits, "T1w", "T2w")


def test_images_that_were_not_fetched_are_named(dataset, caplog):
    path = dataset / "sub-0001" / "anat" / "sub-0001_T2w.nii.gz"
    path.unlink()
    path.symlink_to("../../.git/annex/objects/xx/MD5E-s1--00.nii.gz")
    with pytest.raises(DatasetError, match=r"1 problem.\nimage that was not fetched \(1\):\n.*datalad get .*1_T2w"):
        paired_datalist(dataset, "T1w", "T2w")
    assert len(contrast_datalist(dataset, ["T1w", "T2w"])) == 2
    assert f"Left out, as they were not fetched: {path}" in caplog.text


@pytest.mark.parametrize(
    "make",
    [
        lambda folder, **how: checked_datalist(folder, "T1w", "train", covariates=(), **how),
        lambda folder, **how: image_datalist(folder, ["T1w", "T2w"], "train", **how),
        lambda folder, **how: paired_datalist(folder, "T1w", "T2w", "train", **how),
        lambda folder, **how: paired_datalist(folder, "T1w", "T2w", "train", allow_missing=True, **how),
        lambda folder, **how: contrast_datalist(folder, ["T1w", "T2w"], "train", **how),
        lambda folder, **how: checked_datalist(folder, "T1w", "test", covariates=(), check_also=["train"], **how),
    ],
)
def test_a_training_names_doubtful_anatomy_and_refuses_it_if_strict(dataset, make, caplog):
    assert make(dataset, strict=True)
    image = nib.load(dataset / "sub-0002" / "anat" / "sub-0002_T1w.nii.gz")
    smaller = nib.Nifti1Image(np.asarray(image.dataobj), image.affine @ np.diag([0.5, 0.5, 0.5, 1]))
    for contrast in ("T1w", "T2w"):  # a child's toy of a brain: an eighth of the volume
        nib.save(smaller, dataset / "sub-0002" / "anat" / f"sub-0002_{contrast}.nii.gz")
    with caplog.at_level(logging.WARNING):
        assert make(dataset)
    assert "looks like no adult brain" in caplog.text
    assert "sub-0002_T1w.nii.gz" in caplog.text
    with pytest.raises(DatasetError, match=r"looks like no adult brain.*\n.*sub-0002_T1w\.nii\.gz"):
        make(dataset, strict=True)
