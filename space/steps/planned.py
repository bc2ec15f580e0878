"""What the plan of the night says about the items of a grid; it is read, and made elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable

from space.microscope import Item
from space.planning import Entry, Plan, put_off, read_plan, visit_of
from space.steps.session import GridSession

_AREA = re.compile(r"_area([0-9]+)_tgts\.txt$")


def plan_of(session: GridSession) -> Plan | None:
    """Return the plan that the run follows; None if it follows none."""
    return read_plan(session.directory) if session.settings.follows_plan else None


def turned_off(session: GridSession, items: Iterable[tuple[Item, int]]) -> dict[str, str]:
    """Return the notes of the items that the plan has not acquired now, and why.

    With `script_numbers`, SPACEtomo runs again after an acquisition: then what the plan has later,
    after another grid or after more valuable lamellae, waits for that.

    Parameters
    ----------
    session : GridSession
    items : iterable of (Item, int)
        Items with targets, and the numbers of their lamellae.
    """
    plan = plan_of(session)
    if plan is None:
        return {}
    notes = {(number, area_of(item.note)): item.note for item, number in items}
    why = {key(one): one.why for one in plan.left_out if one.grid == session.grid}
    if session.settings.script_numbers:
        visit = visit_of(plan, session.grid)
        planned = [one for one in plan.entries if one.grid == session.grid]
        later = planned[len(visit) :]
        why.update({key(one): "it comes after another grid" for one in later})
        places = {known: place for place, known in enumerate(notes)}
        waits = put_off(visit, places)
        why.update({key(one): "it comes after others of this grid" for one in waits})
    return {note: why[known] for known, note in notes.items() if known in why}


def in_planned_order(session: GridSession, numbers: Iterable[int]) -> list[int]:
    """Return lamellae in the order of the plan; those that are not in it stand last, as given."""
    plan, given = plan_of(session), list(numbers)
    planned = [] if plan is None else [entry.lamella for entry in plan.of_grid(session.grid)]
    return sorted(given, key=lambda n: planned.index(n) if n in planned else len(planned))


def wants(session: GridSession) -> bool:
    """Whether the plan has areas of a grid that are to be acquired."""
    plan = plan_of(session)
    return plan is not None and any(entry.area for entry in plan.of_grid(session.grid))


def key(entry: Entry) -> tuple[int, int]:
    """Return lamella and area of an entry."""
    return entry.lamella, entry.area


def area_of(note: str) -> int:
    """Return the area of an item with targets, by its note."""
    found = _AREA.search(note)
    return int(found[1]) if found else 1
