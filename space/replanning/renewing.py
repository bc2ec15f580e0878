"""Reading, planning, writing: the plan of a session is made anew."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from space import journal, overview, planning
from space.files import remove_if_possible
from space.journal import Event, Kind
from space.microscope import survives
from space.orders import read_standing
from space.overview import SessionFacts
from space.planning import PLAN_FILE, Pace, Plan, measured_pace
from space.replanning.became import Became, became
from space.replanning.wanted import wanted_px
from space.replanning.work import problem_of
from space.settings import STAGE, Settings
from space.steps import GridOnDisk, night_began, read_trials

log = logging.getLogger("space.workflow")

_LONGEST_LOAD_S = 3600.0
_ENDS_BEFORE_LOAD = (Kind.RUN_STARTED, Kind.GRID_DONE, Kind.GRID_SKIPPED, Kind.LEVEL_DONE)


def renew(settings: Settings, directory: Path) -> Plan | None:
    """Make the plan of a session anew, write it, and say so where it has changed.

    A plan that cannot be made ends nothing: the session then goes on without one.

    Returns
    -------
    Plan or None
        None without `night_hours`.
    """
    if not settings.is_planned:
        return None
    plan = None
    with survives("The plan of the night was not made; the session goes on without one") as outcome:
        before = planning.read_plan(directory)
        plan = _plan(settings, directory)
        planning.write_plan(directory, plan)
        _tell(directory, before, plan)
    if outcome.failed:
        remove_if_possible(directory / PLAN_FILE)
        return None
    return plan


def order_of_slots(settings: Settings, directory: Path) -> list[int | str] | None:
    """Return the slots of the grids that are planned, in their order; None without a plan."""
    plan = renew(settings, directory)
    if plan is None or not settings.planner:
        return None
    known = {str(slot): slot for slot in settings.grid_list}
    return [known[slot] for slot in plan.slots() if slot in known]


def _plan(settings: Settings, directory: Path) -> Plan:
    now = datetime.now(timezone.utc)
    began = night_began(directory) or now
    left_s = settings.night_hours * planning.HOUR_S - (now - began).total_seconds()
    session, events = overview.read_session(directory), journal.read(directory)
    seen = became(session)
    pace = pace_of(seen, events)
    loaded = _loaded(settings, events)
    failed = [
        (grid.slot, number)
        for grid in session.grids
        if grid.name
        for number, why in read_trials(GridOnDisk(directory, session.map_dir, grid.name)).items()
        if why
    ]
    problem = problem_of(
        session,
        seen,
        read_standing(directory),
        pace,
        left_s,
        loaded,
        failed,
        wanted_px(session, settings),
    )
    names = {grid.slot: grid.name for grid in session.grids}
    return planning.make_plan(
        problem, settings.night_hours, now.isoformat(timespec="seconds"), names,
        notes_of(session, seen, pace),
    )  # fmt: skip


def notes_of(session: SessionFacts, seen: Became, pace: Pace) -> list[str]:
    """Say what a plan rests on."""
    judged = [worth for many in seen.worth.values() for worth, _ in many]
    notes = list(pace.measured) or ["times: a guess, nothing was measured yet"]
    if judged:
        notes.append(f"{sum(judged):.3g} of {len(judged)} tilt series so far came out well")
    if session.problems:
        notes.append(f"not all could be read: {session.problems[0]}")
    return notes


def pace_of(seen: Became, events: Sequence[Event]) -> Pace:
    """Return how long work takes, by the series so far and the journal."""
    return measured_pace(
        seen.areas,
        _loads_s(events),
        _known(overview.level_s(events, 1)),
        _known(overview.gap_s(events, Kind.LAMELLA_MAPPED)),
        _known(overview.gap_s(events, Kind.TARGETS_SET_UP)),
    )


def _known(seconds: float | None) -> list[float]:
    return [] if seconds is None else [seconds]


def _loads_s(events: Sequence[Event]) -> list[float]:
    """Return how long grids took to load, with finding them again where that was noted."""
    found = []
    for number, event in enumerate(events):
        before = events[number - 1] if number else None
        if event.kind is not Kind.GRID_LOADED or before is None:
            continue
        after = events[number + 1] if number + 1 < len(events) else event
        end = after if after.kind is Kind.GRID_REALIGNED else event
        seconds = (end.when_utc - before.when_utc).total_seconds()
        if before.kind in _ENDS_BEFORE_LOAD and 0 < seconds < _LONGEST_LOAD_S:
            found.append(seconds)
    return found


def _loaded(settings: Settings, events: Sequence[Event]) -> str:
    """Return the slot of the grid that was loaded last."""
    for event in reversed(events):
        if event.kind is Kind.GRID_LOADED:
            return event.text[len("slot ") :] if event.text.startswith("slot ") else ""
    return STAGE if STAGE in settings.grid_list else ""


def _tell(directory: Path, before: Plan | None, plan: Plan) -> None:
    """Log the plan if it is another one than before, and note it in the journal."""

    def keys(one: Plan | None) -> list[tuple[str, int, int]]:
        return [(e.slot, e.lamella, e.area) for e in one.entries] if one else []

    old, new = keys(before), keys(plan)
    if before is not None and old[len(old) - len(new) :] == new and len(old) - len(new) <= 1:
        return  # what was done is not in it any more, and the rest is as it was
    log.info("%s", "\n".join(planning.lines(plan)))
    journal.note(
        directory, Kind.PLANNED, text=planning.summary(plan), value=plan.value, series=plan.series
    )
