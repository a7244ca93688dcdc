"""Shares of torchrun and of Slurm arrays: together they have all, and each thing once."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
from brain_bundles.synthesis import Share, share_of_this_process
from brain_bundles.synthesis.share import on_its_own
from brain_bundles.utils import init_distributed


def array(number: int, tasks: Sequence[int]) -> dict[str, str]:
    values = {"ID": number, "MIN": tasks[0], "MAX": tasks[-1], "COUNT": len(tasks)}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in values.items()}


def ranks(rank: int, count: int) -> dict[str, str]:
    return {"RANK": str(rank), "WORLD_SIZE": str(count)}


ENVIRONMENTS = {
    "alone": [{}],
    "torchrun": [ranks(rank, 3) for rank in range(3)],
    "array from 1": [array(number, range(1, 5)) for number in range(1, 5)],
    "array with a step": [array(number, range(2, 12, 3)) for number in range(2, 12, 3)],
    "array of one": [array(7, range(7, 8))],
    "torchrun in an array": [{**array(n, range(2)), **ranks(rank, 2)} for n in range(2) for rank in range(2)],
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_all_shares_together_have_each_thing_once(name):
    shares = [share_of_this_process(environment) for environment in ENVIRONMENTS[name]]
    assert {share.count for share in shares} == {len(shares)}
    assert sorted(thing for share in shares for thing in share.of(range(11))) == list(range(11))
    sizes = [len(share.of(range(11))) for share in shares]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (ranks(2, 2), "RANK is 2 and WORLD_SIZE 2; ranks go from 0"),
        (array(5, [1, 5, 7]), "task 5 is one of 3 from 1 to 7, which are not evenly numbered"),
        (array(2, [1, 2, 8]), "not evenly numbered; give the array a range, such as --array=0-99"),
    ],
)
def test_what_is_no_share_is_refused(environment, message):
    with pytest.raises(ValueError, match=message):
        share_of_this_process(environment)


def test_a_bundle_s_run_joins_no_process_group(monkeypatch):
    """With WORLD_SIZE alone it would ask for torchrun's address."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="WORLD_SIZE is 2 but RANK"):
        init_distributed("gloo")
    with on_its_own():
        assert init_distributed("gloo") is False
    assert os.environ["WORLD_SIZE"] == "2"


def test_the_whole_is_the_default():
    assert Share().of("abc") == ["a", "b", "c"]
