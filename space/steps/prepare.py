"""Getting a grid ready: on the stage, with its own Navigator file and log."""

from __future__ import annotations

import logging

from space.microscope import autoloader, montage, navigator, scope
from space.microscope.sem import sem_errors, serialem, words
from space.settings import STAGE, Settings
from space.steps.session import GridSession

_log = logging.getLogger("space.workflow")


def grid_name(slot: int | str, settings: Settings, taken: tuple[str, ...] = ()) -> str:
    """Return the folder-safe name of a grid.

    The autoloader's name; else `grid_default_name`, with the slot number when there are
    several grids; else a name made of the slot. A name that another grid of this run has
    gets the slot number too.
    """
    default = autoloader.folder_safe(settings.grid_default_name)
    if slot == STAGE:
        name = default or "grid"
        suffix = "_stage"
    else:
        named = autoloader.folder_safe(autoloader.slot_name(int(slot)))
        suffix = f"_S{int(slot):02d}"
        several = len(settings.grid_list) > 1
        name = (
            named
            or (f"{default}{suffix}" if default and several else default)
            or f"G{int(slot):02d}"
        )
    return f"{name}{suffix}" if name.lower() in {other.lower() for other in taken} else name


def open_grid(session: GridSession, slot: int | str) -> bool:
    """Load the grid, open its Navigator file and its log; return whether it has such a log."""
    montage.close_files()
    if slot != STAGE:
        autoloader.load(int(slot))
    elif autoloader.loaded_slot() is not None:
        _log.info("Using the grid that is on the stage.")
    navigator.open_file(session.navigator_file)
    logged = open_log(session)
    _log.info("Grid %s in %s", session.grid, session.directory)
    scope.open_valve()
    return logged


def open_log(session: GridSession) -> bool:
    """Begin a log of the grid's own (SerialEM adds a number when there is one already)."""
    try:
        serialem().SaveLogOpenNew(str(session.directory / session.log_name))
        return True
    except sem_errors() as error:
        # A cancelled dialog about the old log is no reason to give up a grid.
        _log.warning("The grid's own log was not opened: %s.", words(error))
        return False


def save_log() -> None:
    """Write the log to its file."""
    try:
        serialem().SaveLog()
    except sem_errors() as error:
        _log.warning("The log was not saved: %s.", words(error))
