"""The loop of SPACEtomo_monitor.py: watch folders, queue maps, keep workers running.

The monitor keeps nothing in memory that matters: what waits, runs and is done stands in the
folders. It can be stopped and started at any time, and several may watch the same folder.

A worker that dies while it does a job counts against that job. Only workers that cannot even
start say something about this computer: after some of them in a row what waits is given up,
and tried again when a monitor starts.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import re
import stat
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from space.config import load_config
from space.errors import SpaceError
from space.images import FileState, file_state, is_whole_png, read_json_beside, read_png_text
from space.jobs.folder import JobFolder
from space.jobs.launch import (
    START_SECONDS,
    last_message,
    no_worker,
    start_worker,
    worker_log_path,
)
from space.jobs.machine import JobStatus
from space.jobs.marks import ModelMarks
from space.jobs.needs import missing_here
from space.jobs.presence import Watch
from space.jobs.records import name_problem
from space.jobs.worker import STATUS_FOLDER, STATUS_HUNG, catch_stop_signals, start_logging

log = logging.getLogger("space.jobs")

MAP_PATTERN = re.compile(r".+_L\d{2,}\.png", re.IGNORECASE | re.DOTALL)
OTHER_PICTURE = re.compile(
    r".+_L\d{2,}\.(tiff?|jpe?g|bmp|gif|webp|mrc|st|map)", re.IGNORECASE | re.DOTALL
)
WORKER_IDLE_SECONDS = 1800.0
#: A worker that ended by an error within this time did not start well.
QUICK_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0
#: Bad starts in a row, on every slot, before the waiting jobs are given up.
MAX_BAD_STARTS = 5
#: A map that is not whole and does not change for so long is not being copied any more.
BROKEN_SECONDS = 30.0
#: Exit status when something that is needed is missing here: nothing was begun.
STATUS_MISSING = 2
_END_SECONDS = 10.0

Starter = Callable[[Sequence[Path], Path, str, float], "subprocess.Popen[bytes]"]


@dataclass
class Slot:
    """Room for one worker process on one device."""

    device: str
    process: Any = None
    since: float = 0.0
    seen: bool = False
    bad_starts: int = 0
    next_start: float = 0.0

    @property
    def is_running(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.poll() is None


@dataclass
class MapWatch:
    """Which map files have been seen how; a file counts once it stays the same and is whole.

    Attributes
    ----------
    unsettled : bool
        Whether something is still changing, or may be.
    broken : dict of str to str
        Files that will never be maps as they are, with the reason.
    """

    clock: Callable[[], float] = time.monotonic
    seen: dict[Path, FileState] = field(default_factory=dict)
    whole: dict[Path, FileState] = field(default_factory=dict)
    unsettled: bool = False
    broken: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._watch = Watch(self.clock, BROKEN_SECONDS)

    def ready_maps(self, map_dir: Path) -> list[Path]:
        """Return the maps that are completely there, by name."""
        ready = []
        self.unsettled = False
        broken = _misplaced(map_dir)
        for path in sorted(Path(map_dir).glob("*.png")):
            if not MAP_PATTERN.fullmatch(path.name):
                continue
            look = file_state(path)
            if look is None:
                continue
            if self.whole.get(path) == look:
                ready.append(path)
                continue
            problem = _unfit(path)
            steady = self.seen.get(path) == look
            self.seen[path] = look
            if problem:
                broken[path.name] = problem
            elif not steady:
                self.unsettled = True
            elif not (problem := _not_whole(path)):
                self.whole[path] = look
                ready.append(path)
            elif self._watch.unchanged_s(str(path), look) < BROKEN_SECONDS:
                self.unsettled = True
            else:
                broken[path.name] = problem
        for name, problem in broken.items():
            if self.broken.get(name) != problem:
                log.error("%s is not worked on: %s.", name, problem)
        self.broken = broken
        return ready


def _unfit(path: Path) -> str:
    """Say why a file with a map's name can never be one; empty if it can."""
    problem = name_problem(path.name)
    if problem:
        return f"its name cannot stand in the queue: {problem}"
    try:
        kind = path.lstat().st_mode
    except OSError:
        return ""
    if stat.S_ISLNK(kind) and path.resolve().parent != path.parent.resolve():
        return "it is a link out of this folder"
    return "" if stat.S_ISREG(path.stat().st_mode) else "it is not a regular file"


def _not_whole(path: Path) -> str:
    """Say what a map lacks; empty if it is whole and its pixel size is known."""
    if not is_whole_png(path):
        return "it is empty, cut off or damaged: copy it anew"
    if not read_json_beside(path) and "pixel_nm" not in read_png_text(path):
        return f"its pixel size is not known: copy {path.stem}.json, too, or write it anew"
    return ""


def _misplaced(map_dir: Path) -> dict[str, str]:
    """Return pictures that look like maps but are not where or what maps are."""
    found = {}
    for path in sorted(Path(map_dir).iterdir()):
        if OTHER_PICTURE.fullmatch(path.name) and not path.with_suffix(".png").exists():
            found[path.name] = "maps are 8-bit PNG files: save it as .png with its pixel size"
        elif path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
            for inner in sorted(path.glob("*.png")):
                if MAP_PATTERN.fullmatch(inner.name):
                    name = f"{path.name}/{inner.name}"
                    found[name] = "subfolders are not watched: start the monitor with --dir for it"
    return found


class Monitor:
    """Queues maps and keeps one worker per slot while something waits.

    Parameters
    ----------
    map_dirs : sequence of Path
    space_dir : Path
    devices : sequence of str
        ``cpu``, ``auto`` or numbers of GPUs.
    runs_per_gpu : int
        Worker processes per GPU.
    start : callable, optional
        Starts a worker process (replaced in tests).
    clock : callable
    models : callable, optional
        Marks of the models that are to be used (see `JobFolder`).
    """

    def __init__(
        self,
        map_dirs: Sequence[Path],
        space_dir: Path,
        devices: Sequence[str],
        runs_per_gpu: int = 1,
        start: Starter = start_worker,
        clock: Callable[[], float] = time.monotonic,
        models: Callable[[str], str] | None = None,
    ) -> None:
        unique = dict.fromkeys(Path(map_dir).resolve() for map_dir in map_dirs)
        self.folders = [JobFolder(map_dir, clock=clock, models=models) for map_dir in unique]
        self._space_dir = Path(space_dir).resolve()
        self._start = start
        self._clock = clock
        self._maps = [MapWatch(clock) for _ in self.folders]
        self._told = ""
        # One worker on each device before a second one on any.
        self.slots = [
            Slot(device)
            for run in range(max(1, runs_per_gpu))
            for device in devices
            if run == 0 or device != "cpu"
        ]

    def retry(self, given_up_only: bool) -> None:
        """Queue once more what has failed, or only what was given up untried."""
        for folder in self.folders:
            count = folder.retry(given_up_only)
            if count:
                log.info("%s: %d failed jobs are tried again.", folder.map_dir, count)

    def tick(self) -> Counter[str]:
        """Look once: queue, clear up, start; return how many maps are in which state."""
        # First of all, and by reading alone: a worker that was stopped may hold the queue's lock.
        self._end_hanging()
        for folder, maps in zip(self.folders, self._maps):
            for path in maps.ready_maps(folder.map_dir):
                if folder.status(path.name).state in ("absent", "failed"):
                    folder.submit(path.name)  # a failed map counts only if it was taken anew
        failed_to_start = self._collect_ends()
        for folder in self.folders:
            folder.reap()
        working = [folder for folder in self.folders if not folder.stop_asked()]
        waiting = sum(folder.waiting() for folder in working)
        if waiting:
            self._fill_slots(waiting)
        if failed_to_start and self._all_bad():
            self._give_up()
        statuses = {
            (folder.map_dir, name): status
            for folder in self.folders
            for name, status in folder.statuses().items()
        }
        self._tell(statuses)
        counts: Counter[str] = Counter(status.state for status in statuses.values())
        counts["broken"] = sum(len(maps.broken) for maps in self._maps)
        return counts

    def is_finished(self, counts: Counter[str]) -> bool:
        """Tell whether nothing waits, runs or is still being copied."""
        unsettled = any(maps.unsettled for maps in self._maps)
        return not (counts["queued"] or counts["running"] or unsettled)

    def is_stopped(self) -> bool:
        """Tell whether a person stopped the work in every folder."""
        return all(folder.stop_asked() for folder in self.folders)

    def close(self) -> None:
        """End the workers started here; their jobs go back into the queue."""
        running = [slot.process for slot in self.slots if slot.is_running]
        for process in running:
            with contextlib.suppress(OSError):
                process.terminate()
        end = time.monotonic() + _END_SECONDS
        for process in running:
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_END_SECONDS)
        for process in running:
            for folder in self.folders:
                with contextlib.suppress(OSError, SpaceError):
                    folder.release_process(process.pid)

    def _end_hanging(self) -> None:
        """End own workers that were stopped, hang, or never began: their slot is needed."""
        now = self._clock()
        living = {w.pid for folder in self.folders for w in folder.workers() if w.is_here}
        hanging = {
            worker.pid: reason
            for folder in self.folders
            for names in (folder.hanging(),)
            for worker in folder.workers()
            if worker.is_here and (reason := names.get(worker.name))
        }
        for slot in self.slots:
            if not slot.is_running:
                continue
            pid = slot.process.pid
            reason = hanging.get(pid, "")
            if pid in living:
                slot.seen = True
            elif slot.seen:
                reason = "it gives no signs of life any more"
            elif now - slot.since > START_SECONDS:
                reason = f"it has not begun to work within {START_SECONDS / 60:.0f} min"
            if reason:
                log.warning("The worker on %s is ended: %s.", slot.device, reason)
                slot.process.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    slot.process.wait(_END_SECONDS)

    def _collect_ends(self) -> bool:
        """Take note of workers that have ended; return whether one of them had not even begun."""
        now = self._clock()
        failed_to_start = False
        for slot in self.slots:
            if slot.process is None or slot.is_running:
                continue
            code, pid = slot.process.poll(), slot.process.pid
            slot.process = None
            if code == 0:
                slot.bad_starts, slot.next_start = 0, now
                continue
            pause_s = FIRST_PAUSE_SECONDS
            quick = now - slot.since < QUICK_SECONDS
            if code in (STATUS_FOLDER, STATUS_HUNG) or not quick or self._had_job(pid):
                slot.bad_starts = 0  # it had begun to work
            else:
                slot.bad_starts += 1
                failed_to_start = True
                pause_s *= 2 ** (slot.bad_starts - 1)
            pause_s = min(pause_s, LONGEST_PAUSE_SECONDS)
            slot.next_start = now + pause_s
            log.warning(
                "The worker on %s ended with status %s; the next one starts in %.0f s. %s",
                slot.device,
                code,
                pause_s,
                last_message(self._log_of(slot)),
            )
        return failed_to_start

    def _had_job(self, pid: int) -> bool:
        return any(folder.has_worked(pid) for folder in self.folders)

    def _log_of(self, slot: Slot) -> Path:
        return worker_log_path(self.folders[0].map_dir, slot.device)

    def _fill_slots(self, waiting: int) -> None:
        now = self._clock()
        mine = {slot.process.pid for slot in self.slots if slot.is_running}
        workers = {w.name: w for folder in self.folders for w in folder.workers() if w.is_here}
        # Workers that an earlier monitor left behind still use their device.
        others = Counter(w.device for w in workers.values() if w.pid not in mine)
        names = {w.name for w in workers.values() if w.pid in mine}
        busy = sum(
            status.state == "running" and status.worker in names
            for folder in self.folders
            for status in folder.statuses().values()
        )
        wanted = waiting - (len(mine) - busy)
        for slot in self.slots:
            if slot.is_running:
                continue
            if others[slot.device] > 0:
                others[slot.device] -= 1
                continue
            if wanted <= 0 or now < slot.next_start:
                continue
            if slot.bad_starts >= MAX_BAD_STARTS and not self._all_bad():
                continue
            self._start_in(slot, now)
            wanted -= 1

    def _start_in(self, slot: Slot, now: float) -> None:
        try:
            map_dirs = [folder.map_dir for folder in self.folders]
            slot.process = self._start(map_dirs, self._space_dir, slot.device, WORKER_IDLE_SECONDS)
            slot.since, slot.seen = now, False
            log.info("Started a worker on %s (process %d).", slot.device, slot.process.pid)
        except (OSError, SpaceError) as error:
            slot.bad_starts += 1
            pause_s = min(FIRST_PAUSE_SECONDS * 2**slot.bad_starts, LONGEST_PAUSE_SECONDS)
            slot.next_start = now + pause_s
            log.error("No worker can be started on %s: %s", slot.device, error)

    def _give_up(self) -> None:
        """Let what waits fail: every worker that was started here failed to start."""
        path = self._log_of(self.slots[0])
        for folder in self.folders:
            if folder.workers() or not folder.takes_files():
                continue
            reason = no_worker(last_message(path), path)
            count = folder.give_up_waiting(reason)
            if count:
                log.error("%d jobs are given up: %s.", count, reason)

    def _all_bad(self) -> bool:
        return all(s.bad_starts >= MAX_BAD_STARTS and not s.is_running for s in self.slots)

    def _tell(self, statuses: dict[tuple[Path, str], JobStatus]) -> None:
        counts = Counter(status.state for status in statuses.values())
        running = [
            f"{name} ({status.worker})"
            for (_, name), status in sorted(statuses.items())
            if status.state == "running"
        ]
        text = (
            f"{counts['done']} done, {counts['running']} running, {counts['queued']} waiting, "
            f"{counts['failed']} failed" + (f": {', '.join(running)}" if running else "")
        )
        if text != self._told:
            log.info("%s", text)
            self._told = text


def parse_devices(text: str) -> tuple[str, ...]:
    """Read ``0,1``, ``cpu`` or ``auto``.

    Raises
    ------
    SpaceError
        If a device is none of these or is named twice.
    """
    devices = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    good = all(d.isdigit() or d in ("cpu", "auto") for d in devices)
    if not devices or not good or len(set(devices)) != len(devices):
        raise SpaceError(f"--gpu {text!r} is not understood.", do="Use 0,1 or cpu or auto")
    return devices


def watch(monitor: Monitor, once: bool, interval_s: float, stop: threading.Event) -> int:
    """Look again and again until a stop, or with `once` until all is finished.

    Returns
    -------
    int
        1 if maps have failed or are broken (with `once`), else 0.
    """
    troubles = 0
    try:
        while not stop.is_set():
            try:
                counts = monitor.tick()
                troubles = 0
            except (OSError, SpaceError) as error:
                troubles += 1
                log.warning("The map folder does not answer: %s", error)
                if once and troubles >= 10:
                    raise
                stop.wait(min(60.0, interval_s * 2 ** min(troubles, 6)))
                continue
            if monitor.is_stopped():
                log.info("SPACE_stop.txt is there: ending. Remove it before the next start.")
                break
            if once and monitor.is_finished(counts):
                return 1 if counts["failed"] or counts["broken"] else 0
            stop.wait(interval_s)
    finally:
        monitor.close()
    return 0


def main(argv: Sequence[str] | None = None, space_dir: Path | None = None) -> int:
    """Command line of SPACEtomo_monitor.py; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="SPACEtomo_monitor.py",
        description="Watch a folder for lamella maps and find what is in them.",
    )
    parser.add_argument(
        "--dir",
        type=Path,
        action="append",
        required=True,
        help="map folder to watch (may be given several times)",
    )
    parser.add_argument("--gpu", default="auto", help="numbers of GPUs (0,1), or cpu, or auto")
    parser.add_argument("--once", action="store_true", help="end when nothing waits any more")
    parser.add_argument("--retry", action="store_true", help="try failed maps again")
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between looks")
    args = parser.parse_args(argv)
    if not args.interval > 0:
        parser.error("--interval must be positive")
    space_dir = space_dir or Path(__file__).resolve().parents[2]
    start_logging()
    stop = threading.Event()
    catch_stop_signals(stop.set)
    try:
        devices = parse_devices(args.gpu)
        config = load_config(space_dir)
        missing = missing_here(config, space_dir)
        if missing:
            for problem in missing:
                log.error("%s", problem)
            return STATUS_MISSING
        monitor = Monitor(
            args.dir,
            space_dir,
            devices,
            config.runs_per_gpu,
            models=ModelMarks(lambda: load_config(space_dir)),
        )
        names = ", ".join(str(folder.map_dir) for folder in monitor.folders)
        log.info("Watching %s with %s. Ctrl-C ends.", names, ", ".join(devices))
        monitor.retry(given_up_only=not args.retry)
        status = watch(monitor, args.once, args.interval, stop)
        if stop.is_set():
            log.info("Stopped. Start again at any time: nothing is lost.")
        return status
    except (SpaceError, OSError) as error:
        log.error("%s", error)
        return STATUS_MISSING
