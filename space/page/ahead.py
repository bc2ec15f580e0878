"""Work that is done before anybody asks for its result: the latest only."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from space.errors import SpaceError

log = logging.getLogger("space.page")


QUIET_S = 1.0
"""Nothing is begun before nobody has asked for anything urgent for so long."""


class Ahead:
    """One piece of work at a time; of those that wait, the one that came last."""

    def __init__(self) -> None:
        self._held_until = 0.0
        self._worker = ThreadPoolExecutor(1, "ahead")
        self._lock = threading.Lock()
        self._next: Callable[[], object] | None = None
        self._closing = threading.Event()

    def wish(self, work: Callable[[], object]) -> None:
        """Have a piece of work done soon, unless another one is wished for before it begins."""
        with self._lock:
            waits, self._next = self._next is not None, work
            if not waits and not self._closing.is_set():
                self._worker.submit(self._do_next)

    def hold(self) -> None:
        """Put off what was not begun: something is asked for that somebody waits for."""
        self._held_until = time.monotonic() + QUIET_S

    def close(self) -> None:
        """Begin nothing more, and wait for what was begun."""
        with self._lock:
            self._closing.set()
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _do_next(self) -> None:
        while not self._closing.is_set() and time.monotonic() < self._held_until:
            self._closing.wait(self._held_until - time.monotonic())
        with self._lock:
            work, self._next = self._next, None
        if work is None or self._closing.is_set():
            return
        try:
            work()
        except (SpaceError, OSError, ValueError, MemoryError) as error:
            # Who asks for the result is told.
            log.debug("Nothing was prepared: %s", error)
