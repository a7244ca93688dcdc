"""Acquisitions of a small head: what is recorded gives the same image, and each kind varies what it should."""

from __future__ import annotations

import json

import pytest
import torch
from brain_bundles.phantom.heads import HeadOptions, HeadSubject, Person, render_subject
from brain_bundles.phantom.scanner import Acquisition, BrainMask, Gamma, Scan, SignalLevels, acquisition_of

PERSON = Person(50.0, "F", 25.0, 1150.0, 1350.0, 620.0)
GRID = {"spatial_size": (56, 60, 56), "spacing": 3.0}


@pytest.fixture(scope="module")
def head(anatomies):
    options = HeadOptions(anatomy=anatomies / "training_seg_01.nii.gz", exact=False, shell_mm=5.0)
    return render_subject(PERSON, seed=1, options=options, **GRID)


@pytest.mark.parametrize("kind", ["nominal", "varied", "random"])
def test_the_record_of_a_scan_gives_the_same_image_again(head, kind):
    acquisition = acquisition_of(kind)
    scan = acquisition.draw(head, "T1w")
    record = json.loads(json.dumps(scan.to_dict()))
    image = acquisition.image(head, scan)
    assert torch.equal(acquisition.image(head, Scan(**record)), image)
    assert float(image.min()) == 0.0
    assert acquisition.draw(head, "T1w") == scan
    assert acquisition.draw(head, "T1w", key="second").to_dict() != scan.to_dict()


def test_nominal_images_are_0_outside_of_the_brain_alone(head):
    acquisition = acquisition_of("nominal")
    image = acquisition.image(head, acquisition.draw(head, "T1w"))
    assert int((image[~head.brain_mask] != 0).sum()) == 0
    white = image[head.fractions["white_matter"] > 0.99]
    assert float(white.mean()) == pytest.approx(0.85, abs=0.08)
    shown = acquisition.image(head, acquisition.draw(head, "T1w"), whole_head=True)
    assert float(shown[~head.brain_mask].max()) > 0.2  # the shell around the brain


def test_varied_scans_differ_in_sequence_and_artefacts(head):
    acquisition = acquisition_of("varied")
    scans = [acquisition.draw(head, "T1w", key=str(number)) for number in range(40)]
    assert {scan.sequence["kind"] for scan in scans} == {"mprage", "gradient_echo", "spin_echo"}
    assert {scan.sequence["tesla"] for scan in scans} == {1.5, 3.0}
    assert {"ThickSlices", "Gibbs", "Blur", "Gamma", "Motion"} <= {name for scan in scans for name in scan.artefacts}
    assert len({tuple(scan.artefacts) for scan in scans}) > 5


def test_random_levels_have_no_contrast_and_one_fluid(head):
    acquisition = acquisition_of("random")
    scans = [acquisition.draw(head, "T1w", key=str(number)) for number in range(40)]
    brighter = [scan.levels["white_matter"] > scan.levels["cortex"] for scan in scans]
    assert 8 < sum(brighter) < 32
    assert all(scan.levels["csf"] == scan.levels["lateral_ventricle"] for scan in scans)


def test_heads_lie_turned_and_masks_decide_what_is_rendered_around_the_brain():
    options = HeadOptions()
    nominal, varied = (acquisition_of(kind).placed(options, seed=3) for kind in ("nominal", "varied"))
    assert nominal == options
    assert all(0 < abs(angle) <= 15 for angle in varied.turn)
    assert varied.shell_mm == pytest.approx(5.0)


def test_an_own_acquisition_takes_any_artefact_once():
    own = Acquisition(SignalLevels(), after=[Gamma(probability=1.0), BrainMask()])
    assert acquisition_of(own) is own
    with pytest.raises(ValueError, match="artefacts are Gamma, Gamma; give each once"):
        Acquisition(SignalLevels(), [Gamma()], [Gamma()])
    with pytest.raises(ValueError, match="acquisition is 'real', known are nominal, varied, random"):
        acquisition_of("real")


def test_no_tissue_is_flat_and_outside_of_the_mask_is_exactly_0():
    mask = torch.zeros(40, 40, 40, dtype=torch.bool)
    mask[10:30, 10:30, 10:30] = True
    fractions = {"cortex": mask.float(), "white_matter": torch.zeros(mask.shape)}
    right = torch.zeros(mask.shape, dtype=torch.uint8)
    cube = HeadSubject(fractions, mask.float(), right, {}, age=50.0, seed=1, spacing=2.0)
    nominal = acquisition_of("nominal")
    image = nominal.image(cube, nominal.draw(cube, "T1w"))
    assert int((image[~mask] != 0).sum()) == 0
    smooth = torch.nn.functional.avg_pool3d(image[10:30, 10:30, 10:30][None, None], 5)
    assert float(smooth.std() / smooth.mean()) > 0.015  # noise alone would leave 0.002
    with pytest.raises(ValueError, match="unknown contrast 'DWI'"):
        nominal.draw(cube, "DWI")


def test_texture_alone_varies_a_structure(head):
    acquisition = Acquisition(SignalLevels())  # no noise, no bias field
    image = acquisition.image(head, acquisition.draw(head, "T1w"))
    white = image[head.fractions["white_matter"] > 0.999]
    assert 0.005 < float(white.std() / white.mean()) < 0.1
