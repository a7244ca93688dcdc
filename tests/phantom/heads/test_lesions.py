"""Lesions of four kinds: they lie in tissue, grow with age where they do, and have labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from brain_bundles.phantom.heads import HeadOptions, Person, render_head, render_subject
from brain_bundles.phantom.heads.lesions import hyperintensities, plaques, replace_tissue, stroke, tumour
from brain_bundles.phantom.heads.subject import LABEL_NAMES

GRID = {"spatial_size": (80, 96, 80), "spacing": 2.0}
PERSON = Person(50.0, "F", 20, 1150, 1350, 620)


@pytest.fixture(scope="module")
def head(atlas):
    return render_head(atlas, PERSON, seed=1, mirrored=False, with_mass=True, **GRID)


def test_hyperintensities_grow_with_age_and_lie_in_white_matter(head):
    volumes = [
        np.mean([float(hyperintensities(head, age=age, seed=seed).sum()) for seed in range(8)]) * 0.008
        for age in (30.0, 50.0, 70.0, 90.0)
    ]
    assert volumes == sorted(volumes)
    assert volumes[-1] > 4 * volumes[0]
    assert bool((hyperintensities(head, age=85.0, seed=1) <= head.white_matter + 1e-6).all())


@pytest.mark.parametrize("kind", ["plaques", "stroke", "tumour"])
def test_lesions_replace_tissue_and_nothing_is_lost(head, kind):
    parts = {
        "plaques": lambda: plaques(head, seed=2),
        "stroke": lambda: stroke(head, seed=2),
        "tumour": lambda: tumour(head),
    }[kind]()
    names = {
        "plaques": ("plaque", "active_plaque"),
        "stroke": ("stroke_core", "stroke_gliosis"),
        "tumour": ("tumour_core", "enhancing_tumour", "oedema"),
    }[kind]
    assert sum(float(part.sum()) for part in parts) > 50  # voxels
    before = torch.stack(list(head.fractions.values())).sum(0)
    copies = {name: fraction.clone() for name, fraction in head.fractions.items()}
    after = replace_tissue(copies, dict(zip(names, parts, strict=True)))
    torch.testing.assert_close(torch.stack(list(after.values())).sum(0), before, atol=2e-3, rtol=0)
    torch.testing.assert_close(after["csf"], head.fractions["csf"], rtol=0, atol=0)
    assert min(float(part.min()) for part in after.values()) >= -1e-6


def test_a_stroke_stays_on_its_side(head):
    core, gliosis = stroke(head, seed=3)
    hit = (core + gliosis) > 0.5
    share = float(head.right[hit].float().mean())
    assert min(share, 1 - share) < 0.02


def test_a_head_without_mass_has_no_tumour(head):
    with pytest.raises(ValueError, match="with_mass=True"):
        tumour(replace(head, mass=None))


def test_every_lesion_has_its_label(anatomies):
    options = HeadOptions(
        anatomies / "training_seg_01.nii.gz", tumour_probability=1, stroke_probability=1, sclerosis_probability=1
    )
    subject = render_subject(replace(PERSON, age=85.0), seed=4, options=options, **GRID)
    found = {LABEL_NAMES[index] for index in np.unique(subject.tissue_labels()) if index}
    assert {"hyperintensity", "plaque", "stroke_core", "stroke_gliosis", "enhancing_tumour", "oedema"} <= found
    numbers = set(np.unique(subject.freesurfer_labels()))
    assert {2, 41, 3, 42, 4, 43, 77} <= numbers
    assert numbers & {25, 57}
