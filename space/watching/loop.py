"""`spacetomo watch`: sees to it that each tilt series that is ready has its tomogram."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from space.errors import SpaceError
from space.files import read_json_or_empty
from space.jobs import TOMOGRAM, JobFolder, JobState, last_message, this_machine
from space.processes import start_apart
from space.series import TOMOGRAMS
from space.watching.ready import Looked, ready_series

LOG_PATTERN = "SPACE_worker_{machine}_tomograms-{number}.log"
_LOG_BYTES = 5_000_000
_LOOK_S = 2.0
_END_S = 20.0
_BAD_STARTS = 3
_SOON_S = 30.0
WORKER_IDLE_S = 600.0


@dataclass(frozen=True)
class Watch:
    """What is watched, and how.

    Attributes
    ----------
    directory : Path
        Where SerialEM writes the series.
    params : mapping
        Of each tomogram, as `space.tomograms` takes them; plain values.
    processes : int
        How many tomograms are made at a time on this computer.
    settle_s : float
        A series is ready when its files have not changed for so long.
    once : bool
        End when all that are ready are done.
    again : bool
        Also try those that have failed before.
    """

    directory: Path
    params: Mapping[str, Any] = field(default_factory=dict)
    processes: int = 1
    settle_s: float = 600.0
    once: bool = False
    again: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.processes <= 64:
            raise SpaceError(
                f"--processes {self.processes} is not possible.", do="Give a number from 1 to 64."
            )
        if not 0 <= self.settle_s <= 86400:
            raise SpaceError(
                f"--settle {self.settle_s:g} is not possible.", do="Give seconds, up to 86400."
            )

    @property
    def folder(self) -> Path:
        """Folder of the queue and the tomograms."""
        return Path(self.directory) / TOMOGRAMS


@dataclass(frozen=True)
class Told:
    """What became of a series.

    Attributes
    ----------
    name : str
        Of its stack.
    state : JobState
    facts : mapping
        Of a tomogram that is done: what its JSON file says.
    reason : str
        Why it has failed.
    """

    name: str
    state: JobState
    facts: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""


def watch(
    wish: Watch,
    start: Callable[[int], subprocess.Popen[bytes]] | None = None,
    clock: Callable[[], float] = time.time,
    pause: Callable[[float], object] = time.sleep,
) -> Iterator[Told | Looked]:
    """Watch a folder; yield what became of its series, and what was seen when that changes.

    Several of these may watch one folder, on several computers.

    Raises
    ------
    SpaceError
        If the folder is missing, or no worker starts.
    """
    if not Path(wish.directory).is_dir():
        raise SpaceError(
            "There is no such folder.",
            str(wish.directory),
            "Name the folder in which SerialEM writes the tilt series.",
        )
    wish.folder.mkdir(exist_ok=True)
    jobs = JobFolder(wish.folder, sources=wish.directory)
    crew = _Crew(wish, start or (lambda number: _start(wish, number)), clock)
    told: dict[str, JobState] = {}
    asked_again: set[str] = set()
    seen = None
    with contextlib.closing(crew):
        while True:
            looked = ready_series(wish.directory, clock(), wish.settle_s)
            if looked != seen:
                seen = looked
                yield looked
            for path in looked.ready:
                is_again = wish.again and path.name not in asked_again
                asked_again.add(path.name)
                jobs.submit(path.name, TOMOGRAM, is_again, **wish.params)
            yield from _news(jobs, looked, told)
            jobs.reap()
            has_work = jobs.has_open_jobs()
            if wish.once and not has_work:
                return
            if jobs.stop_asked():
                raise SpaceError(
                    "SPACE_stop.txt ends all work here.", str(wish.folder), "Remove it to go on."
                )
            if has_work:
                crew.be_complete()
            pause(_LOOK_S)


def _news(jobs: JobFolder, looked: Looked, told: dict[str, JobState]) -> Iterator[Told]:
    """Yield what has become of the series since the last look."""
    statuses = jobs.statuses_of([path.name for path in looked.ready], TOMOGRAM)
    for name, status in statuses.items():
        if told.get(name) == status.state:
            continue
        told[name] = status.state
        facts = read_json_or_empty(status.result) if status.result is not None else {}
        yield Told(name, status.state, facts, status.reason)


class _Crew:
    """The workers of this program: as many as are wanted, those that died replaced."""

    def __init__(
        self,
        wish: Watch,
        start: Callable[[int], subprocess.Popen[bytes]],
        clock: Callable[[], float],
    ) -> None:
        self._wish, self._start, self._clock = wish, start, clock
        self._members: dict[int, tuple[subprocess.Popen[bytes], float]] = {}
        self._bad_starts = 0

    def be_complete(self) -> None:
        """Start the workers that are missing.

        Raises
        ------
        SpaceError
            If they end again and again as soon as they have started.
        """
        for number in range(1, self._wish.processes + 1):
            process, began_s = self._members.get(number, (None, 0.0))
            if process is not None and process.poll() is None:
                continue
            if process is not None:
                ended_soon = process.poll() != 0 and self._clock() - began_s < _SOON_S
                self._bad_starts = self._bad_starts + 1 if ended_soon else 0
            if self._bad_starts >= _BAD_STARTS:
                log_path = log_of(self._wish.folder, number)
                raise SpaceError(
                    f"No worker starts: {last_message(log_path) or 'it says nothing'}.",
                    str(log_path),
                    "Mend that and start again: what is done stays.",
                )
            self._members[number] = (self._start(number), self._clock())

    def close(self) -> None:
        """Have all workers give back their jobs and end."""
        alive = [process for process, _ in self._members.values() if process.poll() is None]
        for process in alive:
            with contextlib.suppress(OSError):
                process.terminate()
        for process in alive:
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()


def log_of(folder: Path, number: int) -> Path:
    """Return where a worker of this computer writes its messages."""
    return folder / LOG_PATTERN.format(machine=this_machine(), number=number)


def _start(wish: Watch, number: int) -> subprocess.Popen[bytes]:
    directory = str(Path(wish.directory).absolute())
    command = [sys.executable, "-m", "space.cli", "watch", directory, "--worker"]
    project = Path(__file__).resolve().parents[2]
    log_path = log_of(wish.folder, number)
    return start_apart(command, project, log_path, _LOG_BYTES, is_idle=True)
