"""A whole session on the simulated microscope: run, judge, write the summary; or one script."""

from __future__ import annotations

import json
import logging
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from space import judge, settings
from space.config import load_config
from space.errors import SpaceError
from space.files import write_text_atomic
from space.targeting import TargetingOptions

if TYPE_CHECKING:
    from space.simulator import Policy, ScriptResult
    from space.simulator.persist import Setup

MARKER = "SPACE_simulation.json"
"""Names a folder as one that a simulation made and may empty again."""

SUMMARY = "summary.json"
TRUST = "trust_simulated_model"
RUN_SCRIPT, PRIMARY_SCRIPT, AFTER_SCRIPT = 1, 2, 3
GRID_REACH_UM, STAGE_MARGIN_UM = 720.0, 110.0

log = logging.getLogger("space.simulate")


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
    resume : bool
        Go on in a folder that has a session already.
    kinds : tuple of str or None
        Categories of the lamellae on each grid, in place of `lamellae` of all sorts.
    within_um : float or None
        Use only the part of the grid within this distance of its centre, which is quicker.
    instrument : str
        Name of the microscope, or its file.
    faults : tuple of str
        What goes wrong; see `space.simulator.faults`.
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
    resume: bool = False
    kinds: tuple[str, ...] | None = None
    within_um: float | None = None
    instrument: str = "krios_300kv"
    faults: tuple[str, ...] = ()
    answers: Path | None = None
    serialem: str = ""


def with_settings(text: str, values: Mapping[str, Any]) -> str:
    """Change settings in a script's text as a person would do in the editor.

    Parameters
    ----------
    text : str
        The script; a setting is an assignment at the start of a line.
    values : mapping
        New values by name, written with `repr`.

    Raises
    ------
    SpaceError
        If the script has no such setting.
    """
    for name, value in values.items():
        pattern = re.compile(rf"^({re.escape(name)}\s*=\s*)[^#\n]*?([ \t]*(?:#.*)?)$", re.MULTILINE)
        text, n = pattern.subn(lambda m, v=value: f"{m[1]}{v!r}{m[2]}", text, count=1)
        if n == 0:
            raise SpaceError(f"The script has no setting '{name}'.", do="Check the name.")
    return text


def prepare_folder(out: Path, resume: bool) -> None:
    """Make the folder ready: new, emptied if a simulation made it, or kept to go on.

    Raises
    ------
    SpaceError
        If it holds anything that no simulation put there.
    """
    marker = out / MARKER
    if out.exists() and any(out.iterdir()):
        if not marker.exists():
            raise SpaceError(
                "The folder holds files that are not of a simulation.",
                str(out),
                "Choose another folder with --out, or empty this one.",
            )
        if not resume:
            shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    write_text_atomic(marker, json.dumps({"made_by": "spacetomo simulate"}) + "\n")


class _Stopwatch:
    """Seconds spent in each level; the session's log tells when one is over."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self.seconds: dict[str, float] = {}

    def hear(self, line: str) -> None:
        found = re.search(r"\bLevel (\d): \d+ s", line)
        if found:
            self.stop(f"level_{found[1]}")

    def stop(self, name: str) -> None:
        """Give the time since the last stop to `name`."""
        now = time.monotonic()
        self.seconds[name] = round(self.seconds.get(name, 0.0) + now - self._since, 1)
        self._since = now


def run(plan: Plan, show: Callable[[str], None] = print) -> dict[str, Any]:
    """Simulate a session and judge it.

    Parameters
    ----------
    plan : Plan
    show : callable
        Gets every line of the microscope's log, and the table at the end.

    Returns
    -------
    dict
        What was written to ``summary.json``; key ``ok`` tells whether the script ended well.
    """
    from space.simulator import Script
    from space.simulator.persist import SessionError, kept

    plan_dir = Path(plan.space_dir).resolve()
    out = Path(plan.out).resolve()
    script = plan.script or plan_dir / "SPACEtomo.py"
    values = {
        "SPACE_DIR": str(plan_dir),
        "automation_level": plan.level,
        **grids_of(plan),
    }
    text = script.read_text(encoding="utf-8")
    if re.search(rf"^{TRUST}\s*=", text, re.MULTILINE):
        # The specimen is simulated as well. (A script of someone else may lack the setting.)
        values[TRUST] = True
    text = with_settings(text, {**values, **plan.settings})
    scripts = {
        PRIMARY_SCRIPT: Script("acquisition", _primary_text(plan, plan_dir)),
        AFTER_SCRIPT: Script("after", _after_text(plan, plan_dir)),
    }
    prepare_folder(out, plan.resume)

    watch = _Stopwatch()

    def hear(line: str) -> None:
        watch.hear(line)
        show(line)

    try:
        with kept(
            out, setup_of(plan), faults=plan.faults, policy=policy_of(plan.answers), progress=hear
        ) as simulation:
            simulation.scripts.update(scripts)
            simulation.acquire_params(primary=PRIMARY_SCRIPT, after=AFTER_SCRIPT)
            result = simulation.run(text, name=script.stem)
    except SessionError as error:
        raise SpaceError(str(error), str(out)) from error

    watch.stop("level_5" if plan.level == 5 else "end")
    summary = judged(plan, simulation, watch.seconds)
    summary["ok"] = result.ok
    summary["error"] = result.error
    write_text_atomic(out / SUMMARY, json.dumps(summary, indent=1) + "\n")
    show(judge.table(summary))
    return summary


def setup_of(plan: Plan) -> Setup:
    """Give what the session of a plan is made of."""
    from space.simulator.persist import Setup

    return Setup.of(
        plan.seed,
        plan.grids,
        plan.lamellae,
        plan.kinds,
        plan.within_um or GRID_REACH_UM,
        instrument=plan.instrument,
        serialem=plan.serialem,
        stage_limit_um=plan.within_um + STAGE_MARGIN_UM if plan.within_um else None,
    )


def grids_of(plan: Plan) -> dict[str, Any]:
    """Give the settings that name the grids of a plan: without an autoloader that on the stage."""
    from space.simulator.instrument import load_instrument

    if load_instrument(plan.instrument).autoloader_slots:
        return {"grid_list": list(range(1, plan.grids + 1))}
    if plan.grids > 1:
        raise SpaceError(
            f"{plan.instrument} has no autoloader for {plan.grids} grids.",
            "--grids",
            "Simulate one grid, or another microscope.",
        )
    return {"grid_list": [settings.STAGE], "grid_default_name": "G1"}


def policy_of(answers: Path | None) -> Policy | None:
    """Read the answers to dialogs; None for the usual ones."""
    if answers is None:
        return None
    from space.simulator import Policy
    from space.simulator.policy import PolicyError

    try:
        return Policy.from_file(answers)
    except PolicyError as error:
        raise SpaceError(str(error), "--answer") from error


@dataclass(frozen=True)
class ScriptRun:
    """One script on a session that is kept on disk.

    Attributes
    ----------
    session : Path
        The session's folder.
    setup : Setup or None
        What a new session is made of; None to go on with an old one.
    script : Path or None
        The script; None to press GO in Acquire at Items at once.
    acquire : bool
        Whether to press GO in Acquire at Items (after the script).
    primary, after : Path or None
        Scripts to choose in its dialog, from here on.
    faults, answers :
        As in `Plan`.
    """

    session: Path
    setup: Setup | None = None
    script: Path | None = None
    acquire: bool = False
    primary: Path | None = None
    after: Path | None = None
    faults: tuple[str, ...] = ()
    answers: Path | None = None


def run_on_session(order: ScriptRun, show: Callable[[str], None] = print) -> ScriptResult:
    """Run a script as from the script window of a program that goes on running.

    Raises
    ------
    SpaceError
        If session or script cannot be opened.
    """
    from space.simulator import Script, ScriptResult
    from space.simulator.persist import SessionError, kept

    def read(path: Path) -> Script:
        return Script(path.stem, path.read_text(encoding="utf-8"))

    chosen = {
        RUN_SCRIPT: order.script,
        PRIMARY_SCRIPT: order.primary,
        AFTER_SCRIPT: order.after,
    }
    scripts = {number: read(path) for number, path in chosen.items() if path is not None}
    try:
        with kept(
            order.session,
            order.setup,
            faults=order.faults,
            policy=policy_of(order.answers),
            progress=show,
        ) as simulation:
            simulation.scripts.update(scripts)
            if order.primary or order.after:
                simulation.acquire_params(
                    primary=PRIMARY_SCRIPT if PRIMARY_SCRIPT in simulation.scripts else 0,
                    after=AFTER_SCRIPT if AFTER_SCRIPT in simulation.scripts else 0,
                )
            result = ScriptResult(True)
            if order.script is not None:
                result = simulation.run(scripts[RUN_SCRIPT].text, scripts[RUN_SCRIPT].name)
            if order.acquire and result.ok:
                result = simulation.run_acquire()
            return result
    except SessionError as error:
        raise SpaceError(str(error), str(order.session)) from error


def _primary_text(plan: Plan, space_dir: Path) -> str:
    if plan.primary is not None:
        return plan.primary.read_text(encoding="utf-8")
    stand_in = space_dir / "examples" / "parallel_tilt_series.py"
    values = {"step": plan.tilt_step_deg}
    if "max_tilt" in plan.settings:
        values["max_tilt"] = plan.settings["max_tilt"]
    return with_settings(stand_in.read_text(encoding="utf-8"), values)


def _after_text(plan: Plan, space_dir: Path) -> str:
    if plan.after is not None:
        return plan.after.read_text(encoding="utf-8")
    post_action = space_dir / "SPACEtomo_postAction.py"
    return with_settings(post_action.read_text(encoding="utf-8"), {"SPACE_DIR": str(space_dir)})


def columns_on_stage_deg(rotation_deg: float, inverted_x: bool = False) -> float:
    """Direction on the stage of the line along an image's columns.

    One camera pixel to the right is (cos a, -sin a) on the specimen, and the stage is turned by
    180 degrees against that, which leaves a line as it is; an inverted stage X axis mirrors it.
    """
    return rotation_deg if inverted_x else -rotation_deg


def targeting_options(used: settings.Settings) -> TargetingOptions:
    """Return what a session with these settings chose its targets by."""
    try:
        off_lamella = load_config(Path(used.SPACE_DIR)).off_lamella_classes
    except SpaceError:  # such a session was refused before it chose any
        off_lamella = None
    return TargetingOptions.of_session(used, off_lamella)


def judged(plan: Plan, simulation: Any, seconds: dict[str, float]) -> dict[str, Any]:
    """Compare all grids of a simulation with their truth."""
    from space.simulator import navfile
    from space.simulator.specimen import LABELS
    from space.steps import identity

    out = Path(plan.out).resolve()
    used = settings.load(out) if (out / settings.SETTINGS_FILE).exists() else settings.Settings()
    map_dir = Path(used.external_map_dir or out)
    options = targeting_options(used)
    scope = simulation.session.scope
    record_um = scope.pixel_um(scope.area_mag_index("R"))
    width, height = simulation.session.camera.size_px
    scope.set_low_dose(True)
    scope.go_to_area("R")
    optics = judge.Optics(
        (width * record_um, height * record_um),
        scope.beam_diameter_um,
        float(used.max_tilt),
        tuple(map(tuple, scope.optics.stage_to_specimen())),
    )
    verdicts = []
    for grid in simulation.grids.values():
        nav = out / f"{grid.name}.nav"
        items = navfile.read(nav).items if nav.exists() else ()
        exposures = [e for e in simulation.exposures if e.grid == grid.name]
        verdicts.append(
            judge.judge_grid(
                grid,
                out,
                map_dir,
                items,
                exposures,
                LABELS,
                options,
                optics,
                columns_on_stage_deg(
                    scope.rotation_deg(scope.area_mag_index("R")),
                    simulation.session.instrument.stage.invert_x,
                ),
                identity.grid_name_in(map_dir, out, grid.name, identity.session_id(out))
                if map_dir.is_dir()
                else "",
            )  # fmt: skip
        )
    return judge.summary(verdicts, seconds)
