from pathlib import Path

import pytest
from brain_bundles.evaluation.populations.choice import choose_people
from brain_bundles.evaluation.populations.people import Visit


def people(number, *contrasts):
    return [Visit(f"sub-{i:02d}", f"sub-{i:02d}", paths=dict.fromkeys(contrasts, Path("x"))) for i in range(number)]


def choose(first, second, contrasts=None, most=100, seed=0):
    return choose_people((first, second), ("one", "two"), contrasts, most=most, seed=seed)


def test_equal_numbers_of_each_in_order():
    first, second = people(30, "T1w", "FLAIR"), people(12, "T1w")
    chosen = choose(first, second)
    assert list(chosen) == ["T1w"]
    a, b = chosen["T1w"]
    assert b == second
    assert len({one.name for one in a}) == 12
    assert [one.name for one in a] == sorted(one.name for one in a)
    assert a != first[:12]
    assert choose(first, second, seed=1)["T1w"][0] != a
    assert [len(some) for some in choose(first, people(40, "T1w"), most=15)["T1w"]] == [15, 15]


def test_too_few_people_are_an_error_with_the_numbers_of_both():
    message = (
        "FLAIR: at least 10 people of each set must have it. one has T1w of 30, FLAIR of 9 people; two has T1w of 12"
    )
    first = people(9, "T1w", "FLAIR") + people(21, "T1w")
    with pytest.raises(ValueError, match=message):
        choose(first, people(12, "T1w"), ["T1w", "FLAIR"])
    with pytest.raises(ValueError, match="no contrast that at least 10 people of both sets have"):
        choose(people(30, "T1w"), people(30, "T2w"))
    with pytest.raises(ValueError, match="num_people is 9, expected at least 10"):
        choose(first, first, most=9)
