"""Worker processes that end with the process that started them."""

from __future__ import annotations

import os
import threading
import time

INTERVAL_S = 0.5


def end_with_parent(parent: int | None = None) -> None:
    """End this process soon after its parent is gone; called once, at the start of a worker.

    A parent that is killed (kill -9, no memory) tells its workers nothing: those of
    ``concurrent.futures.ProcessPoolExecutor`` finish what they have and wait for ever. Files are written atomically, so
    a worker may end at any moment.

    Args:
        parent: id of the process that started this one, as that process knows it; by default the present parent.
    """
    known = os.getppid() if parent is None else parent

    def watch() -> None:
        while os.getppid() == known:  # an orphan gets another parent
            time.sleep(INTERVAL_S)
        os._exit(1)

    threading.Thread(target=watch, name="end with parent", daemon=True).start()
