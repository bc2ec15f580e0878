"""Levels 1 to 5: what SPACEtomo.py and SPACEtomo_postAction.py start."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from space import settings as settings_module
from space.config import Config, load_config
from space.errors import SpaceError
from space.jobs import needs
from space.jobs.records import TASKS
from space.lamellae.marks import lamella_number
from space.microscope import navigator, scope, series_needs
from space.microscope.log import log_to_serialem, tell_anew
from space.microscope.requirements import check_program
from space.microscope.sem import last_words, out_of_space, reason, sem_errors, serialem
from space.microscope.waiting import yes
from space.models.fitness import class_doubt
from space.packages import own_packages_missing
from space.settings import STAGE, Settings
from space.steps import acquire, begun, collect, find, identity, made_with, mend, prepare, refind
from space.steps.grid_picture import ensure_grid_picture
from space.steps.inference import SEGMENTATION_TIMEOUT_S
from space.steps.lamella_list import to_visit
from space.steps.session import GridSession
from space.steps.target_plots import draw_segmentations

_log = logging.getLogger("space.workflow")

# Levels of automation
FIND, COLLECT, SEGMENT, TARGETS, ACQUIRE = 1, 2, 3, 4, 5


# --- what the scripts call ----------------------------------------------------------------------


def run_script(script_globals: Mapping[str, Any]) -> None:
    """Run a session with the settings at the top of a script.

    A problem that the user can mend ends the script with its message, without a traceback.
    """
    _require_serialem()
    _with_messages(lambda: run(script_globals))


def run_post_action_script(space_dir: str) -> None:
    """Run the post action; its problems must not end the acquisition, so they are only told."""
    _require_serialem()
    try:
        run_post_action(Path(space_dir))
    except Exception as error:  # a script that fails here would end the acquisition
        with log_to_serialem():
            _log.error("Post action: %s", last_words(error))
            if out_of_space(error) is not None:
                # What is exposed now could not be saved; the items keep their Acquire.
                navigator.end_acquisition()


def _require_serialem() -> None:
    try:
        serialem()
    except SpaceError as error:
        raise SystemExit(str(error)) from None


def _with_messages(work: Callable[[], None]) -> None:
    try:
        work()
    except (SpaceError, OSError) as error:
        text = last_words(error)
        serialem().EchoBreakLines(f"SPACEtomo stopped: {text}")
        # A negative code makes SerialEM count the script as failed: nothing starts after it.
        serialem().Exit(-1, f"SPACEtomo stopped: {text}")


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
            _log.info("%s", left_out)
        if settings.automation_level >= SEGMENT:
            _tell_doubts(settings, config)
        scope.work_unattended()
        tell_anew()
        scope.centre_image_shift_on_tilt_axis()
        prepare.check_autoloader(settings)
        directory = _session_directory()
        map_dir = Path(settings.external_map_dir) if settings.external_map_dir else directory
        own_id = identity.session_id(directory)
        settings_module.save(settings, directory)
        if settings.external_map_dir:
            stem = identity.settings_name_in(map_dir, own_id)
            settings_module.save(settings, map_dir, f"{stem}.json")
        if settings.automation_level >= TARGETS:
            series_needs.prepare_for_series()
            series_needs.tell_what_is_missing(directory, settings.max_tilt)
        failures: list[str] = []
        names: tuple[str, ...] = ()
        for position, slot in enumerate(settings.grid_list):
            try:
                name = prepare.grid_name(slot, settings, names, prepare.earlier_names(directory))
                names = (*names, name)
                prepare.note_name(directory, slot, name)
                root = identity.grid_name_in(map_dir, directory, name, own_id)
                session = GridSession(settings, config, directory, map_dir, name, root)
                if root != name:
                    _log.info(
                        "Another session has maps of a grid %s in %s: those of this one are "
                        "called %s_L01.png and so on.",
                        name,
                        map_dir,
                        root,
                    )
                started = run_grid(session, slot)
            except Exception as error:  # unless nothing can be saved, the next grid can be done
                text = reason(error)
                failures.append(f"grid {slot}: {text}")
                _log.error("Grid %s failed: %s", slot, text)
                continue
            rest = settings.grid_list[position + 1 :]
            if started and rest:
                _log.warning(
                    "Grid %s is acquired first. Run the script again afterwards for "
                    "grid(s) %s; what is done is skipped.",
                    slot,
                    ", ".join(str(other) for other in rest),
                )
                break
        if len(failures) == len(settings.grid_list):
            raise SpaceError(
                " ".join(failures),
                do="Mend this and run the script again; what is done is skipped.",
            )
        _log.info("SPACEtomo has finished level %d.", settings.automation_level)


def _tell_doubts(settings: Settings, config: Config) -> None:
    """Say what may be wrong with the segmentation, though it can be gone on with."""
    doubts = [settings_module.doubted_targets(settings, config)]
    if not settings.external_map_dir:
        doubts.append(
            class_doubt(
                config.segmentation_model, config.segmentation_folds, config.segmentation_checkpoint
            )
        )
    for doubt in doubts:
        if doubt:
            _log.warning("Caution: %s", doubt)


def _session_directory() -> Path:
    """Return the directory of the session: SerialEM's, unless the Navigator says otherwise.

    Somebody may have changed SerialEM's directory since the last run, or SerialEM may have been
    started anew in another one. Taken for a new session, everything would be exposed once more.
    It is asked here, before anything moves and while somebody is there who pressed Run; who wants
    no question closes the Navigator first.
    """
    here = scope.working_directory()
    there = navigator.open_folder()
    if there is None or identity.is_session(here) or not identity.is_session(there):
        return here
    if yes(
        f"SerialEM's directory is {here}, where there is no session yet. The open Navigator file "
        f"belongs to the session in {there}. Yes: go on with that session. No: begin a new one in "
        f"{here}, which takes all maps anew."
    ):
        scope.set_working_directory(there)
        _log.info("Going on with the session in %s.", there)
        return there
    _log.info("A new session begins in %s.", here)
    return here


def checked(script_globals: Mapping[str, Any]) -> tuple[Settings, Config]:
    """Return the settings of a script and the model configuration when all is well.

    Raises
    ------
    SpaceError
        With every problem found, one per line.
    """
    problems = settings_module.misspelt(script_globals)
    asked = settings_module.parse(script_globals)
    config, project = None, settings_module.project_folder(asked)
    if project is not None:
        try:
            config = load_config(project)
        except SpaceError as error:
            problems.append(str(error))
    problems += settings_module.check(asked, config)
    problems += own_packages_missing()
    if project is not None and not asked.settings.external_map_dir:
        tasks = ("detect",) if asked.settings.automation_level in (FIND, COLLECT) else TASKS
        problems += needs.missing_here(config, project, tasks)
    problems = list(dict.fromkeys(problems))
    if problems or config is None:
        count = f"{len(problems)} things are wrong" if len(problems) > 1 else "One thing is wrong"
        lines = "\n".join(f"  {number}. {text}" for number, text in enumerate(problems, start=1))
        raise SpaceError(
            f"{count}; nothing was moved:\n{lines}\n",
            do="Correct this and run the script again.",
        )
    return asked.settings, config


def run_grid(session: GridSession, slot: int | str) -> bool:
    """Run one grid up to the level asked for; return whether acquisition will start."""
    level = session.settings.automation_level
    if navigator.is_open(session.navigator_file):
        navigator.save()  # whether a grid is acquired is judged by its file
    if level >= ACQUIRE and slot != STAGE and acquire.is_acquired(session):
        _log.info("Grid %s is acquired already: skipped.", session.grid)
        return False
    logged = prepare.open_grid(session, slot)
    try:
        return _run_levels(session)
    finally:
        if logged:
            prepare.save_log()


def _run_levels(session: GridSession) -> bool:
    level = session.settings.automation_level
    began = time.monotonic()
    _tell_changed_settings(session)

    find.find_lamellae(session)
    mend.mend_whole_grid(session)
    ensure_grid_picture(session)
    if session.settings.WG_offset_via_IM:
        refind.refind_lamellae(session)
        ensure_grid_picture(session)
    began = _tell_time(FIND, began)
    if not to_visit(navigator.items()):
        _log.warning("Grid %s has no lamella to go on with.", session.grid)
        return False
    if level < COLLECT:
        return False

    collect.collect_maps(session, segment=level >= SEGMENT)
    began = _tell_time(COLLECT, began)
    if level < SEGMENT:
        return False

    if level == SEGMENT:
        collect.wait_for_segmentations(session, SEGMENTATION_TIMEOUT_S)
        draw_segmentations(session, acquire.lamella_numbers())
        _tell_time(SEGMENT, began)
        return False

    collect.go_to_lamella_conditions(session)
    series_needs.tell_of_focus_area()
    if level >= ACQUIRE:
        begun.keep_begun_off(session)
    for number in acquire.lamella_numbers():
        mend.mend_targets(session, number)
    try:
        acquire.set_up_ready(session, acquiring=level >= ACQUIRE)
    except Exception as error:
        if level < ACQUIRE or navigator.left_to_acquire() == 0:
            raise
        _log.error("Not all targets were set up: %s. What is set up is acquired.", reason(error))
    _tell_time(TARGETS, began)
    if level < ACQUIRE:
        return False
    return acquire.start_acquisition(session)


def _tell_changed_settings(session: GridSession) -> None:
    """Say what is there already and was made with other settings."""
    numbers = [lamella_number(item.label) or 0 for item in to_visit(navigator.items())]
    remarks = made_with.remarks(session, numbers, session.settings.automation_level)
    for remark in remarks:
        _log.warning("%s", remark)
    if remarks:
        _log.info("What is not done yet is done with the present settings.")


def _tell_time(level: int, began: float) -> float:
    now = time.monotonic()
    _log.info("Level %d: %.0f s", level, now - began)
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
    with log_to_serialem():
        scope.work_unattended()
        scope.centre_image_shift_on_tilt_axis()
        # SerialEM has just turned Acquire off for the item that was done; on disk, that is
        # what keeps a later session from acquiring it again.
        navigator.save()
        directory = navigator.open_folder() or scope.working_directory()
        settings = settings_module.load(directory)
        config = load_config(space_dir)
        map_dir = Path(settings.external_map_dir) if settings.external_map_dir else directory
        grid = _open_grid_name()
        root = identity.grid_name_in(map_dir, directory, grid, identity.session_id(directory))
        session = GridSession(settings, config, directory, map_dir, grid, root)
        acquire.set_up_ready(session, acquiring=True)


def _open_grid_name() -> str:
    """Return the grid whose Navigator file is open."""
    try:
        return str(serialem().ReportNavFile(1)[3])
    except sem_errors() as error:
        raise SpaceError(
            "The Navigator has no file.", "post action", "Open the grid's Navigator file."
        ) from error
