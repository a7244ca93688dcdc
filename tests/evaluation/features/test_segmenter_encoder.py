"""The encoders that ship must see what images are judged by."""

from __future__ import annotations

import pytest
from brain_bundles.evaluation.features import make_phantom_series, second_encoder, segmenter_encoder, sensitivity
from brain_bundles.utils import segmenter_network


def test_losses_and_judges_use_other_weights():
    """Another seed and another width: no feature of one is a feature of the other."""
    seen, judge = segmenter_encoder().record, second_encoder().record
    assert seen.weights != judge.weights
    assert seen.num_features != judge.num_features
    assert judge.name == "second encoder"


@pytest.fixture(scope="module")
def phantoms():
    return make_phantom_series(3, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("make", [segmenter_encoder, second_encoder])
def test_features_see_noise_blur_contrast_and_ventricles(make, phantoms):
    found = sensitivity(make(), phantoms.reference, phantoms.clean, phantoms.series)
    for name in ("noise", "blur", "ventricles"):
        unchanged, _, stronger, strongest = found[name].kernel
        assert unchanged < stronger < strongest, name
    unchanged, *wrong = found["contrast"].kernel
    assert unchanged < min(wrong)


def test_missing_weights_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(segmenter_network, "_ROOT", tmp_path / "common")
    with pytest.raises(FileNotFoundError, match=r"second_encoder\.pt of brain_mri_segmenter"):
        second_encoder()
