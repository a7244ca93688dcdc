from __future__ import annotations

import pytest
import torch
from brain_bundles.engines import ImagePool


def image(value: float) -> torch.Tensor:
    return torch.full((1, 1, 2, 2), float(value))


def test_a_pool_that_is_not_full_hands_on_and_keeps():
    pool = ImagePool(4)
    images = torch.rand(3, 1, 2, 2)
    assert torch.equal(pool(images, torch.arange(3)), images)
    assert torch.equal(torch.stack(pool.images), images)


def test_half_of_what_a_full_pool_shows_is_older_and_each_image_is_shown_once_when_it_leaves():
    pool = ImagePool(8)
    pool(torch.cat([image(-1.0 - i) for i in range(8)]), torch.arange(8))
    kept = {float(one.mean()) for one in pool.images}
    older = 0
    for number in range(400):
        shown = float(pool(image(number), torch.tensor([100 + number])).mean())
        if shown != number:
            older += 1
            assert shown in kept
            kept.remove(shown)
            kept.add(number)
        assert {float(one.mean()) for one in pool.images} == kept
    assert 160 < older < 240  # 4 standard deviations of 400 fair draws


def test_draws_belong_to_the_sample_and_the_state_is_whole():
    first = ImagePool(2)
    first(torch.rand(2, 1, 2, 2), torch.arange(2))
    second = ImagePool(2)
    second.load_state_dict(first.state_dict())
    images, seeds = torch.rand(6, 1, 2, 2), torch.arange(50, 56)
    torch.manual_seed(0)
    shown = first(images, seeds)
    torch.manual_seed(1)
    assert torch.equal(second(images, seeds), shown)
    assert not torch.equal(shown, images)


def test_no_pool_and_no_negative_one():
    images = torch.rand(3, 1, 2, 2)
    pool = ImagePool(0)
    assert torch.equal(pool(images, torch.arange(3)), images)
    assert pool.images == []
    with pytest.raises(ValueError, match="size of the image pool must not be negative, got -1; 0 keeps no images"):
        ImagePool(-1)
