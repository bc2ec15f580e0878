"""Folders below a watched one that hold maps, found within bounds: a share may hold anything."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from space.jobs.map_watch import MAP_PATTERN
from space.jobs.queue_files import QUEUE_NAME

log = logging.getLogger("space.jobs")

DEPTH = 3
MOST_FOLDERS = 100
#: Folders that are looked into, and entries that are read of one.
_MOST_VISITED, _MOST_ENTRIES = 2000, 20_000
_LOOK_SECONDS = 10.0


def folders_below(
    roots: Sequence[Path], depth: int = DEPTH, most: int | None = None
) -> tuple[list[Path], list[Path]]:
    """Return the folders below `roots` that hold maps or a queue, those used last first.

    Links are not followed, hidden folders are left out, and one that cannot be read holds nothing.

    Parameters
    ----------
    roots : sequence of Path
    depth : int
    most : int, optional
        So many are watched; by default `MOST_FOLDERS`.

    Returns
    -------
    watched, left_out : list of Path
    """
    used = [entry for root in roots for entry in _used_below(Path(root), depth)]
    newest_first = sorted(used, key=lambda entry: -entry[1])
    found = list(dict.fromkeys(path for path, _ in newest_first if path not in roots))
    most = MOST_FOLDERS if most is None else most
    return found[:most], found[most:]


def _used_below(root: Path, depth: int) -> list[tuple[Path, float]]:
    """Return folders with maps or a queue, and when each was last used."""
    found: list[tuple[Path, float]] = []
    level = [Path(root)]
    visited = 0
    for _ in range(depth + 1):
        below: list[Path] = []
        for folder in level:
            visited += 1
            if visited > _MOST_VISITED:
                return found
            inner, used_s = _look_into(folder)
            below += inner
            if used_s is not None and folder != root:
                found.append((folder, used_s))
        level = below
    return found


def _look_into(folder: Path) -> tuple[list[Path], float | None]:
    """Return the folders in a folder, and when its queue or its maps changed; None without any.

    The folder's own time says nothing: signs of life change it.
    """
    inner: list[str] = []
    maps: list[os.DirEntry[str]] = []
    queue: os.DirEntry[str] | None = None
    try:
        with os.scandir(folder) as entries:
            for count, entry in enumerate(entries):
                if count >= _MOST_ENTRIES:
                    break
                if entry.is_dir(follow_symlinks=False):
                    if not entry.name.startswith("."):
                        inner.append(entry.name)
                elif entry.name == QUEUE_NAME:
                    queue = entry
                elif MAP_PATTERN.fullmatch(entry.name):
                    maps.append(entry)
        # The queue is rewritten with each job, so that its time stands for all maps.
        times = [entry.stat().st_mtime for entry in ([queue] if queue else maps)]
    except OSError:
        return [], None
    return [folder / name for name in sorted(inner)], max(times, default=None)


class Subfolders:
    """Remembers which folders below some others are watched; looked at every few seconds.

    Parameters
    ----------
    roots : sequence of Path
    clock : callable
        Seconds, never going back.
    """

    def __init__(self, roots: Sequence[Path], clock: Callable[[], float] = time.monotonic) -> None:
        self._roots = list(roots)
        self._clock = clock
        self._next_s = -1.0
        self._has_reported = False

    def changes(self, watched: Sequence[Path]) -> tuple[list[Path], list[Path]]:
        """Return folders that are new, and folders that are gone, beside those that are watched."""
        if self._clock() < self._next_s:
            return [], []
        self._next_s = self._clock() + _LOOK_SECONDS
        wanted, left_out = folders_below(self._roots)
        self._report_left_out(len(left_out))
        new = [path for path in wanted if path not in watched]
        gone = [path for path in watched if path in left_out or self._is_gone(path)]
        return new, gone

    def _report_left_out(self, count: int) -> None:
        """Say once that there are more folders than are watched."""
        if count > 0 and not self._has_reported:
            log.warning(
                "%d folders with maps are not watched: only the %d that were used last are. Name "
                "a folder with --dir to have it watched always, or move finished ones away.",
                count,
                MOST_FOLDERS,
            )
        self._has_reported = count > 0

    def _is_gone(self, path: Path) -> bool:
        """Whether a folder was removed while the one above it is there."""
        root = next((root for root in self._roots if root in path.parents), None)
        return root is not None and path not in self._roots and root.is_dir() and not path.is_dir()


def has_other_folders(
    served: Sequence[Path], watched: Sequence[Path], busy: Sequence[Path]
) -> bool:
    """Whether a worker without a job should be replaced by one for the folders of now.

    Parameters
    ----------
    served : sequence of Path
        The folders that it was started for.
    watched : sequence of Path
        Those that are watched now.
    busy : sequence of Path
        Those in which something waits.
    """
    return not set(served) <= set(watched) or not set(busy) <= set(served)
