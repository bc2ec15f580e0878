"""Level 5, and setting up lamellae whose segmentation comes in later."""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

from space.errors import SpaceError
from space.lamellae.marks import FINAL_LABEL, FIRST_LABEL, lamella_number, mark_of
from space.microscope import navigator
from space.microscope.navfile import SavedItem, read_navigator_file
from space.microscope.sem import reason
from space.microscope.waiting import StoppedByUserError
from space.steps import lamella_list
from space.steps.begun import keep_begun_off
from space.steps.collect import map_item
from space.steps.inference import (
    SEGMENTATION_TIMEOUT_S,
    WorkerKeeper,
    job_folder,
    submit_segmentation,
    wait_for_jobs,
)
from space.steps.session import GridSession
from space.steps.set_up import set_up_targets
from space.steps.target_facts import choice_path, has_no_targets, is_set_up

_log = logging.getLogger("space.workflow")


@dataclass(frozen=True)
class Standing:
    """How the maps without targets stand, by lamella number.

    `pending` are queued or being segmented, `absent` are not even asked for.
    """

    ready: tuple[tuple[int, Path], ...] = ()
    pending: tuple[int, ...] = ()
    absent: tuple[int, ...] = ()
    failed: tuple[tuple[int, str], ...] = ()


def standing(session: GridSession, settled: Container[int] = ()) -> Standing:
    """Return how the maps without targets stand; those `settled` in this run are left out."""
    folder = job_folder(session)
    ready: list[tuple[int, Path]] = []
    failed: list[tuple[int, str]] = []
    others: dict[str, list[int]] = {"pending": [], "absent": []}
    for number in lamella_numbers():
        picture = session.map_png(number)
        if (
            number in settled
            or not picture.is_file()
            or map_item(session, number) is None
            or is_set_up(session, number)
        ):
            continue
        status = folder.status(picture.name, "segment")
        if status.state == "done" and status.result is not None:
            ready.append((number, status.result))
        elif status.state == "failed":
            failed.append((number, status.reason))
        else:
            others["absent" if status.state == "absent" else "pending"].append(number)
    return Standing(tuple(ready), tuple(others["pending"]), tuple(others["absent"]), tuple(failed))


def lamella_numbers() -> list[int]:
    """Return the numbers of the lamellae to visit."""
    return [lamella_number(item.label) or 0 for item in lamella_list.to_visit(navigator.items())]


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
    settled: dict[int, str] = {}  # each map is dealt with once: why it has no targets, or ""
    try:
        _set_up_all(session, acquiring, settled)
    except StoppedByUserError as stopped:
        _log.warning("%s", stopped)
    finally:
        if not acquiring:
            _tell_missing(session, settled)


def _set_up_all(session: GridSession, acquiring: bool, settled: dict[int, str]) -> None:
    while True:
        now = standing(session, settled)
        for number, why in now.failed:
            settled[number] = f"it was not segmented: {why}"
            _log.error(
                "%s was not segmented: %s. It gets no targets; see its log, then run the "
                "script again.",
                session.map_png(number).name,
                why,
            )
        for number in now.absent:
            submit_segmentation(session, session.map_png(number))
        for number, labels in now.ready:
            settled[number] = _set_up_one(session, number, labels)
        pending = now.pending + now.absent
        if now.ready:
            continue  # others may have come in meanwhile
        if not pending:
            return
        if acquiring and navigator.left_to_acquire() > 0:
            WorkerKeeper(session, job_folder(session)).look()
            _log.info(
                "%d map(s) are still being segmented; the post action sets them up during "
                "acquisition.",
                len(pending),
            )
            return
        _wait_for_change(session, pending)


def _set_up_one(session: GridSession, number: int, labels: Path) -> str:
    """Set up a lamella; return why that failed, "" if it did not."""
    try:
        set_up_targets(session, number, labels)
        return ""
    except Exception as error:  # the other lamellae can still get targets
        why = reason(error)
        _log.error("%s: no targets were set up: %s", session.map_stem(number), why)
        return why


def _tell_missing(session: GridSession, settled: Mapping[int, str]) -> None:
    """Name the lamellae that have no targets, and why."""
    folder = job_folder(session)
    missing = {}
    for number in lamella_numbers():
        picture = session.map_png(number)
        if has_no_targets(session, number):
            why = f"no place in it was chosen, see {choice_path(session, number).name}"
        elif is_set_up(session, number):
            continue
        elif settled.get(number):
            why = settled[number]
        elif map_item(session, number) is None:
            why = "it has no map"
        elif not picture.is_file():
            why = "its map is of no use, see the messages above"
        else:
            state = folder.status(picture.name, "segment").state
            why = {
                "queued": "its segmentation waits in the queue",
                "running": "its segmentation is not finished",
            }.get(state, "its segmentation was not looked at")
        missing[number] = why
    if missing:
        _log.warning(
            "%d of %d lamellae of grid %s have no targets:\n%s\nRun the script again to have what "
            "failed or was not finished done.",
            len(missing),
            len(lamella_numbers()),
            session.grid,
            "\n".join(f"  {session.map_stem(n)}: {why}" for n, why in missing.items()),
        )


def _wait_for_change(session: GridSession, pending: tuple[int, ...]) -> None:
    """Wait until one of the pending maps is segmented or has failed."""
    folder = job_folder(session)

    def look() -> bool | None:
        states = [
            folder.status(session.map_png(number).name, "segment").state for number in pending
        ]
        return True if any(state not in ("queued", "running") for state in states) else None

    wait_for_jobs(
        session,
        folder,
        look,
        f"the next of {len(pending)} segmentations",
        SEGMENTATION_TIMEOUT_S,
    )


def start_acquisition(session: GridSession) -> bool:
    """Have Acquire at Items start when this script ends; False when there is nothing to do."""
    if navigator.is_acquiring():
        _log.info("Acquire at Items is running already.")
        return True
    keep_begun_off(session)
    count = navigator.left_to_acquire()
    if count == 0:
        _log.warning("Grid %s has no item to acquire: acquisition is not started.", session.grid)
        return False
    navigator.save()
    navigator.start_acquire_at_end()
    _log.info(
        "Acquire at Items starts with %d item(s) when this script has ended. In its dialog "
        "(Final data), the primary action must be PACEtomo and the script after it "
        "SPACEtomo_postAction.",
        count,
    )
    return True


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
    if known is None or any(item.acquire for item in items):
        return False
    if session.settings.WG_offset_via_IM and any(_numbers(items, FIRST_LABEL)):
        return False
    numbers = {*_numbers(items, FINAL_LABEL), *_numbers(items, FIRST_LABEL)}
    notes = {item.note for item in items if item.is_map}
    return all(
        session.map_note(number) in notes and _has_targets_file(session, number)
        for number in numbers
    )


def _has_targets_file(session: GridSession, number: int) -> bool:
    path = session.targets_file(number)
    return path.is_file() and (path.stat().st_size > 0 or has_no_targets(session, number))


def _numbers(items: tuple[SavedItem, ...], prefix: str) -> list[int]:
    marks = (mark_of(item.label, item.note, item.kind) for item in items)
    return [mark.number for mark in marks if mark is not None and mark.prefix == prefix]
