"""Looking at map folders from any computer: nothing is changed, locked or started by it.

On one computer, a process and the age of its sign of life show at once who lives. Elsewhere only a
sign that changes does, so a first look has to last for a beat or two.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from space.errors import SpaceError
from space.images import FileState, file_state, png_megapixels
from space.jobs.folder_view import FolderView
from space.jobs.machine import JobStatus
from space.jobs.map_watch import MAP_PATTERN, misplaced, not_whole, unfit
from space.jobs.monitor_sign import MonitorBeat, all_monitors
from space.jobs.presence import Beat, Patience, Watch, all_beats
from space.jobs.status import (
    HANGS_SECONDS,
    FolderSeen,
    Life,
    MapSeen,
    MapState,
    MonitorSeen,
    Status,
    WorkerSeen,
)
from space.jobs.workers import Worker, pid_alive

BEATS_WATCHED = 2.25
"""A sign of life of another computer that does not change for so many beats is silent."""
_BEATS_HERE = 3.0
_MOST_READ = 50
_STATES: dict[str, MapState] = {
    "absent": "new",
    "queued": "waiting",
    "running": "running",
    "done": "done",
    "failed": "failed",
}


class Observer:
    """Looks at folders again and again; keep one while looking.

    Parameters
    ----------
    map_dirs : sequence of Path
    quiet_s : float, optional
        A sign of life that was watched unchanged for so long is silent.
    models : callable, optional
        Marks of the models that are to be used (see `FolderView`).
    subfolders : bool
        Whether maps in folders below are where they belong.
    patience : Patience, optional
    clock : callable
        Seconds, never going back.
    """

    def __init__(
        self,
        map_dirs: Sequence[Path],
        quiet_s: float | None = None,
        models: Callable[[str], str] | None = None,
        subfolders: bool = False,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.map_dirs: list[Path] = []
        self.follow(map_dirs)
        self._patience = patience or Patience()
        self._quiet_s = self._patience.stale_s if quiet_s is None else quiet_s
        self._models = models
        self._subfolders = subfolders
        self._clock = clock
        self._watch = Watch(clock, self._patience.look_s)
        self._views: dict[Path, FolderView] = {}
        self._first: dict[str, int] = {}
        self._unsettled: set[str] = set()
        self._sizes: dict[Path, tuple[FileState | None, float, str]] = {}

    @property
    def is_settled(self) -> bool:
        """Whether it is known of everybody whether they live."""
        return not self._unsettled

    def follow(self, map_dirs: Sequence[Path]) -> None:
        """Look at these folders from now on."""
        self.map_dirs = list(dict.fromkeys(Path(map_dir).absolute() for map_dir in map_dirs))

    def look(self) -> Status:
        """Return what is seen now; a folder that cannot be read is a part of that."""
        self._unsettled.clear()
        folders, found_maps = [], []
        workers: dict[str, WorkerSeen] = {}
        monitors: dict[str, MonitorSeen] = {}
        lives: dict[str, set[Life]] = {}
        for map_dir in self.map_dirs:
            try:
                view = self._view(map_dir)
                beats, signs = all_beats(map_dir), all_monitors(map_dir)
                found_maps += self._maps(map_dir, view, [sign for sign, _ in signs])
                is_stopped = view.stop_asked()
            except (OSError, SpaceError) as error:
                folders.append(FolderSeen(str(map_dir), _why(error)))
                continue
            folders.append(FolderSeen(str(map_dir), is_stopped=is_stopped))
            here = [self._worker(beat) for beat, _ in beats]
            watching = [self._monitor(sign) for sign, _ in signs]
            lives[str(map_dir)] = {one.life for one in here} | {one.life for one in watching}
            workers.update({one.name: _joined(workers.get(one.name), one) for one in here})
            monitors.update({one.name: one for one in watching})
        needed = {seen.folder for seen in found_maps if seen.state in ("new", "waiting")}
        folders = [
            replace(folder, is_served=self._is_served(folder.path, lives))
            if folder.path in needed
            else folder
            for folder in folders
        ]
        return Status(
            tuple(folders), tuple(found_maps), tuple(workers.values()), tuple(monitors.values())
        )

    def _is_served(self, path: str, lives: Mapping[str, set[Life]]) -> bool:
        """Whether somebody lives in a folder; one that has appeared is soon seen by a monitor."""
        living = {folder for folder, found in lives.items() if found & {"alive", "hanging"}}
        key = f"served {path}"
        alone_s = self._watch.unchanged_s(key, path in living)
        if path in living:
            return True
        if not (self._subfolders and living) or alone_s >= self._quiet_s:
            return False
        self._unsettled.add(key)
        return True

    def _view(self, map_dir: Path) -> FolderView:
        if map_dir not in self._views:
            self._views[map_dir] = FolderView(
                map_dir, self._patience, clock=self._clock, models=self._models
            )
        return self._views[map_dir]

    # --- who lives --------------------------------------------------------------------------

    def _worker(self, beat: Beat) -> WorkerSeen:
        worker, vitals = beat.worker, beat.vitals
        life = self._life(worker, beat.count, vitals.clock_s)
        if life == "alive" and vitals.stalled_s >= HANGS_SECONDS:
            life = "hanging"
        name, task = beat.job or ("", "")
        return WorkerSeen(
            worker.name, worker.machine, worker.pid, worker.device, life, vitals, name, task
        )

    def _monitor(self, sign: MonitorBeat) -> MonitorSeen:
        who = sign.who
        life = self._life(who, sign.count, sign.clock_s)
        if life == "alive" and sign.looked_s >= HANGS_SECONDS:
            life = "hanging"
        return MonitorSeen(
            who.name, who.machine, who.pid, life, sign.devices, sign.folders, sign.workers,
            sign.looked, sign.looked_s,
        )  # fmt: skip

    def _life(self, who: Worker, count: int, clock_s: float) -> Life:
        if who.is_here:
            if not pid_alive(who.pid):
                return "dead"
            # One clock for all processes of a computer, since it was started.
            age_s = time.monotonic() - clock_s
            if clock_s > 0 and age_s >= 0:
                return "silent" if age_s > _BEATS_HERE * self._patience.beat_s else "alive"
        unchanged_s = self._watch.unchanged_s(who.name, count)
        if unchanged_s >= self._quiet_s:
            return "silent"
        if self._first.setdefault(who.name, count) == count:
            self._unsettled.add(who.name)
        return "alive"

    # --- maps -------------------------------------------------------------------------------

    def _maps(self, map_dir: Path, view: FolderView, signs: Sequence[MonitorBeat]) -> list[MapSeen]:
        statuses = view.statuses()
        files = {path.name: path for path in sorted(map_dir.glob("*.png"))}
        unknown = [name for name in files if MAP_PATTERN.fullmatch(name) and name not in statuses]
        broken = dict(misplaced(map_dir, self._subfolders))
        for sign in signs:
            broken.update({name: why for name, why in sign.broken.items() if name in files})
        found = []
        for name, status in {**statuses, **view.statuses_of(unknown)}.items():
            seen = self._map(map_dir / name, status)
            if seen.state != "new" or name in files:  # a person removed its line, and the map
                found.append(seen)
        read = 0
        for index, seen in enumerate(found):
            if seen.state != "new":
                continue
            problem = broken.pop(seen.name, "") or unfit(map_dir / seen.name)
            if problem:
                found[index] = replace(seen, state="broken", reason=problem)
            elif read < _MOST_READ:
                read += 1
                if self._incomplete(map_dir / seen.name):
                    found[index] = replace(seen, state="copying")
        known = {seen.name for seen in found}
        found += [
            MapSeen(str(map_dir), name, "broken", reason=why)
            for name, why in broken.items()
            if name not in known
        ]
        return found

    def _map(self, path: Path, status: JobStatus) -> MapSeen:
        state = _STATES[status.state]
        is_open = state in ("new", "waiting", "running")
        return MapSeen(
            str(path.parent),
            path.name,
            state,
            status.task or "segment",
            status.reason,
            self._facts(path)[1] if is_open else 0.0,
            status.worker,
            status.attempt,
        )

    def _incomplete(self, path: Path) -> bool:
        """Whether a map is not whole; one that has not changed is not read again."""
        state, megapixels, problem = self._facts(path)
        if problem == "?":
            problem = not_whole(path)
            self._sizes[path] = (state, megapixels, problem)
        return bool(problem)

    def _facts(self, path: Path) -> tuple[FileState | None, float, str]:
        state = file_state(path)
        known = self._sizes.get(path)
        if known is None or known[0] != state:
            known = self._sizes[path] = (state, png_megapixels(path), "?")
        return known


def watch_until_known(
    observer: Observer,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    patience: Patience | None = None,
) -> Status:
    """Look until it is known who lives: at once on this computer, else for a beat or two."""
    patience = patience or Patience()
    end_s = clock() + (BEATS_WATCHED + 0.25) * patience.beat_s
    status = observer.look()
    while not observer.is_settled and clock() < end_s:
        sleep(patience.beat_s / 8)
        status = observer.look()
    return status


def quick_observer(
    map_dirs: Sequence[Path], patience: Patience | None = None, subfolders: bool = False
) -> Observer:
    """Return an observer for a single question."""
    patience = patience or Patience()
    quiet_s = BEATS_WATCHED * patience.beat_s
    return Observer(map_dirs, quiet_s, subfolders=subfolders, patience=patience)


def _joined(known: WorkerSeen | None, new: WorkerSeen) -> WorkerSeen:
    """Return a worker that was seen in two folders: with its job, which is in one of them."""
    return known if known is not None and known.map_name else new


def _why(error: OSError | SpaceError) -> str:
    text = error.strerror if isinstance(error, OSError) else error.what
    return (text or str(error)).rstrip(".")
