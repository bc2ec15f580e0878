"""What a death of SerialEM leaves on disk, kept at many commands of one and the same session.

A death ends all that is only in memory. The session's folder, with the state of the microscope in
it, is all that the next run finds. A copy of it, made when a command was carried out, is therefore
what a death at this command would have left.
"""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from space.simulation.night import NightFaults
from space.simulator.keeping import LOCK

if TYPE_CHECKING:
    from space.simulator.column import FaultName

_STEPS = "space.steps"
_WORKFLOW = "space.workflow"
_BETWEEN = "between the steps"

_WORDS = {
    "open_grid": "the grid is loaded",
    "find_lamellae": "level 1: map of the grid, lamellae",
    "repair_whole_grid": "level 1: map of the grid, lamellae",
    "ensure_grid_picture": "level 1: map of the grid, lamellae",
    "refind_lamellae": "level 1: lamellae at intermediate magnification",
    "collect_maps": "levels 2 and 3: lamella maps",
    "repair_targets": "level 4: targets",
    "set_up_ready": "level 4: targets",
    "go_to_lamella_conditions": "level 4: targets",
    "keep_begun_off": "level 5: acquisition is started",
    "start_acquisition": "level 5: acquisition is started",
}
TILT_SERIES, POST_ACTION, START = "level 5: tilt series", "level 5: post action", "start of a run"
DOINGS = (START, *dict.fromkeys(_WORDS.values()), TILT_SERIES, POST_ACTION, _BETWEEN)
"""What a session can be doing when SerialEM dies, in the order of the levels."""


@dataclass(frozen=True)
class Death:
    """A command at which SerialEM dies.

    Attributes
    ----------
    number : int
        Commands carried out since the session began.
    command : str
        The last of them.
    doing : str
        What the session was doing: one of `DOINGS`.
    """

    number: int
    command: str
    doing: str


class KeptDeaths(NightFaults):
    """No fault at all; at some commands, it is kept what a death would have left.

    Parameters
    ----------
    at : container of int
        The commands, counted from 1.
    keep : callable
        Called with each `Death`.
    """

    def __init__(self, at: Container[int], keep: Callable[[Death], None]) -> None:
        super().__init__((), seed=0)
        self._at, self._keep = at, keep
        self._command = ""
        self.carried_out = 0

    def command_begins(self, name: str, acquiring: bool = False) -> None:
        """Remember the command."""
        self._command = name
        super().command_begins(name, acquiring)

    def strikes(self, name: FaultName) -> bool:
        """Keep what there is where the fault `serialem-death` would strike."""
        if name == "serialem-death":
            self.carried_out += 1
            if self.carried_out in self._at:
                self._keep(Death(self.carried_out, self._command, doing(inspect.currentframe())))
        return super().strikes(name)


def doing(frame: FrameType | None) -> str:
    """Return what a session is doing, by the calls that have led here."""
    calls = []  # the innermost first
    while frame is not None:
        calls.append((str(frame.f_globals.get("__name__", "")), frame.f_code.co_name))
        frame = frame.f_back
    if (_WORKFLOW, "run_post_action") in calls:
        return POST_ACTION
    if not any(module == _WORKFLOW for module, _ in calls):
        return TILT_SERIES
    steps = [name for module, name in calls if module.startswith(f"{_STEPS}.")]
    if not any(module == "space.grids" for module, _ in calls):
        return START
    return next((_WORDS[name] for name in reversed(steps) if name in _WORDS), _BETWEEN)


def keep_session(directory: Path, copy: Path) -> None:
    """Copy a session as it lies on disk; nobody holds the copy."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(directory, copy, ignore=shutil.ignore_patterns(LOCK))


def put_back(copy: Path, directory: Path) -> None:
    """Put a kept session where it was: its files name each other with their whole paths."""
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(copy, directory)
