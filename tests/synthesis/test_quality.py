"""The flag of a brain, and its reasons."""

from __future__ import annotations

import math

import pytest
from brain_bundles.metrics.brain_volumes import BrainVolumes
from brain_bundles.synthesis import quality
from brain_bundles.synthesis.quality import describe_subject, segmentation_problems, volume_problems
from brain_bundles.utils import write_json

ROW = {"participant_id": "sub-0001", "ventricular_volume": 30.0, "brain_volume": 1000.0, "seed": 7}


@pytest.mark.parametrize(
    ("measured", "reasons"),
    [
        ((30.0, 1000.0), []),
        ((39.0, 1100.0), []),  # at the limits: 30 % and 10 %
        ((39.1, 1000.0), ["ventricular volume is 39.1 mL of 30 asked for"]),
        ((30.0, 899.0), ["brain volume is 899.0 mL of 1000 asked for"]),
        ((math.nan, math.nan), ["ventricular volume cannot be measured", "brain volume cannot be measured"]),
    ],
)
def test_volumes_far_from_what_was_asked_for(measured, reasons):
    assert volume_problems(ROW, BrainVolumes(*measured)) == reasons


def test_small_ventricles_have_a_limit_in_millilitres():
    row = {**ROW, "ventricular_volume": 6.0}
    assert volume_problems(row, BrainVolumes(1.5, 1000.0)) == []
    assert volume_problems(row, BrainVolumes(11.5, 1000.0)) == ["ventricular volume is 11.5 mL of 6 asked for"]


def test_a_generator_without_conditions_is_not_compared():
    row = {"participant_id": "sub-0001"}
    assert volume_problems(row, BrainVolumes(300.0, 10.0)) == []
    assert volume_problems(row, BrainVolumes(math.nan, 10.0)) == ["ventricular volume cannot be measured"]


def test_segmentations_that_are_missing_or_of_low_quality(tmp_path):
    image = tmp_path / "sub-0001" / "anat" / "sub-0001_T1w.nii.gz"
    anat = tmp_path / "derivatives" / "segmented" / "sub-0001" / "anat"
    assert segmentation_problems(tmp_path, image) == ["no head found by the segmenter"]
    anat.mkdir(parents=True)
    (anat / "sub-0001_acq-T1w_dseg.nii.gz").touch()
    write_json(anat / "sub-0001_acq-T1w_dseg.json", {"Flags": []})
    assert segmentation_problems(tmp_path, image) == []
    write_json(anat / "sub-0001_acq-T1w_dseg.json", {"Flags": ["ventricles", "brain stem"]})
    assert segmentation_problems(tmp_path, image) == ["low quality of the segmentation: ventricles, brain stem"]


def test_a_row_with_all_its_reasons(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        quality, "measure_file", lambda path, method: asked.append(method) or BrainVolumes(30.123, math.nan)
    )
    row = describe_subject(tmp_path, ROW, suffix="T1w", targets=["T2w"], segmented=True)
    assert row == {
        **ROW,
        "measured_ventricular_volume": 30.12,
        "measured_brain_volume": None,
        "quality": "check",
        "quality_reason": "brain volume cannot be measured; no T2w; no head found by the segmenter",
    }
    monkeypatch.setattr(
        quality, "measure_file", lambda path, method: asked.append(method) or BrainVolumes(30.0, 1000.0)
    )
    row = describe_subject(tmp_path, ROW, suffix="T2w", targets=[], segmented=False)
    assert (row["quality"], row["quality_reason"]) == ("ok", None)
    assert asked == ["classical", "network"]
