"""Two comparisons of balls: with others of the same kind, and with rougher ones."""

import json

import numpy as np
import pytest
import torch

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")
from brain_bundles.data import DatasetError
from brain_bundles.evaluation.populations import classifier_tests, compare_populations, comparison, image_set
from brain_bundles.metrics import BrainVolumes

OPTIONS = {"spacing": 3.0, "spatial_size": (48, 48, 48), "kernel_size": 3, "num_pairs": 3, "progress": False}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Shells for tissues, roughness for the network's score, ventricles of 20 mL at 60 years, 30 % more a decade."""
    radius = np.sqrt((np.stack(np.indices((48, 48, 48)) - 23.5) ** 2).sum(0))
    tissues = np.select([radius < 5, radius < 12, radius < 17], [1, 3, 2], 0)
    monkeypatch.setattr(image_set, "pure_tissues", lambda *arguments: tissues)

    def roughness(volumes, **options):
        steps = volumes[:, 20:28, 20:28, 20:28].diff(dim=1)
        return lambda train, labels, test: (steps.std((1, 2, 3))[torch.as_tensor(test)]).numpy()

    monkeypatch.setattr(classifier_tests, "cnn_classifier", roughness)

    def measure(path, **options):
        age = 28 + 2 * int(path.name[4:6])
        return BrainVolumes(20 * 1.3 ** ((age - 60) / 10), 1100.0)

    monkeypatch.setattr(comparison, "measure_file", measure)


@pytest.fixture(scope="module")
def folders(tmp_path_factory, write_balls):
    root = tmp_path_factory.mktemp("sets")
    write_balls(root / "smooth", 12, contrasts=("T1w", "FLAIR"), anatomies=6)
    write_balls(root / "others", 12, seed=1)
    write_balls(root / "rough", 11, smooth=0.8, seed=2)
    return root


def test_sets_of_two_kinds_are_told_apart_and_the_numbers_say_how(folders, tmp_path):
    results = compare_populations(folders / "smooth", folders / "rough", tmp_path, **OPTIONS)
    assert json.loads((tmp_path / "comparison.json").read_text()) == results
    assert list(results["contrasts"]) == ["T1w"]  # only one set has FLAIR
    found = results["contrasts"]["T1w"]
    assert found["num_people"] == 11
    assert found["tissues"][0]["white"]["n"] == 11
    # Smooth texture has less beyond the mean of the neighbours.
    assert found["tissues"][0]["noise"]["mean"] < 0.7 * found["tissues"][1]["noise"]["mean"]
    assert found["power"]["ratio"][0] < 0.7
    assert found["power"]["ratio"][1:] == [None, None]  # not on a grid of 3 mm
    assert found["features"]["detail"]["log power, low band"]["d"] < -3
    assert abs(found["features"]["mask"]["log volume"]["d"] or 0) < 1
    tests = found["two_sample"]
    assert list(tests) == ["network", "network, inner brain", "all numbers", "levels", "detail", "mask", "volumes"]
    assert tests["detail"]["auc"] == 1
    assert 0.6 < tests["detail"]["lower"] < 1
    assert tests["network"]["auc"] == tests["network, inner brain"]["auc"] == 1
    assert (tests["network"]["num_first"], tests["network"]["num_second"]) == (11, 11)
    assert (tests["network"]["itself"]["splits"], tests["network"]["itself"]["std"]) == (1, None)
    assert tests["detail"]["itself"]["splits"] == 20
    assert 0.25 < tests["detail"]["itself"]["auc"] < 0.75
    assert 0.2 < found["ms_ssim"]["between"]["mean"] < 1
    assert found["ms_ssim"]["first"]["num_pairs"] == 3
    text = (tmp_path / "comparison.md").read_text()
    assert "| detail: on the power in three bands | 1.00 |" in text
    assert "nan" not in text
    assert "None" not in text
    for name in ("T1w.png", "T1w_curves.png", "volumes.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
        assert f"({name})" in text


def test_sets_of_one_kind_are_not_told_apart(folders, tmp_path):
    results = compare_populations(folders / "smooth", folders / "others", tmp_path, **OPTIONS)
    tests = results["contrasts"]["T1w"]["two_sample"]
    assert tests["all numbers"]["lower"] < 0.5 < tests["all numbers"]["upper"]
    assert tests["network"]["lower"] < 0.5 < tests["network"]["upper"]
    assert 0.8 < results["contrasts"]["T1w"]["power"]["ratio"][0] < 1.25
    for one in results["volumes"]["ventricular_volume"]:
        assert one["num_fitted"] == 12
        assert one["percent_per_decade"] == pytest.approx(30)
        assert one["at_60"] == pytest.approx(20)


def test_wrong_sets_are_refused_before_anything_is_read(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(comparison, "load_images", lambda *arguments, **options: pytest.fail("images were read"))
    with pytest.raises(ValueError, match=r"FLAIR: at least 10 people of each set must have it.*T1w of 12 people"):
        compare_populations(folders / "smooth", folders / "others", tmp_path, contrasts=["FLAIR"], **OPTIONS)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        compare_populations(folders / "nowhere", folders / "others", tmp_path, **OPTIONS)


def test_an_unusable_image_is_named(folders, tmp_path, write_balls):
    broken = write_balls(tmp_path / "broken", 10)
    (broken / "sub-03" / "anat" / "sub-03_T1w.nii.gz").write_bytes(b"no image")
    with pytest.raises(DatasetError, match="sub-03"):
        compare_populations(broken, folders / "others", tmp_path / "out", **OPTIONS)
