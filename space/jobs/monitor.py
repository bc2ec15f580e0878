"""The loop of SPACEtomo_monitor.py: watch folders, queue maps, keep workers running.

The monitor keeps nothing in memory that matters: what waits, runs and is done is in the
folders. It can be stopped and started at any time, and several may watch the same folder. Where
no worker can be started, what waits is given up, and tried again when a monitor starts.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

from space.errors import SpaceError
from space.jobs.executors import Executor, LocalProcesses, StartedWorker
from space.jobs.folder import JobFolder
from space.jobs.folder_view import STOP_NAME
from space.jobs.launch import last_message, no_worker_reason
from space.jobs.machine import JobStatus
from space.jobs.map_watch import MAP_PATTERN, MapWatch
from space.jobs.monitor_sign import Look
from space.jobs.queue_files import QUEUE_NAME
from space.jobs.slots import (
    ended,
    is_hopeless,
    looked_at,
    make_slots,
    not_started,
    slots_to_fill,
    started,
    waits,
)
from space.jobs.subfolders import Subfolders, has_other_folders
from space.jobs.wake import POLL_SECONDS, FolderGlance, Waker

log = logging.getLogger("space.jobs")

_END_SECONDS = 10.0
_GATHER_SECONDS = 0.2


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
    executor : Executor, optional
        What runs the workers; processes on this computer if left out.
    clock : callable
    models : callable, optional
        Marks of the models that are to be used (see `JobFolder`).
    subfolders : bool
        Whether folders below that hold maps are watched as well, also those that appear later.
    """

    def __init__(
        self,
        map_dirs: Sequence[Path],
        space_dir: Path,
        devices: Sequence[str],
        runs_per_gpu: int = 1,
        executor: Executor | None = None,
        clock: Callable[[], float] = time.monotonic,
        models: Callable[[str], str] | None = None,
        subfolders: bool = False,
    ) -> None:
        unique = list(dict.fromkeys(Path(map_dir).resolve() for map_dir in map_dirs))
        self._models = models
        self.folders: list[JobFolder] = []
        self._maps: list[MapWatch] = []
        self._below = Subfolders(unique, clock) if subfolders else None
        self.slots = make_slots(devices, runs_per_gpu)
        self._space_dir = Path(space_dir).resolve()
        self._executor = executor or LocalProcesses()
        self._clock = clock
        self._workers: list[StartedWorker | None] = [None for _ in self.slots]
        self._served: list[list[Path]] = [[] for _ in self.slots]
        self._reported = ""
        for map_dir in unique:
            self._follow(map_dir)
        self._roots = list(self.folders)
        self._follow_subfolders()
        #: What was seen last, for the sign of life.
        self.last_look: Look | None = None

    def watched(self) -> list[Path]:
        """Return the folders that are watched now."""
        return [folder.map_dir for folder in self.folders]

    def retry(self, given_up_only: bool) -> None:
        """Queue once more what has failed, or only what was given up without an attempt."""
        for folder in self.folders:
            count = folder.retry(given_up_only)
            if count:
                log.info("%s: %d failed jobs are tried again.", folder.map_dir, count)

    def tick(self) -> Counter[str]:
        """Check once: queue maps, start workers; return how many maps are in each state."""
        # First of all, and by reading alone: a worker that was stopped may hold the queue's lock.
        self._end_hanging()
        self._follow_subfolders()
        before = [(folder.version(), folder.statuses()) for folder in self.folders]
        for folder, maps, (_, known) in zip(self.folders, self._maps, before):
            self._queue_maps(folder, maps, known)
        failed_to_start = self._collect_ends()
        for folder in self.folders:
            folder.reap()
        working = [folder for folder in self.folders if not folder.stop_asked()]
        waits_in = {folder.map_dir: folder.waiting() for folder in working}
        waiting = sum(waits_in.values())
        if self._below is not None:
            self._replace_idle([map_dir for map_dir, count in waits_in.items() if count])
        if waiting:
            self._fill_slots(waiting)
        if failed_to_start and is_hopeless(self.slots, self._running()):
            self._give_up()
        statuses = {
            (folder.map_dir, name): status
            for folder, seen in zip(self.folders, before)
            # Most looks change nothing, and a folder may hold hundreds of maps.
            for name, status in (
                seen[1] if folder.version() == seen[0] else folder.statuses()
            ).items()
        }
        self._report(statuses)
        counts: Counter[str] = Counter(status.state for status in statuses.values())
        broken = {f.map_dir: dict(maps.broken) for f, maps in zip(self.folders, self._maps)}
        counts["broken"] = sum(len(found) for found in broken.values())
        self.last_look = Look(time.monotonic(), sum(self._running()), broken)
        return counts

    @staticmethod
    def _queue_maps(folder: JobFolder, maps: MapWatch, statuses: dict[str, JobStatus]) -> None:
        """Queue maps that nobody has asked for, or that were taken again after they failed."""
        done = {name for name, status in statuses.items() if status.state == "done"}
        ready = [path.name for path in maps.ready_maps(folder.map_dir, done)]
        for name, status in folder.statuses_of(n for n in ready if n not in done).items():
            if status.state in ("absent", "failed"):
                folder.submit(name)  # a failed map counts only if it was taken again

    def waker(self) -> Waker:
        """Return what wakes the monitor: a map that comes, or a change of the queue."""
        map_dirs = [folder.map_dir for folder in self.folders]
        glances = [FolderGlance(map_dir, _wakes) for map_dir in map_dirs]
        return Waker(map_dirs, _wakes, glances, gather_s=_GATHER_SECONDS)

    def rest(self, waker: Waker, seconds: float, stop: Callable[[], bool]) -> None:
        """Wait for the next look, until something changes or a map has been copied to its end."""
        end_s = time.monotonic() + seconds
        while not stop() and (left_s := end_s - time.monotonic()) > 0:
            has_changed = waker.wait(min(left_s, POLL_SECONDS), stop)
            if has_changed or any(maps.has_settled() for maps in self._maps):
                return

    def is_finished(self, counts: Counter[str]) -> bool:
        """Whether nothing waits, runs or is still being copied."""
        unsettled = any(maps.unsettled for maps in self._maps)
        return not (counts["queued"] or counts["running"] or unsettled)

    def is_stopped(self) -> bool:
        """Whether a person stopped the work in every folder."""
        return all(folder.stop_asked() for folder in self._roots)

    def close(self) -> None:
        """End the workers started here; their jobs return to the queue."""
        running = self._own()
        for started_worker in running:
            started_worker.terminate()
        end_s = time.monotonic() + _END_SECONDS
        for started_worker in running:
            if not started_worker.wait(max(0.1, end_s - time.monotonic())):
                started_worker.kill()
        for started_worker in running:
            for folder in self.folders:
                with contextlib.suppress(OSError, SpaceError):
                    folder.release_workers(started_worker.owns)
        self._executor.close()

    def _follow(self, map_dir: Path) -> None:
        folder = JobFolder(map_dir, clock=self._clock, models=self._models)
        # New lists: others may be reading the old ones.
        self.folders = [*self.folders, folder]
        self._maps = [*self._maps, MapWatch(self._clock, subfolders=self._below is not None)]

    def _follow_subfolders(self) -> None:
        """Take up folders that have appeared; let go of those removed, or not used for long."""
        if self._below is None:
            return
        new, gone = self._below.changes(self.watched())
        for map_dir in new:
            with contextlib.suppress(SpaceError):  # gone again
                self._follow(map_dir)
                log.info("%s is watched as well.", map_dir)
        if gone:
            log.info("No longer watched: %s.", ", ".join(str(map_dir) for map_dir in gone))
            pairs = [p for p in zip(self.folders, self._maps) if p[0].map_dir not in gone]
            self.folders, self._maps = [p[0] for p in pairs], [p[1] for p in pairs]

    def _replace_idle(self, waits_in: Sequence[Path]) -> None:
        """End own workers that have no job and know nothing of a folder in which jobs wait.

        A worker is told its folders when it starts; one for the folders of now follows.
        """
        busy = self._busy_names()
        for own, served in zip(self._workers, self._served):
            if own is None or own.poll() is not None or any(own.is_named(name) for name in busy):
                continue
            if has_other_folders(served, self.watched(), waits_in):
                log.info("A worker without a job ends, as the folders have changed.")
                own.terminate()

    def _busy_names(self) -> set[str]:
        """Return the names of all workers that have a job."""
        return {
            status.worker
            for folder in self.folders
            for status in folder.statuses().values()
            if status.state == "running"
        }

    def _running(self) -> list[bool]:
        return [w is not None and w.poll() is None for w in self._workers]

    def _own(self) -> list[StartedWorker]:
        """Return the workers of this monitor that run or wait for a computer."""
        return [w for w in self._workers if w is not None and w.poll() is None]

    def _end_hanging(self) -> None:
        """End own workers that were stopped, hang, or never began: their slot is needed."""
        living = [worker for folder in self.folders for worker in folder.workers()]
        hanging: dict[str, str] = {}
        for folder in self.folders:
            hanging.update(folder.hanging())
        for index, own in enumerate(self._workers):
            if own is None or own.poll() is not None:
                continue
            names = [worker.name for worker in living if own.owns(worker)]
            now_s = self._clock()
            if not names and own.waits():
                self.slots[index] = waits(self.slots[index], now_s)
                continue
            reasons = [hanging[name] for name in names if name in hanging]
            slot, reason = looked_at(
                self.slots[index],
                bool(names),
                reasons[0] if reasons else "",
                now_s,
                self._executor.silence_s,
            )
            self.slots[index] = slot
            if reason:
                log.warning("The worker on %s is terminated: %s.", slot.device, reason)
                own.kill()

    def _collect_ends(self) -> bool:
        """Note which workers have ended; return whether one of them had not even begun."""
        failed_to_start = False
        for index, own in enumerate(self._workers):
            code = own.poll() if own is not None else None
            if own is None or code is None:
                continue
            now_s, before = self._clock(), self.slots[index]
            had_job = any(folder.has_worked(own.is_named) for folder in self.folders)
            slot = ended(before, code, had_job, now_s)
            self.slots[index], self._workers[index] = slot, None
            failed_to_start |= slot.bad_starts > before.bad_starts
            if code != 0:
                log.warning(
                    "The worker on %s ended with status %s; the next one starts in %.0f s. %s",
                    slot.device,
                    code,
                    slot.next_start_s - now_s,
                    last_message(own.log_path),
                )
        return failed_to_start

    def _fill_slots(self, waiting: int) -> None:
        running = self._running()
        mine = self._own()
        workers = {w.name: w for folder in self.folders for w in folder.workers()}
        names = {w.name for w in workers.values() if any(own.owns(w) for own in mine)}
        # Workers that an earlier monitor left behind still use their device.
        here = [w for w in workers.values() if w.is_here and self._executor.uses_this_machine]
        others = Counter(w.device for w in here if w.name not in names)
        busy = sum(
            status.state == "running" and status.worker in names
            for folder in self.folders
            for status in folder.statuses().values()
        )
        wanted = waiting - (len(mine) - busy)
        now_s = self._clock()
        for index in slots_to_fill(self.slots, running, others, wanted, now_s):
            self._start_in(index, now_s)

    def _start_in(self, index: int, now_s: float) -> None:
        slot = self.slots[index]
        try:
            map_dirs = self.watched()
            own = self._executor.start(map_dirs, self._space_dir, slot.device)
        except (OSError, SpaceError) as error:
            self.slots[index] = not_started(slot, now_s)
            log.error("No worker can be started on %s: %s", slot.device, error)
            return
        self.slots[index], self._workers[index] = started(slot, now_s), own
        self._served[index] = map_dirs
        log.info("Started a worker on %s (%s).", slot.device, own.title)

    def _give_up(self) -> None:
        """Have what waits fail: every worker that was started here failed to start."""
        path = self._executor.log_path(self.folders[0].map_dir, self.slots[0].device)
        for folder in self.folders:
            if folder.workers() or not folder.takes_files():
                continue
            reason = no_worker_reason(path)
            count = folder.give_up_waiting(reason)
            if count:
                log.error("%d jobs are given up: %s.", count, reason)

    def _report(self, statuses: dict[tuple[Path, str], JobStatus]) -> None:
        """Log how many maps are in which state, if that has changed."""
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
        if text != self._reported:
            log.info("%s", text)
            self._reported = text


def watch(monitor: Monitor, once: bool, interval_s: float, stop: threading.Event) -> int:
    """Check again and again until a stop, or with `once` until all is finished.

    After `interval_s` at the latest, and as soon as a map comes or the queue changes.

    Returns
    -------
    int
        1 if maps have failed or are broken (with `once`), else 0.
    """
    troubles = 0
    with contextlib.ExitStack() as stack:
        stack.callback(monitor.close)
        waking = stack.enter_context(contextlib.ExitStack())
        waker, watched = waking.enter_context(monitor.waker()), monitor.watched()
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
            if monitor.watched() != watched:
                waking.close()
                waker, watched = waking.enter_context(monitor.waker()), monitor.watched()
            if monitor.is_stopped():
                log.info(
                    "SPACE_stop.txt was found: the monitor ends. Remove it before the next start."
                )
                break
            if once and monitor.is_finished(counts):
                return 1 if counts["failed"] or counts["broken"] else 0
            monitor.rest(waker, interval_s, stop.is_set)
    return 0


def _wakes(name: str) -> bool:
    """Whether a file of this name is a map, tells of one, or of what is to be done."""
    known = name in (QUEUE_NAME, STOP_NAME)
    return known or bool(MAP_PATTERN.fullmatch(str(PurePath(name).with_suffix(".png"))))
