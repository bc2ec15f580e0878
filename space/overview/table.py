"""What became of all grids and lamellae, as a table for the log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from space.overview.facts import GridFacts, LamellaFacts, SessionFacts
from space.overview.wording import counts

_STATE = 11


def closing_table(session: SessionFacts, ended: Mapping[str, str]) -> str:
    """Return a table of grids and lamellae with what became of each.

    Parameters
    ----------
    session : SessionFacts
    ended : mapping of str to str
        Why grids were skipped, by slot; empty for those that were not.
    """
    lines = [f"{len(session.grids)} grids: {counts(session.lamellae)}."]
    for grid in session.grids:
        lines += _of_grid(grid, ended.get(grid.slot, ""))
    return "\n".join(lines)


def _of_grid(grid: GridFacts, skipped: str) -> Iterator[str]:
    where = f"slot {grid.slot}" if grid.slot.isdigit() else grid.slot
    about = f"skipped: {skipped}" if skipped else counts(grid.visited)
    yield f"Grid {grid.name or '-'} ({where}): {about}"
    for lamella in grid.lamellae:
        yield f"  {_of_lamella(lamella)}"


def _of_lamella(lamella: LamellaFacts) -> str:
    label = lamella.label if lamella.number else "-"
    parts = [f"{lamella.category} ({lamella.probability:.0%})"]
    if lamella.targets:
        parts.append(f"{lamella.targets} targets")
    if lamella.series:
        parts.append(f"{len(lamella.series)} tilt series")
    if lamella.why:
        parts.append(lamella.why)
    return f"{label:<4} {lamella.state:<{_STATE}} {', '.join(parts)}"
