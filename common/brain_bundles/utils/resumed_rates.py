"""Resuming optimizers and learning rate schedules: the stored progress, with the settings of the run."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


def load_optimizer(optimizer: Optimizer, state: Mapping[str, Any], *, scheduled: bool) -> list[str]:
    """Load the state of an optimizer, keep its own settings, and list those that are stored otherwise.

    ``Optimizer.load_state_dict`` overwrites learning rate, betas and weight decay with the stored ones. Under a
    schedule ``lr`` is progress, and the setting is ``initial_lr``, which ReduceLROnPlateau does not write.

    Args:
        scheduled: a schedule changes the rate of the optimizer.

    Returns:
        one text for each setting that differs, with both values.
    """
    own = [
        {key: value for key, value in group.items() if key != "params" and not (scheduled and key == "lr")}
        for group in optimizer.param_groups
    ]
    optimizer.load_state_dict(dict(state))
    different: dict[str, None] = {}  # groups often share a setting: one text for all
    for group, settings in zip(optimizer.param_groups, own, strict=True):
        for key, value in settings.items():
            if not _same(group.get(key), value):
                different[f"{key} {group.get(key)} there, {value} now"] = None
                group[key] = value
    return list(different)


def load_schedule(schedule: LRScheduler, state: Mapping[str, Any]) -> list[str]:
    """Load the progress of a schedule, keep its own settings, and list those that are stored otherwise.

    Its optimizer must be loaded before. With equal settings everything is as stored. Otherwise the optimizer gets the
    rate of the own schedule at the stored epoch: a prolonged cosine that kept the stored ``T_max`` would climb again.

    Returns:
        one text for each setting that differs, with both values.

    Raises:
        ValueError: if settings differ and the schedule has no closed form, so that its rate at an epoch is not known.
    """
    names = {"base_lrs", *inspect.signature(type(schedule).__init__).parameters} - {"last_epoch", "optimizer"}
    own = {name: value for name, value in schedule.state_dict().items() if name in names}
    different = {
        name: f"{name} {state[name]} there, {value} now"
        for name, value in own.items()
        if name in state and not _same(state[name], value)
    }
    closed_form = getattr(schedule, "_get_closed_form_lr", None)
    if different and closed_form is None:
        raise ValueError(
            f"{type(schedule).__name__} has no closed form of its rate: {'; '.join(different.values())}. "
            "Give the stored settings, or set resume to false."
        )
    schedule.load_state_dict({**state, **{name: own[name] for name in different}})
    if different and closed_form is not None:
        rates = [float(rate) for rate in closed_form()]
        for group, rate in zip(schedule.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        schedule._last_lr = list(rates)
    return list(different.values())


def _same(a: Any, b: Any) -> bool:
    """Equality, of a tuple and the list that a file has made of it, too."""
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)
