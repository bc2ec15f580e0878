"""What a worker of the queue of tilt series does."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from space.errors import SpaceError
from space.images import fingerprint
from space.jobs import TOMOGRAM, Job
from space.jobs.engine import ClaimLost
from space.jobs.messages import start_logging
from space.jobs.stopping import StopAsked, StopSwitch, catch_stop_signals
from space.jobs.vitals import Progressed
from space.jobs.worker import STATUS_FOLDER, Timing, run_worker
from space.tomograms import make_tomogram

log = logging.getLogger("space.watching")


class Make(Protocol):
    """Makes a tomogram (`space.tomograms.make_tomogram`)."""

    def __call__(
        self,
        series: Path,
        folder: Path,
        params: Mapping[str, Any],
        tell: Callable[[str], None],
        may_write: Callable[[], bool],
        notes: Mapping[str, Any],
    ) -> Path | None:
        """Write the tomogram of a series; return its JSON file, None if it may not be written."""


class TomogramRunner:
    """Makes tomograms of the series in a folder.

    Parameters
    ----------
    sources : Path
        Folder of the series.
    make : callable, optional
        Makes one.
    """

    def __init__(self, sources: Path, make: Make | None = None) -> None:
        self._sources = Path(sources)
        self._make: Make = make or make_tomogram

    def run(
        self,
        job: Job,
        map_dir: Path,
        say: Callable[[str], None],
        may_write: Callable[[], bool],
        progressed: Progressed,
    ) -> Path:
        """Do a job and return the path of its result.

        Raises
        ------
        SpaceError
            If no tomogram can be made of the series.
        ClaimLost
            If `may_write` returns False before the result is written.
        """
        if job.task != TOMOGRAM:
            raise SpaceError(
                f"The task {job.task!r} is unknown to workers of series.", job.map_name
            )
        series = self._sources / job.map_name
        mark, began_s = fingerprint(series), time.monotonic()

        def tell(text: str) -> None:
            if not text.endswith("%"):  # a part of what was said before
                say(text)
            progressed()

        notes = {"map": mark, "asked": dict(job.params)}
        target = self._make(series, map_dir, dict(job.params), tell, may_write, notes)
        if target is None:
            raise ClaimLost(job.map_name)
        say(f"{target.name} was written after {time.monotonic() - began_s:.0f} s.")
        return target


def serve(directory: Path, folder: Path, space_dir: Path, idle_s: float) -> int:
    """Make the tomograms that wait in a queue until none came for a while; the exit status.

    Parameters
    ----------
    directory : Path
        Where the series are.
    folder : Path
        Where the queue and the tomograms are.
    space_dir : Path
        Folder of the project.
    idle_s : float
    """
    start_logging()
    switch = StopSwitch()
    catch_stop_signals(switch.ask)
    try:
        run_worker(
            [folder],
            space_dir,
            "cpu",
            Timing(idle_s=idle_s),
            TomogramRunner(directory),
            switch,
            sources=directory,
        )
    except StopAsked:
        return 0
    except OSError as error:
        log.error("The folder cannot be used: %s", error)
        return STATUS_FOLDER
    return 0
