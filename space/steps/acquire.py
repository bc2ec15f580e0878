"""Level 5, and setting up lamellae whose segmentation comes in later."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from space.errors import SpaceError
from space.microscope import navigator
from space.microscope.navfile import SavedItem, read_navigator_file
from space.microscope.sem import reason
from space.microscope.waiting import StoppedByUserError
from space.steps import lamella_list
from space.steps.collect import map_item
from space.steps.inference import (
    SEGMENTATION_TIMEOUT_S,
    WorkerKeeper,
    job_folder,
    submit_segmentation,
    wait_for_jobs,
)
from space.steps.session import FINAL_LABEL, FIRST_LABEL, GridSession, lamella_number
from space.steps.set_up import is_set_up, set_up_targets

_log = logging.getLogger("space.workflow")


@dataclass(frozen=True)
class Standing:
    """How the maps without targets stand, by lamella number."""

    ready: tuple[tuple[int, Path], ...] = ()
    pending: tuple[int, ...] = ()
    failed: tuple[tuple[int, str], ...] = ()


def standing(session: GridSession, settled: set[int] | frozenset[int] = frozenset()) -> Standing:
    """Return how the maps without targets stand; those `settled` in this run are left out."""
    folder = job_folder(session)
    ready: list[tuple[int, Path]] = []
    pending: list[int] = []
    failed: list[tuple[int, str]] = []
    for item in lamella_list.to_visit(navigator.items()):
        number = lamella_number(item.label) or 0
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
            if status.state == "absent":
                submit_segmentation(session, picture)
            pending.append(number)
    return Standing(tuple(ready), tuple(pending), tuple(failed))


def set_up_ready(session: GridSession) -> None:
    """Set up targets of all maps that are segmented; wait while there is nothing to acquire.

    Raises
    ------
    SpaceError
        When waiting reached its time limit.
    """
    settled: set[int] = set()  # each map is dealt with once, however that ended
    while True:
        now = standing(session, settled)
        for number, why in now.failed:
            settled.add(number)
            _log.error(
                "%s was not segmented: %s. It gets no targets; see its log, then run the "
                "script again.",
                session.map_png(number).name,
                why,
            )
        for number, labels in now.ready:
            settled.add(number)
            _set_up_one(session, number, labels)
        if now.ready:
            continue  # others may have come in meanwhile
        if not now.pending:
            return
        if navigator.left_to_acquire() > 0:
            WorkerKeeper(session).look()
            _log.info(
                "%d map(s) are still being segmented; the post action sets them up during "
                "acquisition.",
                len(now.pending),
            )
            return
        try:
            _wait_for_change(session, now)
        except StoppedByUserError as stopped:
            _log.warning("%s", stopped)
            return


def _set_up_one(session: GridSession, number: int, labels: Path) -> None:
    try:
        set_up_targets(session, number, labels)
    except Exception as error:  # the other lamellae can still get targets
        _log.error("%s: no targets were set up: %s", session.map_stem(number), reason(error))


def _wait_for_change(session: GridSession, before: Standing) -> None:
    """Wait until one of the pending maps is segmented or has failed."""
    folder = job_folder(session)

    def look() -> bool | None:
        states = [
            folder.status(session.map_png(number).name, "segment").state
            for number in before.pending
        ]
        return True if any(state not in ("queued", "running") for state in states) else None

    wait_for_jobs(
        session,
        folder,
        look,
        f"the next of {len(before.pending)} segmentations",
        SEGMENTATION_TIMEOUT_S,
    )


def start_acquisition(session: GridSession) -> bool:
    """Have Acquire at Items start when this script ends; False when there is nothing to do."""
    if navigator.is_acquiring():
        _log.info("Acquire at Items is running already.")
        return True
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
    numbers = _numbers(items, FINAL_LABEL) or _numbers(items, FIRST_LABEL)
    notes = {item.note for item in items}
    return all(
        session.map_note(number) in notes and session.targets_file(number).is_file()
        for number in numbers
    )


def _numbers(items: tuple[SavedItem, ...], prefix: str) -> list[int]:
    return [
        number
        for item in items
        if item.label.startswith(prefix) and (number := lamella_number(item.label)) is not None
    ]
