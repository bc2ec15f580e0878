"""Which session this is: a directory and a grid's name may belong to several.

A session is known by a random id in its directory (`SESSION_FILE`). In a folder that sessions
share, names are given out: the first session to ask for the name of its grid gets it, another one
with a grid of the same name gets a longer one, so that neither takes the other's maps for its
own or writes over them. The owner of a name is noted in a small file, which a file system lets
only one create, also across the network.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

from space.errors import SpaceError
from space.files import read_json_or_empty, write_text_atomic
from space.settings import SETTINGS_FILE

SESSION_FILE = "SPACE_session.json"
"""The id of a directory's session, and where it lay when it was last used."""

PICTURES = r"(_wg|_PL\d+_im|_L\d+)(_\w+)?\.(png|json|log)"
"""What follows the name of a grid in the files of a map folder."""

_SHORT, _LONG = 4, 12
log = logging.getLogger("space.workflow")


def is_session(directory: Path) -> bool:
    """Whether a directory holds a session, also one of an older version."""
    return any((directory / name).is_file() for name in (SESSION_FILE, "SPACE_grids.json"))


def session_id(directory: Path) -> str:
    """Return the id of the session in a directory; "" if it has none of its own yet.

    A copy of a session is another session. One that was moved keeps its id, as far as can be seen
    from here.
    """
    saved = read_json_or_empty(directory / SESSION_FILE)
    known, before = _id_in(saved), _place_in(saved)
    return "" if before != _place(directory) and _is_copy(known, before) else known


def ensure_session_id(directory: Path) -> str:
    """Return the id of the session in a directory; give it one if it has none of its own.

    Where the directory lies now is noted with the id.
    """
    own_id, saved = session_id(directory), read_json_or_empty(directory / SESSION_FILE)
    before = _place_in(saved)
    if own_id and before == _place(directory):
        return own_id
    if not own_id and _id_in(saved):
        log.info("This session is a copy of the one in %s.", before["directory"])
    own_id = own_id or uuid4().hex[:_LONG]
    values = {"id": own_id, **_place(directory)}
    write_text_atomic(directory / SESSION_FILE, json.dumps(values, indent=1) + "\n")
    return own_id


def _place(directory: Path) -> dict[str, object]:
    return {"directory": str(directory.resolve()), "host": platform.node()}


def _id_in(saved: dict[str, Any]) -> str:
    known = saved.get("id")
    return known if isinstance(known, str) and re.fullmatch(r"[0-9a-f]{12,64}", known) else ""


def _place_in(saved: dict[str, Any]) -> dict[str, object]:
    return {key: saved.get(key) for key in ("directory", "host")}


def _is_copy(known: str, before: dict[str, object]) -> bool:
    """Whether the place where a session lay still has it, or is out of reach from here."""
    if before["host"] != platform.node() or not isinstance(before["directory"], str):
        return True
    return read_json_or_empty(Path(before["directory"]) / SESSION_FILE).get("id") == known


def name_in(folder: Path, name: str, own_id: str, shared: bool = True) -> str:
    """Return the name under which a session's files stand in a folder; "" if it has none yet.

    Parameters
    ----------
    folder : Path
        The map folder.
    name : str
        The name wanted.
    own_id : str
        Id of the session.
    shared : bool
        Whether other sessions use the folder, too; else a session has any name that nobody owns.
    """
    for candidate in _candidates(name, own_id):
        owner = _owner(folder, candidate)
        if owner == own_id or (owner is None and not shared):
            return candidate
    return ""


def reserve_name(folder: Path, name: str, own_id: str, leftovers: str) -> str:
    """Return the name under which a session's files stand in a shared folder; take one if needed.

    Parameters
    ----------
    folder, name, own_id
        As in `name_in`.
    leftovers : str
        Pattern of what follows the name in files. Files that nobody owns are somebody else's.

    Raises
    ------
    SpaceError
        When the folder gives no name.
    """
    for candidate in _candidates(name, own_id):
        owner = _owner(folder, candidate)
        if owner == own_id:
            return candidate
        if owner is None and not _has_files(folder, candidate, leftovers):
            if _take(folder, candidate, own_id):
                return candidate
    raise _no_name_left(folder, name)


def _candidates(name: str, own_id: str) -> tuple[str, ...]:
    return (name, f"{name}_{own_id[:_SHORT]}", f"{name}_{own_id[:_LONG]}")


def _no_name_left(folder: Path, name: str) -> SpaceError:
    return SpaceError(
        f"Other sessions use the name {name!r} in this folder, and all that it was given instead.",
        str(folder),
        "Use another folder for external_map_dir.",
    )


def grid_name_in(map_dir: Path, directory: Path, grid: str, own_id: str) -> str:
    """Return what the names of a grid's files begin with in a map folder; "" if not known yet."""
    return name_in(map_dir, grid, own_id, shared=not _same(map_dir, directory))


def reserve_grid_name(map_dir: Path, directory: Path, grid: str, own_id: str) -> str:
    """Return what the names of a grid's files begin with in a session's map folder.

    In a shared folder the name is taken if it was not yet. In the session's own nothing is
    written, and only names that others own are left to them.

    Raises
    ------
    SpaceError
        When the folder gives no name.
    """
    if not _same(map_dir, directory):
        return reserve_name(map_dir, grid, own_id, PICTURES)
    name = name_in(map_dir, grid, own_id, shared=False)
    if not name:
        raise _no_name_left(map_dir, grid)
    return name


def reserve_settings_name(map_dir: Path, own_id: str) -> str:
    """Return the name, without ending, of a session's settings in a shared map folder."""
    return reserve_name(map_dir, Path(SETTINGS_FILE).stem, own_id, r"\.json")


def _same(path: Path, other: Path) -> bool:
    try:
        return path.resolve() == other.resolve()
    except OSError:
        return path == other


def _owner_file(folder: Path, name: str) -> Path:
    return folder / f"SPACE_owner_{name}.json"


def _owner(folder: Path, name: str) -> str | None:
    """Return the id of the session that has a name; None when nobody has, "" when it is unknown."""
    path = _owner_file(folder, name)
    if not path.is_file():
        return None
    return str(read_json_or_empty(path).get("id", ""))


def _has_files(folder: Path, name: str, leftovers: str) -> bool:
    pattern = re.compile(re.escape(name) + leftovers, re.IGNORECASE)
    return any(pattern.fullmatch(path.name) for path in folder.iterdir())


def _take(folder: Path, name: str, own_id: str) -> bool:
    """Create the file that gives a name to a session; False if another one was quicker."""
    try:
        handle = os.open(_owner_file(folder, name), os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return _owner(folder, name) == own_id
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
        json.dump({"id": own_id, "host": platform.node()}, stream)
    return True
