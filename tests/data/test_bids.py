"""BIDS: names, the datalist and all its problems, and the validator's findings on the datasets that we write."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from brain_bundles.data import (
    DatasetError,
    bids_datalist,
    image_path,
    segmentation_path,
    write_dataset_description,
    write_labels,
    write_nifti,
    write_participants,
    write_segmentation_description,
)

CONTRASTS = ["T1w", "T2w", "PDw", "FLAIR", "ce-gadolinium_T1w", "angio", "swi", "T2starw", "acq-fast_T2w"]
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    splits = ["train", "train", "val", None]
    rows = [
        {
            "participant_id": f"sub-{i}",
            "age": 50.5 + i,
            "sex": "FM"[i % 2],
            "ventricular_volume": 20.25,
            "brain_volume": 1100.0,
        }
        | {"split": split}
        for i, split in enumerate(splits)
    ]
    write_dataset_description(tmp_path, "Tiny", license="CC0", generated_by={"Description": "test"})
    write_participants(tmp_path, rows)
    for row in rows:
        for suffix in CONTRASTS:
            write_nifti(image_path(tmp_path, row["participant_id"], suffix), rng.random((4, 5, 6)), AFFINE)
        write_labels(
            segmentation_path(tmp_path, row["participant_id"], "tissues"), rng.integers(0, 2, (4, 5, 6)), AFFINE
        )
    write_segmentation_description(tmp_path, "tissues", {0: "background", 1: "brain"})
    return tmp_path


def test_names_of_images(tmp_path):
    assert image_path("d", "sub-0001", "T1w") == Path("d/sub-0001/anat/sub-0001_T1w.nii.gz")
    assert image_path("d", "sub-1", "ce-gadolinium_T1w") == Path("d/sub-1/anat/sub-1_ce-gadolinium_T1w.nii.gz")
    assert image_path("d", "sub-1", "swi") == Path("d/sub-1/swi/sub-1_swi.nii.gz")
    assert image_path("d", "sub-1", "T1w", "ses-2") == Path("d/sub-1/ses-2/anat/sub-1_ses-2_T1w.nii.gz")
    segmentation = Path("d/derivatives/x/sub-1/ses-2/anat/sub-1_ses-2_dseg.nii.gz")
    assert segmentation_path("d", "sub-1", "x", "ses-2") == segmentation
    assert segmentation_path("d", "sub-1", "x") == Path("d/derivatives/x/sub-1/anat/sub-1_dseg.nii.gz")
    assert image_path("d", "sub-1", "acq-fast_T2w") == Path("d/sub-1/anat/sub-1_acq-fast_T2w.nii.gz")
    for wrong in ("T1", "acq-fast", "acq-_T1w", "../T1w", "fast_T1w"):
        with pytest.raises(ValueError, match=rf"unknown contrast '{wrong}', known are T1w"):
            image_path("d", "sub-1", wrong)


def test_datalist_items(dataset):
    items = bids_datalist(dataset, ["T1w", "swi"], "train")
    assert [item["participant_id"] for item in items] == ["sub-0", "sub-1"]
    assert items[1] == {
        "participant_id": "sub-1",
        "age": 51.5,
        "sex": "M",
        "ventricular_volume": 20.25,
        "brain_volume": 1100.0,
        "T1w": str(dataset / "sub-1/anat/sub-1_T1w.nii.gz"),
        "swi": str(dataset / "sub-1/swi/sub-1_swi.nii.gz"),
    }
    assert len(bids_datalist(dataset, ["T1w"])) == 4  # also the one in no split
    (only,) = bids_datalist(dataset, "FLAIR", "val", covariates=())
    path = str(dataset / "sub-2/anat/sub-2_FLAIR.nii.gz")
    assert only == {"participant_id": "sub-2", "FLAIR": path, "image": path}


def test_uncompressed_images_are_found(dataset):
    path = image_path(dataset, "sub-2", "T1w")
    write_nifti(path.with_suffix(""), np.zeros((2, 2, 2)), AFFINE)
    assert bids_datalist(dataset, "T1w", "val")[0]["image"] == str(path)
    path.unlink()
    assert bids_datalist(dataset, "T1w", "val")[0]["image"] == str(path.with_suffix(""))


def test_all_problems_are_listed_at_once(dataset):
    table = (dataset / "participants.tsv").read_text()
    (dataset / "participants.tsv").write_text(table.replace("51.5", "n/a").replace("val", "valid"))
    image_path(dataset, "sub-0", "T1w").unlink()
    image_path(dataset, "sub-1", "FLAIR").unlink()
    with pytest.raises(DatasetError) as error:
        bids_datalist(dataset, ["T1w", "FLAIR"], "train")
    message = str(error.value)
    assert "4 problems" in message
    assert "missing image (2):" in message
    assert str(image_path(dataset, "sub-0", "T1w")) in message
    assert str(image_path(dataset, "sub-1", "FLAIR")) in message
    assert "sub-1: age" in message
    assert "sub-2: 'valid', allowed are train, val, test" in message
    bids_datalist(dataset, "T2w", covariates=())  # what is not asked for is not in the way


def test_long_lists_are_cut_with_their_count(tmp_path):
    rows = [{"participant_id": f"sub-{i:02d}", "sex": "F"} for i in range(30)]
    write_participants(tmp_path, rows)
    with pytest.raises(DatasetError, match=r"(?s)30 problems.*missing image \(30\).*\.\.\. and 10 more"):
        bids_datalist(tmp_path, "T1w", covariates=["sex"])


def test_missing_columns_and_how_to_make_a_split(tmp_path):
    write_participants(tmp_path, [{"participant_id": "sub-1", "age": 50.0}])
    with pytest.raises(DatasetError, match=r"(?s)sex.*brain_volume.*split='val'.*write_split\('"):
        bids_datalist(tmp_path, "T1w", "val")


def test_empty_datasets(dataset, tmp_path_factory):
    with pytest.raises(DatasetError, match="no participants with split 'test' among 4"):
        bids_datalist(dataset, "T1w", "test")
    (dataset / "participants.tsv").write_text("participant_id\n")
    with pytest.raises(DatasetError, match="no participants in"):
        bids_datalist(dataset, "T1w")
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(FileNotFoundError, match=r"no participants\.tsv in it"):
        bids_datalist(empty, "T1w")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        bids_datalist(empty / "x", "T1w")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"suffixes": []}, "suffixes is empty"),
        ({"suffixes": "T3w"}, "unknown contrast 'T3w'"),
        ({"suffixes": "T1w", "split": "training"}, "split is 'training', allowed are train, val, test"),
        ({"suffixes": "T1w", "covariates": ["weight"]}, r"unknown covariates \['weight'\]"),
    ],
)
def test_wrong_arguments(dataset, arguments, message):
    with pytest.raises(ValueError, match=message):
        bids_datalist(dataset, **arguments)


def test_images_of_sessions_are_found(dataset):
    (dataset / "sub-1" / "ses-1").mkdir()
    shutil.move(dataset / "sub-1" / "anat", dataset / "sub-1" / "ses-1")
    with pytest.raises(DatasetError, match=r"missing image \(1\):\n.*sub-1/anat/sub-1_T1w.nii.gz"):
        bids_datalist(dataset, "T1w", "train")  # names without the session
    for path in (dataset / "sub-1" / "ses-1" / "anat").iterdir():
        path.rename(path.with_name(path.name.replace("sub-1_", "sub-1_ses-1_")))
    first, second = bids_datalist(dataset, ["T1w", "FLAIR"], "train")
    assert (first["participant_id"], first["session_id"]) == ("sub-0", "")
    assert (second["participant_id"], second["session_id"], second["age"]) == ("sub-1", "ses-1", 51.5)
    assert second["FLAIR"] == str(dataset / "sub-1/ses-1/anat/sub-1_ses-1_FLAIR.nii.gz")


def test_the_bids_validator_agrees(dataset, bids_errors):
    (dataset / "sub-0" / "anat" / ".sub-0_T1w.nii.gz.0123.tmp").touch()  # what kill -9 may leave behind
    assert bids_errors(dataset) == []
    assert bids_errors(dataset / "derivatives" / "tissues") == []
    (dataset / "sub-1" / "anat" / "sub-1_T1.nii.gz").touch()
    assert bids_errors(dataset)  # the check can fail
