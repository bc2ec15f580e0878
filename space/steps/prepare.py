"""Getting a grid ready: on the stage, with its own Navigator file and log."""

from __future__ import annotations

import logging

from space.errors import SpaceError
from space.journal import Kind, note
from space.microscope import (
    autoloader,
    column,
    montage,
    navigator,
    open_log_file,
    save_log_file,
    stage,
)
from space.settings import STAGE, Settings
from space.steps import placement
from space.steps.realign import ensure_placed
from space.steps.session import GridSession

log = logging.getLogger("space.workflow")


def check_autoloader(settings: Settings) -> None:
    """Refuse autoloader slots where there is no autoloader.

    Raises
    ------
    SpaceError
        When SerialEM knows it; otherwise the first command to the autoloader fails.
    """
    slots = [int(slot) for slot in settings.grid_list if slot != STAGE]
    if slots and autoloader.is_absent(slots[0]):
        raise SpaceError(
            "This microscope has no autoloader; nothing was moved.",
            f"grid_list = {list(settings.grid_list)}",
            f'Put the grid on the stage and set grid_list = ["{STAGE}"].',
        )


def open_grid(session: GridSession, slot: int | str) -> bool:
    """Load the grid, open its Navigator file and its log; return whether it has such a log.

    A grid that was loaded again is found, and its items are moved to where it lies now.

    Raises
    ------
    SpaceError
        When it cannot be loaded, or is not recognized.
    """
    montage.close_files()
    if slot != STAGE and not autoloader.is_on_stage(int(slot)):
        placement.forget(session.directory)
    loaded = slot != STAGE and autoloader.load(int(slot))
    if loaded:
        placement.name_load()
        note(session.directory, Kind.GRID_LOADED, session.grid, text=f"slot {slot}")
    elif slot == STAGE and autoloader.loaded_slot() is not None:
        log.info("Using the grid that is on the stage.")
    stage.level_stage()
    navigator.open_file(session.navigator_file)
    logged = open_log_file(session.directory / session.log_name)
    log.info("Grid %s in %s", session.grid, session.directory)
    column.open_valve()
    try:
        ensure_placed(session, loaded)
    except BaseException:  # the caller goes on with another grid: what was said is kept here
        if logged:
            save_log_file()
        raise
    return logged
