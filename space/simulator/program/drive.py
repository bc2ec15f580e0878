"""Folders that the program names otherwise than the computer on which it is simulated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PureWindowsPath


@dataclass(frozen=True)
class Drive:
    r"""A folder of this computer under the name that it has on the program's own computer.

    Attributes
    ----------
    name : str
        As the program names it, such as ``C:\data``.
    place : Path
        Where it is on this computer.
    """

    name: str
    place: Path

    def place_of(self, name: str) -> str:
        """Where a file of the program is; other names stay as they are."""
        path = PureWindowsPath(name)
        if not path.is_absolute():
            return name.replace("\\", "/")
        try:
            inside = path.relative_to(PureWindowsPath(self.name))
        except ValueError:
            return name
        return str(self.place.joinpath(*inside.parts))

    def name_of(self, place: str) -> str:
        """How the program names a file of this computer; others stay as they are."""
        try:
            inside = Path(place).relative_to(self.place)
        except ValueError:
            return place
        return str(PureWindowsPath(self.name, *inside.parts))
