"""What runs within a worker process of Dask: the same loop as in a worker process of our own.

Only the names of these functions and plain values travel through Dask. What is to be done is in
the folders: a task of Dask means "serve these folders until nothing waits".
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from space.errors import SpaceError
from space.files import refuse_link, share_as_folder
from space.jobs.messages import PlainFormatter, start_logging
from space.jobs.stopping import StopSwitch
from space.jobs.worker import STATUS_FOLDER, Timing, run_worker
from space.jobs.workers import Worker

log = logging.getLogger("space.jobs")

STATUS_NOT_POSSIBLE = 2
_ENDING = ("closing", "closing_gracefully", "closed", "failed", "stopping")
_switches: dict[str, StopSwitch] = {}


class ServingSwitch(StopSwitch):
    """A request to end, which also comes when the Dask worker is being closed.

    Parameters
    ----------
    is_closing : callable
    """

    def __init__(self, is_closing: Callable[[], bool]) -> None:
        self._is_closing = is_closing
        super().__init__()

    @property
    def asked(self) -> bool:
        """Whether the worker is to end."""
        return self._asked or self._is_closing()

    @asked.setter
    def asked(self, value: bool) -> None:
        self._asked = value


def serve(
    map_dirs: Sequence[str],
    space_dir: str,
    device: str,
    mark: str,
    idle_s: float,
    threads: int = 0,
    lifetime_s: float = 0.0,
    log_path: str = "",
    owns_process: bool = False,
) -> tuple[int, str]:
    """Do jobs of these folders until none came for a while, or a stop is asked for.

    Parameters
    ----------
    map_dirs : sequence of str
    space_dir : str
        Folder of the project, as this computer sees it.
    device : str
        ``auto`` or ``cpu``; on a computer of one's own also the number of a GPU.
    mark : str
        Shows whose worker this is (see `Worker.this_process`).
    idle_s : float
        It ends after so long without work.
    threads : int
        CPU threads; 0 for as many as this process may use.
    lifetime_s : float
        It gives back its job and ends after so long; 0 for never.
    log_path : str
        File for its messages; empty for standard output.
    owns_process : bool
        Whether this process was started for this task alone, so that its signals and output are
        the task's as well.

    Returns
    -------
    code : int
        0, or an exit status as of a worker process of our own.
    words : str
        What went wrong.
    """
    from distributed import get_worker

    dask_worker = get_worker()
    switch = ServingSwitch(lambda: dask_worker.status.name in _ENDING)
    _switches[mark] = switch
    if owns_process or "SPACETOMO_THREADS" not in os.environ:
        os.environ["SPACETOMO_THREADS"] = str(threads or usable_cores())
    if owns_process:
        dask_worker.loop.add_callback(_mind_signals, switch)
    clock = threading.Timer(lifetime_s, _ask, (switch,))
    clock.daemon = True
    if lifetime_s > 0:
        clock.start()
    try:
        with _messages(log_path, owns_process):
            return _serve(map_dirs, space_dir, device, mark, idle_s, switch)
    finally:
        clock.cancel()
        del _switches[mark]


async def ask_to_end(mark: str) -> bool:
    """Ask a worker of this process to give back its job and end; whether it is here."""
    # A coroutine, since Dask does not let others go unanswered.
    switch = _switches.get(mark)
    if switch is None:
        return False
    _ask(switch)
    return True


def usable_cores() -> int:
    """Return how many cores this process may use: its share of a job, not those of the node."""
    share = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if share.isdigit() and int(share) > 0:
        return int(share)
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def _serve(
    map_dirs: Sequence[str],
    space_dir: str,
    device: str,
    mark: str,
    idle_s: float,
    switch: StopSwitch,
) -> tuple[int, str]:
    try:
        run_worker(
            [Path(map_dir) for map_dir in map_dirs],
            Path(space_dir),
            device,
            Timing(idle_s=idle_s),
            switch=switch,
            worker=Worker.this_process(device, mark),
        )
    except SpaceError as error:
        log.error("%s", error)
        return STATUS_NOT_POSSIBLE, str(error)
    except OSError as error:
        log.error("The map folder cannot be used: %s", error)
        return STATUS_FOLDER, f"The map folder cannot be used: {error}"
    return 0, ""


def _ask(switch: StopSwitch) -> None:
    switch.asked = True  # not ask(): that would raise in this thread, which does not do the job


def _mind_signals(switch: StopSwitch) -> None:
    """Give the job back at the first SIGTERM; leave Ctrl-C to the monitor."""
    if threading.current_thread() is not threading.main_thread():
        return

    def end(number: int, frame: Any) -> None:
        _ask(switch)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextlib.contextmanager
def _messages(log_path: str, owns_process: bool) -> Iterator[None]:
    """Have the messages of the worker go where its starter looks for them."""
    if not log_path:
        start_logging()
        yield
        return
    path = Path(log_path)
    refuse_link(path)
    if owns_process:  # of native libraries, too
        with open(path, "ab") as stream:
            share_as_folder(path)
            for number in (1, 2):
                os.dup2(stream.fileno(), number)
        start_logging()
        yield
        sys.stdout.flush()
        return
    logger = logging.getLogger("space")
    handler = logging.FileHandler(path, encoding="utf-8")
    share_as_folder(path)
    handler.setFormatter(PlainFormatter())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
