"""Which files of a folder are maps: a map counts once it stays the same and is whole."""

from __future__ import annotations

import logging
import os
import re
import stat
import time
from collections.abc import Callable, Container
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from space.images import (
    FileState,
    ends_as_png,
    file_state,
    json_path,
    read_json_beside,
    whole_png_texts,
)
from space.jobs.presence import Watch
from space.jobs.records import name_problem

log = logging.getLogger("space.jobs")

MAP_PATTERN = re.compile(r".+_L\d{2,}\.png", re.IGNORECASE | re.DOTALL)
OTHER_PICTURE = re.compile(
    r".+_L\d{2,}\.(tiff?|jpe?g|bmp|gif|webp|mrc|st|map)", re.IGNORECASE | re.DOTALL
)
#: A map that is not whole and does not change for so long is not being copied any more.
BROKEN_SECONDS = 30.0


#: A whole map whose pixel size stands in the file beside it counts when both stayed the same so
#: long; the longer time where it replaces one that counted, since that file may be the old one's.
SETTLED_SECONDS, REPLACED_SECONDS = 0.4, 5.0
_CUT_OFF = "it is empty, cut off or damaged: copy it again"
_NO_PIXEL_SIZE = "its pixel size is not known: copy {}.json as well, or save the map again"
#: Longest part of the time that is spent on reading maps that turn out not to be whole.
_READING_SHARE = 0.2

_READY, _OPEN = "", "still changing"


class MapWatch:
    """The map files of a folder, and what was seen of them.

    With `subfolders`, folders below are watched as well: maps in them are where they belong.

    A map counts at once if its pixel size and all of its pixels are in the file by the checksums
    of chunks and of the packed pixels: no part of a copy has them, wherever it stalls. Any other
    must stay the same for a while, too.

    Attributes
    ----------
    unsettled : bool
        Whether a file is still changing, or may be.
    broken : dict of str to str
        Files that will never be maps as they are, with the reason.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, subfolders: bool = False
    ) -> None:
        self.unsettled = False
        self.broken: dict[str, str] = {}
        self._clock = clock
        self._subfolders = subfolders
        self._watch = Watch(clock, BROKEN_SECONDS)
        self._whole: dict[Path, FileState] = {}
        self._reads: dict[Path, _Read] = {}
        self._changing: list[Path] = []

    def ready_maps(self, map_dir: Path, done: Container[str] = ()) -> list[Path]:
        """Return the maps that are complete, by name.

        Those that are `done`, whose result names them as they are now, need not be read.
        """
        ready, self._changing = [], []
        maps, broken = _listed(Path(map_dir), self._subfolders)
        for path in maps:
            verdict = _READY if path.name in done else self._judge(path)
            if verdict == _READY:
                ready.append(path)
            elif verdict == _OPEN:
                self._changing.append(path)
            elif verdict is not None:
                broken[path.name] = verdict
        self.unsettled = bool(self._changing)
        for name, problem in broken.items():
            if self.broken.get(name) != problem:
                log.error("%s is not processed: %s.", name, problem)
        self.broken = broken
        return ready

    def has_settled(self) -> bool:
        """Look again at those maps alone that were changing; True if one of them counts now."""
        return any(self._judge(path) == _READY for path in self._changing)

    def _judge(self, path: Path) -> str | None:
        """Return ready, open, or what is wrong with a map; None if it is gone."""
        state = file_state(path)
        if state is None:
            return None
        if self._whole.get(path) == state:
            return _READY
        problem = unfit(path)
        if problem:
            return problem
        both = (state, file_state(json_path(path)))
        unchanged_s = self._watch.unchanged_s(str(path), both)
        problem = self._problem(path, both, unchanged_s)
        if problem == _READY:
            self._whole[path] = state
        elif problem != _OPEN and unchanged_s < BROKEN_SECONDS:
            return _OPEN
        return problem

    def _problem(self, path: Path, both: object, unchanged_s: float) -> str:
        """Return what a map lacks that has not changed for so long."""
        is_steady = unchanged_s >= (REPLACED_SECONDS if path in self._whole else SETTLED_SECONDS)
        # The last bytes of a file come last, mostly; where others follow them, it is read at last.
        is_last = unchanged_s >= BROKEN_SECONDS
        if not (is_last or ends_as_png(path)):
            return _CUT_OFF
        start_s, last = self._clock(), self._reads.get(path)
        if last is not None and start_s < last.again_s:
            if last.both == both:
                return last.problem
            if not last.is_final:
                return _OPEN
        problem = not_whole(path, is_steady)
        end_s = self._clock()
        pause_s = BROKEN_SECONDS if is_last else (end_s - start_s) / _READING_SHARE
        self._reads[path] = _Read(both, problem, end_s + pause_s, is_last)
        return problem


@dataclass(frozen=True)
class _Read:
    """What reading a map showed, for which state of its files, and when it may be read again."""

    both: object
    problem: str
    again_s: float
    is_final: bool


def not_whole(path: Path, is_steady: bool = True) -> str:
    """Return what a map lacks; empty if it is whole and its pixel size is known.

    The pixel size beside a map counts only if the files have not changed for a while.
    """
    texts = whole_png_texts(path, pixels=True)
    if texts is None:
        return _CUT_OFF
    if "pixel_nm" in texts:
        return _READY
    if not is_steady:
        return _OPEN
    return _READY if read_json_beside(path) else _NO_PIXEL_SIZE.format(path.stem)


def unfit(path: Path) -> str:
    """Return why a file with a map's name can never be one; empty if it can."""
    problem = name_problem(path.name)
    if problem:
        return f"its name cannot be written in the queue: {problem}"
    try:
        kind = path.lstat().st_mode
    except OSError:
        return ""
    if stat.S_ISLNK(kind) and path.resolve().parent != path.parent.resolve():
        return "it is a link out of this folder"
    return "" if stat.S_ISREG(path.stat().st_mode) else "it is not a regular file"


def misplaced(map_dir: Path, subfolders: bool = False) -> dict[str, str]:
    """Return pictures that look like maps but are not where or what maps are."""
    return _listed(Path(map_dir), subfolders)[1]


def _listed(map_dir: Path, subfolders: bool) -> tuple[list[Path], dict[str, str]]:
    """Return files with names of maps, and pictures that are not where or what maps are."""
    maps, others = [], {}
    with os.scandir(map_dir) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    names = {entry.name for entry in found}
    for entry in found:
        if MAP_PATTERN.fullmatch(entry.name) and fnmatch(entry.name, "*.png"):
            maps.append(map_dir / entry.name)
        elif OTHER_PICTURE.fullmatch(entry.name) and f"{Path(entry.name).stem}.png" not in names:
            others[entry.name] = "maps are 8-bit PNG files: save it as .png with its pixel size"
        elif subfolders:
            continue
        elif not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
            for inner in sorted(Path(entry.path).glob("*.png")):
                if MAP_PATTERN.fullmatch(inner.name):
                    name = f"{entry.name}/{inner.name}"
                    others[name] = "subfolders are not watched: start the monitor with --subfolders"
    return maps, others
