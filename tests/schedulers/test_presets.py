import pytest
from brain_bundles.schedulers import preset_steps

PRESETS = {"default": 2, "sharp": 10}


def test_a_preset_is_a_number_of_steps_and_a_calibration_of_draws_has_its_own():
    assert preset_steps("default", PRESETS) == 2
    assert preset_steps("sharp", PRESETS) == 10
    spread = {"scale": 1.5, "floor": 0.02, "num_inference_steps": 5}
    assert preset_steps("default", PRESETS, spread) == 2
    assert preset_steps("default", PRESETS, spread, num_draws=8) == 5
    assert preset_steps("default", PRESETS, None, num_draws=8) == 2


def test_an_unknown_preset_is_named_with_those_that_are_known():
    with pytest.raises(ValueError, match="sampler_preset is 'soft'; allowed: default, sharp"):
        preset_steps("soft", PRESETS)
