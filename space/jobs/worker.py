"""The loop of a worker process, and the command line of SPACEtomo_nnUNet.py."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, TypeVar

from space.errors import SpaceError
from space.images import json_path
from space.jobs.engine import ClaimLost, Engine
from space.jobs.pool import forget_start
from space.jobs.presence import Heartbeat, Worker
from space.jobs.queue import Claim, JobFolder
from space.jobs.records import TASKS, Job

log = logging.getLogger("space.jobs")

Result = TypeVar("Result")

IDLE_SECONDS = 600.0
POLL_SECONDS = 2.0
#: A folder that does not answer is tried again so often, with growing pauses.
FOLDER_TRIES = 8


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


class Runner(Protocol):
    """What does the work (see `space.jobs.engine.Engine`)."""

    def run(
        self, job: Job, map_dir: Path, say: Callable[[str], None], may_write: Callable[[], bool]
    ) -> Any:
        """Do a job."""


@dataclass(frozen=True)
class Timing:
    """How long a worker waits for work, and between looks, in seconds."""

    idle_s: float = IDLE_SECONDS
    poll_s: float = POLL_SECONDS


@dataclass(frozen=True)
class Outcome:
    """How a job ended: ``done``, ``failed`` (with a reason), ``stopped``, ``lost`` to another."""

    state: str
    reason: str = ""


def work(
    folder: JobFolder,
    worker: Worker,
    runner: Runner,
    timing: Timing,
    switch: StopSwitch | None = None,
) -> int:
    """Do jobs until none came for a while, or a stop is asked for; return how many were done.

    Raises
    ------
    SpaceError, OSError
        If the folder stays unusable.
    """
    switch = switch or StopSwitch()
    done = 0
    last_work = time.monotonic()
    while not (switch.asked or folder.stop_asked()):
        claim = _patiently(lambda: folder.claim(worker), timing, switch)
        if claim is not None:
            outcome = work_on(folder, claim, runner, switch)
            done += _patiently(partial(_settle, folder, claim, outcome), timing, switch)
            last_work = time.monotonic()
        elif time.monotonic() - last_work >= timing.idle_s:
            log.info("Nothing to do for %.0f s: ending.", timing.idle_s)
            break
        else:
            switch.pause(timing.poll_s)
    return done


def work_on(folder: JobFolder, claim: Claim, runner: Runner, switch: StopSwitch) -> Outcome:
    """Do one claimed job; whatever goes wrong with it becomes the outcome."""
    name = claim.job.map_name

    def say(text: str) -> None:
        log.info("%s: %s", name, text)
        folder.write_log(name, text)

    say(
        f"{claim.job.task}, attempt {claim.attempt}, worker {claim.worker.name}, "
        f"device {claim.worker.device}."
    )
    try:
        with switch.interruptible():
            runner.run(claim.job, folder.map_dir, say, lambda: folder.owns(claim))
    except ClaimLost:
        log.warning("%s: another worker has this job now.", name)
        return Outcome("lost")
    except (StopAsked, KeyboardInterrupt):
        return Outcome("stopped")
    except SpaceError as error:
        log.error("%s: %s", name, error)
        return Outcome("failed", str(error))
    except Exception as error:  # a worker outlives every job
        log.exception("%s failed", name)
        folder.write_log(name, traceback.format_exc())
        return Outcome("failed", f"{type(error).__name__}: {error}")
    return Outcome("done")


def _settle(folder: JobFolder, claim: Claim, outcome: Outcome) -> bool:
    """Write down how a job ended; True if it is done."""
    if outcome.state == "done":
        return folder.finish(claim)
    if outcome.state == "failed":
        folder.fail(claim, outcome.reason)
    if outcome.state == "stopped":
        folder.release(claim)
    return False


def _patiently(action: Callable[[], Result], timing: Timing, switch: StopSwitch) -> Result:
    """Do something with the shared folder, again if it does not answer."""
    for i in range(1, FOLDER_TRIES):
        try:
            return action()
        except (OSError, SpaceError) as error:
            log.warning("The map folder does not answer (%s): trying again.", error)
            if switch.asked:
                raise
            switch.pause(min(60.0, timing.poll_s * 2**i))
    return action()


def run_worker(
    map_dir: Path,
    space_dir: Path,
    device: str = "auto",
    timing: Timing | None = None,
    runner: Runner | None = None,
    switch: StopSwitch | None = None,
) -> int:
    """Run a worker process' whole life; return how many jobs were done."""
    worker = Worker.this_process(device)
    folder = JobFolder(map_dir)
    with Heartbeat(folder.map_dir, worker):
        forget_start(folder.map_dir, device)
        log.info("Worker %s works on %s in %s.", worker.name, device, folder.map_dir)
        runner = runner or Engine(space_dir, device)
        return work(folder, worker, runner, timing or Timing(), switch)


def run_maps(
    maps: Sequence[Path], engine: Engine, task: str = "segment", threshold: float | None = None
) -> int:
    """Do the named maps here and now, without a queue; return how many failed."""
    failed = 0
    params = {} if threshold is None else {"threshold": threshold}
    for path in maps:
        try:
            target = engine.run(Job(path.name, task, params), path.resolve().parent)
            print(target)
        except SpaceError as error:
            failed += 1
            log.error("%s: %s", path, error)
    return failed


def main(argv: Sequence[str] | None = None, space_dir: Path | None = None) -> int:
    """Command line of SPACEtomo_nnUNet.py; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="SPACEtomo_nnUNet.py",
        description="Find what is in lamella maps. Writes <map>_seg.png beside each map.",
    )
    parser.add_argument("maps", nargs="*", type=Path, metavar="MAP.png", help="maps to work on")
    parser.add_argument("--device", default="auto", help="cpu, auto, or number of the GPU")
    parser.add_argument("--task", choices=TASKS, default="segment", help="what to do with them")
    parser.add_argument("--threshold", type=float, help="least probability (detect)")
    parser.add_argument("--worker", action="store_true", help="work through the queue of --dir")
    parser.add_argument("--dir", type=Path, help="map folder with the queue (with --worker)")
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, help="end after idle seconds")
    args = parser.parse_args(argv)
    if args.worker == bool(args.maps) or (args.worker and args.dir is None):
        parser.error("give either maps, or --worker with --dir")
    space_dir = space_dir or Path(__file__).resolve().parents[2]
    start_logging()
    switch = StopSwitch()
    catch_stop_signals(switch.ask)
    try:
        if args.worker:
            timing = Timing(idle_s=args.idle)
            run_worker(args.dir, space_dir, args.device, timing, switch=switch)
            return 0
        maps = [path for path in args.maps if not _is_result(path)]
        engine = Engine(space_dir, args.device)
        with switch.interruptible():
            return 1 if run_maps(maps, engine, args.task, args.threshold) else 0
    except StopAsked:
        log.info("Stopped.")
        return 0
    except (SpaceError, OSError) as error:
        log.error("%s", error)
        return 2


def start_logging() -> None:
    """Send messages to standard output, with the time."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("space")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)


def catch_stop_signals(ask: Callable[[], None]) -> None:
    """Call `ask` when the process is asked to end (Ctrl-C, a service manager, the monitor)."""

    def stop(number: int, frame: FrameType | None) -> None:
        ask()

    for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)


def _is_result(path: Path) -> bool:
    """Tell whether a path from a pattern like ``*.png`` is a result, not a map."""
    return path.stem.endswith("_seg") and not json_path(path).exists()
