"""A whole session on the simulated microscope: run, judge, write the summary."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from space import settings
from space.config import load_config
from space.errors import SpaceError
from space.files import write_text_atomic
from space.images import DRAWING, read_png_text
from space.project import POST_ACTION, SCRIPT, STAND_IN
from space.series import TOMOGRAMS
from space.simulation import judge
from space.simulation.depth_series import write_truth_of_series
from space.simulation.plan import ACQUIRE, Plan, grids_of, prepare_folder, setup_of
from space.simulation.problems import problems_of_the_simulator
from space.simulation.processing import process
from space.simulation.scripts import has_setting, read_script, with_own_settings, with_settings
from space.simulation.summary import summarise
from space.simulator import options
from space.simulator.script_runs import AFTER_SCRIPT, PRIMARY_SCRIPT, RUN_SCRIPT
from space.targeting import TargetingOptions

if TYPE_CHECKING:
    from space.simulator import Policy, Script

SUMMARY = "summary.json"
LOG = "simulation.log"
TRUST = "trust_simulated_model"
NUMBERS = "script_numbers"
KEY_AFTER_S = 2 * 3600.0
"""For how long a session may wait for the models before key B is pressed, in real time."""

log = logging.getLogger("space.simulation.run")


class _Stopwatch:
    """Seconds spent in each level; the session's log shows when a level ends."""

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


def run_plan(plan: Plan, show: Callable[[str], None] = print) -> dict[str, Any]:
    """Simulate a session and judge it.

    All processes that it started, such as workers, have ended when it returns or raises.

    Parameters
    ----------
    plan : Plan
    show : callable
        Gets every line of the microscope's log; all of it is in `LOG` as well.

    Returns
    -------
    dict
        What was written to ``summary.json``; ``ok`` is true if the script ended without an error.

    Raises
    ------
    SpaceError
        If scripts or settings cannot be used, before anything is written; or if the session
        cannot be opened.
    """
    from space.simulator.keeping import SessionError, open_session
    from space.simulator.report import noted_run

    out = Path(plan.out).resolve()
    script = plan.script or plan.space_dir / SCRIPT
    text = _session_text(plan, read_script(script, "--script" if plan.script else "--space-dir"))
    scripts = _action_scripts(plan, text)
    with problems_of_the_simulator():
        policy = options.read_answers(plan.answers) or _patient_user()
    prepare_folder(plan)

    watch = _Stopwatch()

    def hear(line: str) -> None:
        watch.hear(line)
        whole_log.write(f"{line}\n")
        show(line)

    try:
        with (
            (out / LOG).open("a", encoding="utf-8", buffering=1) as whole_log,
            open_session(
                out, setup_of(plan), faults=plan.faults, policy=policy, progress=hear
            ) as simulation,
        ):
            simulation.scripts.update(scripts)
            simulation.acquire_params(
                primary=PRIMARY_SCRIPT, after=AFTER_SCRIPT if AFTER_SCRIPT in scripts else 0
            )
            with noted_run(out, script.name, simulation.session) as ended:
                result = simulation.run(text, name=script.stem)
                ended(result.ok)
    except SessionError as error:
        raise SpaceError(str(error), str(out)) from error

    watch.stop("level_5" if plan.level == ACQUIRE else "end")
    summary = judged(plan, simulation, watch.seconds)
    watch.stop("judge")
    if plan.tomograms:
        truths = write_truth_of_series(simulation, out)
        summary["truth"] = [path.relative_to(out).as_posix() for path in truths]
        watch.stop("truth")
        summary["processed"] = _followed(truths, out, show) if result.ok else None
        watch.stop("processing")
    summary["ok"] = result.ok
    summary["error"] = result.error
    summary["faults"] = simulation.session.faults.report()
    write_text_atomic(out / SUMMARY, json.dumps(summary, indent=1) + "\n")
    return summary


def _followed(
    truths: Sequence[Path], out: Path, show: Callable[[str], None]
) -> dict[str, Any] | None:
    """Do what comes after the acquisition; what cannot be done costs nothing of the session."""
    series = [out / json.loads(path.read_text(encoding="utf-8"))["series"] for path in truths]
    try:
        return process(series, truths, out / TOMOGRAMS, show) if series else None
    except SpaceError as error:
        show(f"ERROR {error}")
        return None


def _patient_user() -> Policy:
    """Return the usual answers of somebody who gives the models time before pressing B.

    A slow computer needs minutes for each map, and a session that is judged must not end before.
    """
    from space.simulator import Policy

    return Policy(key_after_s=KEY_AFTER_S)


def pictures_to_open(out: Path) -> list[Path]:
    """Give the pictures of a session that were drawn for people, not for a model or by one."""
    return [path for path in sorted(Path(out).glob("*.png")) if DRAWING in read_png_text(path)]


def _session_text(plan: Plan, text: str) -> str:
    """Give the session's script the plan's settings; one of someone else may have none of ours."""
    from space.simulator.specimen import PRETILT_DEG

    ours = {
        "SPACE_DIR": str(Path(plan.space_dir).resolve()),
        "automation_level": plan.level,
        TRUST: True,  # the specimen is simulated as well
        # The stand-in counts its tilts from the stage.
        "pretilt": 0 if plan.unmilled else PRETILT_DEG[1],
        **grids_of(plan),
    }
    return with_settings(with_own_settings(text, ours), plan.settings)


def _action_scripts(plan: Plan, session_text: str) -> dict[int, Script]:
    """Give the scripts by their numbers; our post action is used with our settings only."""
    from space.simulator import Script

    scripts = {PRIMARY_SCRIPT: Script("acquisition", _primary_text(plan))}
    if has_setting(session_text, NUMBERS):
        scripts[RUN_SCRIPT] = Script("SPACEtomo", session_text)
    if plan.after is not None:
        scripts[AFTER_SCRIPT] = Script("after", read_script(plan.after, "--after"))
    elif has_setting(session_text, "SPACE_DIR"):
        space_dir = Path(plan.space_dir).resolve()
        text = read_script(space_dir / POST_ACTION, "--space-dir")
        scripts[AFTER_SCRIPT] = Script("after", with_settings(text, {"SPACE_DIR": str(space_dir)}))
    return scripts


def _primary_text(plan: Plan) -> str:
    if plan.primary is not None:
        return read_script(plan.primary, "--primary")
    values = {"step": plan.tilt_step_deg, "binning": plan.series_binning}
    if "max_tilt" in plan.settings:
        values["max_tilt"] = plan.settings["max_tilt"]
    return with_settings(read_script(Path(plan.space_dir) / STAND_IN, "--space-dir"), values)


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
    from space import steps
    from space.simulator.formats import navfile
    from space.simulator.specimen import LABELS

    out = Path(plan.out).resolve()
    used = settings.load(out) if (out / settings.SETTINGS_FILE).exists() else settings.Settings()
    map_dir = Path(used.external_map_dir or out)
    options = targeting_options(used)
    scope = simulation.session.scope
    record_um = scope.pixel_um(scope.area_mag_index("R"))
    width, height = simulation.session.camera.size_px
    scope.set_low_dose(True)
    scope.go_to_area("R")
    (a, b), (c, d) = scope.optics.stage_to_specimen()
    optics = judge.SeriesOptics(
        (width * record_um, height * record_um),
        scope.beam_diameter_um,
        float(used.max_tilt),
        ((float(a), float(b)), (float(c), float(d))),
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
                steps.grid_name_in(map_dir, out, grid.name, steps.session_id(out))
                if map_dir.is_dir()
                else "",
            )
        )
    return summarise(verdicts, seconds)
