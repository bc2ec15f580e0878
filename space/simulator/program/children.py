"""Processes that scripts start, such as workers: SerialEM ends them when it is closed."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from typing import Any

PATIENCE_S = 10.0
"""What a process gets to end by itself, once it was asked to."""


class Children:
    """Processes that the scripts of a session have started."""

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[Any]] = []

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Note the processes that are started in this block."""
        usual, note = subprocess.Popen, self._note

        class Noted(subprocess.Popen[Any]):
            def __init__(self, *args: Any, **options: Any) -> None:
                super().__init__(*args, **options)
                note(self)

        # A class may not be replaced, for a checker; it is put back below.
        subprocess.Popen = Noted  # type: ignore[misc]
        try:
            yield
        finally:
            subprocess.Popen = usual  # type: ignore[misc]

    def _note(self, process: subprocess.Popen[Any]) -> None:
        self._started = [process for process in self._started if process.poll() is None]
        self._started.append(process)

    def end(self, patience_s: float = PATIENCE_S) -> None:
        """End all that still run: ask them to, and do not ask those that take too long."""
        running = [process for process in self._started if process.poll() is None]
        for process in running:
            process.terminate()
        until = time.monotonic() + patience_s
        for process in running:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._started = []
