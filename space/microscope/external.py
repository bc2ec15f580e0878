"""A program outside of SerialEM: SerialEM's module, the control, and the folders that both see."""

from __future__ import annotations

import importlib
import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from space.errors import SpaceError
from space.microscope import relay
from space.microscope.line import Address, Line, Translated, in_place_of_serialem
from space.microscope.sem import serialem
from space.microscope.translation import PathTranslation, SharedFolder

RELAY = relay.FOLDER
"""Folder in the session's directory, through which commands go while items are acquired."""

__all__ = [
    "RELAY",
    "Address",
    "Line",
    "PathTranslation",
    "SharedFolder",
    "after_item",
    "check_shared_folder",
    "controlled",
    "native_module",
    "prepare_relay",
    "waiting_item",
]


def native_module(modules: Path | None = None) -> ModuleType:
    """Return SerialEM's own module.

    Parameters
    ----------
    modules : Path, optional
        Folder in which it is looked for first, also in the folder of this Python's version there.

    Raises
    ------
    SpaceError
        When it is not there.
    """
    version = "{}.{}".format(*sys.version_info[:2])
    places = [] if modules is None else [modules / version, modules]
    before = list(sys.path)
    sys.path[:0] = [str(place) for place in places]
    try:
        return importlib.import_module("serialem")
    except ImportError as error:
        name = f"{version}\\serialem.pyd" if os.name == "nt" else "serialem"
        raise SpaceError(
            f"SerialEM's Python module is missing on this computer ({error}).",
            str(modules or "import serialem"),
            f"Copy {name}, which is made for Python {version}, from the folder PythonModules of "
            "SerialEM on the microscope's computer into a folder here, and name this folder with "
            "--modules. For other systems than Windows, and for versions of Python without such a "
            "file, see docs/external.md.",
        ) from None
    finally:
        sys.path[:] = before


@contextmanager
def controlled(line: Line) -> Iterator[Line]:
    """Control SerialEM through a line while the block runs; afterwards it is free.

    Acquire at Items starts when the block has ended well, if that was asked for.
    """
    line.begin()
    with in_place_of_serialem(line):
        try:
            yield line
        except BaseException:
            line.break_off()
            raise
        line.give_up()


def check_shared_folder(line: Line) -> Path:
    """Return SerialEM's directory as it is named here, if both computers see the same there.

    Moves nothing. A small file is written there and removed again.

    Raises
    ------
    SpaceError
        When this computer does not see the directory, or another one.
    """
    there = str(line.module.ReportDirectory())
    directory = Path(line.path_translation.here(there, must=True))
    if not directory.is_dir():
        raise SpaceError(
            "This computer does not see SerialEM's directory"
            + (f" {there}." if str(directory) == there else f" {there} as {directory}."),
            str(directory),
            'Connect the shared folder, and name it as both see it: --path "C:\\data=/mnt/data".',
        )
    test = directory / f"SPACE_shared_{uuid.uuid4().hex}.txt"
    try:
        test.write_text("SPACEtomo looks whether SerialEM sees this file.\n", encoding="utf-8")
        seen = serialem().DoesFileExist(str(test))
    except OSError as error:
        raise SpaceError(
            f"Nothing can be written into SerialEM's directory ({error.strerror or error}).",
            str(directory),
            "Let the user of this program write there.",
        ) from None
    finally:
        test.unlink(missing_ok=True)
    if not seen:
        raise SpaceError(
            f"SerialEM does not see a file that was just written into {directory}: this is another "
            f"folder than its {there}.",
            str(directory),
            'Correct the names of the shared folder: --path "C:\\data=/mnt/data".',
        )
    return directory


def prepare_relay(directory: Path) -> Path:
    """Make the folder through which commands go while items are acquired; return it."""
    return relay.prepare(directory)


def waiting_item(folder: Path) -> str:
    """Return the token of the script that SerialEM runs after an item; "" while none waits."""
    return relay.signal(folder)


@contextmanager
def after_item(line: Line, folder: Path, token: str) -> Iterator[ModuleType]:
    """Give commands through the script that SerialEM runs after an item while the block runs."""
    with relay.of_item(folder, token, line.module) as relayed:
        module = Translated(relayed, line.path_translation)
        with in_place_of_serialem(module):
            yield module
