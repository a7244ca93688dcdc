import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from brain_bundles.data import DatasetError, write_nifti
from brain_bundles.evaluation.populations import find_people, image_set
from brain_bundles.evaluation.populations.features import KINDS, describe_images
from brain_bundles.evaluation.populations.image_set import load_images
from brain_bundles.metrics import BrainVolumes, TissueLevels, UnmeasurableError
from brain_bundles.utils.user_warning import BrainBundlesWarning

GRID = {"spacing": 3.0, "spatial_size": (48, 48, 48)}


@pytest.fixture(scope="module")
def people(tmp_path_factory, write_balls):
    return find_people(write_balls(tmp_path_factory.mktemp("balls"), 2, contrasts=("T2w", "FLAIR")))


@pytest.fixture(scope="module")
def images(people):
    return load_images(people, "T2w", **GRID)


def test_images_are_on_the_grid_and_zero_outside(images, people):
    assert images.visits == people
    assert images.volumes.shape == images.masks.shape == (2, 48, 48, 48)
    assert images.masks[0].sum() == pytest.approx(4 / 3 * math.pi * 20**3, rel=0.01)
    assert not images.volumes[~images.masks].any()
    assert images.power.shape == (2, len(images.edges)) == (2, 16)


def test_without_a_t1w_image_the_tissues_are_unknown(images):
    assert all(math.isnan(value) for one in images.levels for value in dataclasses.astuple(one))


def test_a_t1w_image_without_tissues_is_a_warning(tmp_path, write_balls, monkeypatch):
    def refuse(*arguments):
        raise UnmeasurableError("the brain has one single intensity")

    monkeypatch.setattr(image_set, "pure_tissues", refuse)
    people = find_people(write_balls(tmp_path, 1))
    with pytest.warns(BrainBundlesWarning, match=r"sub-01_T1w.nii.gz: its tissues are not known: the brain has one"):
        (levels,) = load_images(people, "T1w", **GRID).levels
    assert math.isnan(levels.white)


def test_all_unusable_images_are_named_at_once(tmp_path, people):
    head = np.random.default_rng(0).uniform(0.5, 1, (90, 90, 90))
    write_nifti(tmp_path / "head.nii.gz", head, np.diag([2, 2, 2, 1]))
    (tmp_path / "broken.nii.gz").write_bytes(b"no image")
    bad = [
        dataclasses.replace(people[0], name=name, paths={"T2w": Path(tmp_path, f"{name}.nii.gz")})
        for name in ("head", "broken")
    ]
    with pytest.raises(DatasetError, match=r"T2w of 3 people: 2 problems") as error:
        load_images([*bad, people[1]], "T2w", **GRID)
    assert [kind for kind, _ in error.value.problems] == ["looks like a whole head", "unusable image"]
    assert "python -m brain_bundles prepare" in str(error.value)


def test_numbers_of_an_image(images):
    levels = TissueLevels(0.1, 0.5, 0.8, 0.03)
    known = dataclasses.replace(images, levels=[levels, images.levels[1]])
    numbers = describe_images(known, [BrainVolumes(20.0, 1100.0), BrainVolumes(math.nan, math.nan)], 3.0)
    assert {kind: values.shape for kind, values in numbers.items()} == {
        kind: (2, len(names)) for kind, names in KINDS.items()
    }
    np.testing.assert_allclose(numbers["levels"][0], [0.1, 0.5, 0.8, math.log(10)])
    assert np.isnan(numbers["levels"][1]).all()
    np.testing.assert_allclose(numbers["volumes"][0], np.log([20, 1100]))
    volume, width, length, height, surface, edge = numbers["mask"][0]
    assert math.exp(volume) == pytest.approx(float(images.masks[0].sum()) * 27 / 1000)
    assert (width, length, height) == pytest.approx((120, 120, 120))  # voxels within 20 voxels of a point between eight
    assert math.exp(surface) == pytest.approx(4 * math.pi * 6**2, rel=0.25)
    assert edge == pytest.approx(float(images.volumes[0][images.masks[0]].quantile(0.75)), abs=0.25)


def test_a_louder_image_has_more_power(images):
    double = dataclasses.replace(images, power=4 * images.power)
    nobody = [BrainVolumes(math.nan, math.nan)] * 2
    difference = describe_images(double, nobody, 3.0)["detail"] - describe_images(images, nobody, 3.0)["detail"]
    np.testing.assert_allclose(difference[:, :1], math.log(4))  # a grid of 3 mm resolves the lowest band alone
    assert torch.equal(double.volumes, images.volumes)
