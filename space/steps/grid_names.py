"""The names of grids, which begin the names of all their files."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from space.files import read_json_or_empty, write_text_atomic
from space.microscope import autoloader
from space.settings import STAGE, Settings
from space.steps.session import GridSession

NAMES_FILE = "SPACE_grids.json"
"""The names of a directory's grids, by autoloader slot."""

log = logging.getLogger("space.workflow")


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
    everything would be done again, and under another grid's name its files would be mixed with
    those of that grid.

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
    used = {name.lower() for name in taken}
    used |= {name.lower() for other, name in earlier.items() if other != str(slot)}
    default = autoloader.folder_safe(settings.grid_default_name)
    if slot == STAGE:
        return _free_name(default or "grid", "_stage", before, used)
    number = int(slot)
    suffix = f"_S{number:02d}"
    given = autoloader.folder_safe(autoloader.slot_name(number))
    if given:
        return _free_name(given, suffix, before, used)
    if before and autoloader.loaded_slot() == number:
        return before  # the autoloader may not know the name of a grid that is on the stage
    base = default or f"G{number:02d}"
    always_numbered = bool(default) and len(settings.grid_list) > 1
    name = _free_name(base, suffix, before, used, always_numbered)
    if name != before:
        log.warning(
            "The autoloader gives the grid in slot %s no name: it is called %s.", slot, name
        )
    return name


def _free_name(
    base: str, suffix: str, before: str, used: set[str], always_numbered: bool = False
) -> str:
    """Return the name of an earlier run if it still fits, else the first that is free."""
    if before in (base, f"{base}{suffix}") and before.lower() not in used:
        return before
    return f"{base}{suffix}" if always_numbered or base.lower() in used else base


def earlier_names(directory: Path) -> dict[str, str]:
    """Return the names of the grids of earlier runs in a directory, by slot."""
    values = read_json_or_empty(directory / NAMES_FILE)
    return {slot: str(name) for slot, name in values.items()}


def note_name(directory: Path, slot: int | str, name: str) -> None:
    """Remember a grid's name for later runs."""
    names = {**earlier_names(directory), str(slot): name}
    write_text_atomic(directory / NAMES_FILE, json.dumps(names, indent=1) + "\n")


def of_no_grid(session: GridSession, setting: str, entries: Mapping[str, str]) -> list[str]:
    """Return what to say of a setting's entries that name a grid that this session does not have.

    Parameters
    ----------
    session : GridSession
    setting : str
        Its name.
    entries : mapping of str to str
        Each entry, and the grid that it names; "" for none.
    """
    names = earlier_names(session.directory)
    if not set(map(str, session.settings.grid_list)) <= set(names):
        return []  # the others have no name yet
    grids = {name.lower() for name in (*names.values(), session.grid)}
    return [
        f"{setting} names {entry}, but no grid of this session has that name. Its grids: "
        f"{', '.join(sorted(names.values()))}."
        for entry, grid in entries.items()
        if grid and grid.lower() not in grids
    ]
