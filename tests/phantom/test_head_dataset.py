"""A population of heads on disk: BIDS, reproducible, with its recipe and its derivatives."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.data import read_participants
from brain_bundles.phantom import PhantomDataset, recipe, write_phantoms
from brain_bundles.phantom.heads.subject import freesurfer_names

SMALL = {"spatial_size": (40, 48, 40), "spacing": 4.0, "num_subjects": 3}
ASKED = {
    "suffixes": ("T1w", "FLAIR", "swi"),
    "freesurfer_labels": True,
    "whole_head": True,
    "tumour_probability": 0.5,
    "sclerosis_probability": 0.5,
    "val_fraction": 0.3,
    "test_fraction": 0.3,
}


def digest(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def population(anatomies, tmp_path_factory):
    return write_phantoms(
        tmp_path_factory.mktemp("heads") / "data", anatomies=anatomies, num_workers=2, **SMALL, **ASKED
    )


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(population, anatomies, tmp_path):
    again = write_phantoms(tmp_path / "again", anatomies=anatomies, num_workers=1, **SMALL, **ASKED)
    assert digest(again) == digest(population)


def test_the_table_says_what_was_rendered_and_from_which_map(population):
    rows = read_participants(population)
    assert [(row["split"], row["anatomy"]) for row in rows] == [
        ("train", "training_seg_01"),
        ("val", "training_seg_03"),
        ("test", "training_seg_05"),
    ]
    for row in rows:
        inside, grey = float(row["intracranial_volume"]), float(row["grey_matter_volume"])
        assert 0.4 * inside < grey < row["brain_volume"] < inside
        assert row["mirrored"] in ("yes", "no")
        path = population / f"derivatives/brain_mask/{row['participant_id']}/anat"
        mask = nib.load(path / f"{row['participant_id']}_desc-brain_mask.nii.gz").get_fdata()
        assert mask.sum() * 0.064 == pytest.approx(inside, rel=0.05)
        image = nib.load(population / row["participant_id"] / "anat" / f"{row['participant_id']}_T1w.nii.gz")
        assert (image.get_fdata()[mask == 0] > 0.2).sum() > 1000  # scalp


def test_the_freesurfer_labels_are_named_in_the_table(population):
    labels = np.asarray(nib.load(population / "derivatives/freesurfer/sub-0001/anat/sub-0001_dseg.nii.gz").dataobj)
    table = (population / "derivatives/freesurfer/dseg.tsv").read_text().splitlines()[1:]
    listed = {int(line.split("\t")[0]) for line in table}
    assert listed == set(freesurfer_names())
    assert set(np.unique(labels)) <= listed | {0}
    assert {2, 41, 3, 42, 10, 49} <= set(np.unique(labels))


def test_a_brain_extracted_image_is_exactly_0_outside_of_the_brain(anatomies, tmp_path):
    folder = write_phantoms(tmp_path / "p", anatomies=anatomies, num_workers=1, **{**SMALL, "num_subjects": 1})
    image = nib.load(folder / "sub-0001/anat/sub-0001_T1w.nii.gz").get_fdata()
    labels = nib.load(folder / "derivatives/phantom/sub-0001/anat/sub-0001_dseg.nii.gz").get_fdata()
    assert (image[labels == 0] == 0).all()
    assert (image[labels > 0] > 0).mean() > 0.999
    inside = float(read_participants(folder)[0]["intracranial_volume"])
    assert (labels > 0).sum() * 0.064 == pytest.approx(inside, rel=0.05)


def test_the_recipe_names_the_maps_by_their_hashes(population, anatomies, tmp_path):
    (entry,) = json.loads((population / "dataset_description.json").read_text())["GeneratedBy"]
    assert entry["Recipe"] == "heads"
    assert set(entry["Anatomies"]) == {"training_seg_01", "training_seg_03", "training_seg_05"}
    assert recipe.population_of(population) == recipe.HEADS
    assert recipe.population_of(tmp_path) is None


def test_a_dataset_of_another_recipe_is_not_taken_for_the_one_that_is_asked_for(population, anatomies, tmp_path):
    with pytest.raises(FileExistsError, match="are of the population heads, and template is asked for"):
        os.fspath(PhantomDataset(population, suffixes=("T1w",)))
    assert os.fspath(PhantomDataset(population, suffixes=("T1w",), anatomies=anatomies)) == str(population)
    old = write_phantoms(tmp_path / "old", num_subjects=1, num_workers=1, spatial_size=(20, 24, 20), spacing=8.0)
    assert recipe.population_of(old) == recipe.TEMPLATE
    with pytest.raises(FileExistsError, match="are of the population template, and heads is asked for"):
        os.fspath(PhantomDataset(old, suffixes=("T1w",), anatomies=anatomies))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stroke_probability": 0.5}, "need anatomies: a folder of label maps"),
        ({"acquisition": "varied"}, "need anatomies: a folder of label maps"),
    ],
)
def test_what_the_template_cannot_do_is_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        write_phantoms(tmp_path / "p", **options)
    assert not (tmp_path / "p").exists()


def test_the_bids_validator_has_no_complaint(population, bids_errors):
    assert bids_errors(population) == []
