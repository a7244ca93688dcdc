"""Settings of a resumed run: its own, named where the stored ones differ."""

import copy
import math

import pytest
import torch
from brain_bundles.utils.resumed_rates import load_optimizer, load_schedule
from torch.optim.lr_scheduler import CosineAnnealingLR, CosineAnnealingWarmRestarts, ReduceLROnPlateau


def make(epochs: int, rate: float = 1e-3, schedule=CosineAnnealingLR, **changes):
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(3))], lr=rate, **changes)
    return optimizer, schedule(optimizer, epochs, eta_min=1e-5)


def train(optimizer, schedule, epochs: int) -> list[float]:
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.param_groups[0]["params"][0].sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    return rates


def resumed(stored, new) -> list[str]:
    states = [copy.deepcopy(item.state_dict()) for item in stored]
    return load_optimizer(new[0], states[0], scheduled=True) + load_schedule(new[1], states[1])


def test_equal_settings_resume_as_stored_and_say_nothing():
    stored, expected = make(6), make(6)
    train(*stored, 2)
    rates = train(*expected, 6)
    new = make(6)
    new[0].param_groups[0]["params"][0].data.copy_(stored[0].param_groups[0]["params"][0])
    assert resumed(stored, new) == []
    assert train(*new, 4) == rates[2:]
    assert torch.equal(new[0].param_groups[0]["params"][0], expected[0].param_groups[0]["params"][0])


def test_a_prolonged_cosine_goes_on_along_the_longer_one():
    stored, longer = make(4), make(8)
    train(*stored, 4)
    rates = train(*longer, 8)
    new = make(8)
    assert resumed(stored, new) == ["T_max 4 there, 8 now"]
    assert train(*new, 4) == pytest.approx(rates[4:])
    assert new[0].param_groups[0]["lr"] == pytest.approx(1e-5)


def test_a_given_learning_rate_is_used_and_named():
    stored, new = make(4), make(4, rate=1e-4)
    train(*stored, 1)
    assert resumed(stored, new) == ["initial_lr 0.001 there, 0.0001 now", "base_lrs [0.001] there, [0.0001] now"]
    assert new[0].param_groups[0]["lr"] == pytest.approx(1e-5 + 9e-5 * (1 + math.cos(math.pi / 4)) / 2)
    assert new[0].state  # the moments are those of the stored run


def test_another_weight_decay_is_used_and_a_tuple_equals_its_list():
    stored, new = make(4), make(4, weight_decay=0.5)
    train(*stored, 1)
    state = copy.deepcopy(stored[0].state_dict())
    state["param_groups"][0]["betas"] = list(state["param_groups"][0]["betas"])
    assert load_optimizer(new[0], state, scheduled=True) == ["weight_decay 0 there, 0.5 now"]
    assert new[0].param_groups[0]["weight_decay"] == 0.5


def test_without_a_schedule_the_rate_is_a_setting():
    stored, new = (torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=rate) for rate in (0.1, 0.2))
    assert load_optimizer(new, stored.state_dict(), scheduled=False) == ["lr 0.1 there, 0.2 now"]
    assert new.param_groups[0]["lr"] == 0.2


def test_another_schedule_without_a_closed_form_is_refused():
    stored, new = make(4, schedule=CosineAnnealingWarmRestarts), make(8, schedule=CosineAnnealingWarmRestarts)
    with pytest.raises(ValueError, match=r"CosineAnnealingWarmRestarts has no closed form.*T_0 4 there, 8 now"):
        resumed(stored, new)


def test_a_plateau_keeps_the_rate_that_it_has_reached():
    def plateau():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
        return optimizer, ReduceLROnPlateau(optimizer, factor=0.5, patience=0)

    stored, new = plateau(), plateau()
    for loss in (1.0, 2.0):
        stored[1].step(loss)
    assert resumed(stored, new) == []
    assert new[0].param_groups[0]["lr"] == 0.05
