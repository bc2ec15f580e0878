"""What SPACEtomo.py and SPACEtomo_postAction.py start."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from space import jobs, noticing, overview, report, steps
from space import settings as settings_module
from space.config import Config, load_config
from space.errors import OutOfSpaceError, SpaceError
from space.grids import grid_session, map_dir, run_grids
from space.journal import Kind, note, warnings_kept
from space.levels import ACQUIRE, CHECK, SEGMENT, TARGETS
from space.microscope import (
    check_program,
    failure_text,
    forget_warnings,
    log_to_serialem,
    navigator,
    scope,
    script,
    series_needs,
    survives,
    yes,
)
from space.packages import own_packages_missing
from space.replanning import renew
from space.settings import Settings

log = logging.getLogger("space.workflow")


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
    """Run all grids of a session up to its `automation_level`; at level 0 only check.

    Raises
    ------
    SpaceError
        When SerialEM is too old, or with all problems of the settings, before anything moves; or
        when every grid failed.
    """
    if script_globals.get("automation_level") == CHECK:
        from space.checkup import run_check

        run_check(script_globals)
        return
    check_program()
    settings, config = checked(script_globals)
    with log_to_serialem():
        left_out = settings_module.left_out(script_globals)
        if left_out:
            log.info("%s", left_out)
        if settings.automation_level >= SEGMENT and not settings.manual_selection:
            _report_doubts(settings, config)
        if settings.automation_level >= ACQUIRE:
            steps.confirm_scripts(settings)
        directory = _begin(settings)
        if settings.automation_level >= ACQUIRE:
            steps.confirm_going_on(settings, directory)
        with (
            warnings_kept(directory) as keeper,
            steps.told_when_stopped(settings, directory),
            _run_noted(directory, settings),
        ):
            steps.log_standing(directory)
            outcome = run_grids(settings, config, directory, keeper)
            if steps.was_stopped(directory):
                return
            if outcome.acquiring and settings.script_numbers:
                return  # SerialEM runs the script again
            if not outcome.acquiring and len(settings.grid_list) > 1:
                _tell_how_it_stands(directory)
            if len(outcome.failures) == len(settings.grid_list):
                raise SpaceError(
                    " ".join(outcome.failures),
                    do="Fix this and run the script again; what is done is skipped.",
                )
            if not outcome.acquiring:
                steps.wait_for_pictures(directory)
            log.info("SPACEtomo has finished level %d.", settings.automation_level)
            if not outcome.acquiring:
                text = f"Level {settings.automation_level} is finished."
                steps.tell(settings, directory, "finished", text)


def _tell_how_it_stands(directory: Path) -> None:
    """Log a table of all grids and lamellae, at the end of the last run over several grids."""
    with survives("The table of grids was not made"):
        night = steps.load_night(directory)
        log.info("%s", overview.closing_table(overview.read_session(directory), night.ended))


@contextmanager
def _run_noted(directory: Path, settings: Settings) -> Iterator[None]:
    """Note in the journal when a run began and how it ended, and report then."""
    note(directory, Kind.RUN_STARTED, level=settings.automation_level)
    try:
        yield
    except BaseException as error:
        text = failure_text(error) if isinstance(error, Exception) else type(error).__name__
        note(directory, Kind.RUN_ENDED, text=text, failed=1)
        if isinstance(error, Exception):
            report.update(directory)
        raise
    note(directory, Kind.RUN_ENDED, failed=0)
    report.update(directory)


def _begin(settings: Settings) -> Path:
    """Prepare SerialEM and save the settings; return the directory of the session."""
    scope.work_unattended()
    forget_warnings()
    scope.centre_image_shift_on_tilt_axis()
    steps.check_autoloader(settings)
    directory = _choose_directory()
    folder = map_dir(settings, directory)
    own_id = steps.ensure_session_id(directory)
    settings_module.save(settings, directory, secrets=True)
    if settings.external_map_dir:
        stem = steps.reserve_settings_name(folder, own_id)
        settings_module.save(settings, folder, f"{stem}.json")
    if settings.automation_level >= TARGETS:
        series_needs.prepare_for_series()
        series_needs.warn_of_what_is_missing(directory, settings.max_tilt)
    return directory


def _report_doubts(settings: Settings, config: Config) -> None:
    """Warn of what may be wrong with the segmentation but does not end the session."""
    from space.models.fitness import class_doubt

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
        tasks = steps.tasks_of_session(parsed.settings)
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
    session = grid_session(settings, config, directory, grid)
    with warnings_kept(directory) as keeper, steps.told_when_stopped(settings, directory):
        keeper.grid = grid
        steps.look_at_review(session)
        with survives("The tilt series were not looked at"):
            noticing.look(settings, directory)
        renew(settings, directory)
        if steps.after_item(session) is steps.Course.GO_ON:
            for number in steps.lamella_numbers():
                steps.teach_next_areas(session, number)
            with steps.record_as_set_up(session):
                steps.set_up_ready(session, acquiring=True)
            navigator.save()
            renew(settings, directory)
            steps.after_item(session)  # setting up may have taken long
        if navigator.left_to_acquire() == 0:
            steps.put_record_back(session)
            if not settings.script_numbers:
                note(directory, Kind.ACQUISITION_ENDED, grid, items=0)
            text = "All items that were set to be acquired are done."
            if steps.has_series_that_wait(session) and not settings.script_numbers:
                text += " Others wait for another magnification: run SPACEtomo.py again for them."
                log.warning("%s", text)
            steps.tell(settings, directory, "grid done", text, grid)
    _report_item(settings, directory, grid)


def _report_item(settings: Settings, directory: Path, grid: str) -> None:
    """Write the report of the grid; that of all grids when its last item is done."""
    if len(settings.grid_list) > 1 and navigator.left_to_acquire():
        report.update_grid(directory, grid)
    else:
        report.update(directory, grid)
