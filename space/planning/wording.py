"""A plan in a few lines, for a terminal and a log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from space.planning.plan import Entry, Plan

MOST_SHOWN = 12
"""Entries of a plan that are shown; all of them are in its file."""


def summary(plan: Plan) -> str:
    """Return a plan in one sentence."""
    lamellae = len(
        {(entry.slot, entry.lamella, not entry.lamella and entry.area) for entry in plan.entries}
    )
    return (
        f"{plan.series} tilt series on {_count(lamellae, 'lamella', 'lamellae')} of "
        f"{_count(len(plan.slots()), 'grid', 'grids')}, expected value {plan.value:.1f}, in the "
        f"{clock(plan.left_s)} h that are left of {plan.hours:g} h"
    )


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def lines(plan: Plan, most: int = MOST_SHOWN) -> Iterator[str]:
    """Give a plan as lines: what it is, its entries, what is left out."""
    yield f"Plan: {summary(plan)}."
    for entry in plan.entries[:most]:
        yield "  " + line(entry)
    if len(plan.entries) > most:
        yield f"  and {len(plan.entries) - most} more"
    if plan.left_out:
        yield f"Left out ({len(plan.left_out)}):"
        for entry in plan.left_out[:most]:
            yield f"  {entry.name}: value {entry.value:.2f}, {entry.why}"
    if len(plan.left_out) > most:
        yield f"  and {len(plan.left_out) - most} more"


def line(entry: Entry) -> str:
    """Return an entry as one line."""
    end_s = entry.begin_s + entry.setup_s + entry.seconds
    return (
        f"{clock(entry.begin_s)}-{clock(end_s)}  {entry.name}: {entry.series} series, "
        f"value {entry.value:.2f}, {entry.why}"
    )


def clock(seconds: float) -> str:
    """Return a time as ``h:mm``."""
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02d}"


def rows(plan: Plan, entries: Sequence[Entry] | None = None) -> list[tuple[str, ...]]:
    """Return a plan as rows of a table: time, what, series, value, why, how."""
    shown = plan.entries if entries is None else entries
    return [
        (
            f"{clock(entry.begin_s)}-{clock(entry.begin_s + entry.setup_s + entry.seconds)}",
            entry.name,
            str(entry.series),
            f"{entry.value:.2f}",
            entry.why,
            entry.how,
        )
        for entry in shown
    ]
