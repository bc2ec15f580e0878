"""The session as the page sees it: read again when a file has changed, and asked by names.

Nothing that a request holds becomes a part of a path: grids and lamellae are looked up in what was
read from the session's own files, and their files are those that this says.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from space import overview
from space.config import Category, Config, load_config
from space.errors import SpaceError
from space.journal import Event
from space.journal import read as read_journal
from space.orders import Standing, read_standing
from space.overview import GridFacts, LamellaFacts, SessionFacts
from space.page.refusal import unknown
from space.page.segmentations import Segmentations
from space.page.tiles import CACHE_FOLDER
from space.settings import SQUARES, Settings
from space.steps import GridOnDisk, GridSession

Stamps = Mapping[str, tuple[int, int]]
"""Size and time of files by name."""

FRESH_S = 3.0
"""For so long what was seen counts as what is there; while the server runs, it is looked at each
second, so that nobody who asks has to wait for that."""

_GROWING = (".mrc", ".st", ".eer", ".tif", ".tiff", ".log")
_MOST_FILES = 200_000
_CHOOSE = "Choose one under Grids and lamellae, or go to Session."


@dataclass(frozen=True)
class Seen:
    """A session at one moment.

    Attributes
    ----------
    facts : SessionFacts
    events : tuple of Event
        Its journal.
    standing : Standing
        Orders that hold.
    files : mapping of str to tuple of int
        Size and time of its files.
    mark : str
        Differs when any of this differs.
    problem : str
        Why it is as it was seen before; empty if it is as it is now.
    """

    facts: SessionFacts
    events: tuple[Event, ...] = ()
    standing: Standing = field(default_factory=Standing)
    files: Stamps = field(default_factory=dict)
    mark: str = ""
    problem: str = ""


class Session:
    """A session's directory, looked at again and again.

    Parameters
    ----------
    directory : Path
    map_dir : Path, optional
        Where its maps are, seen from this computer.
    space_dir : Path
        Folder of the project, for the table of classes and SPACEtomo_config.py.

    Attributes
    ----------
    segmentations : Segmentations
        Those that were looked at last.

    Raises
    ------
    SpaceError
        If there is no session in it.
    """

    def __init__(self, directory: Path, map_dir: Path | None, space_dir: Path) -> None:
        self.directory = Path(directory).resolve()
        self.space_dir = space_dir
        self.segmentations = Segmentations()
        self._map_dir = map_dir
        self._lock = threading.Lock()
        self._looked = -float("inf")
        self._config: tuple[tuple[int, int], Config] | None = None
        self._seen = self._read({})

    # --- looking ------------------------------------------------------------------------------

    def look(self, now: bool = False) -> Seen:
        """Return what is there.

        Parameters
        ----------
        now : bool
            Whether files that have changed within the last moment must be seen.
        """
        if not now and time.monotonic() - self._looked < FRESH_S:
            return self._seen
        with self._lock:
            if not now and time.monotonic() - self._looked < FRESH_S:
                return self._seen
            try:
                files = self._stamps()
                if files != self._seen.files or self._seen.problem:
                    self._seen = self._read(files)
            except SpaceError as error:
                self._seen = _as_before(self._seen, str(error))
            except OSError as error:
                why = f"The folder of the session cannot be read ({error.strerror or error})."
                self._seen = _as_before(self._seen, why)
            self._looked = time.monotonic()
            return self._seen

    def _stamps(self) -> Stamps:
        """Return those of the session's files; maps that are away are no files, and told as such.

        Raises
        ------
        OSError
            If the session's own directory cannot be read.
        """
        found = stamps(self.directory, "0")
        maps = self._seen.facts.map_dir.resolve()
        if maps != self.directory:
            with contextlib.suppress(OSError):  # what is read of the session says it
                found.update(stamps(maps, "1"))
        return found

    def _read(self, files: Stamps) -> Seen:
        facts = overview.read_session(self.directory, self._map_dir)
        mark = hashlib.sha256(repr(sorted(files.items())).encode("utf-8", "replace"))
        return Seen(
            facts,
            read_journal(self.directory),
            read_standing(self.directory),
            files,
            mark.hexdigest()[:16],
        )

    # --- names --------------------------------------------------------------------------------

    def grid(self, name: str) -> GridFacts:
        """Return the grid of a name.

        Raises
        ------
        RefusedError
            If the session has none.
        """
        grids = [grid for grid in self.look().facts.grids if grid.name]
        for grid in grids:
            if grid.name == name:
                return grid
        names = ", ".join(grid.name for grid in grids) or "none yet"
        raise unknown(f"There is no such grid in this session (grids: {names}).", "", _CHOOSE)

    def lamella(self, grid_name: str, number: int) -> tuple[GridFacts, LamellaFacts]:
        """Return a lamella that is visited, and its grid.

        Raises
        ------
        RefusedError
            If the session has none.
        """
        grid = self.grid(grid_name)
        for lamella in grid.visited:
            if lamella.number == number:
                return grid, lamella
        labels = ", ".join(lamella.label for lamella in grid.visited) or "none yet"
        what = f"There is no lamella {number} to visit on this grid (lamellae: {labels})."
        raise unknown(what, grid.name, _CHOOSE)

    # --- what the steps need ------------------------------------------------------------------

    @property
    def config(self) -> Config:
        """SPACEtomo_config.py, read again when it has changed."""
        kind = os.stat(self.space_dir / "SPACEtomo_config.py")
        stamp = (kind.st_size, kind.st_mtime_ns)
        if self._config is None or self._config[0] != stamp:
            self._config = (stamp, load_config(self.space_dir))
        return self._config[1]

    @property
    def settings(self) -> Settings:
        """Those of the session's last run.

        Raises
        ------
        SpaceError
            If they cannot be read.
        """
        facts = self.look().facts
        if facts.settings is None:
            problem = next(iter(facts.problems), "The settings of the session are missing.")
            raise SpaceError(problem, self.directory.name)
        return facts.settings

    @property
    def categories(self) -> dict[str, Category]:
        """Classes of the places that this session maps, and how they are shown."""
        settings = self.look().facts.settings
        return self.config.categories_of(settings is not None and settings.sample == SQUARES)

    def on_disk(self, grid: GridFacts) -> GridOnDisk:
        """Return the names of a grid's files."""
        map_dir = self.look().facts.map_dir
        return GridOnDisk(self.directory, map_dir, grid.name, grid.map_root)

    def files_of(self, grid: GridFacts, settings: Settings | None = None) -> GridSession:
        """Return what the steps know of a grid, by other settings if they are given."""
        return GridSession(
            settings or self.settings,
            self.config,
            self.directory,
            self.look().facts.map_dir,
            grid.name,
            grid.map_root,
        )


def _as_before(seen: Seen, problem: str) -> Seen:
    return Seen(seen.facts, seen.events, seen.standing, seen.files, f"{seen.mark}-", problem)


def stamps(folder: Path, name_of_it: str) -> dict[str, tuple[int, int]]:
    """Return size and time of the files in a folder; of growing ones, that they are there.

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    found: dict[str, tuple[int, int]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            key = f"{name_of_it}/{name}"
            if name.startswith(".") or name == CACHE_FOLDER:
                continue
            if name.endswith(_GROWING):
                found[key] = (0, 0)
                continue
            try:
                kind = entry.stat()
            except OSError:  # it is gone
                continue
            found[key] = (kind.st_size, kind.st_mtime_ns)
            if len(found) >= _MOST_FILES:
                break
    return found
