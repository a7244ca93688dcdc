"""Which map trains is fixed, and a user's own maps are divided by their names."""

from __future__ import annotations

import logging

import pytest
from brain_bundles.phantom.heads import HeadSource, find_label_maps, split_of
from brain_bundles.phantom.heads.split import PUBLISHED

from ..conftest import write_map


def test_the_published_maps_have_their_fixed_split():
    splits = {name: split_of(name) for name in PUBLISHED}
    assert [n for n, s in splits.items() if s == "val"] == [
        "training_seg_03",
        "training_seg_11",
        "training_seg_18",
        "brain2",
    ]
    assert [n for n, s in splits.items() if s == "test"] == [
        "training_seg_05",
        "training_seg_08",
        "training_seg_20",
        "brain4",
    ]
    assert list(splits.values()).count("train") == 17


def test_other_maps_are_divided_by_a_hash_of_the_name():
    splits = [split_of(f"sub-{i:04d}") for i in range(2000)]
    assert [split_of(f"sub-{i:04d}") for i in range(2000)] == splits
    for split, share in (("train", 0.68), ("val", 0.16), ("test", 0.16)):
        assert splits.count(split) / 2000 == pytest.approx(share, abs=0.03)


def test_names_of_freesurfer_subjects_and_of_plain_files(tmp_path, numbers):
    small = numbers[:4, :4, :4]
    write_map(tmp_path / "bert" / "mri" / "aseg.mgz", small)
    write_map(tmp_path / "bert" / "mri" / "aparc+aseg.mgz", small)
    write_map(tmp_path / "bert" / "mri" / "norm.mgz", small)
    write_map(tmp_path / "brain1_labels.nii.gz", small)
    maps = find_label_maps(tmp_path)
    assert {name: path.name for name, path in maps.items()} == {
        "bert": "aparc+aseg.mgz",
        "brain1": "brain1_labels.nii.gz",
    }


def test_folders_that_do_not_do_are_refused(tmp_path, numbers):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        find_label_maps(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="no label map"):
        find_label_maps(tmp_path)
    small = numbers[:4, :4, :4]
    write_map(tmp_path / "training_seg_03.nii.gz", small)
    with pytest.raises(ValueError, match=r"no map is for training: training_seg_03 \(val\)"):
        HeadSource.from_folder(tmp_path)
    write_map(tmp_path / "a" / "one.nii.gz", small)
    write_map(tmp_path / "b" / "one.nii.gz", small)
    with pytest.raises(ValueError, match="two maps are called one"):
        find_label_maps(tmp_path)


def test_a_subject_has_a_map_of_its_split_and_half_are_mirrored(anatomies):
    source = HeadSource.from_folder(anatomies)
    for split, name in (("train", "training_seg_01"), ("val", "training_seg_03"), ("test", "training_seg_05")):
        drawn = [source.anatomy_of(seed * 7919, split) for seed in range(400)]
        assert {one for one, _ in drawn} == {name}
        assert sum(mirrored for _, mirrored in drawn) == pytest.approx(200, abs=50)


def test_a_split_without_a_map_has_no_subjects_and_is_named(anatomies, caplog):
    source = HeadSource({name: anatomies / f"{name}.nii.gz" for name in ("training_seg_01", "training_seg_05")})
    with caplog.at_level(logging.WARNING):
        assert source.possible(["train", "val", "test"]) == ["train", "train", "test"]
    assert "no anatomy is for val (a hash of its name decides: training_seg_01, training_seg_05)" in caplog.text
