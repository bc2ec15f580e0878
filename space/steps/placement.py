"""Whether the items of a grid's Navigator file say where the grid lies on the stage now.

A grid that leaves the stage and comes back lies there another way. Which grid's items fit is noted
in the session's directory, before it is loaded as none, so that a run that was cut off in between
does not work at wrong places.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from pathlib import Path

from space.files import read_json_or_empty, write_text_atomic
from space.microscope import reloading
from space.steps.session import GridSession

PLACEMENT_FILE = "SPACE_placement.json"
"""Name of the note in a session's directory."""

_GRID, _LOAD, _UNSEEN = "grid", "load", "unseen"


def forget(directory: Path) -> None:
    """Note that the items of no grid fit: another one is about to be loaded."""
    _write(directory, None, None, ())


def name_load() -> None:
    """Give the load that has just been made a name of its own."""
    reloading.set_load_id(uuid.uuid4().hex)


def remember(session: GridSession, unseen: Iterable[int] = ()) -> None:
    """Note that the items of this grid fit, but for lamellae that were not recognized."""
    _write(session.directory, session.grid, reloading.load_id(), unseen)


def unseen(session: GridSession) -> frozenset[int]:
    """Return the lamellae that were not recognized when the grid was loaded again.

    Nothing of them is to be exposed: what lies at their places is not known.
    """
    noted = read_json_or_empty(session.directory / PLACEMENT_FILE)
    numbers = noted.get(_UNSEEN)
    if noted.get(_GRID) != session.grid or not isinstance(numbers, list):
        return frozenset()
    return frozenset(number for number in numbers if type(number) is int)


def fits(session: GridSession, loaded: bool) -> bool:
    """Whether the items of a grid say where it lies.

    Without a note, as in sessions of earlier versions or after a person has aligned the grid and
    deleted it, they do unless the grid was loaded just now.

    Parameters
    ----------
    session : GridSession
    loaded : bool
        Whether this run has just loaded the grid.
    """
    path = session.directory / PLACEMENT_FILE
    if loaded:
        return False
    if not path.is_file():
        return True
    noted = read_json_or_empty(path)
    now = reloading.load_id()  # unknown since SerialEM was started again
    return noted.get(_GRID) == session.grid and (now is None or noted.get(_LOAD) in (now, None))


def _write(directory: Path, grid: str | None, load: str | None, unseen: Iterable[int]) -> None:
    text = json.dumps({_GRID: grid, _LOAD: load, _UNSEEN: sorted(unseen)})
    write_text_atomic(directory / PLACEMENT_FILE, text + "\n")
