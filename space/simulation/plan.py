"""Plans of simulated sessions: a new one, or the one that the session in a folder was begun with.

What the session consists of is in its `setup.json` (`space.simulator.keeping`) and never changes.
What is done with it (level, scripts, settings ...) is kept in the marker file of its folder, and
can be changed when the session is continued.
"""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from space import settings
from space.errors import SpaceError
from space.files import write_text_atomic
from space.project import project_folder
from space.simulation.problems import problems_of_the_simulator
from space.simulator.script_runs import (
    AFTER_SCRIPT,
    PRIMARY_SCRIPT,
    RUN_SCRIPT,
    refuse_contradictions,
    session_made_of,
)

if TYPE_CHECKING:
    from space.simulator.keeping import Setup
    from space.simulator.specimen.labels import LamellaKind

MARKER = "SPACE_simulation.json"
"""Marks a folder as made by a simulation, which may empty it again; holds the plan."""

FOR_TOMOGRAMS: Mapping[str, Any] = {
    "kinds": ("good",),
    "within_um": 120.0,
    "tilt_step_deg": 3.0,
    "settings": {"max_targets": 2, "target_list": ["membranes"]},
    "tomograms": True,
}
"""A session whose series are fine and few enough to be reconstructed: fields of `Plan`."""

ACQUIRE = 5
"""Level at which grids are acquired."""

_PATHS = ("space_dir", "script", "primary", "after", "answers")
_PLAIN = ("level", "tilt_step_deg", "series_binning", "tomograms")


@dataclass(frozen=True)
class Plan:
    """What to simulate.

    Attributes
    ----------
    out : Path
        Folder for the session's files.
    space_dir : Path
        Folder of the project (where SPACEtomo.py is).
    seed, grids, lamellae, level : int
        Of the specimen: seed, number of grids, lamellae on each; and the automation level.
    script, primary, after : Path or None
        Other scripts in place of SPACEtomo.py, the stand-in for PACEtomo and the post action.
    settings : mapping
        Further settings to change at the top of the script.
    tilt_step_deg : float
        Tilt step of the stand-in.
    series_binning : int
        Binning of the stand-in's tilt series, 0 for that of Record.
    tomograms : bool
        Whether the truth about each tilt series is written, to judge tomograms by.
    resume : bool
        Go on in a folder that has a session already.
    kinds : tuple of str or None
        Categories of the lamellae on each grid, in place of `lamellae` of all sorts.
    unmilled : bool
        Grids without lamellae.
    within_um : float or None
        Use only the part of the grid within this distance of its centre, which is quicker.
    instrument : str
        Name of the microscope, or its file.
    faults : tuple of str
        What goes wrong in this run; see `space.simulator.column.faults`.
    answers : Path or None
        File with the answers to dialogs.
    serialem : str
        Version of SerialEM, "" for a recent one.
    """

    out: Path
    space_dir: Path
    seed: int = 1
    grids: int = 1
    lamellae: int = 6
    level: int = 5
    script: Path | None = None
    primary: Path | None = None
    after: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    tilt_step_deg: float = 15.0
    series_binning: int = 0
    tomograms: bool = False
    resume: bool = False
    kinds: tuple[LamellaKind, ...] | None = None
    unmilled: bool = False
    within_um: float | None = None
    instrument: str = "krios_k3"
    faults: tuple[str, ...] = ()
    answers: Path | None = None
    serialem: str = ""


def setup_of(plan: Plan) -> Setup:
    """Give what the session of a plan is made of."""
    from space.simulator.keeping import Setup

    return Setup.of(
        plan.seed,
        plan.grids,
        plan.lamellae,
        plan.kinds,
        plan.within_um,
        unmilled=plan.unmilled,
        instrument=plan.instrument,
        serialem=plan.serialem,
    )


def resumed(out: Path, given: Mapping[str, Any]) -> Plan:
    """Give the plan to continue a session: as it was begun, with what is given now.

    Parameters
    ----------
    out : Path
        The session's folder.
    given : mapping
        Fields of `Plan` by name. Settings are added to those that were changed before.

    Raises
    ------
    SpaceError
        If there is no session, or if it is made of something else than what is given.
    """
    from space.simulator.keeping import is_session

    if not is_session(out):
        raise SpaceError(
            "There is no simulated session to continue.",
            str(out),
            "Leave out --resume to begin one, or correct --out.",
        )
    with problems_of_the_simulator():
        refuse_contradictions(out, given)
        made_of = session_made_of(out)
    kept = {"space_dir": project_folder(), **_kept(out)}
    changed = {**kept.pop("settings", {}), **given.get("settings", {})}
    return Plan(out=out, resume=True, **{**made_of, **kept, **given, "settings": changed})


def prepare_folder(plan: Plan) -> None:
    """Make a plan's folder ready: new, emptied if a simulation made it, or kept to go on.

    Raises
    ------
    SpaceError
        If it holds anything that no simulation put there.
    """
    out, marker = Path(plan.out), Path(plan.out) / MARKER
    if out.exists() and any(out.iterdir()):
        if not marker.exists():
            raise SpaceError(
                "The folder holds files that were not made by a simulation.",
                str(out),
                "Choose another folder with --out, or empty this one.",
            )
        if not plan.resume:
            shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    values = {"made_by": "spacetomo simulate", "plan": _to_keep(plan)}
    write_text_atomic(marker, json.dumps(values, indent=1) + "\n")


def grids_of(plan: Plan) -> dict[str, Any]:
    """Give the settings for the grids of a plan: without an autoloader that on the stage.

    Several are acquired one after the other, with the scripts' numbers: nobody is there.
    """
    from space.simulator.column import load_instrument

    if load_instrument(plan.instrument).autoloader_slots:
        grids = {"grid_list": list(range(1, plan.grids + 1))}
        if plan.grids == 1 or plan.level < ACQUIRE:
            return grids
        numbers = (RUN_SCRIPT, PRIMARY_SCRIPT, AFTER_SCRIPT)
        return {**grids, "script_numbers": dict(zip(settings.SCRIPTS, numbers))}
    if plan.grids > 1:
        raise SpaceError(
            f"{plan.instrument} has no autoloader for {plan.grids} grids.",
            "--grids",
            "Simulate one grid, or another microscope.",
        )
    return {"grid_list": [settings.STAGE], "grid_default_name": "G1"}


def _to_keep(plan: Plan) -> dict[str, Any]:
    paths = {name: getattr(plan, name) for name in _PATHS}
    return {
        **{name: getattr(plan, name) for name in _PLAIN},
        **{name: str(Path(path).resolve()) for name, path in paths.items() if path is not None},
        "settings": {name: repr(value) for name, value in plan.settings.items()},
    }


def _kept(out: Path) -> dict[str, Any]:
    """Read what was kept; one that an earlier version made has nothing."""
    try:
        values = json.loads((out / MARKER).read_text(encoding="utf-8")).get("plan", {})
        return {
            **{name: values[name] for name in _PLAIN if name in values},
            **{name: Path(values[name]) for name in _PATHS if name in values},
            "settings": {
                name: ast.literal_eval(text) for name, text in values.get("settings", {}).items()
            },
        }
    except (OSError, ValueError, TypeError, AttributeError, SyntaxError) as error:
        raise SpaceError(
            f"The plan of this session cannot be read: {error}.",
            str(out / MARKER),
            "Begin a new session without --resume.",
        ) from None
