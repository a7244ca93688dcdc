import pickle

import pytest
from brain_bundles.data import LazySequence, prepare_data

CALLS = []


def make(length: int, problem: str | None = None) -> list[int]:
    CALLS.append(length)
    if problem is not None:
        raise ValueError(problem)
    return list(range(length))


@pytest.fixture(autouse=True)
def no_calls():
    CALLS.clear()


@pytest.mark.parametrize(
    "use",
    [len, list, lambda lazy: lazy[1], lambda lazy: 3 in lazy, lambda lazy: lazy.made, lambda lazy: list(lazy[2:])],
)
def test_it_is_made_once_at_the_first_use_whatever_that_is(use):
    lazy = LazySequence(make, length=5)
    part = lazy[1:3]
    assert CALLS == []
    use(lazy)
    assert CALLS == [5]
    assert list(lazy) == [0, 1, 2, 3, 4]
    assert (list(part), len(part), part[-1], list(part[1:])) == ([1, 2], 2, 2, [2])
    assert CALLS == [5]


def test_what_is_wrong_comes_at_every_use():
    lazy = LazySequence(make, length=2, problem="no such file")
    for _ in range(2):
        with pytest.raises(ValueError, match="no such file"):
            len(lazy)


def test_a_worker_process_gets_what_was_made():
    lazy = LazySequence(make, length=3)
    prepare_data([lazy])
    assert list(pickle.loads(pickle.dumps(lazy))) == [0, 1, 2]
    assert CALLS == [3]


def test_data_sets_are_prepared_in_their_order():
    first, second = LazySequence(make, length=4), LazySequence(make, length=2)
    prepare_data([first, [1, 2], second])
    assert CALLS == [4, 2]
