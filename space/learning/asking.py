"""Asking a process of its own (`space.learning.assistant`) for proposals."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from space.errors import SpaceError

_MODULE = "space.learning.assistant"
_CLOSING_S = 2.0
_LONGEST_LINE = 400_000_000


class Assistant:
    """A process that is started when it is asked first, and again if it has ended.

    Parameters
    ----------
    command : sequence of str
        Starts the process.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._is_closed = False

    def ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the process answers; this may take minutes.

        Raises
        ------
        SpaceError
            If it cannot do what is asked, or ends.
        """
        with self._lock:
            process = self._running()
            if process.stdin is None or process.stdout is None:
                raise _ended()
            try:
                process.stdin.write(json.dumps(order) + "\n")
                process.stdin.flush()
                line = process.stdout.readline(_LONGEST_LINE)
                answer = json.loads(line)
            except (OSError, ValueError):  # the last: it ended, and its line is none
                self._end()
                raise _ended() from None
        error = answer.get("error")
        if error is not None:
            raise SpaceError(error["what"], error["where"], error["do"])
        return dict(answer)

    def _running(self) -> subprocess.Popen[str]:
        if self._is_closed:
            raise _ended()
        if self._process is None or self._process.poll() is not None:
            flags = 0
            if sys.platform == "win32":
                flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
                env={**os.environ, "PYTHONIOENCODING": "utf-8"},
                creationflags=flags,
                start_new_session=sys.platform != "win32",  # Ctrl-C is for the server
            )
        return self._process

    def close(self) -> None:
        """End the process, also while it works: what it writes appears whole or not at all."""
        self._is_closed = True
        self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_CLOSING_S)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    stream.close()


def _ended() -> SpaceError:
    return SpaceError(
        "The process that makes proposals has ended.",
        do="The terminal of this page says more. Ask again: it is started anew.",
    )


def proposing(folder: Path, model: Path, preset: str) -> Assistant:
    """Return a process that proposes labels: an order has the ``stem`` of a picture."""
    model = Path(model).resolve()
    return Assistant([*_command(folder), "--model", str(model), "--preset", preset])


def prompting(folder: Path, weights: Path) -> Assistant:
    """Return a process that says what is under a click: an order has ``points`` and ``inside``."""
    return Assistant([*_command(folder), "--sam", str(Path(weights).resolve())])


def _command(folder: Path) -> list[str]:
    return [sys.executable, "-m", _MODULE, str(Path(folder).resolve())]
