"""Entities in the names of BIDS files."""

from __future__ import annotations

import pytest
from brain_bundles.data import BidsName, derived_path, parse_name
from brain_bundles.data.bids_names import ENTITIES, check_entities, same_label


def test_a_name_comes_apart_and_together():
    name = parse_name("sub-01_ses-pre_acq-3D_run-02_T1w.nii.gz")
    assert name == BidsName({"sub": "01", "ses": "pre", "acq": "3D", "run": "02"}, "T1w", ".nii.gz")
    assert str(name) == "sub-01_ses-pre_acq-3D_run-02_T1w.nii.gz"
    assert parse_name("T1w") == BidsName({}, "T1w", "")
    for wrong in ("", "sub-1_T1w_T2w.nii", "sub-1__T1w", "sub-_T1w", "sub-1_acq-a_acq-b_T1w", "sub-1_T1 w.nii", "a-b"):
        assert parse_name(wrong) is None


def test_entities_are_written_in_the_order_of_bids():
    schema = pytest.importorskip("bidsschematools.schema").load_schema()
    assert [schema.objects.entities[name].name for name in schema.rules.entities] == ENTITIES
    shuffled = {"desc": "synth", "space": "orig", "run": "1", "ce": "gadolinium", "acq": "3D", "ses": "2", "sub": "1"}
    expected = "sub-1_ses-2_acq-3D_ce-gadolinium_run-1_space-orig_desc-synth_T1w.nii.gz"
    assert str(BidsName(shuffled, "T1w")) == expected


@pytest.mark.parametrize(
    ("name", "contrast", "shows"),
    [
        ("sub-1_T1w", "T1w", True),
        ("sub-1_acq-3D_run-1_T1w", "T1w", True),
        ("sub-1_T1w", "T2w", False),
        ("sub-1_ce-gadolinium_T1w", "T1w", False),
        ("sub-1_ce-gadolinium_T1w", "ce-gadolinium_T1w", True),
        ("sub-1_acq-x_ce-GADOLINIUM_T1w", "ce-gadolinium_T1w", True),
        ("sub-1_ce-Gd_T1w", "ce-gadolinium_T1w", True),
        ("sub-1_ce-iron_T1w", "ce-gadolinium_T1w", False),
        ("sub-1_ce-iron_T1w", "T1w", False),
        ("sub-1_T1w", "ce-gadolinium_T1w", False),
        ("sub-1_acq-fast_T2w", "acq-fast_T2w", True),
        ("sub-1_acq-slow_T2w", "acq-fast_T2w", False),
        ("sub-1_desc-std_T2w", "T2w", False),
        ("sub-1_desc-synth_T2w", "T2w", True),
        ("sub-1_part-phase_T2w", "T2w", False),
        ("sub-1_part-mag_T2w", "T2w", True),
    ],
)
def test_what_a_file_shows(name, contrast, shows):
    assert parse_name(f"{name}.nii").shows(contrast) is shows


def test_labels_are_compared_as_what_they_are():
    assert same_label("run", "01", 1)
    assert same_label("acq", "3D", "3d")
    assert not same_label("acq", "01", "1")


def test_names_of_what_is_made():
    source = parse_name("sub-1_ses-2_acq-3D_rec-norm_run-1_space-T1w_desc-preproc_T1w.nii")
    kept = "sub-1_ses-2_acq-3D_rec-norm_run-1_space-T1w"
    assert derived_path(source, "T2w").as_posix() == f"sub-1/ses-2/anat/{kept}_desc-synth_T2w.nii.gz"
    source = parse_name("sub-1_ce-gadolinium_T1w.nii.gz")
    assert derived_path(source, "swi").as_posix() == "sub-1/swi/sub-1_desc-synth_swi.nii.gz"
    made = derived_path(parse_name("sub-1_run-1_T2w.nii.gz"), "ce-gadolinium_T1w")
    assert made.name == "sub-1_ce-gadolinium_run-1_desc-synth_T1w.nii.gz"
    with pytest.raises(ValueError, match="unknown contrast 'T3w'"):
        derived_path(source, "T3w")


def test_entities_of_a_config():
    assert check_entities(None) == check_entities({}) == {}
    assert check_entities({"acq": "3D", "run": 1, "desc": None}) == {"acq": "3D", "run": "1", "desc": None}


@pytest.mark.parametrize(
    ("entities", "message"),
    [
        ({"acquisition": "3D"}, "entities has 'acquisition', known are .*acq"),
        ({"ses": "1"}, "sessions are chosen by session_id"),
        ({"sub": "1"}, "participants are chosen by participant_label"),
        ({"ce": "gadolinium"}, "the contrast agent belongs to the contrast, as in ce-gadolinium_T1w"),
        ({"acq": "3-D"}, "entities has acq: '3-D', expected letters and digits, or None for no acq"),
        ({"run": True}, "entities has run: True"),
        ({"run": 1.5}, "entities has run: 1.5"),
        ("acq-3D", "entities is 'acq-3D', expected a mapping"),
    ],
)
def test_wrong_entities(entities, message):
    with pytest.raises(ValueError, match=message):
        check_entities(entities)
