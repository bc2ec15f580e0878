"""Waiting until something changes in a map folder: events of the file system, and cheap polling.

Events (package watchdog) come at once, but only for what this machine changes: of a network folder
they tell nothing that others do. So a few file times are looked at as well, twice a second,
which a file server bears. Neither replaces the whole look at the folder every few seconds: some
network folders show new file times late.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

log = logging.getLogger("space.jobs")

POLL_SECONDS = 0.5
"""Between two looks at file times."""
GATHER_SECONDS = 0.05
"""After an event, so that several at once wake once, and never so often that a core is busy."""

Glance = Callable[[], object]
"""Returns something that differs when the folder has changed; cheap, and never an error."""


class Waker:
    """Context manager: waits that end early when something changes in some folders.

    Parameters
    ----------
    folders : sequence of Path
    matters : callable
        Whether a change of a file of this name is of interest.
    glances : sequence of callable
        What is polled. A change since the last look is noticed, also one between two waits.
    poll_s, gather_s : float
    events : bool
        Whether events of the file system are used where they can be had.
    clock, sleep : callable
        Replaced in tests, the latter only without events.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        matters: Callable[[str], bool],
        glances: Sequence[Glance],
        poll_s: float = POLL_SECONDS,
        gather_s: float = GATHER_SECONDS,
        events: bool = True,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._folders = folders
        self._matters = matters
        self._glances = glances
        self._poll_s = poll_s
        self._gather_s = gather_s
        self._wants_events = events
        self._clock = clock
        self._changed = threading.Event()
        self._sleep = sleep or self._changed.wait
        self._observer: Any = None
        self._last = self._look()

    def __enter__(self) -> Waker:
        if self._wants_events:
            self._observer = _observe(self._folders, self._noted)
            # What changed before the events began is seen by the next look.
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._observer is not None:
            with contextlib.suppress(Exception):
                self._observer.stop()
                self._observer.join(2.0)
            self._observer = None

    def wait(self, seconds: float, stop: Callable[[], bool] = lambda: False) -> bool:
        """Wait; end early when something changes (True) or `stop` says so."""
        end_s = self._clock() + seconds
        while not stop():
            left_s = end_s - self._clock()
            if left_s <= 0:
                return False
            self._sleep(min(left_s, self._poll_s))
            has_event = self._changed.is_set()
            if has_event:
                time.sleep(min(self._gather_s, max(0.0, left_s)))
                self._changed.clear()
            now = self._look()
            if has_event or now != self._last:
                self._last = now
                return True
        return False

    def _look(self) -> list[object]:
        return [glance() for glance in self._glances]

    def _noted(self, name: str) -> None:
        if self._matters(name):
            self._changed.set()


def file_glance(*paths: Path) -> Glance:
    """Return a glance at times, sizes and identities of some files."""
    return lambda: [_identity(path) for path in paths]


class FolderGlance:
    """A glance at which files of interest are in a folder.

    The folder is listed only if its own time has changed, and that of a folder with workers
    changes with each sign of life; then once more, since a file that comes in the same tick of the
    file system's clock leaves that time as it is. A file that is written in place is seen by its
    event, or by the next whole look.
    """

    def __init__(self, folder: Path, matters: Callable[[str], bool]) -> None:
        self._folder = folder
        self._matters = matters
        self._time: object = None
        self._is_sure = False
        self._names: object = None

    def __call__(self) -> object:
        """Return the names with what tells two files of one name apart."""
        now = _identity(self._folder)
        is_same = now is not None and now == self._time
        if not (is_same and self._is_sure):
            self._names = self._listed()
        self._time, self._is_sure = now, is_same
        return self._names

    def _listed(self) -> object:
        try:
            with os.scandir(self._folder) as entries:
                return frozenset(
                    (entry.name, _cheap_identity(entry))
                    for entry in entries
                    if self._matters(entry.name)
                )
        except OSError:
            return None


def _identity(path: Path) -> object:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _cheap_identity(entry: os.DirEntry[str]) -> object:
    """Return what a listing of the folder holds about a file: nothing else is asked."""
    if sys.platform == "win32":
        with contextlib.suppress(OSError):
            found = entry.stat(follow_symlinks=False)
            return (found.st_size, found.st_mtime_ns)
        return None
    return entry.inode()


def _observe(folders: Sequence[Path], noted: Callable[[str], None]) -> Any:
    """Start threads that call `noted` with names of changed files; None where that is impossible.

    The threads end with the process.
    """
    observer: Any = None
    try:
        from watchdog import events
        from watchdog.observers import Observer

        kinds: list[Any] = [
            events.FileCreatedEvent,
            events.FileMovedEvent,
            events.FileDeletedEvent,
            events.FileClosedEvent,
        ]
        if not sys.platform.startswith("linux"):
            # Elsewhere nobody tells that a file was closed. Reading must wake nobody.
            kinds.append(events.FileModifiedEvent)

        class Handler(events.FileSystemEventHandler):
            def dispatch(self, event: Any) -> None:
                for path in (event.src_path, getattr(event, "dest_path", "")):
                    if path:
                        noted(os.path.basename(os.fsdecode(path)))

        observer = Observer()
        observer.daemon = True
        for folder in folders:
            observer.schedule(Handler(), str(folder), recursive=False, event_filter=kinds)
        observer.start()
    except Exception as error:  # whatever is wrong with events, polling goes on
        log.info(
            "Changes of the folder are looked for every %.1f s, without events of the file "
            "system (%s).",
            POLL_SECONDS,
            error,
        )
        with contextlib.suppress(Exception):
            observer.stop()
        return None
    return observer
