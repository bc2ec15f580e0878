"""Queue and workers of a session, looked at from time to time: a look reads many files."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from space.jobs import Observer, status_table

LOOK_S = 5.0


class JobsSeen:
    """What was seen last in the folder of the maps."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._observer: Observer | None = None
        self._looked = -float("inf")
        self.table: dict[str, Any] | None = None
        self.version = 0

    def look(self, map_dir: Path) -> bool:
        """Look again if it is time; return whether anything is otherwise than before."""
        with self._lock:
            if time.monotonic() - self._looked < LOOK_S:
                return False
            if self._observer is None:
                self._observer = Observer([map_dir])
            self._observer.follow([map_dir])
            table = _for_page(status_table(self._observer.look()))
            self._looked = time.monotonic()
            if table == self.table:
                return False
            self.table, self.version = table, self.version + 1
            return True


def _for_page(table: dict[str, Any]) -> dict[str, Any]:
    """Return what the page shows: maps that are done are seen from their lamellae."""
    return {
        **{key: table[key] for key in ("verdict", "text", "problems", "counts", "end_s")},
        "maps": [
            {key: one[key] for key in ("name", "state", "task", "reason", "worker", "share")}
            for one in table["maps"]
            if one["state"] != "done"
        ],
        "workers": [
            {key: one[key] for key in ("name", "machine", "device", "life", "map_name", "task")}
            for one in table["workers"]
        ],
        "monitors": [
            {key: one[key] for key in ("name", "machine", "life", "workers")}
            for one in table["monitors"]
        ],
    }
