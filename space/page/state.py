"""Where a session stands, as plain values for the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from space import __version__, overview, planning
from space.files import decode
from space.journal import Event
from space.orders import DONE_FILE, EXAMPLES, Standing
from space.overview import GridFacts, LamellaFacts, SessionFacts
from space.page.current import doing, end_of, pictures
from space.page.session import Seen
from space.planning import Plan

FORMAT = 1
"""Of the JSON; a new number means that something was renamed or left out."""

MOST_EVENTS = 200
_MOST_ANSWERS = 30
_ANSWER = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)  (.*?)  ->  (.*)")


def state_of(seen: Seen, jobs: dict[str, Any] | None, read_only: bool) -> dict[str, Any]:
    """Return a session as the page shows it.

    Parameters
    ----------
    seen : Seen
    jobs : dict or None
        Queue and workers, if they have been looked at.
    read_only : bool
        Whether the page may change nothing.
    """
    facts = seen.facts
    rest = overview.time_left(facts, seen.events)
    seconds = [one.seconds for one in rest]
    known = [s for s in seconds if s is not None]
    return {
        "format": FORMAT,
        "version": __version__,
        "read_only": read_only,
        "session": facts.directory.name,
        "directory": str(facts.directory),
        "level": facts.settings.automation_level if facts.settings else None,
        "mark": seen.mark,
        "problem": seen.problem,
        "now": doing(seen),
        "attention": list(overview.attention(facts)),
        "left": [{"work": one.work, "count": one.count, "each_s": one.each_s} for one in rest],
        "seconds_left": sum(known) if len(known) == len(seconds) else None,
        "time_left": overview.total(rest),
        "states": dict(overview.LAMELLA_STATES),
        "grids": [_grid(grid) for grid in facts.grids],
        "plan": _plan(overview.plan_of(facts)),
        "orders": orders_of(facts, seen.standing),
        "jobs": jobs,
        "pictures": pictures(seen),
        "events": [event_of(event) for event in seen.events[-MOST_EVENTS:]],
    }


def _plan(plan: Plan | None) -> dict[str, Any] | None:
    """Return the plan of the night as the page shows it."""
    if plan is None:
        return None
    return {
        "summary": planning.summary(plan),
        "notes": list(plan.notes),
        "entries": [list(row) for row in planning.rows(plan)],
        "left_out": [list(row) for row in planning.rows(plan, plan.left_out)],
    }


def _grid(grid: GridFacts) -> dict[str, Any]:
    return {
        "name": grid.name,
        "title": grid.title,
        "slot": grid.slot,
        "state": grid.state,
        "next": overview.next_step(grid),
        "problems": list(grid.problems),
        "has_map": grid.whole_grid_picture is not None,
        "counts": overview.counts(grid.visited),
        "lamellae": [_lamella(lamella) for lamella in grid.lamellae],
    }


def _lamella(lamella: LamellaFacts) -> dict[str, Any]:
    return {
        **overview.lamella_table(lamella),
        "label": lamella.label if lamella.number else "",
        "class": lamella.category,
        "visit": lamella.state != "excluded",
        "has_map": lamella.picture is not None,
    }


def event_of(event: Event) -> dict[str, Any]:
    """Return an event as plain values."""
    return {
        "at": event.when_utc.isoformat(),
        "kind": event.kind.value,
        "grid": event.grid,
        "lamella": event.lamella,
        "text": event.text,
        "numbers": dict(event.numbers),
    }


def orders_of(facts: SessionFacts, standing: Standing) -> dict[str, Any]:
    """Return the orders that hold, and what became of the last ones."""
    after = standing.stop_after
    return {
        "pause": standing.pause,
        "stop": standing.stop,
        "stop_after": None if after is None else str(after),
        "skipped": [{"grid": grid, "number": n} for grid, n in sorted(standing.skipped)],
        "skipped_grids": sorted(standing.skipped_grids),
        "pinned": [{"grid": grid, "number": n} for grid, n in standing.pinned],
        "pinned_grids": list(standing.pinned_grids),
        "answers": _answers(facts),
        "examples": list(EXAMPLES),
    }


def _answers(facts: SessionFacts) -> list[dict[str, str]]:
    try:
        text = decode(end_of(facts.directory / DONE_FILE, 40_000))
    except OSError:
        return []
    found: Sequence[re.Match[str] | None] = [_ANSWER.fullmatch(line) for line in text.splitlines()]
    answers = [match for match in found if match is not None][-_MOST_ANSWERS:]
    return [{"at": one[1], "order": one[2], "answer": one[3]} for one in answers]
