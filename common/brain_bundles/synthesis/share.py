"""The part of the work that this process does, from what torchrun or a Slurm array say in the environment."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """One of ``count`` equal parts of the work.

    Attributes:
        index: which part, from 0.
        count: number of parts.
    """

    index: int = 0
    count: int = 1

    def of(self, things: Sequence[T]) -> list[T]:
        """Every ``count``-th thing, from ``index`` on; all shares together have each thing once."""
        return list(things[self.index :: self.count])


def share_of_this_process(environment: Mapping[str, str] = os.environ) -> Share:
    """The share that the environment announces.

    ``RANK`` and ``WORLD_SIZE``, which torchrun sets, are one share; the tasks of a Slurm array
    (``SLURM_ARRAY_TASK_ID``) are another; with both, each task of the array is cut into ranks.

    Raises:
        ValueError: for a rank that is not below the number of processes, or an array whose tasks are not evenly
            numbered, such as ``--array=1,5,7``: a task cannot know its place among them.
    """
    rank, ranks = int(environment.get("RANK", "0")), int(environment.get("WORLD_SIZE", "1"))
    if not 0 <= rank < ranks:
        raise ValueError(f"RANK is {rank} and WORLD_SIZE {ranks}; ranks go from 0 to WORLD_SIZE - 1.")
    task, tasks = 0, 1
    if "SLURM_ARRAY_TASK_ID" in environment:
        names = ("ID", "MIN", "MAX", "COUNT")
        number, least, most, tasks = (int(environment[f"SLURM_ARRAY_TASK_{name}"]) for name in names)
        step = max(1, (most - least) // max(1, tasks - 1))
        task, off = divmod(number - least, step)
        if least + step * (tasks - 1) != most or off or not 0 <= task < tasks:
            raise ValueError(
                f"task {number} is one of {tasks} from {least} to {most}, which are not evenly numbered; give the "
                "array a range, such as --array=0-99."
            )
    return Share(task * ranks + rank, tasks * ranks)


@contextmanager
def on_its_own() -> Iterator[None]:
    """Let runs of bundles in this process ignore the other processes: each has shards of its own, and none waits.

    Without this a config would join torchrun's process group and share the images of a shard among all ranks.
    """
    before = os.environ.pop("WORLD_SIZE", None)
    try:
        yield
    finally:
        if before is not None:
            os.environ["WORLD_SIZE"] = before
