"""Level 5, and setting up lamellae whose segmentation comes in later."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from space import orders
from space.errors import SpaceError
from space.journal import Kind, note
from space.lamellae import FINAL_LABEL, FIRST_LABEL, mark_of
from space.microscope import SavedItem, StoppedByUserError, navigator, read_navigator_file, survives
from space.steps import (
    groups,
    lamella_list,
    placement,
    planned,
    restitch,
    retake,
    review,
    steering,
    trial,
    tried,
)
from space.steps.begun import keep_begun_off
from space.steps.collect import go_to_lamella_conditions, map_item
from space.steps.inference import (
    SEGMENTATION_TIMEOUT_S,
    WorkerWatch,
    job_folder,
    submit_segmentation,
    wait_for_jobs,
)
from space.steps.learned import map_statuses
from space.steps.night import may_start, note_started
from space.steps.session import GridSession
from space.steps.set_up import set_up_targets
from space.steps.steering import Course
from space.steps.target_facts import choice_path, has_no_targets, is_set_up

_IN_THEIR_ORDER = ("PACEtomo", "post action", "SPACEtomo")
"""Scripts of an acquisition: for each item, after each item, when all are done."""

log = logging.getLogger("space.workflow")


@dataclass(frozen=True)
class SegmentationStates:
    """How far the maps without targets are, by lamella number.

    Attributes
    ----------
    ready : tuple of (int, Path)
        Segmented, with the file of the labels.
    pending, absent : tuple of int
        Queued or being segmented; not even queued.
    failed : tuple of (int, str)
        Not segmented, with the reason.
    """

    ready: tuple[tuple[int, Path], ...] = ()
    pending: tuple[int, ...] = ()
    absent: tuple[int, ...] = ()
    failed: tuple[tuple[int, str], ...] = ()


def segmentation_states(session: GridSession, settled: Container[int] = ()) -> SegmentationStates:
    """Return how far the maps without targets are.

    Lamellae that are `settled` in this run, and those that a person has skipped, are left out.

    Reads files and the Navigator only; nothing is queued.
    """
    folder = job_folder(session)
    ready: list[tuple[int, Path]] = []
    failed: list[tuple[int, str]] = []
    others: dict[str, list[int]] = {"pending": [], "absent": []}
    left_out = steering.left_out(session)
    for number in lamella_numbers():
        picture = session.map_png(number)
        if (
            number in settled
            or number in left_out
            or not picture.is_file()
            or map_item(session, number) is None
            or is_set_up(session, number)
        ):
            continue
        status = map_statuses(folder, [picture.name], session.settings)[picture.name]
        if status.state == "done" and status.result is not None:
            ready.append((number, status.result))
        elif status.state == "failed":
            failed.append((number, status.reason))
        else:
            others["absent" if status.state == "absent" else "pending"].append(number)
    return SegmentationStates(
        tuple(ready), tuple(others["pending"]), tuple(others["absent"]), tuple(failed)
    )


def lamella_numbers() -> list[int]:
    """Return the numbers of the lamellae to visit."""
    return lamella_list.numbers_to_visit(navigator.items())


def set_up_ready(session: GridSession, acquiring: bool) -> None:
    """Set up targets of the maps that are segmented, and wait for others.

    Parameters
    ----------
    session : GridSession
        The grid's session.
    acquiring : bool
        Whether items are being acquired, or will be after this. Then segmentations are waited for
        only while there is nothing to acquire, since the post action sets up the rest; else all
        are waited for. The key B ends the waiting.

    Raises
    ------
    SpaceError
        When waiting reached its time limit.
    """
    settled: dict[int, str] = {}  # each map is processed once: why it has no targets, or ""
    try:
        trial.try_earlier(session, lamella_numbers())
        _set_up_all(session, acquiring, settled)
    except StoppedByUserError as stopped:
        log.warning("%s", stopped)
    finally:
        if not acquiring:
            _report_missing(session, settled)


def _set_up_all(session: GridSession, acquiring: bool, settled: dict[int, str]) -> None:
    while True:
        if review.look(session):
            settled.clear()
        states = segmentation_states(session, settled)
        for number, reason in states.failed:
            settled[number] = f"it was not segmented: {reason}"
            note(session.directory, Kind.LAMELLA_SKIPPED, session.grid, number, settled[number])
            log.error(
                "%s was not segmented: %s. It gets no targets; see its log, then run the "
                "script again.",
                session.map_png(number).name,
                reason,
            )
        for number in states.absent:
            submit_segmentation(session, session.map_png(number))
        ready = dict(states.ready)
        for number in steering.visits(
            session, _in_order(session, ready), lambda: go_to_lamella_conditions(session)
        ):
            if review.look(session):
                settled.clear()  # it may be about this one, or one that was done
                break
            with survives(f"{session.map_stem(number)}: no targets were set up") as outcome:
                set_up_targets(session, number, ready[number])
            settled[number] = outcome.reason
            if outcome.failed:
                note(session.directory, Kind.LAMELLA_SKIPPED, session.grid, number, outcome.reason)
            else:
                trial.try_lamella(session, number)
        pending = states.pending + states.absent
        if steering.leaves_grid(session):
            return
        if states.ready:
            continue  # others may be segmented by now
        if not pending:
            return
        if acquiring and navigator.left_to_acquire() > 0:
            WorkerWatch(session, job_folder(session)).ensure_worker()
            log.info(
                "%d map(s) are still being segmented; the post action sets them up during "
                "acquisition.",
                len(pending),
            )
            return
        _wait_for_change(session, pending, settled)


def _in_order(session: GridSession, numbers: Iterable[int]) -> list[int]:
    known = lamella_list.load(session.lamellae_file)
    return planned.in_planned_order(session, known.in_order(numbers) if known else sorted(numbers))


def _report_missing(session: GridSession, settled: Mapping[int, str]) -> None:
    """Name the lamellae that have no targets, and why."""
    reasons = {
        number: reason
        for number in lamella_numbers()
        if (reason := _why_no_targets(session, number, settled.get(number, "")))
    }
    if reasons:
        log.warning(
            "%d of %d lamellae of grid %s have no targets:\n%s\nRun the script again to repeat "
            "what failed and to finish the rest.",
            len(reasons),
            len(lamella_numbers()),
            session.grid,
            "\n".join(f"  {session.map_stem(n)}: {reason}" for n, reason in reasons.items()),
        )


def _why_no_targets(session: GridSession, number: int, failure: str) -> str:
    """Return why a lamella has no targets, empty if it has; `failure` is that of this run."""
    picture = session.map_png(number)
    if has_no_targets(session, number):
        return f"no place in it was chosen, see {choice_path(session, number).name}"
    if is_set_up(session, number):
        return ""
    if failure:
        return failure
    if number in steering.skipped(session):
        return f"it is skipped, as ordered in {orders.CONTROL_FILE}"
    if number in placement.unseen(session):
        return "it was not recognized after the grid was loaded again"
    if number in steering.left_out(session):
        return "its note names an excluded class"
    if map_item(session, number) is None:
        return "it has no map"
    if not picture.is_file():
        return "its map cannot be used, see the messages above"
    return {
        "queued": "its segmentation waits in the queue",
        "running": "its segmentation is not finished",
    }.get(
        map_statuses(job_folder(session), [picture.name], session.settings)[picture.name].state,
        "it was not processed",
    )


def _wait_for_change(
    session: GridSession, pending: tuple[int, ...], settled: dict[int, str]
) -> None:
    """Wait until one of the pending maps is segmented or has failed, or a person corrects."""
    folder = job_folder(session)
    names = [session.map_png(number).name for number in pending]
    skipped = steering.skipped(session)

    def poll() -> bool | None:
        if review.look(session):
            settled.clear()
            return True
        if steering.skipped(session) != skipped:
            return True
        statuses = map_statuses(folder, names, session.settings).values()
        return True if any(s.state not in ("queued", "running") for s in statuses) else None

    wait_for_jobs(
        session,
        folder,
        poll,
        f"the next of {len(pending)} segmentations",
        SEGMENTATION_TIMEOUT_S,
    )


def start_acquisition(session: GridSession) -> bool:
    """Have Acquire at Items start when this script ends; False when there is nothing to do."""
    if navigator.is_acquiring():
        log.info("Acquire at Items is running already.")
        return True
    keep_begun_off(session)
    steering.keep_skipped_off(session)
    if steering.checkpoint(session) is not Course.GO_ON:
        return False
    groups.next_group(session)
    count = navigator.left_to_acquire()
    if count == 0 and planned.turned_off(session, steering.items_with_targets(session)):
        log.info("Grid %s: the plan of the night leaves out what is left on it.", session.grid)
        return False
    if count == 0:
        log.warning("Grid %s has no item to acquire: acquisition is not started.", session.grid)
        return False
    numbers = session.settings.script_numbers
    if numbers and not may_start(session.grid, _notes_to_acquire()):
        log.warning(
            "Grid %s: acquisition was started twice with the same %d item(s), and none of them was "
            "acquired. It is not started again by itself. Look at the log for the reason; the "
            "next run of this script starts it again.",
            session.grid,
            count,
        )
        return False
    navigator.save()
    if numbers:
        navigator.start_acquire_at_end(*(numbers[script] for script in _IN_THEIR_ORDER))
        note_started(session.directory)
        log.info("Acquire at Items starts with %d item(s) when this script has ended.", count)
    else:
        navigator.start_acquire_at_end()
        log.info(
            "Acquire at Items starts with %d item(s) when this script has ended. In its dialog "
            "(Final data), the primary action must be PACEtomo and the script after it "
            "SPACEtomo_postAction.",
            count,
        )
    note(session.directory, Kind.ACQUISITION_STARTED, session.grid, items=count)
    return True


def _notes_to_acquire() -> list[str]:
    return [item.note for item in navigator.items() if navigator.acquire_is_on(item.index)]


def is_acquired(session: GridSession) -> bool:
    """Whether nothing is left to do on a grid, judged by its files alone.

    Used before a grid is loaded: its Navigator file must hold a map of every lamella, a targets
    file for each map, and no item that is still set to be acquired.
    """
    try:
        items = read_navigator_file(session.navigator_file)
        known = lamella_list.load(session.lamellae_file)
    except (OSError, ValueError, SpaceError):
        return False
    if known is None or any(item.acquire for item in items) or groups.is_waiting(session):
        return False
    marks = [mark for mark, _ in lamella_list.points_to_visit(items)]
    skipped = steering.skipped(session) | lamella_list.excluded_by_hand(
        marks, known, session.settings.excluded_classes
    )
    first = set(_numbers(items, FIRST_LABEL)) - skipped
    if session.settings.refines and first:
        return False
    numbers = first | set(_numbers(items, FINAL_LABEL)) - skipped
    if _maps_are_taken_again(session, items) or tried.failed(session) - skipped:
        return False
    notes = {item.note for item in items if item.is_map}
    return all(
        session.map_note(number) in notes and _has_targets_file(session, number)
        for number in numbers
    )


def _maps_are_taken_again(session: GridSession, items: tuple[SavedItem, ...]) -> bool:
    marks = [mark_of(item.label, item.note, item.kind) for item in items]
    wanted = False
    with survives("Which maps are taken again is not known"):
        known = [mark for mark in marks if mark is not None]
        wanted = retake.is_open(session, known) or restitch.is_open(
            session, {mark.number for mark in known}
        )
    return wanted


def _has_targets_file(session: GridSession, number: int) -> bool:
    path = session.targets_file(number)
    return path.is_file() and (path.stat().st_size > 0 or has_no_targets(session, number))


def _numbers(items: tuple[SavedItem, ...], prefix: str) -> list[int]:
    marks = (mark_of(item.label, item.note, item.kind) for item in items)
    return [mark.number for mark in marks if mark is not None and mark.prefix == prefix]
