"""The two files of the queue: read whole, and changed under one lock."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic

from space.errors import SpaceError
from space.files import (
    decode,
    read_bytes_bounded,
    refuse_link,
    share_as_folder,
    write_text_atomic,
)
from space.jobs.lines import format_queue, format_runs, parse_queue, parse_runs
from space.jobs.machine import QueueState
from space.jobs.records import Record, Table

log = logging.getLogger("space.jobs")

QUEUE_NAME = "SPACE_queue.txt"
RUNS_NAME = "SPACE_runs.txt"
LOCK_NAME = "SPACE_queue.lock"
LOCK_SECONDS = 30.0
_PAUSES_S = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class QueueLockedError(SpaceError):
    """Another program has held the queue's lock for too long."""


class FolderAwayError(OSError):
    """The folder cannot be read at this moment; it may be back soon."""


class Transaction:
    """The state that is written when the lock is released."""

    def __init__(self, state: QueueState) -> None:
        self.state = state


class _LastTable(Generic[Record]):
    """The table of a text, which is parsed only if it differs from the one before."""

    def __init__(self, parse: Callable[[str], Table[Record]]) -> None:
        self._parse = parse
        self._last: tuple[str, Table[Record]] | None = None

    def of(self, text: str) -> Table[Record]:
        last = self._last
        if last is None or last[0] != text:
            last = self._last = (text, self._parse(text))
        return last[1]


class QueueFiles:
    """SPACE_queue.txt and SPACE_runs.txt of a map folder."""

    def __init__(self, map_dir: Path) -> None:
        self._map_dir = map_dir
        self._reported: set[str] = set()
        self._queue = _LastTable(parse_queue)
        self._runs = _LastTable(parse_runs)

    def text(self, name: str) -> str:
        """Return the text of one of the files; empty if it is not there."""
        path = self._map_dir / name
        for pause_s in (*_PAUSES_S, None):
            try:
                return decode(read_bytes_bounded(path))
            except FileNotFoundError:
                return ""
            except PermissionError:  # being replaced (Windows)
                if pause_s is None:
                    raise
                time.sleep(pause_s)
        raise AssertionError("not reached")

    def read(self) -> QueueState:
        """Read both files; each line that is not understood is reported once."""
        state = QueueState(
            self._queue.of(self.text(QUEUE_NAME)), self._runs.of(self.text(RUNS_NAME))
        )
        for name, lines in ((QUEUE_NAME, state.queue.odd), (RUNS_NAME, state.runs.odd)):
            for line in lines:
                if (key := f"{name} {line}") not in self._reported:
                    self._reported.add(key)
                    log.warning(
                        "A line of %s is not understood and becomes a comment: %r", name, line[:80]
                    )
        return state

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Read both files under the lock; write what has changed, also after an error."""
        with self._locked():
            before = self.read()
            change = Transaction(before)
            try:
                yield change
            finally:
                self._write(before, change.state)

    def _write(self, before: QueueState, after: QueueState) -> None:
        if after is before:
            return
        # A job that enters the queue is written there first, one that leaves it last: after an
        # interruption in between it is in both files, and the next reader removes it from one.
        old_keys = {job.key for job in before.queue.records}
        grows = any(job.key not in old_keys for job in after.queue.records)
        texts = [
            (QUEUE_NAME, format_queue(before.queue), format_queue(after.queue)),
            (RUNS_NAME, format_runs(before.runs), format_runs(after.runs)),
        ]
        for name, old, new in texts if grows else reversed(texts):
            if old != new:
                write_text_atomic(self._map_dir / name, new)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock; a folder that is away and that filelock makes anew is removed again."""
        import filelock

        path = self._map_dir / LOCK_NAME
        folder = self._folder_stat()
        refuse_link(path)
        lock = filelock.FileLock(str(path), timeout=LOCK_SECONDS, mode=0o666)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise QueueLockedError(
                f"The queue has been locked for more than {LOCK_SECONDS:.0f} s.",
                str(path),
                "Find the program that holds the lock; if none runs, delete the file",
            ) from None
        is_same = False
        try:
            is_same = os.path.samestat(folder, self._folder_stat())
            if not is_same:
                raise folder_away(self._map_dir)
            share_as_folder(path)
            yield
        finally:
            lock.release()
            if not is_same:
                _remove_empty(self._map_dir)

    def _folder_stat(self) -> os.stat_result:
        try:
            return self._map_dir.stat()
        except FileNotFoundError as error:
            raise folder_away(self._map_dir) from error


def folder_away(map_dir: Path) -> FolderAwayError:
    """Return the error that says that a map folder cannot be reached."""
    return FolderAwayError(errno.ENOENT, "the map folder is away", str(map_dir))


def _remove_empty(folder: Path) -> None:
    """Remove a folder with nothing but the lock in it."""
    with contextlib.suppress(OSError):
        if [path.name for path in folder.iterdir()] == [LOCK_NAME]:
            (folder / LOCK_NAME).unlink()
            folder.rmdir()
