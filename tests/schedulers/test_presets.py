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


def test_a_regression_takes_one_step_and_has_no_draws():
    assert preset_steps("sharp", PRESETS, regression=True) == 1
    with pytest.raises(ValueError, match="num_draws is 4, but these weights are a regression"):
        preset_steps("default", PRESETS, num_draws=4, regression=True)
