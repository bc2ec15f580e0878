"""Levels 1 to 5 of one grid, as a list of steps."""

from __future__ import annotations

import logging
import time

from space import journal, noticing, steps
from space.journal import Kind
from space.microscope import navigator, save_log_file, series_needs, survives
from space.replanning import renew
from space.settings import STAGE
from space.steps import GridSession

log = logging.getLogger("space.workflow")

CHECK, FIND, COLLECT, SEGMENT, TARGETS, ACQUIRE = 0, 1, 2, 3, 4, 5
"""Levels of automation."""


def run_grid(session: GridSession, slot: int | str) -> bool:
    """Run one grid up to the level asked for; return whether acquisition will start."""
    level = session.settings.automation_level
    if navigator.is_open(session.navigator_file):
        navigator.save()  # whether a grid is acquired is judged by its file
    if level >= ACQUIRE and slot != STAGE and _is_done_with(session):
        log.info("Grid %s was acquired already: skipped.", session.grid)
        return False
    logged = steps.open_grid(session, slot)
    try:
        return _run_levels(session)
    finally:
        if logged:
            save_log_file()


def _is_done_with(session: GridSession) -> bool:
    return (
        steps.is_acquired(session) and not steps.is_asked(session) and not steps.plan_wants(session)
    )


def screen_grid(session: GridSession, slot: int | str) -> None:
    """Find and map the lamellae of a grid; each map is queued for segmentation."""
    logged = steps.open_grid(session, slot)
    try:
        _report_changed_settings(session)
        _find_and_map(session, SEGMENT)
    finally:
        if logged:
            save_log_file()


def _find_and_map(session: GridSession, level: int) -> bool:
    """Take a grid through levels 1 and 2; return whether it has lamellae to go on with."""
    began = time.monotonic()
    refines = session.settings.refines
    steps.find_lamellae(session)
    steps.repair_whole_grid(session)
    steps.ensure_grid_picture(session)
    steps.wait_for_lamellae(session, refines)
    if refines:
        steps.refind_lamellae(session)
        while steps.look_at_review(session, refines):
            steps.refind_lamellae(session)
    steps.ensure_grid_picture(session)
    began = _report_time(session, FIND, began)
    if not steps.numbers_to_visit(navigator.items()):
        log.warning("Grid %s has no lamella to collect maps of.", session.grid)
        return False
    if level < COLLECT or steps.leaves_grid(session):
        return False
    steps.collect_maps(session, segment=level >= SEGMENT)
    _report_time(session, COLLECT, began)
    return not steps.leaves_grid(session)


def _run_levels(session: GridSession) -> bool:
    level = session.settings.automation_level
    _report_changed_settings(session)
    if not _find_and_map(session, level) or level < SEGMENT:
        return False

    began = time.monotonic()
    if level == SEGMENT:
        steps.wait_for_segmentations(session, steps.SEGMENTATION_TIMEOUT_S)
        steps.draw_segmentations(session, steps.lamella_numbers())
        _report_time(session, SEGMENT, began)
        return False

    steps.go_to_lamella_conditions(session)
    series_needs.warn_of_focus_area()
    if level >= ACQUIRE:
        steps.keep_begun_off(session)
    for number in steps.lamella_numbers():
        steps.repair_targets(session, number)
    if level < ACQUIRE:
        _set_up(session, acquiring=False)
        _report_time(session, TARGETS, began)
        return False
    with survives("Not all targets were set up") as outcome:
        _set_up(session, acquiring=True)
        steps.wait_for_targets(session, lambda: _set_up(session, acquiring=True))
    if outcome.error is not None and navigator.left_to_acquire() == 0:
        raise outcome.error
    _report_time(session, TARGETS, began)
    navigator.save()  # what was set up is planned by its file
    renew(session.settings, session.directory)
    started = steps.start_acquisition(session)
    if started:
        noticing.start(session.settings, session.directory)
    return started


def _set_up(session: GridSession, acquiring: bool) -> None:
    """Set up targets, with what a person corrects meanwhile: its maps may have to be collected."""
    while True:
        before = steps.corrections(session)
        steps.set_up_ready(session, acquiring)
        if steps.corrections(session) == before or steps.leaves_grid(session):
            return
        steps.collect_maps(session, segment=True)


def _report_changed_settings(session: GridSession) -> None:
    """Warn of results that were made with other settings than those of this run."""
    numbers = steps.numbers_to_visit(navigator.items())
    remarks = steps.remarks_on_changes(session, numbers, session.settings.automation_level)
    for remark in remarks:
        log.warning("%s", remark)
    if remarks:
        log.info("What is not done yet will be done with the present settings.")


def _report_time(session: GridSession, level: int, began: float) -> float:
    now = time.monotonic()
    log.info("Level %d: %.0f s", level, now - began)
    journal.note(session.directory, Kind.LEVEL_DONE, session.grid, level=level, seconds=now - began)
    return now
