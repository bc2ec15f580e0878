"""The loop of a worker process, and the command line of SPACEtomo_nnUNet.py."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from space.config import load_config
from space.errors import SpaceError
from space.images import DRAWING, json_path, png_megapixels, read_png_text
from space.jobs.claims import Claim, all_claims
from space.jobs.engine import ClaimLost, Engine
from space.jobs.folder import JobFolder
from space.jobs.folder_view import STOP_NAME
from space.jobs.gpu_turns import GpuTurns, gpu_in_use
from space.jobs.heartbeat import Heartbeat
from space.jobs.launch import clear_start_note
from space.jobs.messages import start_logging
from space.jobs.presence import Patience
from space.jobs.queue_files import QUEUE_NAME
from space.jobs.records import MAP_TASKS, Job
from space.jobs.stopping import StopAsked, StopSwitch, catch_stop_signals
from space.jobs.vitals import Progressed, Pulse
from space.jobs.wake import Waker, file_glance
from space.jobs.workers import Worker

log = logging.getLogger("space.jobs")

Result = TypeVar("Result")

Ending = Literal["done", "failed", "stopped", "returned", "lost"]
"""How an attempt ends for its worker: ``stopped`` on request, ``returned`` because the folder is
full or away, ``lost`` to another worker. Each is an event of the queue (docs/queue.md)."""

IDLE_SECONDS = 600.0
POLL_SECONDS = 2.0
#: Longest pause before a folder that does not answer is tried again.
LONGEST_PAUSE_SECONDS = 60.0
#: Exit status of a worker whose folder did not answer, or whose job hung: neither is the fault of
#: the installation, so its starter does not count it as one.
STATUS_FOLDER, STATUS_HUNG = 75, 76
#: The same of a worker whose computer a cluster has taken away.
STATUS_TAKEN = 77


class Runner(Protocol):
    """What does the work (see `space.jobs.engine.Engine`)."""

    def run(
        self,
        job: Job,
        map_dir: Path,
        say: Callable[[str], None],
        may_write: Callable[[], bool],
        progressed: Progressed,
    ) -> Any:
        """Do a job."""


@dataclass(frozen=True)
class Timing:
    """How long a worker waits for work, between two whole looks, and for a folder, in seconds."""

    idle_s: float = IDLE_SECONDS
    poll_s: float = POLL_SECONDS
    folder_s: float = 3600.0


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended, and why if it was not done."""

    state: Ending
    reason: str = ""


@dataclass(frozen=True)
class Place:
    """A folder that a worker works in, and its signs of life there."""

    folder: JobFolder
    heartbeat: Heartbeat


def work(
    places: Sequence[Place],
    worker: Worker,
    runner: Runner,
    timing: Timing,
    switch: StopSwitch | None = None,
    turns: GpuTurns | None = None,
    wait: Callable[[float], object] | None = None,
) -> int:
    """Do jobs until none came for a while, or a stop is asked for; return how many were done.

    `wait` waits so many seconds, or less if the queue has changed meanwhile.

    Raises
    ------
    SpaceError, OSError
        If a folder stays unusable.
    """
    switch = switch or StopSwitch()
    turns = turns or GpuTurns(lambda: "")
    done = 0
    last_work = time.monotonic()
    while not switch.asked:
        open_places = [place for place in places if not place.folder.stop_asked()]
        if not open_places:
            break
        outcomes = [
            _work_in_turn(place, worker, runner, timing, switch, turns) for place in open_places
        ]
        done += sum(outcome == "done" for outcome in outcomes)
        if any(outcomes):
            last_work = time.monotonic()
        elif time.monotonic() - last_work >= timing.idle_s:
            log.info("No work for %.0f s: ending.", timing.idle_s)
            break
        else:
            (wait or switch.pause)(timing.poll_s)
    return done


def _work_in_turn(
    place: Place,
    worker: Worker,
    runner: Runner,
    timing: Timing,
    switch: StopSwitch,
    turns: GpuTurns,
) -> Ending | None:
    """Do one job if there is one, in this worker's turn on its GPU; as `_work_once`."""
    if not turns.are_taken:
        return _work_once(place, worker, runner, timing, switch)
    folder = place.folder

    def has_work() -> bool:
        folder.reap()
        own = any(claim.worker.name == worker.name for claim in all_claims(folder.map_dir))
        return own or folder.waiting() > 0

    # The turn comes first: a job that is claimed keeps the workers on other GPUs from doing it.
    if switch.asked or not _patiently(has_work, timing, switch):
        return None
    with turns.turn(lambda: switch.asked, place.heartbeat.waits) as is_mine:
        return _work_once(place, worker, runner, timing, switch) if is_mine else None


def _work_once(
    place: Place, worker: Worker, runner: Runner, timing: Timing, switch: StopSwitch
) -> Ending | None:
    """Do one job if there is one; return how it ended, None if there is none."""
    if switch.asked:
        return None
    folder = place.folder
    claim = _patiently(lambda: folder.claim(worker), timing, switch)
    if claim is None:
        return None
    outcome = work_on(place, claim, runner, switch)
    is_done = _patiently(partial(_settle, folder, claim, outcome), timing, switch)
    if outcome.state == "returned":
        switch.pause(timing.poll_s)
    return "done" if is_done else outcome.state


def work_on(place: Place, claim: Claim, runner: Runner, switch: StopSwitch) -> Outcome:
    """Do one claimed job; whatever goes wrong with it becomes the outcome."""
    folder, heartbeat = place.folder, place.heartbeat
    name = claim.job.map_name

    def say(text: str) -> None:
        log.info("%s: %s", name, text)
        folder.write_log(name, text)

    say(
        f"{claim.job.task}, attempt {claim.attempt}, worker {claim.worker.name}, "
        f"device {claim.worker.device}."
    )
    heartbeat.begin(name, claim.job.task, png_megapixels(folder.map_dir / name))
    try:
        with switch.interruptible():
            runner.run(
                claim.job,
                folder.map_dir,
                say,
                lambda: folder.owns(claim),
                partial(_progressed, heartbeat, switch),
            )
    except ClaimLost:
        log.warning("%s: another worker has this job now.", name)
        return Outcome("lost")
    except (StopAsked, KeyboardInterrupt):
        return Outcome("stopped")
    except SpaceError as error:
        log.error("%s: %s", name, error)
        return Outcome("failed", str(error))
    except OSError as error:
        if folder.blames_folder(error):
            log.warning("%s: the folder cannot be used (%s). The job waits again.", name, error)
            return Outcome("returned", str(error))
        log.error("%s: %s", name, error)
        return Outcome("failed", f"{type(error).__name__}: {error}")
    except Exception as error:  # a worker outlives every job
        log.exception("%s failed", name)
        folder.write_log(name, traceback.format_exc())
        return Outcome("failed", f"{type(error).__name__}: {error}")
    finally:
        heartbeat.end()
    return Outcome("done")


def _progressed(heartbeat: Heartbeat, switch: StopSwitch, share: float | None = None) -> None:
    switch.check()
    heartbeat.progressed(share)


def _settle(folder: JobFolder, claim: Claim, outcome: Outcome) -> bool:
    """Write down how a job ended; True if it is done."""
    if outcome.state == "done":
        return folder.finish(claim)
    if outcome.state == "failed":
        folder.fail(claim, outcome.reason)
    if outcome.state in ("stopped", "returned"):
        folder.release(claim, outcome.reason or "the worker was stopped")
    return False


def _patiently(action: Callable[[], Result], timing: Timing, switch: StopSwitch) -> Result:
    """Do something with the shared folder; repeat it while the folder does not answer."""
    end = time.monotonic() + timing.folder_s
    pause_s = timing.poll_s
    while True:
        try:
            return action()
        except (OSError, SpaceError) as error:
            if switch.asked or time.monotonic() >= end:
                raise
            log.warning("The map folder does not answer (%s): it is tried again.", error)
            switch.pause(pause_s)
            pause_s = min(LONGEST_PAUSE_SECONDS, 2 * pause_s)


def run_worker(
    map_dirs: Sequence[Path],
    space_dir: Path,
    device: str = "auto",
    timing: Timing | None = None,
    runner: Runner | None = None,
    switch: StopSwitch | None = None,
    patience: Patience | None = None,
    worker: Worker | None = None,
    sources: Path | None = None,
) -> int:
    """Run a worker until it has nothing to do; return how many jobs were done.

    Without `runner` it does what an `Engine` does, with the maps in `map_dirs`.

    Raises
    ------
    SpaceError, OSError
        If a folder stays unusable.
    """
    worker = worker or Worker.this_process(device)
    runner = runner or Engine(space_dir, device)
    marks = getattr(runner, "marks", None)
    turns = GpuTurns(lambda: gpu_in_use(device), lambda: load_config(space_dir).runs_per_gpu)
    pulse = Pulse(getattr(runner, "about", lambda: ("", "")))
    with contextlib.ExitStack() as stack:
        places = []
        for map_dir in map_dirs:
            folder = JobFolder(map_dir, patience, models=marks, sources=sources)
            heartbeat = Heartbeat(folder.map_dir, worker, folder.patience, _end_hung, pulse)
            stack.enter_context(heartbeat)
            places.append(Place(folder, heartbeat))
            clear_start_note(folder.map_dir, device)
            folder.clear_remains()
            log.info("Worker %s works on %s in %s.", worker.name, device, folder.map_dir)
        switch = switch or StopSwitch()
        waker = stack.enter_context(_queue_waker([place.folder.map_dir for place in places]))
        wait = partial(waker.wait, stop=switch.is_asked)
        return work(places, worker, runner, timing or Timing(), switch, turns, wait)


def _queue_waker(map_dirs: Sequence[Path]) -> Waker:
    """Return what wakes an idle worker: a job in a queue, or a request to end."""
    return Waker(
        map_dirs,
        lambda name: name in (QUEUE_NAME, STOP_NAME),
        [file_glance(map_dir / QUEUE_NAME) for map_dir in map_dirs],
    )


def _end_hung(reason: str) -> None:
    """End this process, whose job hangs in code that nothing else can end."""
    log.error("The job hangs (%s): this worker ends, and the job runs again.", reason)
    for handler in logging.getLogger("space").handlers:
        handler.flush()
    os._exit(STATUS_HUNG)


def run_maps(
    maps: Sequence[Path], engine: Engine, task: str = "segment", threshold: float | None = None
) -> int:
    """Process maps at once, without a queue; return how many failed."""
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
    parser.add_argument(
        "--task", choices=MAP_TASKS, default="segment", help="what to do with the maps"
    )
    parser.add_argument("--threshold", type=float, help="minimum probability, 0 to 1 (detect)")
    parser.add_argument("--worker", action="store_true", help="work through the queue of --dir")
    parser.add_argument(
        "--dir",
        type=Path,
        action="append",
        help="map folder with the queue (with --worker; may be given several times)",
    )
    parser.add_argument(
        "--idle",
        type=float,
        default=IDLE_SECONDS,
        help="seconds without work after which it ends (with --worker)",
    )
    args = parser.parse_args(argv)
    if args.worker == bool(args.maps) or (args.worker and not args.dir):
        parser.error("give either maps, or --worker with --dir")
    space_dir = space_dir or Path(__file__).resolve().parents[2]
    start_logging()
    switch = StopSwitch()
    catch_stop_signals(switch.ask)
    try:
        if args.worker:
            timing = Timing(idle_s=args.idle)
            try:
                run_worker(args.dir, space_dir, args.device, timing, switch=switch)
            except OSError as error:
                log.error("The map folder cannot be used: %s", error)
                return STATUS_FOLDER
            return 0
        maps = [path for path in args.maps if not _is_no_map(path)]
        engine = Engine(space_dir, args.device)
        with switch.interruptible():
            return 1 if run_maps(maps, engine, args.task, args.threshold) else 0
    except StopAsked:
        log.info("Stopped.")
        return 0
    except (SpaceError, OSError) as error:
        log.error("%s", error)
        return 2


def _is_no_map(path: Path) -> bool:
    """Whether a path from a pattern like ``*.png`` is a result, or a drawing for people."""
    if path.stem.endswith(("_seg", "_heat")) and not json_path(path).exists():
        return True
    return DRAWING in read_png_text(path)
