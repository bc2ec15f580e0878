"""One function on many pieces of work: here, one after the other, or on computers by Dask.

For work on volumes that nobody waits for at the microscope: tomograms, blocks, sweeps. A piece
writes its own result once, as a whole, and returns little: a piece that was done twice, since the
computer of the first try was lost, leaves the same. So nothing has to be kept here, and who starts
again asks only for the pieces without a result. The live queue of a session stays in its folder
(docs/queue.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future as PlainFuture
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from space.errors import OutOfSpaceError, SpaceError
from space.jobs.cluster_kinds import Cluster, open_cluster
from space.jobs.cluster_places import Place
from space.threads import THREADS_VARIABLE

log = logging.getLogger("space.jobs")

PieceT = TypeVar("PieceT")
ResultT = TypeVar("ResultT")

MOST_PROCESSES = 1000
_AHEAD = 4  # pieces given to each process, so that none waits for the next one
_LOOK_SECONDS = 1.0
_SILENCE_SECONDS = 120.0
_CLOSE_SECONDS = 20.0
_BAD_STARTS = 5


@dataclass(frozen=True)
class Scheduler:
    """Where pieces of work are done.

    Attributes
    ----------
    text : str
        Empty for this process; ``local``, ``slurm``, or the address of a scheduler of Dask.
    processes : int
        How many at a time; a scheduler that runs already has its own.
    space_dir : Path
        Folder of the project, with SPACEtomo_cluster.py for SLURM.
    folder : Path
        A folder that all computers see, for messages and the certificate of the connections.
    """

    text: str = ""
    processes: int = 1
    space_dir: Path = Path()
    folder: Path = Path()

    def __post_init__(self) -> None:
        if not 1 <= self.processes <= MOST_PROCESSES:
            raise SpaceError(
                f"--processes {self.processes} is not possible.",
                do=f"Give a number from 1 to {MOST_PROCESSES}",
            )


@dataclass(frozen=True)
class Done(Generic[PieceT, ResultT]):
    """What became of a piece.

    Attributes
    ----------
    piece : PieceT
    result : ResultT or None
    problem : str
        Why it could not be done; empty when it was.
    """

    piece: PieceT
    result: ResultT | None = None
    problem: str = ""


def spread(
    function: Callable[[PieceT], ResultT],
    pieces: Sequence[PieceT],
    scheduler: Scheduler | None = None,
) -> Iterator[Done[PieceT, ResultT]]:
    """Call a function for each piece; yield what became of them, as they come.

    A piece that fails costs only itself. One whose process was lost is done again, in the end
    alone; then the loss is its own. Nothing is left running when the caller stops asking.

    Parameters
    ----------
    function : callable
        A function of a module (or a `functools.partial` of one with plain values), which other
        computers find by its name.
    pieces : sequence
        Plain values: numbers, texts, paths, frozen dataclasses of them.
    scheduler : Scheduler, optional
        This process if left out.

    Raises
    ------
    SpaceError
        If the cluster cannot be used.
    """
    if scheduler is None or not scheduler.text:
        for piece in pieces:
            yield _here(function, piece)
        return
    cluster = open_cluster(
        scheduler.text,
        min(scheduler.processes, max(1, len(pieces))),
        scheduler.space_dir,
        scheduler.folder,
        option="--scheduler",
    )
    with cluster.stack, _Fleet(cluster, scheduler, len(pieces)) as fleet:
        yield from fleet.done(function, pieces)


def _here(function: Callable[[PieceT], ResultT], piece: PieceT) -> Done[PieceT, ResultT]:
    try:
        return Done(piece, function(piece))
    except OutOfSpaceError:
        raise
    except (SpaceError, OSError, MemoryError) as error:
        return Done(piece, problem=_words(error))


def in_process(
    function: Callable[[PieceT], ResultT], threads: int, piece: PieceT
) -> Done[PieceT, ResultT]:
    """Do a piece in a process of Dask, with its share of the threads."""
    if threads:
        os.environ.setdefault(THREADS_VARIABLE, str(threads))
    return _here(function, piece)


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


class _Fleet:
    """The processes of one spread, and what they have to do."""

    def __init__(self, cluster: Cluster, scheduler: Scheduler, pieces: int) -> None:
        self._cluster = cluster
        self._folder = scheduler.folder
        self._count = min(scheduler.processes, max(1, pieces))
        self._client: Any = cluster.connect()
        self._places: dict[Place, PlainFuture[None]] = {}
        self._bad_starts = 0
        self._heard_s = time.monotonic()

    def __enter__(self) -> _Fleet:
        return self

    def __exit__(self, *args: object) -> None:
        closing = [self._run(place.close()) for place in self._places]
        end_s = time.monotonic() + _CLOSE_SECONDS
        for one in closing:
            with contextlib.suppress(Exception):  # what cannot be ended ends with its scheduler
                one.result(max(0.1, end_s - time.monotonic()))
        with contextlib.suppress(Exception):
            self._client.close(timeout=5)

    def done(
        self, function: Callable[[PieceT], ResultT], pieces: Sequence[PieceT]
    ) -> Iterator[Done[PieceT, ResultT]]:
        """Yield what became of the pieces."""
        woken = threading.Event()
        waiting = list(reversed(pieces))
        suspects: list[PieceT] = []
        given: dict[Any, PieceT] = {}
        alone = None
        while waiting or suspects or given:
            self._fill()
            while len(given) < _AHEAD * max(self._count, self._processes()) and waiting:
                self._give(function, waiting.pop(), given, woken)
            # Whatever was given to a process that is lost is suspected of it: those are tried
            # again one by one, and only one that is lost alone is to blame.
            if suspects and not waiting and not given:
                alone = self._give(function, suspects.pop(), given, woken)
            woken.wait(_LOOK_SECONDS)
            woken.clear()
            for task in [task for task in given if task.done()]:
                self._heard_s = time.monotonic()
                piece = given.pop(task)
                told = _told(task, piece)
                if told is None and task is not alone:
                    suspects.append(piece)
                else:
                    yield told or Done(piece, problem="Each process that did this was lost.")

    def _give(
        self,
        function: Callable[[PieceT], ResultT],
        piece: PieceT,
        given: dict[Any, PieceT],
        woken: threading.Event,
    ) -> Any:
        """Give a piece to the scheduler; return its task."""
        task = self._client.submit(in_process, function, self._cluster.threads, piece, pure=False)
        given[task] = piece
        task.add_done_callback(lambda _: woken.set())
        return task

    def _fill(self) -> None:
        """Have as many processes as are wanted; those that were lost are made anew.

        Raises
        ------
        SpaceError
            If none can be had.
        """
        if self._processes():
            self._heard_s, self._bad_starts = time.monotonic(), 0
        elif self._cluster.make_place is None:
            self._refuse_silence()
        if self._cluster.make_place is None:
            return
        for place, opening in list(self._places.items()):
            failed = opening.exception() if opening.done() else None
            if failed is None and place.state() != "gone":
                continue
            del self._places[place]
            self._bad_starts += 1
            if failed is not None and (
                isinstance(failed, SpaceError) or self._bad_starts >= _BAD_STARTS
            ):
                raise SpaceError(f"{place.title} has not started: {failed}.") from failed
            log.warning("%s has ended; another one takes its place.", place.title)
            self._run(place.close())
        if self._bad_starts >= _BAD_STARTS:
            raise SpaceError(
                "Processes end before they take any work.",
                str(self._folder),
                "Look into the files SPACE_spread_*.log there, start again: what is done stays.",
            )
        while len(self._places) < self._count:
            name = f"s{uuid.uuid4().hex[:8]}"
            place = self._cluster.make_place(name, self._folder / f"SPACE_spread_{name}.log")
            self._places[place] = self._run(place.open())

    def _refuse_silence(self) -> None:
        if time.monotonic() - self._heard_s > _SILENCE_SECONDS:
            raise SpaceError(
                f"The scheduler of Dask has had no workers for {_SILENCE_SECONDS:.0f} s.",
                do="Start some (dask worker ADDRESS), and start again: what is done stays.",
            )

    def _processes(self) -> int:
        """Return how many processes take work now."""
        return len(self._client.scheduler_info(n_workers=-1)["workers"])

    def _run(self, action: Any) -> PlainFuture[Any]:
        loop: Any = self._client.loop
        return asyncio.run_coroutine_threadsafe(action, loop.asyncio_loop)


def _told(task: Any, piece: PieceT) -> Done[PieceT, Any] | None:
    """Say what became of a task that has ended; None if its processes were lost."""
    if task.status == "finished":
        told: Done[PieceT, Any] = task.result()
        return told
    if task.status in ("cancelled", "lost"):
        raise SpaceError("The scheduler of Dask is away.", do="Start again: what is done stays.")
    failed = task.exception()
    if type(failed).__name__ == "KilledWorker":
        return None
    raise failed
