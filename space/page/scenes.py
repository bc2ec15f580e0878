"""What may be changed on each grid, worked out once for each state of the session's files.

A view asks for it twice when it is opened, and each browser again when a file has changed. What is
asked of the run is held against the files themselves (`space.page.reviews.scene_of`).
"""

from __future__ import annotations

import threading

from space.overview import GridFacts
from space.page.reviews import scene_of
from space.page.session import Session
from space.review import Scene


class Scenes:
    """The scenes of a session as it was seen last."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._mark = ""
        self._known: dict[str, Scene] = {}

    def of(self, grid: GridFacts) -> Scene:
        """Return what may be changed on a grid.

        Raises
        ------
        SpaceError
            If a file of it cannot be read.
        """
        with self._lock:
            mark = self._session.look().mark
            if mark != self._mark:
                self._mark, self._known = mark, {}
            if grid.name not in self._known:
                self._known[grid.name] = scene_of(self._session, grid)
            return self._known[grid.name]
