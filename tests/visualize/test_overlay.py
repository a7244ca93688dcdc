"""Colours over a scan, and pictures of them."""

from __future__ import annotations

import numpy as np
import torch
from brain_bundles.data.brain_classes import BRAIN_CLASSES, CLASS_INDEX
from brain_bundles.handlers.image_preview import _single
from brain_bundles.visualize import overlay, plane_image, save_montage


def test_the_background_is_grey_and_a_class_has_its_colour():
    image = np.array([0.2, 2.0, 0.4]).reshape(3, 1, 1)
    found = overlay(image, np.array([0, 0, CLASS_INDEX["caudate"]]).reshape(3, 1, 1), opacity=0.25)
    assert found.shape == (3, 1, 1, 3)
    np.testing.assert_allclose(found[:2, 0, 0], [[0.2] * 3, [1.0] * 3])
    colour = np.array(BRAIN_CLASSES["caudate"].colour) / 255
    np.testing.assert_allclose(found[2, 0, 0], 0.75 * 0.4 + 0.25 * colour, rtol=1e-6)


def test_coloured_slices_lie_as_grey_ones(tmp_path):
    grey = np.random.default_rng(0).random((4, 5, 6))
    coloured = np.stack([grey, 2 * grey, 3 * grey], -1)
    for plane in ("axial", "coronal", "sagittal"):
        found = plane_image(coloured, plane, 2)
        np.testing.assert_array_equal(found[..., 1], 2 * plane_image(grey, plane, 2))
    assert save_montage(tmp_path / "x.png", [grey, coloured / 3]).stat().st_size > 1000


def test_a_preview_keeps_colours():
    assert _single(torch.zeros(1, 4, 5, 6)).shape == (4, 5, 6)
    assert _single(torch.zeros(4, 5, 6, 3)).shape == (4, 5, 6, 3)
