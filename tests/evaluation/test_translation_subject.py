from __future__ import annotations

import numpy as np
import pytest
import torch
from brain_bundles.data import segmentation_path, write_labels
from brain_bundles.evaluation import compare_translations, with_segmentations
from brain_bundles.evaluation.translation_subject import load_subject

TUMOUR = [6, 7, 8]


@pytest.fixture
def segmented(dataset, datalists):
    """The test subjects, all with a segmentation in their dataset; the first one has a tumour of 4x4x4 voxels."""
    for number, item in enumerate(datalists[0]):
        labels = np.ones((18, 20, 16), dtype=np.uint8)
        if number == 0:
            labels[6:10, 8:12, 6:10] = 7
        write_labels(segmentation_path(dataset, item["participant_id"], "phantom"), labels, np.eye(4))
    return with_segmentations(datalists[0], dataset)


def test_segmentations_are_found_where_there_are_any(dataset, segmented, datalists):
    assert all("segmentation" in item for item in segmented)
    assert with_segmentations(datalists[0], dataset, "another") == datalists[0]


def test_tumours_are_scored_apart(segmented, preprocessing, tmp_path):
    metrics = compare_translations(
        segmented,
        segmented,
        preprocessing,
        cells=["T1w", "T2w"],
        methods={},
        output_dir=tmp_path / "out",
        spacing=1.0,
        tumour_labels=TUMOUR,
    )
    regions = metrics["methods"]["copy"]
    assert set(regions) == {"brain", "tumour", "outside tumour"}
    assert regions["tumour"]["T1w to T2w"]["num_subjects"] == 1
    assert regions["brain"]["T1w to T2w"]["num_subjects"] == len(segmented)
    volumes = preprocessing({key: segmented[0][key] for key in ("T1w", "T2w")})
    error = (volumes["T1w"] - volumes["T2w"]).abs()[0]
    tumour = load_subject(segmented[0], preprocessing, ["T1w", "T2w"], TUMOUR).tumour
    assert int(tumour.sum()) == 4**3
    assert regions["tumour"]["T1w to T2w"]["mae"]["mean"] == pytest.approx(float(error[tumour].mean()), abs=1e-6)
    text = (tmp_path / "out" / "metrics.md").read_text()
    assert "## Mean over the cells: outside tumour" in text
    assert "## T2w to T1w: tumour\n\nMean ± standard deviation over 1 subjects." in text


def test_the_brain_is_where_any_contrast_is_above_0():
    t1, t2 = torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    t1[0, 0, 0, 0] = t2[0, 1, 1, 1] = 0.5
    subject = load_subject({"participant_id": "sub-1", "T1w": t1, "T2w": t2}, lambda item: item, ["T1w", "T2w", "PDw"])
    assert list(subject.volumes) == ["T1w", "T2w"]
    assert subject.brain.nonzero().tolist() == [[0, 0, 0], [1, 1, 1]]
    assert list(subject.regions(subject.brain)) == ["brain"]
