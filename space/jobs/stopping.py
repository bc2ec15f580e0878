"""Requests to end a process: taken at once during a job, and between steps otherwise."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class StopAsked(BaseException):
    """The process was asked to end (not an Exception: nothing may swallow it)."""


class StopSwitch:
    """A request to end, taken at once during a job and between steps otherwise.

    A claim that is half written down must not be interrupted.
    """

    def __init__(self) -> None:
        self.asked = False
        self._open = False

    def ask(self) -> None:
        """Ask to end (called by a signal)."""
        self.asked = True
        if self._open:
            raise StopAsked

    def check(self) -> None:
        """Take a request that could not interrupt the job, as from another thread.

        Raises
        ------
        StopAsked
            If a request has come, and a job may be ended here.
        """
        if self.asked and self._open:
            raise StopAsked

    def is_asked(self) -> bool:
        """Whether the process was asked to end."""
        return self.asked

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let a request end what runs in this block."""
        self._open = True
        try:
            if self.asked:
                raise StopAsked
            yield
        finally:
            self._open = False

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than until a request comes."""
        end = time.monotonic() + seconds
        while not self.asked and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.5))


def catch_stop_signals(ask: Callable[[], None]) -> None:
    """Call `ask` when the process is asked to end (Ctrl-C, a service manager, the monitor)."""

    def stop(number: int, frame: FrameType | None) -> None:
        ask()

    for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)
