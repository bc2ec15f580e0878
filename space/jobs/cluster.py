"""Workers as tasks of Dask: on this computer, as jobs of SLURM, or in a cluster that runs already.

Dask only gives processes on computers, starts them again and ends them. What waits, runs and is
done is in the folders, as for every worker. One slot of the monitor has one task ("serve these
folders until nothing waits"), and where the processes are ours, one process or job, which ends with
its task.
"""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future as PlainFuture
from concurrent.futures import TimeoutError as PlainTimeoutError
from datetime import datetime
from pathlib import Path
from typing import Any

from space.errors import SpaceError
from space.files import refuse_link, share_as_folder
from space.jobs.cluster_places import Place
from space.jobs.executors import StartedWorker
from space.jobs.launch import worker_log_path
from space.jobs.serving import ask_to_end, serve
from space.jobs.worker import STATUS_TAKEN
from space.jobs.workers import Worker, has_mark

log = logging.getLogger("space.jobs")

#: A worker on a cluster that has found no work for so long ends: its computer costs money.
IDLE_SECONDS = 300.0
_KILLED, _FAILED = -9, 1
_ANSWER_SECONDS = 20.0
_LOG_BYTES = 5_000_000

PlaceMaker = Callable[[str, Path], Place]


class DaskExecutor:
    """Runs each worker as a task of Dask.

    Parameters
    ----------
    kind : str
        ``local``, ``slurm`` or ``dask``, for names and messages.
    connect : callable
        Returns a client that is connected to the scheduler.
    make_place : callable, optional
        Makes the place of a task from its name and log; None where the processes are not ours.
    threads : int
        CPU threads of a worker; 0 for as many as it may use.
    lifetime_s : float
        Of a worker; 0 for no limit.
    stack : ExitStack, optional
        What is to be closed at the end.
    """

    silence_s = 60.0  # a nanny starts a process again, which takes some seconds

    def __init__(
        self,
        kind: str,
        connect: Callable[[], Any],
        make_place: PlaceMaker | None = None,
        threads: int = 0,
        lifetime_s: float = 0.0,
        stack: contextlib.ExitStack | None = None,
    ) -> None:
        self.kind = kind
        self.uses_this_machine = kind == "local"
        self.idle_s = IDLE_SECONDS
        self._connect = connect
        self._client: Any = connect()
        self._make_place = make_place
        self._threads = threads
        self._lifetime_s = lifetime_s
        self._stack = stack or contextlib.ExitStack()
        self._numbers: set[int] = set()
        self._closing: list[PlainFuture[None]] = []

    def start(self, map_dirs: Sequence[Path], space_dir: Path, device: str) -> StartedWorker:
        """Submit the task of a worker, and have its place made."""
        self._be_connected()
        number = next(n for n in range(1, len(self._numbers) + 2) if n not in self._numbers)
        mark = f"d{uuid.uuid4().hex[:8]}"
        log_path = self._log_path(map_dirs[0], number)
        _ready_log(log_path)
        place = self._make_place(mark, log_path) if self._make_place is not None else None
        opening = self.run(place.open()) if place is not None else None
        if opening is not None and self.kind == "slurm":
            try:
                opening.result(2 * _ANSWER_SECONDS)  # a job that is refused is no start at all
            except PlainTimeoutError:
                raise SpaceError("sbatch does not answer.", do="Ask who runs the cluster") from None
        task = self._client.submit(
            serve,
            [str(map_dir) for map_dir in map_dirs],
            str(space_dir),
            device,
            mark,
            self.idle_s,
            threads=self._threads,
            lifetime_s=self._lifetime_s,
            log_path="" if self.kind == "slurm" else str(log_path),  # SLURM writes it
            owns_process=place is not None,
            key=f"SPACEtomo-{mark}",
            pure=False,
            resources={mark: 1} if place is not None else None,
        )
        self._numbers.add(number)
        return DaskWorker(self, mark, number, log_path, task, place, opening)

    def log_path(self, map_dir: Path, device: str) -> Path:
        """Return the log of the first worker."""
        return self._log_path(map_dir, 1)

    def close(self) -> None:
        """End all places, and the scheduler if it is ours."""
        end_s = time.monotonic() + _ANSWER_SECONDS
        for closing in self._closing:
            with contextlib.suppress(Exception):  # what cannot be ended now ends with its scheduler
                closing.result(max(0.1, end_s - time.monotonic()))
        with contextlib.suppress(Exception):
            self._client.close(timeout=5)
        self._stack.close()

    # --- for its workers ------------------------------------------------------------------

    def run(self, action: Any) -> PlainFuture[Any]:
        """Run something in the loop of Dask; return at once."""
        import asyncio

        loop: Any = self._client.loop
        return asyncio.run_coroutine_threadsafe(action, loop.asyncio_loop)

    def ask(self, mark: str, key: str) -> bool:
        """Ask a task that runs to end; False if it does not run."""
        if self._client.status != "running":
            return False
        where = [worker for worker, keys in self._client.processing().items() if key in keys]
        if where:
            self._client.run(ask_to_end, mark, workers=where, wait=False)
        return bool(where)

    def leave(self, number: int, place: Place | None) -> None:
        """Free the number of a worker that has ended, and end its place."""
        self._numbers.discard(number)
        if place is not None:
            self._closing = [closing for closing in self._closing if not closing.done()]
            self._closing.append(self.run(place.close()))

    def _log_path(self, map_dir: Path, number: int) -> Path:
        return worker_log_path(map_dir, f"{self.kind}-{number}")

    def _be_connected(self) -> None:
        if self._client.status == "running":
            return
        with contextlib.suppress(Exception):
            self._client.close(timeout=1)
        self._client = self._connect()


class DaskWorker:
    """A worker that is a task of Dask (see `DaskExecutor`)."""

    def __init__(
        self,
        executor: DaskExecutor,
        mark: str,
        number: int,
        log_path: Path,
        task: Any,
        place: Place | None,
        opening: PlainFuture[None] | None,
    ) -> None:
        self._executor = executor
        self._mark = mark
        self._number = number
        self.log_path = log_path
        self._task = task
        self._place = place
        self._opening = opening
        self._code: int | None = None
        self._was_there = False

    @property
    def title(self) -> str:
        """Name its place."""
        return self._place.title if self._place is not None else f"task {self._task.key}"

    def poll(self) -> int | None:
        """Return how it has ended, as far as Dask knows."""
        if self._code is None:
            found = self._look()
            if found is not None:
                self._end(*found)
        return self._code

    def waits(self) -> bool:
        """Whether it waits for a computer; in a foreign cluster Dask itself watches that."""
        if self.poll() is not None:
            return False
        return self._place is None or self._place.state() == "waits"

    def owns(self, worker: Worker) -> bool:
        """Compare the mark in the name."""
        return has_mark(worker.name, self._mark)

    def is_named(self, name: str) -> bool:
        """Compare the mark in the name."""
        return has_mark(name, self._mark)

    def terminate(self) -> None:
        """Ask it to end; one that waits is forgotten."""
        if self.poll() is not None:
            return
        try:
            runs = self._executor.ask(self._mark, self._task.key)
        except Exception as error:  # Dask raises what it likes when connections break
            log.debug("Dask does not answer: %s", error)
            runs = False
        if not runs:
            self._end(0, "")

    def kill(self) -> None:
        """Take its place away."""
        if self.poll() is None:
            self._end(_KILLED, "")
        if self._place is None:
            self.terminate()

    def wait(self, timeout_s: float) -> bool:
        """Wait until its task has ended."""
        end_s = time.monotonic() + timeout_s
        while self.poll() is None:
            if time.monotonic() >= end_s:
                return False
            time.sleep(0.05)
        return True

    def _look(self) -> tuple[int, str] | None:
        """Return how it has ended and why; None if it has not."""
        state = self._place.state() if self._place is not None else "there"
        self._was_there |= state == "there"
        if self._opening is not None and self._opening.done():
            failed = self._opening.exception()
            if failed is not None:
                return _FAILED, f"Dask has not started: {failed} {failed.__cause__ or ''}".rstrip()
        status = self._task.status
        if status == "finished":
            code, words = self._task.result(timeout=_ANSWER_SECONDS)
            return int(code), str(words)
        if status == "error":
            failed = self._task.exception(timeout=_ANSWER_SECONDS)
            is_killed = type(failed).__name__ == "KilledWorker"
            return _KILLED if is_killed else _FAILED, f"{type(failed).__name__}: {failed}"
        if status in ("cancelled", "lost"):
            return STATUS_TAKEN, "the scheduler of Dask is away"
        if state == "gone":
            code = STATUS_TAKEN if self._was_there else _FAILED
            return code, f"{self.title} has ended"
        return None

    def _end(self, code: int, words: str) -> None:
        self._code = code
        if code and words:
            _write_line(self.log_path, words)
        with contextlib.suppress(Exception):
            self._task.cancel()
        self._executor.leave(self._number, self._place)


def _ready_log(path: Path) -> None:
    """Have a log that others may read; begin one anew that has become too long."""
    refuse_link(path)
    too_long = path.exists() and path.stat().st_size > _LOG_BYTES
    with open(path, "wb" if too_long else "ab"):
        share_as_folder(path)


def _write_line(path: Path, words: str) -> None:
    stamp = datetime.now().isoformat(sep=" ", timespec="seconds")
    with contextlib.suppress(OSError, SpaceError):
        refuse_link(path)
        with open(path, "a", encoding="utf-8", newline="\n") as stream:
            stream.write(f"{stamp} ERROR {' '.join(words.split())}\n")
        share_as_folder(path)
