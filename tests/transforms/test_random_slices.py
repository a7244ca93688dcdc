from __future__ import annotations

import pytest
import torch
from brain_bundles.transforms import RandSlicesd


def numbered(axis: int, slices: int = 6) -> torch.Tensor:
    """A volume whose values are the numbers of its slices."""
    shape = [1, 4, 4, 4]
    shape[axis + 1] = slices
    view = [1, 1, 1, 1]
    view[axis + 1] = slices
    return torch.arange(slices, dtype=torch.float32).view(view).expand(shape)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_same_run_of_neighbours_comes_out_of_every_key(axis):
    cut = RandSlicesd(["a", "b"], 3, axis).set_random_state(0)
    starts = set()
    for _ in range(40):
        d = cut({"a": numbered(axis), "b": 10 * numbered(axis)})
        values = d["a"].unique().tolist()
        assert values == [values[0], values[0] + 1, values[0] + 2]
        torch.testing.assert_close(d["b"], 10 * d["a"])
        starts.add(values[0])
    assert starts == {0, 1, 2, 3}  # every position


def test_single_slices_lose_their_axis():
    assert RandSlicesd("a", 1, 1, squeeze=True)({"a": torch.rand(2, 4, 6, 8)})["a"].shape == (2, 4, 8)


@pytest.mark.parametrize("number", [None, 6, 50])
def test_no_number_or_a_larger_one_keeps_all(number):
    assert torch.equal(RandSlicesd("a", number, 0)({"a": numbered(0)})["a"], numbered(0))


def test_the_seed_decides():
    def draw(seed):
        return RandSlicesd("a", 1, 0).set_random_state(seed)({"a": numbered(0, 100)})["a"].max()

    assert draw(1) == draw(1)
    assert len({float(draw(seed)) for seed in range(5)}) > 1


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="num_slices must be positive, got 0"):
        RandSlicesd("a", 0)
    with pytest.raises(ValueError, match="slice_axis is 3, allowed are 0, 1 and 2"):
        RandSlicesd("a", 1, 3)
    with pytest.raises(ValueError, match="squeeze needs num_slices 1, got 2"):
        RandSlicesd("a", 2, squeeze=True)
    with pytest.raises(ValueError, match=r"have \{'a': 6, 'b': 5\} slices"):
        RandSlicesd(["a", "b"], 1, 0)({"a": numbered(0), "b": numbered(0, 5)})
