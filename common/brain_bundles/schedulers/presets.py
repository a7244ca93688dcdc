"""Named numbers of sampling steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def preset_steps(
    preset: str,
    presets: Mapping[str, int],
    spread: Mapping[str, Any] | None = None,
    num_draws: int = 1,
    regression: bool = False,
) -> int:
    """Number of steps of a named setting, or of the calibration of several draws.

    Args:
        preset: name of the setting.
        presets: name -> number of steps.
        spread: calibration of the draws, as a recipe has it, with ``num_inference_steps``; None if there is none.
        num_draws: with several draws the number is that of ``spread``, since for others it does not hold.
        regression: the network was trained where there is noise alone; it can take one step, whatever the preset.

    Raises:
        ValueError: for an unknown name, or several draws of a regression.
    """
    if preset not in presets:
        raise ValueError(f"sampler_preset is {preset!r}; allowed: {', '.join(presets)}.")
    if regression:
        if num_draws > 1:
            raise ValueError(f"num_draws is {num_draws}, but these weights are a regression: all draws would be alike.")
        return 1
    if spread is not None and num_draws > 1:
        return int(spread["num_inference_steps"])
    return int(presets[preset])
