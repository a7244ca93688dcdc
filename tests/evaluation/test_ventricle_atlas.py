import pytest

pytest.importorskip("nilearn")
from brain_bundles.evaluation import load_ventricle_atlas

MILLILITRES = 0.008  # of a voxel of 2 mm


def test_the_prior_lies_on_both_sides_and_is_made_once():
    atlas = load_ventricle_atlas()
    assert load_ventricle_atlas() is atlas
    assert atlas.spacing == 2.0
    cores = atlas.ventricles > 0.5
    middle = cores.shape[0] // 2
    assert cores[:middle].sum() * MILLILITRES == pytest.approx(6.95, abs=0.05)  # as measured; horns included
    assert cores[middle:].sum() * MILLILITRES == pytest.approx(7.0, abs=0.05)


def test_maps_are_shares_that_hardly_overlap():
    atlas = load_ventricle_atlas()
    for image in (atlas.ventricles, atlas.other_csf, atlas.tissue):
        assert image.shape == atlas.tissue.shape
        assert image.min() >= 0
        assert image.max() <= 1 + 1e-5  # float32 sums of the blur
    assert (atlas.ventricles * atlas.other_csf).max() < 0.01
    assert atlas.tissue[atlas.ventricles > 0.5].mean() < 0.2  # blurred at the walls
    assert 1600 < atlas.tissue.sum() * MILLILITRES < 1750  # the template is larger than most brains
