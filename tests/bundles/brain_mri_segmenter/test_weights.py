"""The weights that ship: on phantoms of a template that no training saw, and on what is no head."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from brain_bundles.data import image_path, read_participants
from brain_bundles.data.read_image import read_image
from brain_bundles.phantom import write_phantoms
from brain_bundles.transforms import NoHeadError
from brain_bundles.transforms.scan_segmenter import MINIMUM_QUALITY, ScanSegmenter, load_segmenter
from brain_bundles.utils.segmenter_network import segmenter_path


@pytest.fixture(scope="module")
def segmenter() -> ScanSegmenter:
    assert segmenter_path() is not None
    return load_segmenter()


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms")
    return write_phantoms(folder / "bids", num_subjects=3, suffixes=("T1w", "T2w", "FLAIR"), seed=5, num_workers=1)


@pytest.mark.parametrize("contrast", ["T1w", "T2w", "FLAIR"])
def test_brains_of_phantoms_are_found(segmenter, phantoms, contrast):
    """Ventricles of the template's phantoms read too large, see docs/reference/results/segmenter.md."""
    for row in read_participants(phantoms):
        image = read_image(image_path(phantoms, str(row["participant_id"]), contrast))
        began = time.perf_counter()
        found = segmenter(image.voxels, image.affine, minimum_quality=0.0)
        assert time.perf_counter() - began < 60  # seconds: under 1 on an idle machine
        assert found.volumes["brain_volume"] == pytest.approx(float(str(row["brain_volume"])), rel=0.15)
        inside = image.voxels > 0
        assert 2 * (found.brain_mask & inside).sum() / (found.brain_mask.sum() + inside.sum()) > 0.95


def test_noise_and_a_ball_are_no_heads(segmenter):
    rng, affine = np.random.default_rng(0), np.diag([2.0, 2, 2, 1])
    shape = (90, 100, 90)
    noise = np.hypot(*rng.normal(size=(2, *shape))).astype(np.float32)
    away = np.linalg.norm(np.indices(shape) - np.array(shape).reshape(3, 1, 1, 1) / 2, axis=0)
    for image in (noise, ((away < 35) * 100 + 5 * noise).astype(np.float32)):
        with pytest.raises(NoHeadError):
            segmenter(image, affine, minimum_quality=MINIMUM_QUALITY)


def test_a_header_that_turns_the_head_upside_down_is_refused(segmenter, phantoms):
    image = read_image(image_path(phantoms, str(read_participants(phantoms)[0]["participant_id"]), "T1w"))
    with pytest.raises(NoHeadError):
        segmenter(image.voxels, np.diag([1.0, -1, -1, 1]) @ image.affine, minimum_quality=MINIMUM_QUALITY)
