"""The one door to SerialEM's Python module."""

from __future__ import annotations

import importlib
import logging
from types import ModuleType

from space.errors import SpaceError

_log = logging.getLogger("space.microscope")


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


def sem_errors() -> tuple[type[BaseException], ...]:
    """Return the exceptions with which SerialEM refuses a command."""
    module = serialem()
    names = ("SEMerror", "SEMmoduleError")
    return tuple(getattr(module, name) for name in names if hasattr(module, name))


def words(error: BaseException) -> str:
    """Return the text of a SerialEM error; after a message box SerialEM leaves it empty."""
    text = " ".join(str(error).replace("*", " ").split())
    return text or "SerialEM refused a command (see its log)"


def reason(error: Exception) -> str:
    """Say why one lamella or one grid failed, so that a session can go on with the next one.

    An error that nobody foresaw is told with its traceback, but costs no more than the others.

    Raises
    ------
    Exception
        The error itself when it is no failure but the end of the script (Exit, STOP).
    """
    exited = getattr(serialem(), "SEMexited", None)
    if exited is not None and isinstance(error, exited):
        raise error
    if isinstance(error, SpaceError):
        return str(error)
    if isinstance(error, sem_errors()):
        return words(error)
    if not isinstance(error, (OSError, MemoryError)):
        _log.error("This is a mistake in SPACEtomo:", exc_info=error)
    return f"{type(error).__name__}: {error}"
