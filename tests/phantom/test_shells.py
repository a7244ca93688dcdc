"""Tests of the shells around a brain, on a ball, and of the template's heads."""

import nibabel as nib
import numpy as np
import pytest
import torch
from brain_bundles.data import image_path
from brain_bundles.phantom import write_phantoms
from brain_bundles.phantom.head_dataset import brain_mask_path
from brain_bundles.phantom.shells import SHELLS, shells

SPACING = 2.0


@pytest.fixture(scope="module")
def ball():
    """A ball of 40 mm radius with a cleft, and the distance of each voxel to its centre."""
    axis = (torch.arange(72) - 35.5) * SPACING
    radius = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).norm(dim=0)
    inside = (radius < 40).float()
    inside[35:37, 50:] = 0
    return inside, radius


def test_each_shell_is_as_thick_as_it_says(ball):
    inside, radius = ball
    found = shells(inside, SPACING)
    inner = 40.0
    for name, thickness in SHELLS.items():
        volume = float(found[name].sum()) * SPACING**3
        outer = inner + thickness
        hollow = float((1 - inside)[radius < 40].sum()) * SPACING**3 if name == "skull" else 0.0
        assert volume == pytest.approx(4 / 3 * np.pi * (outer**3 - inner**3) + hollow, rel=0.08), name
        inner = outer


def test_nothing_overlaps_and_the_cleft_stays_closed(ball):
    inside, radius = ball
    found = shells(inside, SPACING)
    total = inside + sum(found.values())
    assert float(total.max()) <= 1.0 + 1e-6
    assert float(total[radius < 38].min()) > 0.99  # the cleft is bone, no fat runs into it
    assert float(found["fat"][radius < 44].max()) == 0.0
    assert float(total[radius > 56].max()) == 0.0


def test_heads_of_the_template(tmp_path):
    options = {"num_subjects": 1, "spacing": 4.0, "seed": 3, "num_workers": 1}
    heads = write_phantoms(tmp_path / "heads", whole_head=True, **options)
    brains = write_phantoms(tmp_path / "brains", spatial_size=(52, 56, 52), **options)
    head, brain = (nib.load(image_path(folder, "sub-0001", "T1w")).get_fdata() for folder in (heads, brains))
    mask = nib.load(brain_mask_path(heads, "sub-0001")).get_fdata() > 0
    assert head.shape == (52, 56, 52)
    np.testing.assert_array_equal(mask, brain > 0)
    assert np.corrcoef(head[mask], brain[mask])[0, 1] > 0.99  # the same brain, other noise near the border
    assert (head[~mask] > 0.3).sum() > 1000  # fat and skin
    assert (heads / "participants.tsv").read_text() == (brains / "participants.tsv").read_text()
