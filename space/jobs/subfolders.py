"""Folders below a watched one that hold maps, found within bounds: a share may hold anything."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from space.jobs.map_watch import MAP_PATTERN
from space.jobs.queue_files import QUEUE_NAME

DEPTH = 3
MOST_FOLDERS = 100
#: Folders that are looked into, and entries that are read of one.
_MOST_VISITED, _MOST_ENTRIES = 2000, 20_000
_LOOK_SECONDS = 10.0


def folders_below(root: Path, depth: int = DEPTH, most: int = MOST_FOLDERS) -> list[Path]:
    """Return the folders below `root` that hold maps or a queue, those near it first.

    Links are not followed, hidden folders are left out, and one that cannot be read holds nothing.
    """
    found: list[Path] = []
    level = [Path(root)]
    visited = 0
    for _ in range(depth + 1):
        below: list[Path] = []
        for folder in level:
            visited += 1
            if visited > _MOST_VISITED or len(found) >= most:
                return found
            inner, has_maps = _look_into(folder)
            below += inner
            if has_maps and folder != root:
                found.append(folder)
        level = below
    return found


def _look_into(folder: Path) -> tuple[list[Path], bool]:
    """Return the folders in a folder, and whether it holds maps or a queue."""
    inner: list[str] = []
    has_maps = False
    try:
        with os.scandir(folder) as entries:
            for count, entry in enumerate(entries):
                if count >= _MOST_ENTRIES:
                    break
                if entry.is_dir(follow_symlinks=False):
                    if not entry.name.startswith("."):
                        inner.append(entry.name)
                elif entry.name == QUEUE_NAME or MAP_PATTERN.fullmatch(entry.name):
                    has_maps = True
    except OSError:
        return [], False
    return [folder / name for name in sorted(inner)], has_maps


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

    def changes(self, watched: Sequence[Path]) -> tuple[list[Path], list[Path]]:
        """Return folders that are new, and folders that are gone, beside those that are watched."""
        if self._clock() < self._next_s:
            return [], []
        self._next_s = self._clock() + _LOOK_SECONDS
        present = dict.fromkeys(path for root in self._roots for path in folders_below(root))
        room = max(0, MOST_FOLDERS - len(watched))
        new = [path for path in present if path not in watched][:room]
        return new, [path for path in watched if self._is_gone(path)]

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
