"""Worker processes: how many, and that they end with the process that started them.

The module lies here and needs nothing, so that a new process watches its parent before it imports torch, for seconds.
"""

from __future__ import annotations

import os
import threading
import time

INTERVAL_S = 0.5


def end_with_parent(parent: int | None = None) -> None:
    """End this process soon after its parent is gone; called once, at the start of a worker.

    A parent that is killed (kill -9, no memory) tells its workers nothing. Those of a ``ProcessPoolExecutor`` go on
    with what they have and then wait for ever, and so do those of torch's ``DataLoader`` if their pipe is full (torch
    2.13). Files are written atomically, so a worker may end at any moment.

    Args:
        parent: id of the process that started this one, as that process knows it; by default the present parent.
    """
    known = os.getppid() if parent is None else parent

    def watch() -> None:
        while os.getppid() == known:  # an orphan gets another parent
            time.sleep(INTERVAL_S)
        os._exit(1)

    threading.Thread(target=watch, name="end with parent", daemon=True).start()


_ending = False


def end_forked_with_this_process() -> None:
    """End the processes that this one forks from now on, such as the workers of data loaders, soon after it is gone.

    Calling this twice changes nothing. Programs that are started in a new process, and not forked, are their own.
    """
    global _ending
    if not _ending and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=end_with_parent)
        _ending = True


def num_cores() -> int:
    """Number of cores that this process may use; all of the machine where the system does not tell (macOS)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
