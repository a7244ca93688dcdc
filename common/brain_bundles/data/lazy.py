"""Data that is found, checked and read at its first use, so that a config can be parsed without data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Sized
from functools import cached_property
from typing import Any


class LazySequence(Sequence):
    """The sequence that ``make(**options)`` returns, made when its length or an item is first needed.

    A slice, ``lazy[:3]``, is lazy too. An error of ``make`` is raised at the first use, and again at the next.

    Args:
        make: returns the sequence; in a config a component with ``"_mode_": "callable"``.
        **options: keyword arguments of ``make``.
    """

    def __init__(self, make: Callable[..., Sequence], **options: Any) -> None:
        self.make, self.options = make, options

    @cached_property
    def made(self) -> Any:
        """The sequence itself."""
        return self.make(**self.options)

    def __len__(self) -> int:
        return len(self.made)

    def __getitem__(self, index: Any) -> Any:
        return LazySequence(_part, whole=self, part=index) if isinstance(index, slice) else self.made[index]


def prepare_data(datasets: Iterable[Sized]) -> None:
    """Make the data sets of a training: find and check their files, fill their caches.

    A step of ``run`` before the training: a wrong dataset is refused before the first step, and lazy data is made here
    once, not in each worker process of a loader.
    """
    for dataset in datasets:
        len(dataset)  # the first use


def _part(whole: LazySequence, part: slice) -> Any:
    return whole.made[part]
