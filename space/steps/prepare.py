"""Getting a grid ready: on the stage, with its own Navigator file and log."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from space.errors import SpaceError
from space.files import read_json, write_text_atomic
from space.microscope import autoloader, column, montage, navigator, stage
from space.microscope.sem import check_space_left, sem_errors, serialem, words
from space.settings import STAGE, Settings
from space.steps.session import GridSession

NAMES_FILE = "SPACE_grids.json"
"""The names of a directory's grids, by autoloader slot."""

_log = logging.getLogger("space.workflow")


def grid_name(
    slot: int | str,
    settings: Settings,
    taken: tuple[str, ...] = (),
    earlier: Mapping[str, str] | None = None,
) -> str:
    """Return the folder-safe name of a grid.

    The autoloader's name; else `grid_default_name`, with the slot number when there are
    several grids; else a name made of the slot. A name that another grid has gets the slot
    number too, and a grid keeps the name that it had in an earlier run: under another name
    everything would be done again, under another grid's name it would go on with that one.

    Parameters
    ----------
    slot : int or str
        Autoloader slot, or "stage".
    settings : Settings
        What the user chose.
    taken : tuple of str
        Names of the grids of this run before this one.
    earlier : mapping of str to str
        Names of earlier runs in this directory, by slot.
    """
    earlier = earlier or {}
    before = earlier.get(str(slot), "")
    default = autoloader.folder_safe(settings.grid_default_name)
    if slot == STAGE:
        suffix, named = "_stage", ""
        base = default or "grid"
        several = False
    else:
        suffix = f"_S{int(slot):02d}"
        named = autoloader.folder_safe(autoloader.slot_name(int(slot)))
        if not named and before and autoloader.loaded_slot() == slot:
            return before
        several = len(settings.grid_list) > 1
        base = named or default or f"G{int(slot):02d}"
    used = {name.lower() for name in taken}
    used |= {name.lower() for other, name in earlier.items() if other != str(slot)}
    if before in (base, f"{base}{suffix}") and before.lower() not in used:
        return before
    numbered = base.lower() in used or (several and bool(default) and not named)
    name = f"{base}{suffix}" if numbered else base
    if slot != STAGE and not named:
        _log.warning(
            "The autoloader gives the grid in slot %s no name: it is called %s.", slot, name
        )
    return name


def check_autoloader(settings: Settings) -> None:
    """Refuse autoloader slots where there is no autoloader.

    Raises
    ------
    SpaceError
        When that is known; else each grid has to tell.
    """
    slots = [int(slot) for slot in settings.grid_list if slot != STAGE]
    if slots and autoloader.is_absent(slots[0]):
        raise SpaceError(
            "This microscope has no autoloader; nothing was moved.",
            f"grid_list = {list(settings.grid_list)}",
            f'Put the grid on the stage and set grid_list = ["{STAGE}"].',
        )


def earlier_names(directory: Path) -> dict[str, str]:
    """Return the names of the grids of earlier runs in a directory, by slot."""
    try:
        values = read_json(directory / NAMES_FILE)
        return {str(slot): str(name) for slot, name in values.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def note_name(directory: Path, slot: int | str, name: str) -> None:
    """Remember a grid's name for later runs."""
    names = {**earlier_names(directory), str(slot): name}
    write_text_atomic(directory / NAMES_FILE, json.dumps(names, indent=1) + "\n")


def open_grid(session: GridSession, slot: int | str) -> bool:
    """Load the grid, open its Navigator file and its log; return whether it has such a log."""
    montage.close_files()
    if slot != STAGE:
        autoloader.load(int(slot))
    elif autoloader.loaded_slot() is not None:
        _log.info("Using the grid that is on the stage.")
    stage.level_stage()
    navigator.open_file(session.navigator_file)
    logged = open_log(session)
    _log.info("Grid %s in %s", session.grid, session.directory)
    column.open_valve()
    return logged


def open_log(session: GridSession) -> bool:
    """Begin a log of the grid's own (SerialEM adds a number when there is one already)."""
    try:
        serialem().SaveLogOpenNew(str(session.directory / session.log_name))
        return True
    except sem_errors() as error:
        check_space_left(error)
        # A cancelled dialog about the old log is no reason to give up a grid.
        _log.warning("The grid's own log was not opened: %s.", words(error))
        return False


def save_log() -> None:
    """Write the log to its file."""
    try:
        serialem().SaveLog()
    except sem_errors() as error:
        _log.warning("The log was not saved: %s.", words(error))
