from functools import partial

import numpy as np
import pytest
import torch
from brain_bundles.utils.fingerprint import describe, module_fingerprint, weights_fingerprint
from monai.transforms import Compose, Lambda, RandGaussianNoise, ScaleIntensity
from torch import nn


def test_description_says_class_and_settings():
    text = describe(Compose([ScaleIntensity(0.0, 2.0)]))
    assert "ScaleIntensity" in text
    assert "'maxv': 2.0" in text
    assert "0x" not in text  # no addresses: they differ between processes


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ScaleIntensity(0.0, 1.0), ScaleIntensity(0.0, 2.0)),
        (lambda x: x + 1, lambda x: x + 2),
        (lambda x: x + 1, lambda x: x - 1),
        (Lambda(lambda x: x.sum()), Lambda(lambda x: x.mean())),
        (partial(np.clip, a_min=0), partial(np.clip, a_min=1)),
        (np.arange(3), np.arange(4)),
        (torch.zeros(2), torch.ones(2)),
        ({"a": 1}, {"a": 2}),
        ([1, 2], [2, 1]),
        (torch.float32, torch.float16),
    ],
)
def test_what_differs_is_described_differently(one, other):
    assert describe(one) != describe(other)
    assert describe(one) == describe(one)


def test_random_state_is_no_setting():
    transform = RandGaussianNoise(prob=1.0)
    assert describe(transform) == describe(RandGaussianNoise(prob=1.0).set_random_state(seed=3))


def test_circles_are_refused():
    circle: list = []
    circle.append(circle)
    with pytest.raises(ValueError, match="cannot describe list: nested too deeply"):
        describe(circle)


def test_module_fingerprint_sees_weights_buffers_and_structure():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    first = module_fingerprint(network)
    assert module_fingerprint(network) == first
    network[1].running_mean[0] = 1e-6
    second = module_fingerprint(network)
    network[1].eps = 1e-2
    assert len({first, second, module_fingerprint(network)}) == 3


def test_weights_alone_do_not_tell_how_a_network_prints():
    first, second = (torch.nn.Sequential(torch.nn.Linear(2, 2)) for _ in range(2))
    second.load_state_dict(first.state_dict())
    second.append(torch.nn.ReLU())  # no weights, another text
    assert weights_fingerprint(first) == weights_fingerprint(second)
    assert module_fingerprint(first) != module_fingerprint(second)
    with torch.no_grad():
        second[0].weight.add_(1)
    assert weights_fingerprint(first) != weights_fingerprint(second)
