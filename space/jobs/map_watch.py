"""Which files of a folder are maps: a map counts once it stays the same and is whole."""

from __future__ import annotations

import logging
import re
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from space.images import FileState, file_state, is_whole_png, read_json_beside, read_png_text
from space.jobs.presence import Watch
from space.jobs.records import name_problem

log = logging.getLogger("space.jobs")

MAP_PATTERN = re.compile(r".+_L\d{2,}\.png", re.IGNORECASE | re.DOTALL)
OTHER_PICTURE = re.compile(
    r".+_L\d{2,}\.(tiff?|jpe?g|bmp|gif|webp|mrc|st|map)", re.IGNORECASE | re.DOTALL
)
#: A map that is not whole and does not change for so long is not being copied any more.
BROKEN_SECONDS = 30.0


@dataclass
class MapWatch:
    """The map files of a folder, and what was seen of them.

    Attributes
    ----------
    unsettled : bool
        Whether a file is still changing, or may be.
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
        """Return the maps that are complete, by name."""
        ready = []
        self.unsettled = False
        broken = misplaced(map_dir)
        for path in sorted(Path(map_dir).glob("*.png")):
            state = file_state(path) if MAP_PATTERN.fullmatch(path.name) else None
            if state is None:
                continue
            if self.whole.get(path) == state:
                ready.append(path)
                continue
            problem = unfit(path)
            steady = self.seen.get(path) == state
            self.seen[path] = state
            if problem:
                broken[path.name] = problem
            elif not steady:
                self.unsettled = True
            elif not (problem := not_whole(path)):
                self.whole[path] = state
                ready.append(path)
            elif self._watch.unchanged_s(str(path), state) < BROKEN_SECONDS:
                self.unsettled = True
            else:
                broken[path.name] = problem
        for name, problem in broken.items():
            if self.broken.get(name) != problem:
                log.error("%s is not processed: %s.", name, problem)
        self.broken = broken
        return ready


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


def not_whole(path: Path) -> str:
    """Return what a map lacks; empty if it is whole and its pixel size is known."""
    if not is_whole_png(path):
        return "it is empty, cut off or damaged: copy it again"
    if not read_json_beside(path) and "pixel_nm" not in read_png_text(path):
        return f"its pixel size is not known: copy {path.stem}.json as well, or save the map again"
    return ""


def misplaced(map_dir: Path) -> dict[str, str]:
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
