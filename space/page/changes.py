"""What has changed in a session, told to those who listen.

Files are looked at each second (more slowly where that takes long, as on a network), since no
file system tells all computers of changes. A line without meaning is sent from time to time, which
keeps tunnels and proxies from ending a silent connection.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus

from space.errors import SpaceError
from space.jobs import QUEUE_NAME, RUNS_NAME
from space.journal import JOURNAL_FILE
from space.orders import CONTROL_FILE, DONE_FILE, STANDING_FILE
from space.overview import GridFacts
from space.page.refusal import RefusedError
from space.page.session import Session, Stamps

LOOK_S = 1.0
HEARTBEAT_S = 15.0
MOST_LISTENERS = 32
_MOST_WAITING = 100
_LOOK_SHARE = 5.0
_LAMELLA = re.compile(r"_(?:PL|L)(\d{1,6})(?=[_.])")
_NAMED = {
    JOURNAL_FILE: "journal",
    CONTROL_FILE: "orders",
    DONE_FILE: "orders",
    STANDING_FILE: "orders",
    QUEUE_NAME: "jobs",
    RUNS_NAME: "jobs",
}

log = logging.getLogger("space.page")


def changed_files(before: Stamps, now: Stamps) -> set[str]:
    """Return the names of files that are new, gone or otherwise than before."""
    pairs = before.items() ^ now.items()
    return {key.partition("/")[2] for key, _ in pairs}


def topics(names: Iterable[str], grids: Iterable[GridFacts]) -> list[str]:
    """Return what has changed with some files, as the page asks for it."""
    roots = {root: grid.name for grid in grids for root in (grid.map_root, grid.name) if root}
    found = {"state"}
    for name in names:
        if name in _NAMED:
            found.add(_NAMED[name])
            continue
        for root in sorted(roots, key=len, reverse=True):
            rest = name[len(root) :]
            if name.startswith(root) and rest[:1] in ("_", "."):
                lamella = _LAMELLA.match(rest)
                grid = roots[root]
                if lamella is not None:
                    found.add(f"lamella:{grid}:{int(lamella[1])}")
                elif rest.startswith("_review"):
                    found.add(f"review:{grid}")
                else:
                    found.add(f"grid:{grid}")
                break
    return sorted(found)


class Changes:
    """Looks at a session while the server runs, and tells what has changed.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._listeners: set[asyncio.Queue[list[str]]] = set()

    async def watch(self) -> None:
        """Look again and again, until it is cancelled."""
        from starlette.concurrency import run_in_threadpool

        before = await run_in_threadpool(self._session.look)
        while True:
            started = time.monotonic()
            try:
                now = await run_in_threadpool(self._session.look, True)
            except (SpaceError, OSError) as error:
                log.warning("The session cannot be looked at: %s", error)
                now = before
            if now.mark != before.mark:
                self.tell(topics(changed_files(before.files, now.files), now.facts.grids))
                before = now
            await asyncio.sleep(max(LOOK_S, _LOOK_SHARE * (time.monotonic() - started)))

    def tell(self, changed: list[str]) -> None:
        """Tell everybody who listens; who is too slow is told that anything may have changed."""
        for queue in self._listeners:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                changed = ["all"]
            queue.put_nowait(changed)

    def admit(self) -> None:
        """Refuse more listeners than there should be.

        Raises
        ------
        RefusedError
        """
        if len(self._listeners) >= MOST_LISTENERS:
            raise RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{MOST_LISTENERS} pages are open already.",
                do="Close one.",
            )

    async def events(self, known: str = "") -> AsyncIterator[str]:
        """Give server-sent events.

        Parameters
        ----------
        known : str
            The mark of what was seen when the connection broke off.
        """
        queue: asyncio.Queue[list[str]] = asyncio.Queue(_MOST_WAITING)
        self._listeners.add(queue)
        try:
            mark = self._session.look().mark
            yield _event(["all"] if known not in ("", mark) else [], mark)
            while True:
                try:
                    changed = await asyncio.wait_for(queue.get(), HEARTBEAT_S)
                except asyncio.TimeoutError:
                    yield ": still here\n\n"
                    continue
                yield _event(changed, self._session.look().mark)
        finally:
            self._listeners.discard(queue)


def _event(changed: list[str], mark: str) -> str:
    return f"retry: 3000\nid: {mark}\ndata: {json.dumps({'changed': changed})}\n\n"
