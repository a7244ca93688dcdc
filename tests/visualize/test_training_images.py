import torch
from brain_bundles.data import LazySequence
from brain_bundles.visualize import Samples


def test_samples_read_their_conditions_when_a_picture_is_due():
    """A lazy sequence gives what a tensor gives: the same seeds and conditions each time."""
    conditions = torch.arange(6.0).reshape(2, 1, 3)
    lazy = LazySequence(lambda: list(conditions))
    seen = []

    def sampler(context, network, *, seeds):
        seen.append((context, seeds))
        return torch.zeros(len(context), 1, 2, 2, 2)

    pictures = [Samples(sampler, torch.nn.Linear(1, 1), context, seed=3) for context in (conditions, lazy)]
    assert "made" not in vars(lazy)
    for picture in (*pictures, pictures[0]):
        assert [volume.shape for volume in picture()] == [(1, 2, 2, 2)] * 2
    contexts, seeds = zip(*seen, strict=True)
    assert all(torch.equal(context, conditions) for context in contexts)
    assert len({tuple(one) for one in seeds}) == 1
    assert len(set(seeds[0])) == 2
