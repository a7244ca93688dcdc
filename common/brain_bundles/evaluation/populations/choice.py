"""As many people of one set as of the other, for each contrast."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from brain_bundles.evaluation.populations.people import Visit
from brain_bundles.utils.seeding import derive_seed

LEAST_PEOPLE = 10  # a fold of a cross-validation has two of each set
Pair = tuple[list[Visit], list[Visit]]


def choose_people(
    sets: tuple[Sequence[Visit], Sequence[Visit]],
    folders: tuple[str | os.PathLike[str], str | os.PathLike[str]],
    contrasts: Sequence[str] | None,
    *,
    most: int,
    seed: int,
) -> Mapping[str, Pair]:
    """Choose the people to compare, by contrast: equal numbers of both sets, in order, at random where there are more.

    Args:
        sets: people of the two folders.
        folders: the folders, for messages.
        contrasts: contrasts to compare, None for those that enough people of both sets have.
        most: people of each set at most.
        seed: seed of the draw.

    Raises:
        ValueError: if ``most`` is below 10, or a set has fewer than 10 people with a contrast; the message has the
            contrasts of both.
    """
    if most < LEAST_PEOPLE:
        raise ValueError(f"num_people is {most}, expected at least {LEAST_PEOPLE} to train and test a classifier.")
    counts = [Counter(name for visit in visits for name in visit.paths) for visits in sets]
    shared = [name for name in counts[0] if all(count[name] >= LEAST_PEOPLE for count in counts)]
    has = "; ".join(
        f"{os.fspath(folder)} has {', '.join(f'{name} of {n}' for name, n in count.items()) or 'none'} people"
        for folder, count in zip(folders, counts, strict=True)
    )
    if few := [name for name in contrasts or () if name not in shared]:
        raise ValueError(f"{', '.join(few)}: at least {LEAST_PEOPLE} people of each set must have it. {has}.")
    if not shared:
        raise ValueError(f"no contrast that at least {LEAST_PEOPLE} people of both sets have. {has}.")
    result = {}
    for contrast in dict.fromkeys(contrasts or shared):
        there = [[visit for visit in visits if contrast in visit.paths] for visits in sets]
        number = min(most, *map(len, there))
        first, second = (
            _draw(visits, number, derive_seed(seed, "people", which)) for which, visits in enumerate(there)
        )
        result[contrast] = (first, second)
    return result


def _draw(visits: Sequence[Visit], number: int, seed: int) -> list[Visit]:
    order = np.random.default_rng(seed).permutation(len(visits))[:number]
    return [visits[i] for i in sorted(order)]
