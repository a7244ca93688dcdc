from __future__ import annotations

import logging

import pytest
import torch
from brain_bundles.data import bids_datalist
from brain_bundles.evaluation import compare_translations


def test_bad_settings_are_named(compare_one, compare_all, shifted):
    with pytest.raises(ValueError, match="methods: 'copy' is the name of a baseline"):
        compare_one({"copy": shifted})
    with pytest.raises(ValueError, match="num_train_subjects must be at least 1, or None for all, got 0"):
        compare_one({}, num_train_subjects=0)
    with pytest.raises(ValueError, match="metrics: 'rmse' is unknown; there are mae, psnr"):
        compare_one({}, metrics=["rmse"])
    with pytest.raises(ValueError, match="'T1w to PDw' is not a pair of contrasts; there are T1w to T2w"):
        compare_all(methods={"pix2pix": {"T1w to PDw": shifted}})


def test_bad_lists_are_named(tmp_path):
    options = {"cells": [("T1w", "T2w")], "methods": {}, "output_dir": tmp_path, "spacing": 1.0}
    item = {"participant_id": "sub-01", "T1w": "a.nii.gz", "T2w": "b.nii.gz"}
    with pytest.raises(ValueError, match="train_datalist is empty; check the dataset and its split column"):
        compare_translations([item], [], dict, **options)
    with pytest.raises(ValueError, match="test_datalist is empty"):
        compare_translations([], [item], dict, **options)
    with pytest.raises(ValueError, match="test_datalist: sub-02 has no T2w"):
        compare_translations([{"participant_id": "sub-02", "T1w": "a.nii.gz"}], [item], dict, **options)
    with pytest.raises(ValueError, match="test_datalist: an item has no participant_id"):
        compare_translations([{"T1w": "a.nii.gz", "T2w": "b.nii.gz"}], [item], dict, **options)
    with pytest.raises(ValueError, match="test_datalist: participant_id sub-01 more than once"):
        compare_translations([item, item], [item], dict, **options)
    flat = {"T1w": torch.zeros(4, 4, 4), "T2w": torch.zeros(4, 4, 4)}
    with pytest.raises(ValueError, match=r"sub-01: T1w and T2w have shapes \(4, 4, 4\) and \(4, 4, 4\), expected one"):
        compare_translations([item], [item], lambda item: flat, **options)


def test_a_subject_may_lack_contrasts_but_not_all_cells(compare_all):
    with pytest.raises(ValueError, match="test_datalist: sub-2 has no FLAIR"):
        compare_all(cells=[("T1w", "FLAIR"), ("T2w", "FLAIR")])


def test_training_subjects_in_the_test_set_are_noticed(dataset, preprocessing, caplog):
    items = bids_datalist(dataset, ["T1w", "T2w"], covariates=())
    options = {"cells": ["T1w", "T2w"], "methods": {}, "output_dir": dataset / "out", "spacing": 1.0}
    with caplog.at_level(logging.WARNING):
        compare_translations(items[:2], items[1:], preprocessing, **options)
    assert "1 test subjects are also training subjects" in caplog.text
