"""Shards have every brain once."""

from __future__ import annotations

import pytest
from brain_bundles.synthesis import Plan


@pytest.mark.parametrize(
    ("brains", "size", "sizes"), [(5, 2, [2, 2, 1]), (4, 2, [2, 2]), (1, 250, [1]), (3, 1, [1] * 3)]
)
def test_shards_have_every_brain_once_in_order(brains, size, sizes):
    shards = Plan(brains, size).shards
    assert [shard.size for shard in shards] == sizes
    assert [i for one in shards for i in range(one.first, one.first + one.size)] == list(range(brains))
    assert [shard.name for shard in shards] == [f"shard-{n:04d}" for n in range(1, len(sizes) + 1)]


def test_a_hundred_thousand_brains():
    shards = Plan(100_000).shards
    assert (len(shards), shards[-1].name, shards[-1].first + shards[-1].size) == (400, "shard-0400", 100_000)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"num_subjects": 0}, "num_subjects is 0, expected a whole number of at least 1"),
        ({"num_subjects": 2.5}, "num_subjects is 2.5"),
        ({"num_subjects": 2, "shard_size": 0}, "shard_size is 0"),
        ({"num_subjects": 2, "seed": -1}, "seed is -1, expected a whole number of at least 0"),
        ({"num_subjects": True}, "num_subjects is True"),
    ],
)
def test_impossible_numbers_are_named(numbers, message):
    with pytest.raises(ValueError, match=message):
        Plan(**numbers)
