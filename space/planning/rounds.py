"""What of a plan is acquired in one go, since SerialEM takes items in the Navigator's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from space.planning.plan import Entry, Plan

_MUCH_LESS = 0.5
"""Less than this part of another's value for its time is put off until the other is done."""


def visit_of(plan: Plan, grid: str) -> tuple[Entry, ...]:
    """Return the entries of a grid with which the plan begins: none if another grid comes first."""
    visit: list[Entry] = []
    for entry in plan.entries:
        if entry.grid != grid:
            break
        visit.append(entry)
    return tuple(visit)


def put_off(visit: Sequence[Entry], place_of: Mapping[tuple[int, int], int]) -> tuple[Entry, ...]:
    """Return the entries that have to wait for a next acquisition of the same grid.

    The Navigator's order is kept where it costs little. What stands before something pinned, or
    before something of far more value for its time, is put off.

    Parameters
    ----------
    visit : sequence of Entry
        In the order of the plan.
    place_of : mapping of (int, int) to int
        Places of the items in the Navigator by lamella and area.
    """
    placed = [(place_of[e.lamella, e.area], e) for e in visit if (e.lamella, e.area) in place_of]
    return tuple(
        entry
        for rank, (place, entry) in enumerate(placed)
        if any(
            other_place > place and _goes_before(other, entry, other_rank < rank)
            for other_rank, (other_place, other) in enumerate(placed)
        )
    )


def _goes_before(other: Entry, entry: Entry, is_planned_before: bool) -> bool:
    if not is_planned_before:
        return False
    return other.is_pinned or (
        not entry.is_pinned and entry.own_per_hour < _MUCH_LESS * other.own_per_hour
    )
