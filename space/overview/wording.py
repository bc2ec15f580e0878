"""Where a session stands and what comes next, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from space.overview.facts import LAMELLA_STATES, GridFacts, LamellaFacts, SessionFacts

_AGAIN = "Run SPACEtomo.py again"

_NEXT = {
    "not begun": "nothing was done with it yet; SPACEtomo.py begins with its whole-grid map",
    "finding": "SPACEtomo.py goes on with the whole-grid map and the detection",
    "mapping": "SPACEtomo.py collects the missing maps",
    "segmenting": "maps have to be segmented",
    "targets": "SPACEtomo.py sets up targets",
    "acquiring": "Acquire at Items takes the tilt series",
}

LEVELS = {1: "find", 2: "maps", 3: "segmentation", 4: "targets", 5: "acquisition"}
"""What a session does up to a level."""


def counts(lamellae: Sequence[LamellaFacts]) -> str:
    """Return how many lamellae are in each state: ``2 ready, 1 failed``."""
    numbers = [(sum(one.state == state for one in lamellae), state) for state in LAMELLA_STATES]
    return ", ".join(f"{number} {state}" for number, state in numbers if number) or "no lamellae"


def next_step(grid: GridFacts) -> str:
    """Return what comes next on a grid."""
    if grid.state != "done":
        return _NEXT[grid.state]
    if grid.level >= 5:
        return "nothing is left to do"
    return f"done up to level {grid.level}; for more, raise automation_level"


def attention(session: SessionFacts) -> tuple[str, ...]:
    """Return what a person should look at, a sentence with what to do for each."""
    return (*session.problems, *(text for grid in session.grids for text in _of_grid(grid)))


def _of_grid(grid: GridFacts) -> Iterator[str]:
    for problem in grid.problems:
        yield f"{grid.title}: {problem}"
    for lamella in grid.lamellae:
        name = f"{grid.title} {lamella.label}"
        if lamella.state == "failed":
            yield f"{name}: {lamella.reason}. {_AGAIN}; it is tried again."
        elif lamella.state == "begun" and not any(area.acquire for area in lamella.areas):
            yield (
                f"{name}: {lamella.reason}. It is not acquired again by itself. Look at its tilt "
                "series; acquire_begun_items = True exposes its targets once more."
            )
        elif lamella.planned:
            continue
        elif lamella.state == "ready" and lamella.reason and grid.level >= 5:
            yield f"{name}: {lamella.reason}. Turn it on to have it acquired."
