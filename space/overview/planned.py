"""What the plan of the night leaves out, told with the lamellae that it concerns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from space.overview.facts import GridFacts, LamellaFacts, SessionFacts
from space.planning import Plan, read_plan


def plan_of(session: SessionFacts) -> Plan | None:
    """Return the plan of the night of a session; None if none is made."""
    if session.settings is None or not session.settings.is_planned:
        return None
    return read_plan(session.directory)


def with_plan(grids: Iterable[GridFacts], directory: Path) -> tuple[GridFacts, ...]:
    """Return grids with why the plan of their session leaves lamellae out."""
    plan = read_plan(directory)
    if plan is None:
        return tuple(grids)
    entries = [(entry, f"left out by the plan: {entry.why}") for entry in plan.left_out]
    # Acquire of what comes later is off, too, until its turn comes.
    entries += [(entry, "it comes later in the plan") for entry in plan.entries]
    why = {(entry.grid, entry.lamella): words for entry, words in entries}
    return tuple(
        replace(grid, lamellae=tuple(_told(one, why.get((grid.name, one.number), ""))
                                     for one in grid.lamellae))
        for grid in grids
    )  # fmt: skip


def _told(lamella: LamellaFacts, why: str) -> LamellaFacts:
    """Return a lamella with what the plan says, where Acquire of what it has ready is off."""
    if not why or lamella.state != "ready" or any(area.acquire for area in lamella.areas):
        return lamella
    return replace(lamella, planned=why)
