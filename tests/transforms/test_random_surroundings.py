"""Tests of made-up tissue around the brain."""

import pytest
import torch
from brain_bundles.transforms import RandSurroundingsd

SIZE = (24, 28, 24)


@pytest.fixture
def head():
    """A brain of 0.6 in a head of 0.3."""
    radius = torch.stack(torch.meshgrid(*[torch.arange(n) - n / 2 for n in SIZE], indexing="ij")).norm(dim=0)[None]
    return {"image": 0.6 * (radius < 7) + 0.3 * ((radius >= 7) & (radius < 12)), "label": (radius < 7).long()}


def transform(seed=0, prob=1.0):
    return RandSurroundingsd("image", "label", prob).set_random_state(seed)


def test_the_brain_stays_and_what_is_around_it_changes(head):
    changed = transform()(head)
    inside = head["label"] > 0
    assert torch.equal(changed["image"][inside], head["image"][inside])
    share = (changed["image"] != head["image"])[~inside].float().mean()
    assert 0.08 < share < 0.75
    assert changed["image"].dtype == head["image"].dtype
    assert changed["image"].min() >= 0
    assert changed["image"].max() <= head["image"].max()
    assert torch.equal(changed["label"], head["label"])


def test_it_is_a_draw_of_the_seed(head):
    first, again, other = (transform(seed)(head)["image"] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_brain_alone_stays_alone(head):
    noise = 0.01 * torch.rand(1, *SIZE)
    alone = {**head, "image": head["image"] * head["label"] + noise}
    assert torch.equal(transform()(alone)["image"], alone["image"])


def test_without_chance_nothing_happens(head):
    assert torch.equal(transform(prob=0.0)(head)["image"], head["image"])
