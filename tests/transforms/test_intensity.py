"""Scales of intensities, by percentiles and by references inside of the tissue."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.transforms import ScaleForeground, ScaleForegroundd
from brain_bundles.transforms.intensity import DEFAULT_SCALE, REFERENCES, SCALES
from monai.data import MetaTensor


def ramp(air: int) -> torch.Tensor:
    """1, 2 ... 201 in random order and ``air`` zeros."""
    values = torch.arange(1.0, 202.0)[torch.randperm(201, generator=torch.Generator().manual_seed(0))]
    return torch.cat([values, torch.zeros(air)]).reshape(1, -1, 1, 1)


def distance(side: int = 40) -> torch.Tensor:
    """Distance of each voxel from the middle (1, side, side, side), voxels."""
    grid = torch.arange(side) - (side - 1) / 2
    return torch.stack(torch.meshgrid(grid, grid, grid, indexing="ij")).norm(dim=0)[None]


def head(lesion: float = 0.0) -> torch.Tensor:
    """A ball of fluid (200), grey (700) and white matter (1000) from outside to inside, noise, and a bright lesion."""
    r = distance()
    noise = 20 * torch.randn(r.shape, generator=torch.Generator().manual_seed(0))
    image = torch.where(r < 12, 1000.0, torch.where(r < 16, 700.0, 200.0)) + noise
    aside = (distance() + 0 * r).roll(8, 1)
    return torch.where(aside < lesion, 2500.0, image) * (r < 18)


@pytest.mark.parametrize("air", [0, 100, 5000])
def test_percentiles_are_known_and_do_not_depend_on_the_air(air):
    """The percentiles 0.5 and 99.5 of 1 to 201 are 2 and 200."""
    scaled = ScaleForeground("percentiles")(ramp(air))
    expected = ((ramp(air) - 2) / 198).clamp(0, 1)
    torch.testing.assert_close(scaled, expected)
    assert float(scaled.flatten()[:201].median()) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize(("scale", "reference"), [("median", 101), ("upper_quartile", 151)])
def test_a_reference_becomes_a_half_and_0_stays(scale, reference):
    """Linear up to 1.5 times the reference."""
    values = ramp(50)
    scaled = ScaleForeground(scale)(values)
    linear = values <= 1.5 * reference
    assert linear.any()
    torch.testing.assert_close(scaled[linear], values[linear] / (2 * reference))
    assert (scaled[values == 0] == 0).all()


@pytest.mark.parametrize("scale", REFERENCES)
def test_what_is_bright_keeps_its_order_and_comes_back(scale):
    """Above 0.75 y is 1 - 1 / (16 x - 8), so x is (1 / (1 - y) + 8) / 16."""
    values = torch.cat([torch.ones(3000), torch.linspace(0.1, 6, 591)]).double().reshape(1, -1, 1, 1).float()
    scaled = ScaleForeground(scale)(values).flatten()[3000:]
    assert (scaled.diff() > 0).all()
    assert float(scaled[-1]) < 1
    back = torch.where(scaled > 0.75, (1 / (1 - scaled.double()) + 8) / 16, scaled.double()) * 2
    torch.testing.assert_close(back, torch.linspace(0.1, 6, 591).double(), rtol=1e-5, atol=0)
    steps = scaled.diff()  # the slope does not jump at the knee
    assert float((steps[1:] / steps[:-1]).min()) > 0.95


def test_a_lesion_moves_the_percentiles_and_not_the_references():
    healthy, ill = head(), head(lesion=5)
    share = float(((healthy != ill) & (healthy != 0)).sum() / (healthy != 0).sum())
    assert 0.01 < share < 0.03
    tissue = (distance() < 12) & (healthy == ill)
    shift = {}
    for scale in SCALES:
        before, after = (float(ScaleForeground(scale)(image)[tissue].mean()) for image in (healthy, ill))
        shift[scale] = abs(after / before - 1)
    assert shift["percentiles"] > 0.5
    assert all(shift[scale] < 0.02 for scale in REFERENCES), shift
    assert shift[DEFAULT_SCALE] < 0.01


@pytest.mark.parametrize("scale", REFERENCES)
def test_z_scores_begin_at_their_darkest_tissue(scale):
    image = head()
    scores = torch.where(image != 0, (image - 600) / 300, 0.0)
    scaled, of_scores = ScaleForeground(scale)(image), ScaleForeground(scale)(scores)
    white, grey = distance() < 11, (distance() > 12.5) & (distance() < 15.5)
    assert float(of_scores[white].mean()) == pytest.approx(float(scaled[white].mean()), rel=0.1)
    assert 0 < float(of_scores[grey].mean()) < float(of_scores[white].mean())
    assert (of_scores[image == 0] == 0).all()


def test_background_stays_zero_where_tissue_is_negative():
    """z-scored data: 0 is the mean of tissue, and exactly 0 is air."""
    values = ramp(50)
    values[values > 0] -= 101.5
    scaled = ScaleForeground("percentiles", (0, 100))(values)
    assert (scaled[values == 0] == 0).all()
    torch.testing.assert_close(scaled[values != 0], (values[values != 0] + 100.5) / 200)


@pytest.mark.parametrize("scale", SCALES)
def test_each_key_on_its_own_and_metadata_survive(scale):
    image = MetaTensor(ramp(10), meta={"filename_or_obj": "x.nii.gz"})
    before = image.clone()
    out = ScaleForegroundd(["a", "b"], scale, allow_missing_keys=True)({"a": image, "c": 1})
    torch.testing.assert_close(image.as_tensor(), before.as_tensor())  # the input is not modified
    assert out["a"].meta["filename_or_obj"] == "x.nii.gz"
    assert float(out["a"].min()) == 0
    assert float(out["a"].max()) == 1 if scale == "percentiles" else 0.5 < float(out["a"].max()) < 1
    torch.testing.assert_close(ScaleForeground(scale)(image * 7).as_tensor(), out["a"].as_tensor())


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (torch.zeros(1, 2, 2, 2), r"x\.nii\.gz: the volume is 0 everywhere"),
        (torch.full((1, 2, 2, 2), 3.0), "the non-zero voxels have one value, 3"),
        (torch.tensor([1.0, float("nan")]).reshape(1, 2, 1, 1), "NaN or infinite"),
    ],
)
def test_volumes_without_contrast(scale, values, message):
    with pytest.raises(ValueError, match=message):
        ScaleForeground(scale)(MetaTensor(values, meta={"filename_or_obj": "x.nii.gz"}))


@pytest.mark.parametrize("pair", [(50, 50), (-1, 99), (1, 101)])
def test_bad_percentiles(pair):
    with pytest.raises(ValueError, match="expected 0 <= lower < upper <= 100"):
        ScaleForeground("percentiles", pair)


def test_an_image_whose_tissue_is_its_darkest_value_is_refused():
    values = torch.cat([-torch.ones(900), torch.full((100,), 5.0)]).reshape(1, -1, 1, 1)
    with pytest.raises(ValueError, match="the median of its brain is -1, expected more than -1"):
        ScaleForeground()(values)


def test_unknown_scales_and_percentiles_without_effect_are_refused():
    with pytest.raises(ValueError, match="intensity_scale is 'mean', expected one of percentiles, median"):
        ScaleForeground("mean")
    with pytest.raises(ValueError, match=r"intensity_percentiles is \[1, 99\], but intensity_scale is 'median'"):
        ScaleForeground("median", (1, 99))
