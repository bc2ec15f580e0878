"""The page's own files, and those of Leaflet: by names, from two folders of packages."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from space.errors import SpaceError
from space.page.refusal import unknown

OWN = Path(__file__).parent / "static"
_LEAFLET = "xstatic.pkg.leaflet"
_LARGEST_BYTES = 5_000_000


def leaflet_folder() -> Path:
    """Return the folder of the files of Leaflet, from the package that ships them.

    Raises
    ------
    SpaceError
        If it is not installed.
    """
    try:
        found = importlib.util.find_spec(_LEAFLET)
    except ModuleNotFoundError:
        found = None
    places = list(found.submodule_search_locations or ()) if found else []
    if not places:
        raise SpaceError("The package XStatic-Leaflet is missing.")
    return Path(places[0]) / "data"


def file_in(folder: Path, name: str) -> bytes:
    """Return a file of a folder, or of one in it.

    The name is looked up among those that are there, and never made into a path.

    Raises
    ------
    RefusedError
        If there is none of this name.
    """
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    path = there.get(name)
    if path is None or not path.is_file() or path.stat().st_size > _LARGEST_BYTES:
        raise unknown("There is no such file.")
    return path.read_bytes()
