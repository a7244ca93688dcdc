"""Data set that leaves out items that cannot be used."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from monai.data import IterableDataset
from torch.utils.data import get_worker_info

logger = logging.getLogger(__name__)


class SkipUnusableDataset(IterableDataset):
    """Transformed items in order; an item that the transform refuses is recorded and left out.

    Problems that a file itself shows are found before a run begins. This is for problems that only the preprocessing
    shows, such as a brain that vanishes on the model's grid.

    Args:
        data: items with a path under ``image``.
        transform: raises ValueError or RuntimeError for an item that cannot be used.
        problems: list to which (kind, reason) is added for each item left out, unless another process loads it
            (num_workers).
    """

    data: Sequence[Mapping[str, Any]]
    transform: Callable[[Any], Any]

    def __init__(
        self, data: Sequence[Mapping[str, Any]], transform: Callable[[Any], Any], problems: list[tuple[str, str]]
    ) -> None:
        super().__init__(data, transform)
        self.problems = problems

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        for item in self.data if worker is None else self.data[worker.id :: worker.num_workers]:
            try:
                usable = self.transform(item)
            except (RuntimeError, ValueError) as error:
                reason = _first_cause(error)
                name = "" if str(item["image"]) in str(reason) else f"{item['image']}: "
                self.problems.append(("unusable image", f"{name}{reason}"))
                logger.warning("Left out, %s: %s", *self.problems[-1])
                continue
            yield usable


def _first_cause(error: BaseException) -> BaseException:
    """Original error, which MONAI wraps once per transform."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
