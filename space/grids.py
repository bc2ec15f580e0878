"""The grids of a session, one after the other."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from space import journal, levels, overview, report, steps
from space.config import Config
from space.journal import Keeper, Kind
from space.microscope import Outcome, navigator, survives
from space.overview import GridFacts
from space.replanning import order_of_slots
from space.settings import BEST, Settings
from space.steps import Course, GridSession, Night

log = logging.getLogger("space.workflow")


@dataclass(frozen=True)
class GridsOutcome:
    """How a run over the grids ended.

    Attributes
    ----------
    failures : tuple of str
        Why grids failed in this run.
    acquiring : bool
        Whether an acquisition starts when the script has ended.
    """

    failures: tuple[str, ...] = ()
    acquiring: bool = False

    def after(self, slot: int | str, outcome: Outcome, started: bool) -> GridsOutcome:
        """Return the outcome after one more grid."""
        failed = (f"grid {slot}: {outcome.reason}",) if outcome.failed else ()
        return GridsOutcome((*self.failures, *failed), started)


@dataclass
class _Run:
    """One run over the grids: what all of them share."""

    settings: Settings
    config: Config
    directory: Path
    keeper: Keeper
    night: Night
    names: dict[str, str] = field(default_factory=dict)

    def session_of(self, slot: int | str) -> GridSession:
        """Return the session of the grid in a slot; warnings are its own from here on."""
        self.keeper.grid = ""
        others = tuple(name for other, name in self.names.items() if other != str(slot))
        session = _session_of(self.settings, self.config, self.directory, slot, others)
        self.names[str(slot)] = session.grid
        self.keeper.grid = session.grid
        return session

    def keep(self, night: Night) -> None:
        """Keep how far the night has come; one grid is no night."""
        self.night = night
        if len(self.settings.grid_list) > 1:
            steps.save_night(self.directory, night)


def run_grids(settings: Settings, config: Config, directory: Path, keeper: Keeper) -> GridsOutcome:
    """Run one grid after the other, until acquisition will start.

    `keeper` is told which grid is worked on.
    """
    night = steps.with_hours(directory, steps.begin_or_continue(directory), settings)
    run = _Run(settings, config, directory, keeper, night)
    if settings.screen_first and settings.automation_level > levels.SEGMENT:
        _screen(run)
    outcome, visits = GridsOutcome(), Counter[str]()
    order = order_of_grids(settings, directory)
    run.names = {}
    # A plan may leave a grid for another one, and come back when it knows that.
    most = 2 if settings.follows_plan else 1
    while left := [
        slot for slot in order if str(slot) not in run.night.ended and visits[str(slot)] < most
    ]:
        outcome = _run_one(run, left[0], outcome)
        visits[str(left[0])] += 1
        if outcome.acquiring:
            _tell_what_follows(run, left[0], order)
        if outcome.acquiring or steps.run_stops(directory):
            break
        if settings.follows_plan:
            order = order_of_grids(settings, directory)
    keeper.grid = ""
    return outcome


def _run_one(run: _Run, slot: int | str, before: GridsOutcome) -> GridsOutcome:
    started, why, comes_back = False, "", False
    with survives(f"Grid {slot} failed") as outcome:
        session = run.session_of(slot)
        course = steps.before_grid(session, slot)
        why = "as ordered" if course is Course.SKIP else ""
        started = course is Course.GO_ON and levels.run_grid(session, slot)
        comes_back = course is Course.GO_ON and not started and steps.plan_wants(session)
    if steps.run_stops(run.directory):
        return before
    _tell_of_grid(run, slot, outcome, started)
    why = outcome.reason or why
    if why:
        journal.note(run.directory, Kind.GRID_SKIPPED, run.keeper.grid, text=why)
    elif not started and not comes_back:
        journal.note(run.directory, Kind.GRID_DONE, run.keeper.grid)
    if not started and not comes_back:
        run.keep(run.night.with_ended(slot, why))
    if len(run.settings.grid_list) > 1:  # of a single grid it is written when the run ends
        # So is that of all grids, and with an acquisition it ends now.
        write = report.update_grid if started else report.update
        write(run.directory, run.keeper.grid)
    return before.after(slot, outcome, started)


def _tell_of_grid(run: _Run, slot: int | str, outcome: Outcome, started: bool) -> None:
    """Tell people of a grid; the post action tells of one that is acquired."""
    level, grid = run.settings.automation_level, run.keeper.grid
    if outcome.failed:
        text = f"Grid {slot} failed: {outcome.reason}"
        steps.tell(run.settings, run.directory, "grid failed", text, grid)
    elif not started and level < levels.ACQUIRE:
        text = f"Level {level} of grid {slot} is done."
        steps.tell(run.settings, run.directory, "grid done", text, grid)


def _tell_what_follows(run: _Run, slot: int | str, order: Sequence[int | str]) -> None:
    """Say what comes after the acquisition that starts now."""
    rest = [one for one in order if one != slot and str(one) not in run.night.ended]
    others = ", ".join(map(str, rest))
    if run.settings.script_numbers:
        log.info(
            "When grid %s is acquired, SerialEM runs this script again, %s. If the acquisition "
            "ends by an error or is stopped, nothing more starts by itself: look at the log, then "
            "run the script again; what is done is skipped.",
            slot,
            f"which goes on with grid(s) {others}" if rest else "which ends the session",
        )
    elif rest:
        log.warning(
            "Grid %s is acquired first. Run the script again afterwards for "
            "grid(s) %s; what is done is skipped.",
            slot,
            others,
        )


# --- screening ------------------------------------------------------------------------------------


def _screen(run: _Run) -> None:
    """Find and map the lamellae of all grids; each map is queued for segmentation."""
    if navigator.open_folder() == run.directory:
        navigator.save()  # how far grids are is judged by their files
    facts = overview.read_session(run.directory)
    known = {grid.slot: grid for grid in facts.grids}
    for slot in run.settings.grid_list:
        if str(slot) in run.night.screened or is_screened(known.get(str(slot))):
            continue
        with survives(f"Grid {slot} was not screened (it is tried once more later)"):
            session = run.session_of(slot)
            if steps.before_grid(session, slot) is Course.GO_ON:
                levels.screen_grid(session, slot)
        if steps.run_stops(run.directory):
            return
        run.keep(run.night.with_screened(slot))


def is_screened(grid: GridFacts | None) -> bool:
    """Whether all lamellae of a grid have maps, and their pictures were saved.

    A picture that is missing has to be saved before the grid is loaded again: by how much the map
    is turned would not be known then, and the lamella would be lost.
    """
    if grid is None or grid.state in ("not begun", "finding", "mapping"):
        return False
    return not any(one.state == "mapped" and one.picture is None for one in grid.visited)


def order_of_grids(settings: Settings, directory: Path) -> list[int | str]:
    """Return the slots in the order in which their grids get targets and are acquired.

    With a plan of the night, only those that are planned.
    """
    planned = order_of_slots(settings, directory)
    if planned is not None:
        return planned
    wanted = settings.grid_order
    if wanted != BEST:
        first: list[int | str] = list(wanted)
        return [*first, *(slot for slot in settings.grid_list if slot not in first)]
    facts = {grid.slot: grid for grid in overview.read_session(directory).grids}

    def worth(slot: int | str) -> float:
        grid = facts.get(str(slot))
        return sum(one.probability for one in grid.visited if one.map_file) if grid else 0.0

    return sorted(settings.grid_list, key=worth, reverse=True)


# --- one grid -------------------------------------------------------------------------------------


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
