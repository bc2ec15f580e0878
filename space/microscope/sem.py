"""The one door to SerialEM's Python module."""

from __future__ import annotations

import importlib
import re
import sys
from types import ModuleType

from space.errors import OutOfSpaceError, SpaceError
from space.files import says_full
from space.microscope.translation import UNTRANSLATED, PathTranslation


def serialem() -> ModuleType:
    """Return the module `serialem`.

    It is looked up at every call, so that importing this package needs no SerialEM and a
    simulated module can take its place.

    Raises
    ------
    SpaceError
        When there is no such module, as on any computer without SerialEM.
    """
    try:
        return importlib.import_module("serialem")
    except ImportError:
        raise SpaceError(
            "The Python module 'serialem' is missing: this script runs inside SerialEM.",
            "import serialem",
            "Paste it into a SerialEM script window and press Run. Without a microscope, run "
            "the simulation: `spacetomo simulate`, or `make demo` in the project folder.",
        ) from None


def path_translation() -> PathTranslation:
    """Return how paths of SerialEM's computer are named here: as they are, on that computer."""
    found = getattr(sys.modules.get("serialem"), "path_translation", None)
    return found if isinstance(found, PathTranslation) else UNTRANSLATED


class LineLostError(Exception):
    """SerialEM on another computer does not answer any more: the run ends, and can be begun anew.

    Nothing may handle it as a failure of a picture, a lamella or a grid.
    """


def sem_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions with which SerialEM refuses a command."""
    module = serialem()
    names = ("SEMerror", "SEMmoduleError")
    return tuple(getattr(module, name) for name in names if hasattr(module, name))


def error_text(error: BaseException) -> str:
    """Return the text of a SerialEM error without its heading.

    After a message box SerialEM leaves it empty.
    """
    text = " ".join(str(error).replace("*", " ").split()).removeprefix(_HEADING).strip(" .")
    return text or "SerialEM refused a command (see its log)"


_HEADING = "SCRIPT ERROR WITH THIS MESSAGE"
_FULL_IN_WORDS = re.compile(
    r"no space left|not enough (disk )?space|insufficient disk space|disk (is )?full|disk quota",
    re.IGNORECASE,
)


def out_of_space(error: BaseException) -> OutOfSpaceError | None:
    """Return what to raise if an error says that a disk is full, None if it says otherwise.

    SerialEM has no error of its own for this: it is assumed to pass on the system's message.
    """
    if isinstance(error, OutOfSpaceError):
        return error
    if isinstance(error, OSError):
        if says_full(error):
            return OutOfSpaceError(str(error.strerror), str(error.filename or ""))
    elif isinstance(error, sem_errors()) and _FULL_IN_WORDS.search(str(error)):
        return OutOfSpaceError(error_text(error))
    return None


def check_space_left(error: BaseException) -> None:
    """Raise `OutOfSpaceError` if an error says that a disk is full."""
    full = out_of_space(error)
    if full is not None:
        raise full from error


def is_exit(error: BaseException) -> bool:
    """Whether an exception is the end of the script (Exit, STOP, no line), not a failure."""
    if isinstance(error, LineLostError):
        return True
    exited = getattr(serialem(), "SEMexited", None)
    return exited is not None and isinstance(error, exited)
