"""Class and settings of a scheduler, for the record of a run."""

from __future__ import annotations

from typing import Any

from brain_bundles.schedulers.diffusers_adapter import is_of_diffusers

# Of a walk, or of a torch module; the number of steps of a run stands beside the scheduler.
_NOT_SETTINGS = ("num_inference_steps", "timesteps", "training", "betas")


def scheduler_settings(scheduler: Any) -> dict[str, Any]:
    """Class and settings of a scheduler of MONAI or diffusers, as plain values that JSON holds.

    The noise schedule is recorded as its first, middle and last beta, to six digits: MONAI's schedulers do not keep its
    name, and the last digits depend on the machine.
    """
    kind = type(scheduler)
    values = dict(scheduler.config) if is_of_diffusers(scheduler) else vars(scheduler)
    settings = {key: value for key, value in values.items() if key not in _NOT_SETTINGS and not key.startswith("_")}
    found = {"class": f"{kind.__module__}.{kind.__qualname__}", **{k: v for k, v in settings.items() if _is_plain(v)}}
    betas = getattr(scheduler, "betas", None)
    if betas is not None:
        found["betas"] = [float(f"{float(betas[i]):.6g}") for i in (0, len(betas) // 2, -1)]
    return found


def noise_schedule(scheduler: Any) -> dict[str, Any]:
    """Describe the noise schedule of a scheduler of MONAI or diffusers, for the recipe of a network.

    Returns:
        the number of its steps, ``num_train_timesteps``, and for a diffusion the share of signal, ``alphas_cumprod``,
        of the first, middle and last step, to five digits.
    """
    found: dict[str, Any] = {"num_train_timesteps": int(_setting(scheduler, "num_train_timesteps"))}
    signal = getattr(scheduler, "alphas_cumprod", None)
    if signal is not None:
        found["alphas_cumprod"] = [float(f"{float(signal[i]):.5g}") for i in (0, len(signal) // 2, -1)]
    return found


def _setting(scheduler: Any, name: str) -> Any:
    return scheduler.config[name] if is_of_diffusers(scheduler) else getattr(scheduler, name)


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str))
