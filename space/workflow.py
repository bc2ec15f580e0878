"""Levels 1 to 5: what SPACEtomo.py and SPACEtomo_postAction.py start."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from space import jobs, steps
from space import settings as settings_module
from space.config import Config, load_config
from space.errors import OutOfSpaceError, SpaceError
from space.microscope import (
    check_program,
    failure_text,
    forget_warnings,
    log_to_serialem,
    navigator,
    save_log_file,
    scope,
    script,
    series_needs,
    survives,
    yes,
)
from space.models import class_doubt
from space.packages import own_packages_missing
from space.settings import STAGE, Settings
from space.steps import GridSession

log = logging.getLogger("space.workflow")

# Levels of automation
FIND, COLLECT, SEGMENT, TARGETS, ACQUIRE = 1, 2, 3, 4, 5


# --- what the scripts call ----------------------------------------------------------------------


def run_script(script_globals: Mapping[str, Any]) -> None:
    """Run a session with the settings at the top of a script.

    A problem that the user can fix ends the script with its message, without a traceback.
    """
    script.require_serialem()
    try:
        run(script_globals)
    except (SpaceError, OSError) as error:
        script.end_with(f"SPACEtomo stopped: {failure_text(error)}")


def run_post_action_script(space_dir: str) -> None:
    """Run the post action; a failure is only reported, since it must not end the acquisition.

    Only a full disk ends it, after this item: what is exposed next could not be saved. The items
    keep their Acquire.
    """
    script.require_serialem()
    with log_to_serialem():
        try:
            with survives("Post action"):
                run_post_action(Path(space_dir))
        except OutOfSpaceError as full:
            log.error("Post action: %s", full)
            navigator.end_acquisition()


# --- a session ----------------------------------------------------------------------------------


def run(script_globals: Mapping[str, Any]) -> None:
    """Run all grids of a session up to its `automation_level`.

    Raises
    ------
    SpaceError
        When SerialEM is too old, or with all problems of the settings, before anything moves; or
        when every grid failed.
    """
    check_program()
    settings, config = checked(script_globals)
    with log_to_serialem():
        left_out = settings_module.left_out(script_globals)
        if left_out:
            log.info("%s", left_out)
        if settings.automation_level >= SEGMENT:
            _report_doubts(settings, config)
        directory = _begin(settings)
        failures = _run_grids(settings, config, directory)
        if len(failures) == len(settings.grid_list):
            raise SpaceError(
                " ".join(failures),
                do="Fix this and run the script again; what is done is skipped.",
            )
        log.info("SPACEtomo has finished level %d.", settings.automation_level)


def _begin(settings: Settings) -> Path:
    """Prepare SerialEM and save the settings; return the directory of the session."""
    scope.work_unattended()
    forget_warnings()
    scope.centre_image_shift_on_tilt_axis()
    steps.check_autoloader(settings)
    directory = _choose_directory()
    map_dir = _map_dir(settings, directory)
    own_id = steps.ensure_session_id(directory)
    settings_module.save(settings, directory)
    if settings.external_map_dir:
        stem = steps.reserve_settings_name(map_dir, own_id)
        settings_module.save(settings, map_dir, f"{stem}.json")
    if settings.automation_level >= TARGETS:
        series_needs.prepare_for_series()
        series_needs.warn_of_what_is_missing(directory, settings.max_tilt)
    return directory


def _map_dir(settings: Settings, directory: Path) -> Path:
    return Path(settings.external_map_dir) if settings.external_map_dir else directory


def _run_grids(settings: Settings, config: Config, directory: Path) -> list[str]:
    """Run one grid after the other, until acquisition will start; return why grids failed."""
    failures: list[str] = []
    names: tuple[str, ...] = ()
    for position, slot in enumerate(settings.grid_list):
        started = False
        with survives(f"Grid {slot} failed") as outcome:
            earlier = steps.earlier_names(directory)
            name = steps.grid_name(slot, settings, names, earlier)
            names = (*names, name)
            steps.note_name(directory, slot, name)
            session = _grid_session(settings, config, directory, name)
            if session.map_root != name:
                log.info(
                    "Another session has maps of a grid %s in %s: those of this one are called "
                    "%s_L01.png and so on.",
                    name,
                    session.map_dir,
                    session.map_root,
                )
            started = run_grid(session, slot)
        if outcome.failed:
            failures.append(f"grid {slot}: {outcome.reason}")
        rest = settings.grid_list[position + 1 :]
        if started and rest:
            log.warning(
                "Grid %s is acquired first. Run the script again afterwards for "
                "grid(s) %s; what is done is skipped.",
                slot,
                ", ".join(str(other) for other in rest),
            )
            break
    return failures


def _grid_session(settings: Settings, config: Config, directory: Path, grid: str) -> GridSession:
    """Return the session of a grid; its files get a name in the map folder if they have none."""
    map_dir = _map_dir(settings, directory)
    root = steps.reserve_grid_name(map_dir, directory, grid, steps.ensure_session_id(directory))
    return GridSession(settings, config, directory, map_dir, grid, root)


def _report_doubts(settings: Settings, config: Config) -> None:
    """Warn of what may be wrong with the segmentation but does not end the session."""
    doubts = [settings_module.doubted_targets(settings, config)]
    if not settings.external_map_dir:
        doubts.append(
            class_doubt(
                config.segmentation_model, config.segmentation_folds, config.segmentation_checkpoint
            )
        )
    for doubt in doubts:
        if doubt:
            log.warning("Caution: %s", doubt)


def _choose_directory() -> Path:
    """Go to the directory of the session and return it: SerialEM's or that of the Navigator.

    SerialEM's directory may have been changed since the last run, or SerialEM may have been
    restarted in another one. In a new session everything would be exposed a second time. A person
    is therefore asked, before anything moves and while the one who pressed Run is there. With the
    Navigator closed there is no question.
    """
    here = scope.working_directory()
    there = navigator.open_folder()
    if there is None or steps.is_session(here) or not steps.is_session(there):
        return here
    if yes(
        f"SerialEM's directory is {here}, where there is no session yet. The open Navigator file "
        f"belongs to the session in {there}. Yes: continue that session. No: begin a new one in "
        f"{here}, which collects all maps again."
    ):
        scope.set_working_directory(there)
        log.info("The session in %s is continued.", there)
        return there
    log.info("A new session begins in %s.", here)
    return here


def checked(script_globals: Mapping[str, Any]) -> tuple[Settings, Config]:
    """Return the settings of a script and the model configuration if all are valid.

    Raises
    ------
    SpaceError
        With every problem found, one per line.
    """
    problems = settings_module.misspelt(script_globals)
    parsed = settings_module.parse(script_globals)
    config, project = None, settings_module.project_folder(parsed)
    if project is not None:
        try:
            config = load_config(project)
        except SpaceError as error:
            problems.append(str(error))
    problems += settings_module.check(parsed, config)
    problems += own_packages_missing()
    if project is not None and not parsed.settings.external_map_dir:
        tasks = ("detect",) if parsed.settings.automation_level in (FIND, COLLECT) else jobs.TASKS
        problems += jobs.missing_here(config, project, tasks)
    problems = list(dict.fromkeys(problems))
    if problems or config is None:
        count = f"{len(problems)} things are wrong" if len(problems) > 1 else "One thing is wrong"
        lines = "\n".join(f"  {number}. {text}" for number, text in enumerate(problems, start=1))
        raise SpaceError(
            f"{count}; nothing was moved:\n{lines}\n",
            do="Correct this and run the script again.",
        )
    return parsed.settings, config


def run_grid(session: GridSession, slot: int | str) -> bool:
    """Run one grid up to the level asked for; return whether acquisition will start."""
    level = session.settings.automation_level
    if navigator.is_open(session.navigator_file):
        navigator.save()  # whether a grid is acquired is judged by its file
    if level >= ACQUIRE and slot != STAGE and steps.is_acquired(session):
        log.info("Grid %s was acquired already: skipped.", session.grid)
        return False
    logged = steps.open_grid(session, slot)
    try:
        return _run_levels(session)
    finally:
        if logged:
            save_log_file()


def _run_levels(session: GridSession) -> bool:
    level = session.settings.automation_level
    began = time.monotonic()
    _report_changed_settings(session)

    steps.find_lamellae(session)
    steps.repair_whole_grid(session)
    steps.ensure_grid_picture(session)
    if session.settings.WG_offset_via_IM:
        steps.refind_lamellae(session)
        steps.ensure_grid_picture(session)
    began = _report_time(FIND, began)
    if not steps.numbers_to_visit(navigator.items()):
        log.warning("Grid %s has no lamella to collect maps of.", session.grid)
        return False
    if level < COLLECT:
        return False

    steps.collect_maps(session, segment=level >= SEGMENT)
    began = _report_time(COLLECT, began)
    if level < SEGMENT:
        return False

    if level == SEGMENT:
        steps.wait_for_segmentations(session, steps.SEGMENTATION_TIMEOUT_S)
        steps.draw_segmentations(session, steps.lamella_numbers())
        _report_time(SEGMENT, began)
        return False

    steps.go_to_lamella_conditions(session)
    series_needs.warn_of_focus_area()
    if level >= ACQUIRE:
        steps.keep_begun_off(session)
    for number in steps.lamella_numbers():
        steps.repair_targets(session, number)
    if level < ACQUIRE:
        steps.set_up_ready(session, acquiring=False)
        _report_time(TARGETS, began)
        return False
    with survives("Not all targets were set up") as outcome:
        steps.set_up_ready(session, acquiring=True)
    if outcome.error is not None and navigator.left_to_acquire() == 0:
        raise outcome.error
    _report_time(TARGETS, began)
    return steps.start_acquisition(session)


def _report_changed_settings(session: GridSession) -> None:
    """Warn of results that were made with other settings than those of this run."""
    numbers = steps.numbers_to_visit(navigator.items())
    remarks = steps.remarks_on_changes(session, numbers, session.settings.automation_level)
    for remark in remarks:
        log.warning("%s", remark)
    if remarks:
        log.info("What is not done yet will be done with the present settings.")


def _report_time(level: int, began: float) -> float:
    now = time.monotonic()
    log.info("Level %d: %.0f s", level, now - began)
    return now


# --- the post action ------------------------------------------------------------------------------


def run_post_action(space_dir: Path) -> None:
    """Set up targets of maps that were segmented meanwhile; called after each acquired item.

    Waits only when nothing else is left to acquire and segmentations are still running.

    Raises
    ------
    SpaceError
        When SerialEM is too old or the session's settings cannot be found.
    """
    check_program()
    scope.work_unattended()
    scope.centre_image_shift_on_tilt_axis()
    # SerialEM has just turned Acquire off for the item that was done; on disk, that is what keeps
    # a later session from acquiring it again.
    navigator.save()
    directory = navigator.open_folder() or scope.working_directory()
    settings = settings_module.load(directory)
    config = load_config(space_dir)
    grid = navigator.file_stem()
    session = _grid_session(settings, config, directory, grid)
    steps.set_up_ready(session, acquiring=True)
