"""What runs the workers of a monitor: processes on this computer, or something else.

The monitor decides when a worker is started and ended; an executor knows how. What a worker does
is the same everywhere: it takes jobs from the folders and gives signs of life there.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from space.jobs.launch import start_worker, worker_log_path
from space.jobs.workers import Worker, this_machine

#: A worker that has found no work for so long ends.
WORKER_IDLE_SECONDS = 1800.0
_KILL_SECONDS = 10.0

Starter = Callable[[Sequence[Path], Path, str, float], "subprocess.Popen[bytes]"]


class StartedWorker(Protocol):
    """A worker that a monitor has started, wherever it runs."""

    @property
    def title(self) -> str:
        """What people know it by, such as ``process 4711``."""

    @property
    def log_path(self) -> Path:
        """Where its messages are."""

    def poll(self) -> int | None:
        """Return the exit status with which it has ended; None while it has not."""

    def waits(self) -> bool:
        """Whether it waits for a computer to run on, as in the queue of a cluster."""

    def owns(self, worker: Worker) -> bool:
        """Whether a sign of life or a claim is its own."""

    def is_named(self, name: str) -> bool:
        """Whether the name of a worker, living or not, is its own."""

    def terminate(self) -> None:
        """Ask it to give back its job and end; return at once."""

    def kill(self) -> None:
        """End it by force."""

    def wait(self, timeout_s: float) -> bool:
        """Wait until it has ended; False if it has not within this time."""


class Executor(Protocol):
    """Starts workers."""

    @property
    def uses_this_machine(self) -> bool:
        """Whether its workers need the devices of this computer, which others use as well."""

    @property
    def silence_s(self) -> float:
        """For how long a worker may give no signs of life, as while it is started again."""

    def start(self, map_dirs: Sequence[Path], space_dir: Path, device: str) -> StartedWorker:
        """Start a worker, which ends when it finds no work for a while; return at once.

        Raises
        ------
        SpaceError, OSError
            If it cannot be started.
        """

    def log_path(self, map_dir: Path, device: str) -> Path:
        """Return where a worker that could not be started left its last message."""

    def close(self) -> None:
        """End what is left; the workers have been ended before."""


class LocalProcesses:
    """Workers that are processes on this computer, and outlive the monitor if it is killed.

    Parameters
    ----------
    start : callable, optional
        Makes the process (replaced in tests).
    """

    uses_this_machine = True
    silence_s = 0.0  # a missing process is known at once

    def __init__(self, start: Starter = start_worker) -> None:
        self._start = start

    def start(self, map_dirs: Sequence[Path], space_dir: Path, device: str) -> StartedWorker:
        """Start a process."""
        process = self._start(map_dirs, space_dir, device, WORKER_IDLE_SECONDS)
        return LocalProcess(process, self.log_path(map_dirs[0], device))

    def log_path(self, map_dir: Path, device: str) -> Path:
        """Return the log of the workers on this device."""
        return worker_log_path(map_dir, device)

    def close(self) -> None:
        """Leave nothing behind: there is nothing but the processes."""


class LocalProcess:
    """A worker that is a process on this computer."""

    def __init__(self, process: subprocess.Popen[bytes], log_path: Path) -> None:
        self._process = process
        self.log_path = log_path

    @property
    def title(self) -> str:
        """Name its process."""
        return f"process {self._process.pid}"

    def poll(self) -> int | None:
        """Return the status of the process."""
        return self._process.poll()

    def waits(self) -> bool:
        """Say no: a process runs at once."""
        return False

    def owns(self, worker: Worker) -> bool:
        """Compare the process, if the worker is on this computer."""
        return worker.is_here and worker.pid == self._process.pid

    def is_named(self, name: str) -> bool:
        """Compare the beginning of the name."""
        return name.startswith(f"{this_machine()}-{self._process.pid}-")

    def terminate(self) -> None:
        """Send the signal to end."""
        with contextlib.suppress(OSError):
            self._process.terminate()

    def kill(self) -> None:
        """Kill the process, and wait a little until it is gone."""
        self._process.kill()
        self.wait(_KILL_SECONDS)

    def wait(self, timeout_s: float) -> bool:
        """Wait for the process."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True
