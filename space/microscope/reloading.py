"""A grid that was loaded again: which load this is, going to places, what SerialEM itself does."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from space.microscope import memory, navigator
from space.microscope.sem import error_text, sem_errors, serialem

_LOAD = "SPACE_LOAD_ID"
"""SerialEM variable that lives as long as the program: which load of a grid this is."""

_NO_MULTI_GRID = "SPACE_NO_MULTI_GRID"
"""SerialEM variable: that SerialEM has no session with several grids open."""

log = logging.getLogger("space.microscope")


def load_id() -> str | None:
    """Return what this program called the last load; None since SerialEM started without one."""
    sem = serialem()
    return str(sem.GetVariable(_LOAD)) if sem.IsVariableDefined(_LOAD) else None


def set_load_id(text: str) -> None:
    """Give the load that now follows a name."""
    serialem().SetPersistentVar(_LOAD, text)


@contextmanager
def at_place(x_um: float, y_um: float, z_um: float) -> Iterator[None]:
    """Go to a Navigator position as to an item: image shift zero, with the leg against backlash."""
    index = navigator.add_stage_point(x_um, y_um, z_um)
    try:
        navigator.move_to(index)
        yield
    finally:
        navigator.delete([index])


def realigned_by_serialem(index: int) -> bool:
    """Let SerialEM realign the grid by its map, if a session with several grids is open in it.

    Where none was open when it was first asked, it is not asked again until SerialEM is closed.
    Its command moves the Navigator's items with the grid. Whether it did so rightly is found out
    afterwards, as if nobody had realigned it.
    """
    sem = serialem()
    report = getattr(sem, "ReportCurrentMulGridID", None)
    command = getattr(sem, "RealignReloadedGrid", None)
    if report is None or command is None or memory.recalled(_NO_MULTI_GRID):
        return False
    log.info(
        "SerialEM is asked once for a session with several grids of its own; an error in the next "
        "line means that there is none, which is well."
    )
    try:
        answer = report()
    except sem_errors():
        # No command tells it without an error in the log: it is not asked before each grid.
        memory.remember(_NO_MULTI_GRID, "1")
        return False
    number = answer[0] if isinstance(answer, tuple) else answer
    if not isinstance(number, (int, float)) or number <= 0:
        return False
    try:
        command(int(index), 0.0, 0, 0.0, 1)
    except sem_errors() as error:
        log.warning(
            "SerialEM could not realign the reloaded grid itself (%s): it is looked for here.",
            error_text(error),
        )
        return False
    log.info("SerialEM has realigned the reloaded grid; this is checked now.")
    return True
