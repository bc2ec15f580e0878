r"""Paths as SerialEM's computer names them, and the same files on this computer.

Where SPACEtomo runs beside SerialEM, a path means the same to both. Where it runs on another
computer, each folder that both see has two names, such as ``C:\data`` and ``/mnt/data``. SerialEM's
names are those of Windows: case does not matter, nor does the direction of the slashes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from space.errors import SpaceError

PATH_ARGUMENTS: Mapping[str, int] = {
    "DoesFileExist": 0,
    "OpenNavigator": 0,
    "OpenNewFile": 0,
    "OpenNewMontage": 2,
    "OpenOldFile": 0,
    "ReadNavFile": 0,
    "ReadOtherFile": 2,
    "SaveLog": 1,
    "SaveLogOpenNew": 0,
    "SaveNavigator": 0,
    "SetDirectory": 0,
    "SetupFullMontage": 1,
}
"""Commands that take the path of a file or folder: the place of this argument."""

PATH_ANSWERS: Mapping[str, bool] = {
    "ReportCurrentFilename": False,
    "ReportDirectory": True,
    "ReportFrameSavingPath": False,
    "ReportNavFile": True,
}
"""Commands that answer with paths: whether these must lie in a folder that both computers see."""

_PARTS_THAT_ARE_PATHS = (0, 2)  # of the four parts of a path, with an argument of 1


def pure(name: str) -> PureWindowsPath | PurePosixPath:
    """Read a path of either system."""
    windows = "\\" in name or re.match(r"[A-Za-z]:", name)
    return PureWindowsPath(name) if windows else PurePosixPath(name)


@dataclass(frozen=True)
class SharedFolder:
    r"""A folder that both computers see.

    Attributes
    ----------
    there : str
        As SerialEM's computer names it, such as ``C:\data`` or ``\\server\data``.
    here : Path
        As this computer names it.
    """

    there: str
    here: Path

    @classmethod
    def of(cls, there: object, here: object, where: str) -> SharedFolder:
        """Read a pair of names.

        Raises
        ------
        SpaceError
            When one of them is no absolute path.
        """
        if isinstance(there, str) and isinstance(here, str):
            if pure(there.strip()).is_absolute() and PurePath(here.strip()).is_absolute():
                return cls(there.strip(), Path(here.strip()))
        raise SpaceError(
            f"{there!r} and {here!r} do not name a folder as both computers see it.",
            where,
            "Give two whole paths, SerialEM's first: C:\\data = /mnt/data.",
        )

    @classmethod
    def read(cls, text: str, where: str) -> SharedFolder:
        """Read ``THERE=HERE``."""
        there, equals, here = text.partition("=")
        return cls.of(there, here if equals else None, where)


@dataclass(frozen=True)
class PathTranslation:
    """The folders that both computers see; without any, paths mean the same to both."""

    folders: tuple[SharedFolder, ...] = ()

    @classmethod
    def of(cls, folders: Iterable[SharedFolder]) -> PathTranslation:
        """Sort folders so that one within another comes first."""
        return cls(tuple(sorted(folders, key=lambda one: -len(pure(one.there).parts))))

    def there(self, path: str | PurePath) -> str:
        """Return the name that a file has for SerialEM; relative names stay.

        Raises
        ------
        SpaceError
            When SerialEM's computer does not see it.
        """
        if not self.folders or not PurePath(path).is_absolute():
            return str(path)
        for folder in sorted(self.folders, key=lambda one: -len(one.here.parts)):
            inside = _inside_here(Path(path), folder.here)
            if inside is not None:
                return str(pure(folder.there).joinpath(*inside.parts))
        raise SpaceError(
            "SerialEM's computer does not see this file: it is in none of the shared folders.",
            str(path),
            f"Keep the session in {self._here_in_words()}, or name its folder with "
            '--path "C:\\data=/mnt/data".',
        )

    def here(self, name: str, must: bool = False) -> str:
        """Return the name that a file of SerialEM has here.

        Parameters
        ----------
        name : str
            As SerialEM tells it.
        must : bool
            Whether it has to be in a shared folder; otherwise, what is elsewhere stays as it is.

        Raises
        ------
        SpaceError
            When it has to be in a shared folder and is not.
        """
        path = pure(name)
        if not self.folders or not path.is_absolute():
            return name
        for folder in self.folders:
            theirs = pure(folder.there)
            if type(theirs) is type(path):
                try:
                    return str(folder.here.joinpath(*path.relative_to(theirs).parts))
                except ValueError:
                    continue
        if not must:
            return name
        raise SpaceError(
            "SerialEM works in a folder that is in none of the shared folders "
            f"({', '.join(folder.there for folder in self.folders)}).",
            name,
            'Name it with --path "C:\\data=/mnt/data", or go to another folder with File > Set '
            "Directory in SerialEM and open the Navigator file from there.",
        )

    def arguments(self, command: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments of a command as SerialEM understands them."""
        place = PATH_ARGUMENTS.get(command)
        if place is None or place >= len(args) or not isinstance(args[place], str):
            return args
        return (*args[:place], self.there(args[place]), *args[place + 1 :])

    def answer(self, command: str, value: Any) -> Any:
        """Return the answer to a command as it is understood here."""
        must = PATH_ANSWERS.get(command)
        if must is None:
            return value
        if isinstance(value, str):
            return self.here(value, must)
        if isinstance(value, tuple):
            return tuple(
                self.here(one, must) if n in _PARTS_THAT_ARE_PATHS and isinstance(one, str) else one
                for n, one in enumerate(value)
            )
        return value

    def _here_in_words(self) -> str:
        return " or ".join(str(folder.here) for folder in self.folders)


def _inside_here(path: Path, folder: Path) -> PurePath | None:
    """Return a path relative to a folder of this computer, also through links; None if outside."""
    try:
        return path.relative_to(folder)
    except ValueError:
        pass
    try:
        return path.resolve().relative_to(folder.resolve())
    except (ValueError, OSError):
        return None


UNTRANSLATED = PathTranslation()
