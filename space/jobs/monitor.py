"""The loop of SPACEtomo_monitor.py: watch a folder, queue maps, keep workers running.

The monitor keeps nothing in memory that matters: what waits, runs and is done stands in the
folder. It can be stopped and started at any time, and several may watch the same folder.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from space.errors import SpaceError
from space.images import FileState, file_state, is_whole_png, read_json_beside, read_png_text
from space.jobs.pool import log_tail, start_worker, worker_log_path
from space.jobs.presence import this_host
from space.jobs.queue import JobFolder, JobStatus
from space.jobs.worker import catch_stop_signals, start_logging

log = logging.getLogger("space.jobs")

MAP_PATTERN = re.compile(r".+_L\d{2,}\.png", re.IGNORECASE)
WORKER_IDLE_SECONDS = 1800.0
#: A worker that ended by an error within this time did not start well.
QUICK_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0
#: Bad ends in a row, on every slot, before the waiting jobs are given up.
MAX_BAD_ENDS = 5
_END_SECONDS = 10.0

Starter = Callable[[Path, Path, str, float], "subprocess.Popen[bytes]"]


@dataclass
class Slot:
    """Room for one worker process on one device."""

    device: str
    process: Any = None
    since: float = 0.0
    bad_ends: int = 0
    next_start: float = 0.0


@dataclass
class MapWatch:
    """Which map files have been seen how; a file counts once it stays the same and is whole."""

    seen: dict[Path, FileState] = field(default_factory=dict)
    whole: dict[Path, FileState] = field(default_factory=dict)
    unsettled: bool = False

    def ready_maps(self, map_dir: Path) -> list[Path]:
        """Return the maps that are completely there, by name."""
        ready = []
        self.unsettled = False
        for path in sorted(Path(map_dir).glob("*.png")):
            if not MAP_PATTERN.fullmatch(path.name):
                continue
            look = file_state(path)
            if look is None:
                continue
            if self.whole.get(path) == look:
                ready.append(path)
                continue
            steady = self.seen.get(path) == look
            self.seen[path] = look
            if not steady:
                self.unsettled = True
            elif is_whole_png(path) and _is_described(path):
                self.whole[path] = look
                ready.append(path)
        return ready


class Monitor:
    """Queues maps and keeps one worker per slot while something waits.

    Parameters
    ----------
    map_dir, space_dir : Path
    devices : sequence of str
        ``cpu``, ``auto`` or numbers of GPUs.
    runs_per_gpu : int
        Worker processes per GPU.
    start : callable, optional
        Starts a worker process (replaced in tests).
    clock : callable
    """

    def __init__(
        self,
        map_dir: Path,
        space_dir: Path,
        devices: Sequence[str],
        runs_per_gpu: int = 1,
        start: Starter = start_worker,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = JobFolder(map_dir)
        self._space_dir = Path(space_dir)
        self._start = start
        self._clock = clock
        self._maps = MapWatch()
        self._told = ""
        # One worker on each device before a second one on any.
        self.slots = [
            Slot(device)
            for run in range(max(1, runs_per_gpu))
            for device in devices
            if run == 0 or device != "cpu"
        ]

    def tick(self) -> Counter[str]:
        """Look once: queue, clear up, start; return how many maps are in which state."""
        for path in self._maps.ready_maps(self.folder.map_dir):
            if self.folder.status(path.name).state in ("absent", "failed"):
                self.folder.submit(path.name)  # a failed map counts only if it was taken anew
        self._collect_ends()
        self.folder.reap()
        waiting = self.folder.waiting()
        if waiting and not self.folder.stop_asked():
            self._fill_slots(waiting)
        statuses = self.folder.statuses()
        self._tell(statuses)
        return Counter(status.state for status in statuses.values())

    def is_finished(self, counts: Counter[str]) -> bool:
        """Tell whether nothing waits, runs or is still being copied."""
        return not (counts["queued"] or counts["running"] or self._maps.unsettled)

    def close(self) -> None:
        """End the workers started here; their jobs go back into the queue."""
        running = [slot.process for slot in self.slots if _runs(slot.process)]
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
            with contextlib.suppress(OSError, SpaceError):
                self.folder.release_process(process.pid)

    def _collect_ends(self) -> None:
        now = self._clock()
        for slot in self.slots:
            if slot.process is None or _runs(slot.process):
                continue
            code = slot.process.poll()
            slot.process = None
            if code == 0:
                slot.bad_ends, slot.next_start = 0, now
                continue
            # A worker that did well for a while and died is replaced soon.
            slot.bad_ends = slot.bad_ends + 1 if now - slot.since < QUICK_SECONDS else 1
            pause_s = min(FIRST_PAUSE_SECONDS * 2 ** (slot.bad_ends - 1), LONGEST_PAUSE_SECONDS)
            slot.next_start = now + pause_s
            log.warning(
                "The worker on %s ended with status %s; the next one starts in %.0f s. %s",
                slot.device,
                code,
                pause_s,
                log_tail(worker_log_path(self.folder.map_dir, slot.device)),
            )

    def _fill_slots(self, waiting: int) -> None:
        now = self._clock()
        mine = {slot.process.pid for slot in self.slots if _runs(slot.process)}
        # Workers that an earlier monitor left behind still use their device.
        others = Counter(
            w.device for w in self.folder.workers() if w.host == this_host() and w.pid not in mine
        )
        statuses = self.folder.statuses().values()
        names = {w.name for w in self.folder.workers() if w.pid in mine and w.host == this_host()}
        busy = sum(s.state == "running" and s.worker in names for s in statuses)
        wanted = waiting - (len(mine) - busy)
        for slot in self.slots:
            if _runs(slot.process):
                continue
            if others[slot.device] > 0:
                others[slot.device] -= 1
                continue
            if wanted <= 0 or now < slot.next_start:
                continue
            if slot.bad_ends >= MAX_BAD_ENDS and not self._all_bad():
                continue
            self._start_in(slot, now)
            wanted -= 1
        if self._all_bad() and not self.folder.workers():
            said = log_tail(worker_log_path(self.folder.map_dir, self.slots[0].device))
            count = self.folder.fail_waiting(f"no worker keeps running: {said}")
            log.error("No worker keeps running; %d jobs given up. %s", count, said)

    def _start_in(self, slot: Slot, now: float) -> None:
        try:
            slot.process = self._start(
                self.folder.map_dir, self._space_dir, slot.device, WORKER_IDLE_SECONDS
            )
            slot.since = now
            log.info("Started a worker on %s (process %d).", slot.device, slot.process.pid)
        except (OSError, SpaceError) as error:
            slot.bad_ends += 1
            pause_s = min(FIRST_PAUSE_SECONDS * 2**slot.bad_ends, LONGEST_PAUSE_SECONDS)
            slot.next_start = now + pause_s
            log.error("No worker can be started on %s: %s", slot.device, error)

    def _all_bad(self) -> bool:
        return all(s.bad_ends >= MAX_BAD_ENDS and not _runs(s.process) for s in self.slots)

    def _tell(self, statuses: dict[str, JobStatus]) -> None:
        counts = Counter(status.state for status in statuses.values())
        running = [f"{n} ({s.worker})" for n, s in sorted(statuses.items()) if s.state == "running"]
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
        1 if maps have failed (with `once`), else 0.
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
            if monitor.folder.stop_asked():
                log.info("SPACE_stop.txt is there: ending. Remove it before the next start.")
                break
            if once and monitor.is_finished(counts):
                return 1 if counts["failed"] else 0
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
    parser.add_argument("--dir", type=Path, required=True, help="map folder to watch")
    parser.add_argument("--gpu", default="auto", help="numbers of GPUs (0,1), or cpu, or auto")
    parser.add_argument("--once", action="store_true", help="end when nothing waits any more")
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
        monitor = Monitor(args.dir, space_dir, devices, _runs_per_gpu(space_dir))
        log.info("Watching %s with %s. Ctrl-C ends.", args.dir, ", ".join(devices))
        status = watch(monitor, args.once, args.interval, stop)
        if stop.is_set():
            log.info("Stopped. Start again at any time: nothing is lost.")
        return status
    except (SpaceError, OSError) as error:
        log.error("%s", error)
        return 2


def _runs_per_gpu(space_dir: Path) -> int:
    from space.config import load_config

    return int(load_config(space_dir).runs_per_gpu)


def _is_described(path: Path) -> bool:
    """Tell whether a map's pixel size is known, from the JSON beside it or from itself."""
    return bool(read_json_beside(path)) or "pixel_nm" in read_png_text(path)


def _runs(process: Any) -> bool:
    return process is not None and process.poll() is None
