import pickle
from collections import Counter

import pytest
import torch
from brain_bundles.data import EpochIndex, EpochSampler, LazySequence
from torch.utils.data import DataLoader


def as_rank(sampler: EpochSampler, rank: int, world_size: int) -> EpochSampler:
    """Make the sampler of one of several processes, without starting them."""
    sampler.rank, sampler.num_replicas = rank, world_size
    sampler.num_samples = -(-sampler.total_size // world_size)
    sampler.total_size = sampler.num_samples * world_size
    return sampler


def test_each_epoch_is_another_permutation_of_all_samples():
    sampler = EpochSampler(range(10), seed=3)
    orders = []
    for epoch in (1, 2):
        sampler.set_epoch(epoch)
        orders.append([int(i) for i in sampler])
        assert sorted(orders[-1]) == list(range(10))
    assert orders[0] != orders[1]


def test_order_is_a_function_of_seed_and_epoch():
    first, second, other = (
        EpochSampler(range(20), seed=5),
        EpochSampler(range(20), seed=5),
        EpochSampler(range(20), seed=6),
    )
    for sampler in (first, second, other):
        sampler.set_epoch(7)
    list(first)  # drawing once more changes nothing
    assert list(first) == list(second) != list(other)


def test_indices_carry_their_epoch_also_through_pickle():
    sampler = EpochSampler(range(3))
    sampler.set_epoch(4)
    index = pickle.loads(pickle.dumps(next(iter(sampler))))
    assert isinstance(index, EpochIndex)
    assert index.epoch == 4
    assert index == next(iter(sampler))


def test_without_shuffle_the_order_is_the_data_order():
    sampler = EpochSampler(range(5), shuffle=False)
    sampler.set_epoch(9)
    assert list(sampler) == [0, 1, 2, 3, 4]


def test_validation_is_always_in_epoch_zero():
    sampler = EpochSampler(range(5), shuffle=False, same_every_epoch=True)
    sampler.set_epoch(9)
    assert [index.epoch for index in sampler] == [0] * 5


@pytest.mark.parametrize("length", [4, 10, 27])
def test_epochs_of_fixed_length_draw_all_samples_equally_often(length):
    sampler = EpochSampler(range(10), num_samples_per_epoch=length)
    drawn: Counter = Counter()
    for epoch in range(10):
        sampler.set_epoch(epoch)
        indices = list(sampler)
        assert len(indices) == len(sampler) == length
        drawn.update(int(i) for i in indices)
    assert set(drawn.values()) == {length}


def test_global_batch_of_one_process_is_the_union_of_two_ranks():
    single = EpochSampler(range(16), seed=1)
    ranks = [as_rank(EpochSampler(range(16), seed=1), rank, 2) for rank in (0, 1)]
    for sampler in (single, *ranks):
        sampler.set_epoch(2)
    whole, parts = list(single), [list(sampler) for sampler in ranks]
    for k in range(4):
        union = parts[0][2 * k : 2 * k + 2] + parts[1][2 * k : 2 * k + 2]
        assert sorted(union) == sorted(whole[4 * k : 4 * k + 4])


def test_skip_once_leaves_out_the_front_of_one_iteration():
    sampler = EpochSampler(range(6))
    whole = list(sampler)
    sampler.skip_once(4)
    assert list(sampler) == whole[4:]
    assert list(sampler) == whole


def test_length_of_the_loader_is_that_of_the_fixed_epoch():
    data = torch.arange(10)
    loader = DataLoader(data, batch_size=4, sampler=EpochSampler(data, num_samples_per_epoch=40))
    assert len(loader) == len(list(loader)) == 10


def test_lazy_data_is_made_when_an_epoch_begins_and_before_worker_processes_do():
    data = LazySequence(lambda: list(range(3)))
    sampler = EpochSampler(data, num_samples_per_epoch=6)
    assert len(DataLoader(data, batch_size=2, sampler=sampler)) == 3
    assert "made" not in vars(data)
    sampler.set_epoch(1)
    assert "made" in vars(data)
    assert sorted(sampler) == [0, 0, 1, 1, 2, 2]


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="data set is empty"):
        EpochSampler([])
    with pytest.raises(ValueError, match="data set is empty"):
        list(EpochSampler([], num_samples_per_epoch=4))
    with pytest.raises(ValueError, match=r"num_samples_per_epoch must be a positive multiple.*got 0"):
        EpochSampler(range(3), num_samples_per_epoch=0)
    with pytest.raises(ValueError, match="cannot skip 7 of 3"):
        EpochSampler(range(3)).skip_once(7)
