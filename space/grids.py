"""The grids of a session, one after the other."""

from __future__ import annotations

import logging
from pathlib import Path

from space import journal, levels, steps
from space.config import Config
from space.journal import Keeper, Kind
from space.microscope import survives
from space.settings import Settings
from space.steps import GridSession

log = logging.getLogger("space.workflow")


def run_grids(settings: Settings, config: Config, directory: Path, keeper: Keeper) -> list[str]:
    """Run one grid after the other, until acquisition will start; return why grids failed.

    `keeper` is told which grid is worked on.
    """
    failures: list[str] = []
    names: tuple[str, ...] = ()
    for position, slot in enumerate(settings.grid_list):
        started = False
        keeper.grid = ""
        with survives(f"Grid {slot} failed") as outcome:
            session = _session_of(settings, config, directory, slot, names)
            names = (*names, session.grid)
            keeper.grid = session.grid
            started = levels.run_grid(session, slot)
        if outcome.failed:
            failures.append(f"grid {slot}: {outcome.reason}")
            journal.note(directory, Kind.GRID_SKIPPED, keeper.grid, text=outcome.reason)
        elif not started:
            journal.note(directory, Kind.GRID_DONE, keeper.grid)
        rest = settings.grid_list[position + 1 :]
        if started and rest:
            log.warning(
                "Grid %s is acquired first. Run the script again afterwards for "
                "grid(s) %s; what is done is skipped.",
                slot,
                ", ".join(str(other) for other in rest),
            )
            break
    keeper.grid = ""
    return failures


def _session_of(
    settings: Settings, config: Config, directory: Path, slot: int | str, names: tuple[str, ...]
) -> GridSession:
    """Return the session of the grid in a slot, which has none of the `names` of other grids."""
    earlier = steps.earlier_names(directory)
    name = steps.grid_name(slot, settings, names, earlier)
    steps.note_name(directory, slot, name)
    session = grid_session(settings, config, directory, name)
    if session.map_root != name:
        log.info(
            "Another session has maps of a grid %s in %s: those of this one are called "
            "%s_L01.png and so on.",
            name,
            session.map_dir,
            session.map_root,
        )
    return session


def map_dir(settings: Settings, directory: Path) -> Path:
    """Return the folder where inference finds the pictures of a session."""
    return Path(settings.external_map_dir) if settings.external_map_dir else directory


def grid_session(settings: Settings, config: Config, directory: Path, grid: str) -> GridSession:
    """Return the session of a grid; its files get a name in the map folder if they have none."""
    folder = map_dir(settings, directory)
    root = steps.reserve_grid_name(folder, directory, grid, steps.ensure_session_id(directory))
    return GridSession(settings, config, directory, folder, grid, root)
