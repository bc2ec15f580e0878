"""Lists of tomograms: a name and a path in each line, as cet_pick reads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from space.errors import SpaceError, shown
from space.files import is_name
from space.picking.files.tables import columns_at, rows_of, text_of

_NAMES = ("image_name", "tomo_name", "rlntomoname", "name")
_PATHS = ("rec_path", "path", "image_path", "tomo_path", "rlntomoreconstructedtomogram", "file")
VOLUMES = (".mrc", ".rec", ".map", ".st", ".mrcs", ".tif", ".tiff", ".zarr", ".n5")


@dataclass(frozen=True)
class Listed:
    """A tomogram by name and path."""

    name: str
    path: Path


def read_list(path: Path) -> list[Listed]:
    """Return the tomograms that a list names; a volume itself is a list of one.

    Paths begin at the folder of the list, else where the command runs.

    Parameters
    ----------
    path : Path
        Text with the columns ``image_name`` and ``rec_path`` (or ``path``) between tabs, or a
        volume.

    Raises
    ------
    SpaceError
        If it cannot be read, names nothing, or one name twice.
    """
    path = Path(path)
    if path.suffix.lower() in VOLUMES:
        return [Listed(path.stem, path)]
    rows = rows_of(text_of(path))
    if len(rows) < 2:
        raise SpaceError(
            "The list names no tomogram.",
            str(path),
            "Write image_name and rec_path into its first line and a tomogram into each other.",
        )
    name_at, path_at = columns_at(path, rows[0], (_NAMES, _PATHS))
    found: list[Listed] = []
    for number, row in enumerate(rows[1:], 2):
        if len(row) <= max(name_at, path_at) or not is_name(row[name_at]) or not row[path_at]:
            raise SpaceError(f"Row {number} has no name and path of a tomogram.", str(path))
        found.append(Listed(row[name_at], _there(path, row[path_at])))
    twice = {one.name for one in found if [other.name for other in found].count(one.name) > 1}
    if twice:
        raise SpaceError(f"It names {shown(min(twice))} more than once.", str(path))
    return found


def _there(path: Path, text: str) -> Path:
    beside = path.parent / text
    try:
        return beside if beside.exists() else Path(text)
    except (OSError, ValueError) as error:  # too long, or no text of a path
        raise SpaceError(f"{shown(text)} is no path.", str(path)) from error
