"""Percentiles of the foreground."""

from __future__ import annotations

import pytest
import torch
from brain_bundles.transforms import ScaleForegroundPercentiles, ScaleForegroundPercentilesd
from monai.data import MetaTensor


def ramp(air: int) -> torch.Tensor:
    """1, 2 ... 201 in random order and ``air`` zeros."""
    values = torch.arange(1.0, 202.0)[torch.randperm(201, generator=torch.Generator().manual_seed(0))]
    return torch.cat([values, torch.zeros(air)]).reshape(1, -1, 1, 1)


@pytest.mark.parametrize("air", [0, 100, 5000])
def test_the_scale_is_known_and_does_not_depend_on_the_air(air):
    """The percentiles 0.5 and 99.5 of 1 to 201 are 2 and 200."""
    scaled = ScaleForegroundPercentiles()(ramp(air))
    expected = ((ramp(air) - 2) / 198).clamp(0, 1)
    torch.testing.assert_close(scaled, expected)
    assert float(scaled.flatten()[:201].median()) == pytest.approx(0.5, abs=1e-6)


def test_background_stays_zero_where_tissue_is_negative():
    """z-scored data: 0 is the mean of tissue, and exactly 0 is air."""
    values = ramp(50)
    values[values > 0] -= 101.5
    scaled = ScaleForegroundPercentiles(0, 100)(values)
    assert (scaled[values == 0] == 0).all()
    torch.testing.assert_close(scaled[values != 0], (values[values != 0] + 100.5) / 200)


def test_each_key_on_its_own_and_metadata_survive():
    image = MetaTensor(ramp(10), meta={"filename_or_obj": "x.nii.gz"})
    before = image.clone()
    out = ScaleForegroundPercentilesd(["a", "b"], allow_missing_keys=True)({"a": image, "c": 1})
    torch.testing.assert_close(image.as_tensor(), before.as_tensor())  # the input is not modified
    assert out["a"].meta["filename_or_obj"] == "x.nii.gz"
    assert (float(out["a"].min()), float(out["a"].max())) == (0.0, 1.0)
    torch.testing.assert_close(ScaleForegroundPercentiles()(image * 7).as_tensor(), out["a"].as_tensor())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (torch.zeros(1, 2, 2, 2), r"x\.nii\.gz: the volume is 0 everywhere"),
        (torch.full((1, 2, 2, 2), 3.0), "the non-zero voxels have one value, 3"),
        (torch.tensor([1.0, float("nan")]).reshape(1, 2, 1, 1), "NaN or infinite"),
    ],
)
def test_volumes_without_contrast(values, message):
    with pytest.raises(ValueError, match=message):
        ScaleForegroundPercentiles()(MetaTensor(values, meta={"filename_or_obj": "x.nii.gz"}))


@pytest.mark.parametrize("pair", [(50, 50), (-1, 99), (1, 101)])
def test_bad_percentiles(pair):
    with pytest.raises(ValueError, match="expected 0 <= lower < upper <= 100"):
        ScaleForegroundPercentiles(*pair)
