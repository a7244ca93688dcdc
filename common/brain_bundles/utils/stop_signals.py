"""Signals that ask a training to stop, heard by all processes at the same iteration."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Sequence
from typing import Any

from brain_bundles.utils.distributed import largest_of_all_ranks

logger = logging.getLogger(__name__)


class StopSignals:
    """Remember a signal until the training asks for it; nothing else happens while an update is half done.

    Args:
        names: names of the signals.

    Raises:
        ValueError: for an unknown name.
    """

    def __init__(self, names: Sequence[str]) -> None:
        if unknown := [name for name in names if not hasattr(signal, name)]:
            raise ValueError(f"unknown signals {unknown}; for example SIGTERM, SIGUSR1.")
        self.numbers = [getattr(signal, name) for name in names]
        self._received: int | None = None
        self._previous: dict[int, Any] = {}

    def install(self) -> None:
        """Begin to listen; signals that the process ignores stay ignored."""
        if threading.current_thread() is not threading.main_thread():
            return  # Python hands signals to the main thread only
        for number in self.numbers:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._receive)

    def remove(self) -> None:
        """Give the signals back to the handlers that were there before."""
        while self._previous:
            number, previous = self._previous.popitem()
            signal.signal(number, previous)

    def _receive(self, number: int, frame: Any) -> None:
        self._received = number  # nothing else here: the interrupted code may be in the middle of an update

    def received(self) -> bool:
        """Return True if any process was told to stop; with several processes, all of them must ask."""
        number = largest_of_all_ranks(self._received or 0)
        self._received = number or None
        return bool(number)

    def stop(self) -> None:
        """Leave the process as the signal asks: by the handler that was there before, or with 128 + its number.

        Raises:
            SystemExit: unless that handler does something else.
        """
        assert self._received is not None
        number, self._received = self._received, None
        logger.warning("Stopping on %s; start again with resume to continue.", signal.Signals(number).name)
        previous = self._previous.get(number)
        self.remove()
        if callable(previous):
            signal.raise_signal(number)  # the handler that was there before decides
        raise SystemExit(128 + number)
